// Every seam of Beat in one file. The comments are the contract: each adapter goes through the contract suite of its
// port in test/contract, the in-memory ones included.

import type { Definition } from "./definition.ts";
import type { CompiledEntry, Entry, Origin } from "./entry.ts";
import type { RequestTerms } from "./http-target.ts";
import type { Occurrence, OccurrenceState } from "./occurrence.ts";
import type { Instant } from "./time.ts";

// ---------------------------------------------------------------------------------------------------------- Clock

/** Wall time says what is due; monotonic time says how long something took. Only `system-clock.ts` reads a real one. */
export interface Clock {
  /** Wall clock, epoch milliseconds, whole. May jump either way. */
  now(): Instant;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonic(): number;
  /** Calls `callback` once, after `delayMs` of monotonic time, never synchronously. Returns its cancellation. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

// ---------------------------------------------------------------------------------------------------------- Store

/** What one pass decided for one entry. Applied whole or not at all. */
export interface Claim {
  /** As it was when this was decided: the claim holds only while its revision and its next fire time are still the same. */
  readonly entry: Entry;
  /** What it is then: its progress alone differs, or it is set aside, which is a change and gives it a new revision. */
  readonly becomes: Entry;
  /** To be sent or run: they go to the outbox as `claimed`, under the ids that the store derives for them. */
  readonly due: readonly {
    readonly fireAt: Instant;
    readonly dueAt: Instant;
    /** Default 0. */
    readonly missedCount?: number;
  }[];
  /** Ledger rows of fire times that do not run. */
  readonly passed: readonly PassedRange[];
  /** Fire times of this entry that are still unsent in the outbox and give way to a newer one. */
  readonly superseded: readonly Instant[];
}

export interface PassedRange {
  readonly fromFireAt: Instant;
  readonly untilFireAt: Instant;
  readonly count: number;
  readonly state: "coalesced" | "missed" | "paused" | "excluded";
  readonly reason: string;
}

/**
 * `claimed`: written. `stale`: the entry had changed meanwhile, nothing was written. `duplicate`: one of the fire times is
 * in the ledger already, nothing was written. An `excluded` range that is there already is left as it is.
 */
export type ClaimResult = "claimed" | "stale" | "duplicate";

/** The new state of an occurrence. `claimed` keeps it in the outbox and notes the reason. */
export interface Settlement {
  readonly entryId: number;
  readonly fireAt: Instant;
  readonly manual: boolean;
  readonly state: Exclude<OccurrenceState, "paused" | "excluded">;
  readonly reason: string | null;
  readonly attempts: number;
  /** JSON of a bounded length. Default null. */
  readonly result?: string | null;
  readonly at: Instant;
}

/** A change of entries, by anyone but the dispatcher. `expectedRevision`: null where the entry must not exist yet. */
export type EntryChange =
  | {
      readonly change: "insert";
      readonly name: string;
      readonly origin: Origin;
      readonly definition: Definition;
      readonly createdAt: Instant;
      readonly anchorAt: Instant;
      readonly nextFireAt: Instant | null;
      readonly quarantine: string | null;
    }
  | {
      readonly change: "update";
      readonly id: number;
      readonly expectedRevision: number;
      /** When the change is made: settles what it withdraws and dates the rows that go with it. */
      readonly at: Instant;
      readonly fields: Partial<
        Pick<
          Entry,
          | "origin"
          | "definition"
          | "anchorAt"
          | "nextFireAt"
          | "lastFireAt"
          | "runCount"
          | "pausedAt"
          | "pauseNote"
          | "quarantine"
        >
      >;
      /** Unsent occurrences of this entry become `cancelled` with this reason; those that may have been sent say so. */
      readonly withdraw?: string;
      /** Ledger rows that go with the change (a pause that ended). */
      readonly passed?: readonly PassedRange[];
    }
  | {
      readonly change: "remove";
      readonly id: number;
      readonly expectedRevision: number;
      readonly at: Instant;
      readonly withdraw: string;
      /** Ledger rows of fire times that had come and that nobody had decided. */
      readonly passed?: readonly PassedRange[];
    };

export interface DueEntry {
  readonly id: number;
  readonly nextFireAt: Instant;
}

export interface LeaseOwner {
  /** Random, so that nobody takes a lease by guessing. */
  readonly ownerId: string;
  /** Machine, boot and pid namespace: a process of the same host can be looked up by its pid. */
  readonly host: string;
  readonly pid: number;
}

export interface Lease extends LeaseOwner {
  /** The fencing token: grows by one with each new holder. */
  readonly token: number;
  readonly acquiredAt: Instant;
  readonly renewedAt: Instant;
  readonly expiresAt: Instant;
  /** What the leader says of itself, for `beat status`: broker, outbox, warnings. */
  readonly report: unknown;
}

/**
 * Holds entries, occurrences and the lease. Methods reject with StoreUnavailableError where waiting may help and with
 * StoreError where it does not; after either, nothing of the call was written.
 */
export interface Store {
  /** A UUID made with the store. Part of every occurrence's id. */
  readonly id: string;
  /** Shown to people. */
  readonly location: string;
  /** About how long one claim takes, ms. Crowds are claimed so much earlier. */
  readonly claimMs: number;

