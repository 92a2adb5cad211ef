// What became of a fire time: a row of the outbox while it is to be sent or runs, and of the ledger for good.

import type { Instant } from "./time.ts";

export const occurrenceStates = [
  "claimed", // in the outbox: decided, not yet confirmed
  "running", // a local run has begun
  "published", // the broker confirmed it
  "ran", // a local run succeeded
  "failed", // refused for good by the broker, given up, or a local run failed; `reason` says why. `beat retry` sends it again
  "abandoned", // the process ended while it ran
  "cancelled", // withdrawn before it was known to be sent (the entry was changed, paused or removed), or ended for a newer run (`overlap: cancel`)
  "coalesced", // another occurrence of the same entry runs in its place
  "missed", // found later than its misfire_grace_time, or expired before it could be sent
  "skipped", // the run before it was still going on
  "paused", // the entry was paused
  "excluded", // left out by the entry's `except`
] as const;
export type OccurrenceState = (typeof occurrenceStates)[number];

/** One row of the outbox and ledger: one nominal fire time, or a counted range of them that share a fate. */
export interface Occurrence {
  /** UUID version 5 of (store id, entry id, fire time), the Celery task id; version 4 for a manual run; empty for passed fire times, which never had one. */
  readonly id: string;
  readonly entryId: number;
  readonly entryName: string;
  /** Nominal; the first one of a range. */
  readonly fireAt: Instant;
  /** The last fire time of a range; equal to `fireAt` for a single occurrence. */
  readonly untilFireAt: Instant;
  /** How many fire times this row stands for: 1 unless it is a range. */
  readonly count: number;
  readonly manual: boolean;
  readonly dueAt: Instant;
  readonly state: OccurrenceState;
  readonly reason: string | null;
  readonly attempts: number;
  /** How many fire times before it did not run, so that this one stands for them too. */
  readonly missedCount: number;
  /** What this run was given, JSON; null: what its entry's definition says. */
  readonly params: string | null;
  /** What the run gave back, JSON; null: nothing, or nothing that was kept (then `reason` says why). */
  readonly result: string | null;
  readonly claimedAt: Instant;
  readonly startedAt: Instant | null;
  /** When its state became final. */
  readonly settledAt: Instant | null;
  /** The version of the time-zone data in force when it was decided: `2026c`. */
  readonly timeZoneData: string | null;
}
