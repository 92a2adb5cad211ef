// The ledger is bounded, by age and by number: the oldest rows beyond either go, in small steps, so that nothing waits for it. It is
// looked after once a minute, and sooner for a while after there was much to do: more may be coming.

import { reasonOf } from "../core/errors.ts";
import type { Clock, Log, Store } from "../core/ports.ts";
import { minuteMs } from "../core/time.ts";

const stepRows = 1_000;
const pauseMs = 50;

export class Retention {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #log: Log;
  readonly #keepMs: number;
  readonly #keepRows: number;
  #cancelTimer: (() => void) | undefined;
  #working: Promise<void> = Promise.resolve();

  constructor(clock: Clock, store: Store, log: Log, keepMs: number, keepRows: number) {
    this.#clock = clock;
    this.#store = store;
    this.#log = log;
    this.#keepMs = keepMs;
    this.#keepRows = keepRows;
  }

  start(): void {
    this.#sleep(minuteMs);
  }

  async stop(): Promise<void> {
    this.#cancelTimer?.();
    await this.#working;
    this.#cancelTimer?.();
  }

  #sleep(delayMs: number): void {
    this.#cancelTimer = this.#clock.setTimer(delayMs, () => {
      this.#working = this.#step(delayMs);
    });
  }

  async #step(sleptMs: number): Promise<void> {
    try {
      const aged = await this.#store.prune(this.#clock.now() - this.#keepMs, stepRows);
      const excess = aged === stepRows ? stepRows : (await this.#store.countSettled()) - this.#keepRows;
      if (aged < stepRows && excess > 0) await this.#store.prune(Number.MAX_SAFE_INTEGER, Math.min(excess, stepRows));
      this.#sleep(excess >= stepRows ? pauseMs : Math.min(4 * sleptMs, minuteMs));
    } catch (error) {
      this.#log.warn(`Old ledger rows could not be pruned; trying again: ${reasonOf(error)}`);
      this.#sleep(minuteMs);
    }
  }
}
