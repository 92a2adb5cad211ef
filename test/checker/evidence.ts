// What the checker is given: plain data, as JSON holds it. It knows nothing of how the evidence came about, so that the
// simulation and the tests against real servers (and against other schedulers) are judged by the same rules.
//
// Two clocks. TRUE time is the observer's: the changes, the faults, what consumers wrote down and the publishes are told in
// it. WALL time is what the scheduler's machine showed: nominal fire times and the ledger are told in it. They are the same
// until a fault with `clockStepMs` says that the machine's clock was put forward or back. All are epoch milliseconds.
//
// `check(evidence)` of check.ts returns the verdict, `reportOf(verdict)` of report.ts a text for people.

export interface Evidence {
  /** Shown in the report: a seed, the name of a fault. */
  readonly title: string;
  /** Watching began and ended, TRUE time. What is due too near the end to be judged is left out. */
  readonly startAt: number;
  readonly endAt: number;
  readonly tolerance: Tolerance;
  readonly schedule: readonly EntryHistory[];
  readonly triggers?: readonly ManualTrigger[];
  readonly retries?: readonly Retry[];
  readonly faults: readonly Fault[];
  readonly deliveries: readonly Delivery[];
  /** Every message that was handed to the broker, where that can be known. Without it, doubt is assumed during faults. */
  readonly publishes?: readonly Publish[];
  /** Undefined: the scheduler keeps no ledger. Then what was not delivered is missing. */
  readonly ledger?: readonly LedgerRow[];
}

export interface Tolerance {
  /** How much earlier than due something may arrive: the difference between two clocks. */
  readonly earlyMs: number;
  /** How much later than due, where nothing is wrong. */
  readonly lateMs: number;
  /** How long after the end of a fault its effects may last (reconnect, takeover). */
  readonly recoveryMs: number;
  /** How many a second go out after an outage; without it, at once. */
  readonly ratePerSecond?: number;
  /** How long before its fire time an occurrence may be claimed: 300. */
  readonly leadMs?: number;
  /** A trial in which less than this share of the nominal times is certain is void: 0.99. */
  readonly minCertainShare?: number;
}

/** All that was done to one entry, in order. */
export interface EntryHistory {
  readonly entry: string;
  readonly changes: readonly Change[];
}

/** From now on the entry is as said here. */
export interface Change {
  /** When it was asked for, TRUE time. */
  readonly invokedAt: number;
  /** When it was known to be done; null: nobody knows whether it was. */
  readonly acknowledgedAt: number | null;
  /** As it was written; null: it was removed. */
  readonly definition: Readonly<Record<string, unknown>> | null;
  readonly paused?: boolean;
  /** A pause ends with it, and its times count as after a stop: policy decides which of them run. */
  readonly catchesUp?: boolean;
  /** The entry's own number, where it is known: a name that is given again after a removal is another entry's. */
  readonly entryId?: number;
  /** WALL time from which an interval counts, where it is known; else it is taken from the first evidence. */
  readonly anchorAt?: number;
}

/** `beat trigger`. */
export interface ManualTrigger {
  readonly entry: string;
  readonly id: string;
  readonly invokedAt: number;
  readonly acknowledgedAt: number | null;
}

/** `beat retry`: what of one entry had failed was to be sent again, under its ids. What failed just then may be among it or not. */
export interface Retry {
  readonly entry: string;
  readonly ids: readonly string[];
  readonly invokedAt: number;
  readonly acknowledgedAt: number;
}

/** Something was done to the system, during which (and for the recovery after it) messages may be late, and policy decides. */
export interface Fault {
  readonly what: string;
  readonly from: number;
  readonly until: number;
  /** Overrides `tolerance.recoveryMs`. */
  readonly recoveryMs?: number;
  /** Nobody may have decided during it (crash, stall, store away), or somebody else took over: not only the broker is away. */
  readonly deciding?: boolean;
  /** Some of it was decided all the same, and may then have been handed on to another leader. */
  readonly partly?: boolean;
  /** The wall clock was put forward or, negative, back, at `from`. */
  readonly clockStepMs?: number;
}

/** What a consumer wrote down, or a local run that began. */
export interface Delivery {
  readonly entry: string;
  /** WALL; null where the message does not say: then the latest nominal time before it is meant. */
  readonly fireAt: number | null;
  readonly id: string;
  /** The broker says that it delivered it before. */
  readonly redelivered: boolean;
  readonly at: number;
  /** Of a local run: when it ended; undefined while it goes on. */
  readonly endedAt?: number;
}

export interface Publish {
  readonly id: string;
  readonly at: number;
  /** `doubtful`: neither confirmed nor refused, as far as the sender could know. */
  readonly outcome: "confirmed" | "doubtful" | "refused" | "no-queue";
}

/** A row of `beat history --json`; more fields do no harm. */
export interface LedgerRow {
  readonly id: string;
  readonly entryId?: number;
  readonly entryName: string;
  readonly fireAt: number;
  readonly untilFireAt: number;
  readonly count: number;
  readonly manual: boolean;
  readonly dueAt: number;
  readonly state: string;
  readonly reason: string | null;
}
