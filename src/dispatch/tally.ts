// What this process has done since it began, in plain numbers: counting costs nanoseconds, and whoever wants to know reads
// them. `beat status --json` and the metrics show the same ones.

import type { OccurrenceState } from "../core/occurrence.ts";
import type { Claim, PublishOutcome, Settlement } from "../core/ports.ts";

/** What becomes of an occurrence. What fell due in a pause is recorded by whoever resumes the entry, and is not counted here. */
const outcomes = [
  "published",
  "ran",
  "failed",
  "abandoned",
  "coalesced",
  "missed",
  "skipped",
  "excluded",
  "cancelled",
] as const;
type Outcome = (typeof outcomes)[number] & OccurrenceState;

const answers = ["confirmed", "no-queue", "refused", "unavailable"] as const satisfies PublishOutcome["result"][];
const storeWork = ["tick", "lease", "ledger"] as const;

/** Upper bounds, ms. */
const bounds = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 3_600_000];

/** How many were how late: `counts` for each bound, and one more for what was later than all of them. */
export interface LatenessReport {
  readonly boundsMs: readonly number[];
  readonly counts: readonly number[];
  readonly sumMs: number;
}

class Lateness implements LatenessReport {
  readonly boundsMs: readonly number[] = bounds;
  readonly counts: number[] = [...bounds, 0].map(() => 0);
  sumMs = 0;

  add(lateMs: number): void {
    // A clock that was put back makes nothing early.
    const ms = Math.max(0, lateMs);
    let index = 0;
    while (index < bounds.length && ms > bounds[index]!) index++;
    this.counts[index]!++;
    this.sumMs += ms;
  }
}

export class Tally {
  readonly occurrences = zeros<Outcome>(outcomes);
  /** What brokers answered to messages. */
  readonly publishes = zeros(answers);
  /** How often a connection to the broker came about. */
  connections = 0;
  /** What could not be read or written in the store, by what wanted to. */
  readonly storeErrors = zeros(storeWork);
  /** Terms that began here, and those of others that were seen to begin. */
  readonly terms = { own: 0, others: 0 };
  /** From due time to the broker's confirmation, and to the beginning of a run. */
  readonly lateness = { message: new Lateness(), run: new Lateness() };

  /** The ledger has them. */
  settled(settlements: readonly Settlement[]): void {
    for (const { state } of settlements) if (state !== "claimed" && state !== "running") this.occurrences[state]++;
  }

  /** The claim was written. */
  claimed({ passed, superseded }: Claim): void {
    for (const { state, count } of passed) if (state !== "paused") this.occurrences[state] += count;
    this.occurrences.coalesced += superseded.length;
  }
}

function zeros<Key extends string>(keys: readonly Key[]): Record<Key, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<Key, number>;
}
