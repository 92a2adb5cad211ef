// The ledger is bounded: rows older than the retention go, in small steps, so that nothing waits for it.

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
  #cancelTimer: (() => void) | undefined;
  #working: Promise<void> = Promise.resolve();

  constructor(clock: Clock, store: Store, log: Log, keepMs: number) {
    this.#clock = clock;
    this.#store = store;
    this.#log = log;
    this.#keepMs = keepMs;
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
      this.#working = this.#step();
    });
  }

  async #step(): Promise<void> {
    try {
      const pruned = await this.#store.prune(this.#clock.now() - this.#keepMs, stepRows);
      this.#sleep(pruned === stepRows ? pauseMs : minuteMs);
    } catch (error) {
      this.#log.warn(`Old ledger rows could not be pruned; trying again: ${reasonOf(error)}`);
      this.#sleep(minuteMs);
    }
  }
}
