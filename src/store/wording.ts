// What every store says in the same words: errors, and what it writes into the ledger by itself.

import { inDoubt } from "../core/doubt.ts";
import { ConflictError, EntryNotFoundError, LeaseLostError } from "../core/errors.ts";
import type { Occurrence } from "../core/occurrence.ts";
import type { Instant } from "../core/time.ts";

/** The reason of an unsent occurrence that gave way to a newer one of its entry. */
export const supersededReason = "a newer fire time came before this one could be sent";

/** From a change's `at` until it is written, at most: as long as a database is waited for. What falls due meanwhile may be sent. */
const writingMs = 100;

/**
 * The reason of an occurrence that is taken out of the outbox at `at`. A reason in the outbox says that it was not sent, and a
 * local run is recorded before it begins; any other may have been sent once it was due, and it was due where it was claimed
 * later than now: the clock was put back since.
 */
export function withdrawnReason(
  why: string,
  { reason, attempts, dueAt, claimedAt }: Pick<Occurrence, "reason" | "attempts" | "dueAt" | "claimedAt">,
  isTask: boolean,
  at: Instant,
): string {
  const wasNotSent = !isTask || reason !== null || (attempts === 0 && dueAt > at + writingMs && claimedAt <= at);
  return wasNotSent ? why : inDoubt(why);
}

export function nameConflict(name: string): ConflictError {
  return new ConflictError(`there is an entry of the name "${name}" already`, {
    remedy: "Take another name, or change that entry.",
    place: { entry: name },
  });
}

export function revisionConflict(id: number, name: string | undefined): ConflictError {
  const who = name === undefined ? `entry ${id}` : "it";
  return new ConflictError(`${who} was changed or removed by somebody else meanwhile`, {
    remedy: "Read it again and try again.",
    ...(name !== undefined && { place: { entry: name } }),
  });
}

export function manualConflict(name: string): ConflictError {
  return new ConflictError("it is already being run by hand at this very millisecond", {
    remedy: "Try again.",
    place: { entry: name },
  });
}

export function entryGone(id: number): EntryNotFoundError {
  return new EntryNotFoundError(`there is no entry ${id}, or it was removed`, {
    remedy: "`beat list` shows all entries.",
  });
}

export function leaseLost(token: number): LeaseLostError {
  return new LeaseLostError(`the lease ${token} was given back or went to another node`, {
    remedy: "Stand by until the lease can be taken again.",
  });
}