  // Entries

  /** All in one transaction, in order. ConflictError (and nothing written) where a revision or a name is not as expected. Returns the new entries. */
  change(changes: readonly EntryChange[]): Promise<Entry[]>;
  entryByName(name: string): Promise<Entry | undefined>;
  /** Present entries only, in any order; removed and unknown ids are left out. */
  entriesById(ids: readonly number[]): Promise<Entry[]>;
  /** By name, ascending, from after `afterName`. */
  listEntries(query: {
    readonly origin?: Origin;
    readonly originPrefix?: string;
    readonly afterName?: string;
    readonly limit: number;
  }): Promise<Entry[]>;
  /** Scheduled entries (see isScheduled) whose next fire time is before `before`, by (nextFireAt, id), from after `after`. */
  dueEntries(query: {
    readonly before: Instant;
    readonly after?: DueEntry;
    readonly limit: number;
  }): Promise<DueEntry[]>;
  /** Every entry, removed ones included, with a greater revision, by revision. Cheap where nothing changed. */
  changedSince(revision: number, limit: number): Promise<Entry[]>;
  currentRevision(): Promise<number>;
  /** Interval entries that fired at a time which is later than `now`: the wall clock was put back. */
  entriesAheadOf(now: Instant, limit: number): Promise<Entry[]>;
  /** Entries with `cron: "@reboot"` that wait for a start, by id. */
  entriesAtStart(limit: number): Promise<Entry[]>;
  countEntries(): Promise<Record<"active" | "paused" | "disabled" | "finished" | "quarantined", number>>;

  /** The version of the time-zone data with which next fire times were computed last; null: nobody said yet. */
  timeZoneData(): Promise<string | null>;
  /** Says so; occurrences that are written from now on carry it. */
  setTimeZoneData(version: string): Promise<void>;

  // Outbox and ledger

