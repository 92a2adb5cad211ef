// Waits for a store that is away, where that is asked for.

import { reasonOf, StoreUnavailableError } from "./core/errors.ts";
import type { Clock, Log } from "./core/ports.ts";

const tryEveryMs = 1_000;

export interface Patience {
  /** How long to try again where waiting may help. */
  readonly waitMs: number;
  readonly isStopping: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** Rejects as `attempt` does, at once where waiting does not help. */
export async function whenAvailable<Result>(
  attempt: () => Promise<Result>,
  { waitMs, isStopping, clock, log }: Patience,
): Promise<Result> {
  const endsAt = clock.monotonic() + waitMs;
  for (let told = ""; ; ) {
    try {
      return await attempt();
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
