// Opens the store, and waits for one that is away where that is asked for.

import { reasonOf, StoreUnavailableError } from "./core/errors.ts";
import type { Clock, Log, Store } from "./core/ports.ts";

const tryEveryMs = 1_000;

export interface OpenStoreOptions {
  readonly open: () => Promise<Store>;
  /** How long to try again where waiting may help. */
  readonly waitMs: number;
  readonly isStopping: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** Rejects as `open` does, at once where waiting does not help. */
export async function openStore({ open, waitMs, isStopping, clock, log }: OpenStoreOptions): Promise<Store> {
  const endsAt = clock.monotonic() + waitMs;
  for (let told = ""; ; ) {
    try {
      return await open();
    } catch (error) {
      const isOver = isStopping() || clock.monotonic() >= endsAt;
      if (isOver || !(error instanceof StoreUnavailableError)) throw error;
      const reason = reasonOf(error);
      if (reason !== told) log.warn(`Waiting for the schedule database: ${reason}`);
      told = reason;
      await new Promise<void>((resolve) => clock.setTimer(tryEveryMs, resolve));
    }
  }
}
