// What became of occurrences goes to the ledger in batches: one transaction for all that arrived within a few
// milliseconds. Where the store is away they wait here, bounded by what is in flight, and are written when it is back.

import { reasonOf, StoreUnavailableError } from "../core/errors.ts";
import type { Clock, Log, Settlement, Store } from "../core/ports.ts";
import type { Tally } from "./tally.ts";

const gatherMs = 20;
const retryMs = 500;
const batchSize = 2_000;

export class Settlements {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #log: Log;
  readonly #tally: Tally;
  #waiting: Settlement[] = [];
  /** Since when something has waited all the time; monotonic. */
  #since = 0;
  #scheduled = false;
  #writing: Promise<void> = Promise.resolve();
  #troubled = false;
  #closed = false;

  constructor(clock: Clock, store: Store, log: Log, tally: Tally) {
    this.#clock = clock;
    this.#store = store;
    this.#log = log;
    this.#tally = tally;
  }

  /** For how long nothing could be written though something waits. */
  get waitingMs(): number {
    return this.#waiting.length === 0 ? 0 : this.#clock.monotonic() - this.#since;
  }

  add(settlement: Settlement): void {
    if (this.#waiting.push(settlement) === 1) this.#since = this.#clock.monotonic();
    this.#schedule(gatherMs);
  }

  /** Writes what waits. Resolves when it is in the store, or the store was found unavailable (false). */
  async flush(): Promise<boolean> {
    this.#writing = this.#writing.then(() => this.#write());
    await this.#writing;
    return this.#waiting.length === 0;
  }

  /** Writes what waits, and tries no more after that: what is not written is sent again, under the same id, by the next process. */
  async close(): Promise<void> {
    await this.flush();
    this.#closed = true;
  }

  #schedule(delayMs: number): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#clock.setTimer(delayMs, this.#onTimer);
  }

  // Made once: what makes a function takes memory at each call, also where it returns before.
  readonly #onTimer = () => {
    this.#scheduled = false;
    void this.flush();
  };

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, batchSize);
      try {
        await this.#store.settle(batch);
      } catch (error) {
        if (!this.#troubled) this.#log.error(`The ledger can't be written; trying again: ${reasonOf(error)}`);
        this.#troubled = true;
        this.#tally.storeErrors.ledger++;
        if (error instanceof StoreUnavailableError) this.#schedule(retryMs);
        else this.#schedule(10 * retryMs);
        return;
      }
      if (this.#troubled) this.#log.info("The ledger is written again.");
      this.#troubled = false;
      this.#tally.settled(batch);
      this.#waiting = this.#waiting.slice(batch.length);
      this.#since = this.#clock.monotonic();
    }
  }
}
