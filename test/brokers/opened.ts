// Brokers as the tests open them.

import assert from "node:assert/strict";
import type { Broker } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system-clock.ts";
import { Told } from "../contract/broker-contract.ts";

/** Opens what `make` makes; `available` waits until it takes messages. */
export function openings<Args extends readonly unknown[]>(make: (...args: Args) => Broker) {
  async function opened(...args: Args) {
    const broker = make(...args);
    const told = new Told();
    await broker.open(told);
    return { broker, told, [Symbol.asyncDispose]: () => broker.close(0) };
  }
  async function available(...args: Args) {
    const open = await opened(...args);
    await open.told.until(() => open.told.isAvailable);
    return open;
  }
  return { opened, available };
}

/** The system's clock, but for timers of `delayMs`: the last of them goes off by `fire`, which a new one replaces. */
export function heldTimer(delayMs: number) {
  const timer = {
    fire: () => {},
    clock: {
      ...systemClock,
      setTimer(ms: number, callback: () => void) {
        if (ms !== delayMs) return systemClock.setTimer(ms, callback);
        timer.fire = callback;
        return () => undefined;
      },
    },
  };
  return timer;
}

/** Waits until a broker is told to be away, for this reason. */
export async function refuses(told: Told, reason: RegExp, permanent: boolean): Promise<void> {
  const trouble = await told.trouble();
  assert.match(trouble.reason, reason);
  assert.equal(trouble.permanent, permanent);
  assert.doesNotMatch(trouble.reason, /s3cret/);
}