  /** One transaction. Rejects with LeaseLostError, nothing written, unless `token` is the current lease's. */
  claim(token: number, claims: readonly Claim[], now: Instant): Promise<ClaimResult[]>;
  /**
   * One transaction. Occurrences in the outbox or running change, but nobody ends a run without an attempt. The ledger tells
   * what happened: what it says gives way where one turns out to be published or to have run, and what was withdrawn or
   * abandoned to a failure as well. Others are left as they are.
   */
  settle(settlements: readonly Settlement[]): Promise<void>;
  /** Occurrences in state `claimed`, by (dueAt, entryId, fireAt), from after `after`. */
  outbox(query: { readonly after?: Occurrence; readonly limit: number }): Promise<Occurrence[]>;
  /** Puts a manual run into the outbox and gives the entry a new revision, so that the leader notices. ConflictError where the entry already has one at that instant. */
  enqueueManual(
    entryId: number,
    occurrence: { readonly id: string; readonly fireAt: Instant; readonly params?: string },
    now: Instant,
  ): Promise<void>;
  /**
   * Failed and abandoned occurrences of present entries, the newest first and at most `limit`, go back into the outbox under their ids, due
   * now, as if tried once, so that none gives way to a newer one. Their entries get new revisions. Returns how many.
   */
  requeueFailed(
    query: { readonly entryId?: number; readonly fireAt?: Instant; readonly limit: number },
    now: Instant,
  ): Promise<number>;
  /** Occurrences that a process left in state `running` become `abandoned` with `reason`, after one more try. Returns them. */
  abandonRunning(reason: string, now: Instant): Promise<Occurrence[]>;
  /** Grouped by state (claimed or running) and reason. */
  outboxSummary(): Promise<
    {
      readonly state: "claimed" | "running";
      readonly reason: string | null;
      readonly count: number;
      readonly oldestDueAt: Instant;
    }[]
  >;
  /** By fire time, newest first, from before `before`. Removed entries are found by the name they had. */
  history(query: {
    readonly name?: string;
    readonly states?: readonly OccurrenceState[];
    readonly before?: Instant;
    readonly limit: number;
  }): Promise<Occurrence[]>;
  /** How many final rows the ledger has. */
  countSettled(): Promise<number>;
  /** Deletes final ledger rows that settled before `before`, the oldest first, at most `limit`, and entries removed before it that no row needs. Returns how many rows. */
  prune(before: Instant, limit: number): Promise<number>;

  // Lease

  /**
   * Takes the lease if it is free, released, past `expiresAt` on the store's clock, or held by `owner.ownerId`, or if `evenIf`
   * is the present holder's token (the caller has proof that the holder is dead). Returns the lease in force: the caller's, or another's.
   */
  acquireLease(owner: LeaseOwner, ttlMs: number, now: Instant, evenIf?: number): Promise<Lease>;
  /** LeaseLostError where it is not the current one any more. */
  renewLease(lease: Lease, ttlMs: number, now: Instant, report: unknown): Promise<Lease>;
  /** Gives it back at once. Nothing happens where it is not held any more. */
  releaseLease(lease: Lease): Promise<void>;
  currentLease(): Promise<Lease | undefined>;

