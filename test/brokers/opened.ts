// Brokers as the tests open them.

import assert from "node:assert/strict";
import type { Broker } from "../../src/core/ports.ts";
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

/** Waits until a broker is told to be away, for this reason. */
export async function refuses(told: Told, reason: RegExp, permanent: boolean): Promise<void> {
  const trouble = await told.trouble();
  assert.match(trouble.reason, reason);
  assert.equal(trouble.permanent, permanent);
  assert.doesNotMatch(trouble.reason, /s3cret/);
}
