// How many entries are set aside: counted anew after a change, at most so often.

import { reasonOf } from "../core/errors.ts";
import type { Clock, Log, Store } from "../core/ports.ts";
import { secondMs } from "../core/time.ts";

const countEveryMs = 10 * secondMs;

export class SetAside {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #log: Log;
  #revision = -1;
  #countedAt = Number.NEGATIVE_INFINITY;
  /** As it was counted last. */
  count = 0;

  constructor(clock: Clock, store: Store, log: Log) {
    this.#clock = clock;
    this.#store = store;
    this.#log = log;
  }

  /** `revision`: the last change that was noticed. Never rejects. */
  async look(revision: number): Promise<void> {
    const now = this.#clock.monotonic();
    if (revision === this.#revision || now - this.#countedAt < countEveryMs) return;
    this.#countedAt = now;
    try {
      this.count = (await this.#store.countEntries()).quarantined;
      this.#revision = revision;
    } catch (error) {
      this.#log.debug(`Entries could not be counted; trying again: ${reasonOf(error)}`);
    }
  }
}