  close(): Promise<void>;
}

// --------------------------------------------------------------------------------------------------------- Broker

/** A Celery task message, protocol 2, independent of the transport. Built by celery/message.ts. */
export interface Message {
  readonly id: string;
  /** Where to: the destination that can be missing or full on its own. */
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly priority: number;
  readonly persistent: boolean;
  readonly replyTo: string;
  /** What only some brokers know, under their own names: MessageGroupId (SQS), result_ttl and failure_ttl (RQ, seconds). */
  readonly properties?: Readonly<Record<string, string | number>>;
  /** Epoch ms after which nobody wants it. */
  readonly expiresAt: Instant | null;
  /** How its queue is made where it is missing and the broker is to make it. Undefined: where no queue is named, or as Celery's client makes one that nobody described. */
  readonly declaration?: QueueDeclaration | undefined;
  /** What makes it a request over HTTP: `headers` and `body` are the request's then, and `queue` names the host. */
  readonly request?: RequestTerms;
}

export interface QueueDeclaration {
  readonly queue: string;
  /** RabbitMQ's: `{"x-queue-type": "quorum"}`. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** The queue is bound to it by `routingKey`. */
  readonly exchange: string;
  readonly exchangeType: "direct" | "topic" | "fanout" | "headers";
  readonly routingKey: string;
}

/**
 * `confirmed`: the broker has it. `no-queue`: its destination is not there (yet); it may be sent again later.
 * `refused`: the broker will never take this message. `unavailable`: unknown or not sent; it must be sent again, under the same id.
 */
export type PublishOutcome =
  | { readonly result: "confirmed" }
  | {
      readonly result: "no-queue" | "refused" | "unavailable";
      readonly reason: string;
      /** The destination asked not to be tried earlier than after so long. */
      readonly retryAfterMs?: number;
    };

export interface BrokerListener {
  /** The broker can take messages (again). */
  available(): void;
  /** It can't; `permanent` where only a human can help (wrong password). It goes on trying in both cases. */
  unavailable(reason: string, permanent: boolean): void;
  /** Something that an operator wants to know, e.g. that messages wait and no worker reads. One sentence. */
  notice(text: string): void;
}

export interface Broker {
  /** For people: the URL with its secrets masked. */
  readonly url: string;
  /** How many unconfirmed messages it takes at once. */
  readonly window: number;
  /** What is no sign of trouble: each message has a time of its own, after which it is settled. Default: silence is one. */
  readonly mayBeSilent?: boolean;
  /** How rarely a destination in trouble is tried at least. Default 2 s. */
  readonly longestRetryMs?: number;
  /** Begins to connect, and keeps trying with backoff until closed. Never rejects for a broker that is away. */
  open(listener: BrokerListener): Promise<void>;
  /**
   * Sends messages in order. `settle` is called exactly once for each, never synchronously, in any order, also when the
   * connection breaks or the broker is closed (`unavailable`).
   */
  publish(messages: readonly Message[], settle: (message: Message, outcome: PublishOutcome) => void): void;
  /** Waits for outstanding confirmations at most `drainMs`, then closes. */
  close(drainMs: number): Promise<void>;
}

// --------------------------------------------------------------------------------------------------------- Runner

/** What a local run was told. */
export interface Run extends Pick<CompiledEntry, "entry" | "policy" | "target"> {
  readonly id: string;
  readonly fireAt: Instant;
  readonly dueAt: Instant;
  readonly manual: boolean;
  /** Once it has begun: 1 for the first try. */
  readonly attempt: number;
  /** It was begun before by somebody else, and is to be run again: it waits where a new one would be skipped. */
  readonly isAgain: boolean;
  /** How many fire times before this one did not run. */
  readonly missedCount: number;
  /** JSON, as the run or its entry says; undefined: nothing. The runner hands on a copy. */
  readonly params: unknown;
}

export interface RunOutcome {
  readonly result: "ran" | "failed" | "skipped" | "cancelled";
  readonly reason: string | null;
  /** What the run gave back, and as JSON for the ledger; null: nothing, or nothing that can be kept. */
  readonly value?: unknown;
  readonly json?: string | null;
  /** What was thrown. */
  readonly error?: unknown;
  /** It failed by its `timeout`. */
  readonly timedOut?: boolean;
  /** It failed since the runner was closed. */
  readonly stopped?: boolean;
  /** Trying again would not help. */
  readonly final?: boolean;
}

/** How many runs ended by themselves while the runner was being closed, and how many were aborted. */
export interface Closed {
  readonly finished: number;
  readonly aborted: number;
}

/** Told, never synchronously, what became of a run, and when that was. */
export type Settle<R extends Run> = (run: R, outcome: RunOutcome, at: Instant) => void;

/** Of a run that may begin; kept until it ends or is given back. */
export interface Place {
  /** Begins the run, now. Never throws. */
  start(now: Instant): void;
  /** The run will not begin. */
  giveBack(): void;
}

export interface Runner {
  /**
   * Undefined where the run may begin now; else why not: `skipped` for good, `wait` until any run ends, `queued` until one of its
   * entry does, `crowded` until one of its job does.
   */
  admit(run: Run): undefined | { readonly result: "skipped" | "wait" | "queued" | "crowded"; readonly reason: string };
  /** Keeps a place for a run that was admitted. `settle` is called exactly once if it is started. */
  reserve<R extends Run>(run: R, settle: Settle<R>): Place;
  readonly running: number;
  /** Waits for the runs that go on at most `drainMs`, then aborts them and settles them as failed. */
  close(drainMs: number): Promise<Closed>;
}

// ------------------------------------------------------------------------------------------------------------ Log

/** Structured: a sentence and fields. Secrets are masked by the logger. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
