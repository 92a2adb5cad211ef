// What people and programs do with a schedule database: change it, look into it, ask it why. It takes no running scheduler;
// one that runs hears of changes by itself.

import { randomUUID } from "node:crypto";
import type { Entry } from "./core/entry.ts";
import { BeatError, UsageError } from "./core/errors.ts";
import { type Answer, explain } from "./core/explain.ts";
import { type Occurrence, type OccurrenceState, occurrenceStates } from "./core/occurrence.ts";
import type { Clock, Lease, Log, Store } from "./core/ports.ts";
import type { Instant } from "./core/time.ts";
import type { Conflict, Writer } from "./definitions/addition.ts";
import { Operations, type Told } from "./definitions/operations.ts";
import type { EngineReport } from "./dispatch/engine.ts";
import { fireTimesAfter } from "./embedding/entry-handle.ts";
import { Run } from "./embedding/run.ts";
import { Waiting } from "./embedding/waiting.ts";
import { isDead } from "./process-identity.ts";
import { type StoreOpener, type Triggers, writtenOptions } from "./scheduler-options.ts";
import { whenAvailable } from "./when-available.ts";

/** What a run can be: fire times that never became one are in the history alone. */
const runStates = occurrenceStates.filter((state) => state !== "paused" && state !== "excluded");

/** How many rows before a time are looked at for a range that covers it. */
const rowsToExplain = 100;

interface Opened {
  readonly store: Store;
  readonly operations: Operations;
}

export abstract class Schedules {
  protected readonly clock: Clock;
  protected readonly log: Log;
  readonly #openStore: StoreOpener;
  /** How long a database that is away is waited for. */
  protected readonly waitMs: number;
  protected readonly waiting: Waiting;
  #opened: Promise<Opened> | undefined;
  #closed = false;

  protected constructor(openStore: StoreOpener, waitMs: number, clock: Clock, log: Log) {
    this.#openStore = openStore;
    this.waitMs = waitMs;
    this.clock = clock;
    this.log = log;
    this.waiting = new Waiting(clock, (query) => this.history(query));
  }

  /** Whether nothing is waited for any more. */
  abstract get stopping(): boolean;

  /** Something was changed through this object. */
  protected abstract changed(): void;

  /** The scheduler's wall clock, epoch ms. */
  now(): Instant {
    return this.clock.now();
  }

  /** Adds an entry as a schedule file would write it. */
  async add(
    name: string,
    definition: unknown,
    options: { readonly origin?: Writer; readonly conflict?: Conflict } = {},
  ): Promise<Entry> {
    const { origin = "code", conflict = "throw" } = options;
    return this.#change((operations) => operations.add(name, definition, origin, { conflict }));
  }

  /** Another trigger, in camelCase; what the entry does, and how, stays. Its progress begins anew. */
  async reschedule(
    name: string,
    trigger: Partial<Triggers>,
    { origin = "code" }: { readonly origin?: Writer } = {},
  ): Promise<Entry> {
    return this.#change((operations) => operations.reschedule(name, writtenOptions(trigger), origin));
  }

  /** Adds many as schedule files would write them, in one transaction: all of them, or none. */
  async addAll(
    entries: readonly { readonly name: string; readonly definition: unknown }[],
    { conflict = "throw" }: { readonly conflict?: Conflict } = {},
  ): Promise<Entry[]> {
    return this.#change((operations) => operations.addAll(entries, "code", { conflict }));
  }

  async remove(name: string): Promise<void> {
    await this.#change((operations) => operations.remove(name));
  }

  async pause(name: string, note?: string): Promise<Entry> {
    return this.#change((operations) => operations.pause(name, note));
  }

  /** From `missed`, the fire times of the pause count as after a stop: by default the latest of them runs. */
  async resume(name: string, options: { readonly from?: "now" | "missed" } = {}): Promise<Entry> {
    return this.#change((operations) => operations.resume(name, options.from));
  }

  /** Sends failed runs again, under their ids: one entry's or, without a name, everybody's, the newest first. Returns how many. */
  async retry(
    query: { readonly name?: string; readonly fireAt?: Instant; readonly limit?: number } = {},
  ): Promise<number> {
    return this.#change((operations) => operations.retry({ limit: 1_000, ...query }));
  }

  /** Runs an entry now, beside its schedule and under the same limits; with its own params where none are given. */
  async trigger(name: string, params?: unknown): Promise<Run> {
    const id = randomUUID();
    const here = this.waiting.outcomeOf(id);
    try {
      const row = await this.#change((operations) => operations.trigger(name, { id, params }));
      return new Run(row, this.waiting, here);
    } catch (error) {
      this.waiting.forget(id);
      throw error;
    }
  }

  /** Runs, the newest first: one entry's or everybody's, in one state, in some, or in any. */
  async runs(
    query: {
      readonly entry?: string;
      readonly state?: OccurrenceState | readonly OccurrenceState[];
      readonly limit?: number;
    } = {},
  ): Promise<Run[]> {
    const { entry, state = runStates, limit = 100 } = query;
    const states = typeof state === "string" ? [state] : state;
    for (const each of states)
      if (!occurrenceStates.includes(each))
        throw new UsageError(`a run is never "${each}"`, { remedy: `States are: ${occurrenceStates.join(", ")}.` });
    const rows = await this.history({ ...(entry !== undefined && { name: entry }), states, limit });
    return rows.filter(({ id }) => id !== "").map((row) => new Run(row, this.waiting));
  }

  /** The next `count` fire times of an entry, as its schedule names them. */
  async next(name: string, count = 1): Promise<Date[]> {
    return fireTimesAfter(await this.get(name), this.clock.now(), count);
  }

  /** What was done to an entry by this object. */
  protected abstract told(told: Told): void;

  async get(name: string): Promise<ListedEntry> {
    const entry = await (await this.open()).operations.get(name);
    return (await this.#withParked([entry]))[0]!;
  }

  /** By name, ascending, from after `afterName`; at most `limit`. */
  async list(query: { readonly afterName?: string; readonly limit?: number } = {}): Promise<ListedEntry[]> {
    const { limit = 1_000, ...rest } = query;
    return this.#withParked(await (await this.open()).store.listEntries({ ...rest, limit: checkedLimit(limit) }));
  }

  async #withParked(entries: readonly Entry[]): Promise<ListedEntry[]> {
    const why = await this.whyParked();
    return entries.map((entry) => ({ ...entry, parked: why(entry) }));
  }

  /** Why an entry waits for its job; null: it does not, as far as the scheduler that leads has told. */
  protected async whyParked(): Promise<(entry: Entry) => string | null> {
    const leader = liveLease(await (await this.open()).store.currentLease(), this.clock.now());
    const { parked } = (leader?.report ?? {}) as Partial<EngineReport>;
    const reasons = new Map(parked?.entries.map(({ id, reason }) => [id, reason]));
    return ({ id }) => reasons.get(id) ?? null;
  }

  /** The entries that fire next, soonest first. */
  async upcoming(limit: number): Promise<Entry[]> {
    const { store } = await this.open();
    const due = await store.dueEntries({ before: Number.MAX_SAFE_INTEGER, limit });
    const entries = new Map((await store.entriesById(due.map(({ id }) => id))).map((entry) => [entry.id, entry]));
    return due.flatMap(({ id }) => entries.get(id) ?? []);
  }

  /** The ledger, newest first. */
  async history(
    query: {
      readonly name?: string;
      readonly states?: readonly OccurrenceState[];
      readonly before?: Instant;
      readonly limit?: number;
    } = {},
  ): Promise<Occurrence[]> {
    const { limit = 100, ...rest } = query;
    return (await this.open()).store.history({ ...rest, limit: checkedLimit(limit) });
  }

  /**
   * Why an entry ran at a time, or did not. Without `at`: at the last fire time that has come, or the next where none has.
   * `show` writes times for people; UTC by default.
   */
  async why(
    name: string,
    options: { readonly at?: Instant; readonly show?: (at: Instant) => string } = {},
  ): Promise<Answer & { readonly at: Instant }> {
    const { store, operations } = await this.open();
    const entry = await operations.get(name);
    const now = this.clock.now();
    const [last] = options.at === undefined ? await store.history({ name, before: now + 1, limit: 1 }) : [];
    const undecided = entry.nextFireAt !== null && entry.nextFireAt <= now ? entry.nextFireAt : undefined;
    const at = options.at ?? undecided ?? last?.fireAt ?? entry.nextFireAt ?? now;
    const rows = await store.history({ name, before: at + 1, limit: rowsToExplain });
    const { leader } = await this.status();
    const parked = (await this.whyParked())(entry);
    const { show = (instant: Instant) => new Date(instant).toISOString() } = options;
    return { at, ...explain({ entry, at, now, rows, running: leader !== undefined, parked, show }) };
  }

  async status(): Promise<SchedulerStatus> {
    const { store } = await this.open();
    const [lease, entries, outbox, [next]] = await Promise.all([
      store.currentLease(),
      store.countEntries(),
      store.outboxSummary(),
      store.dueEntries({ before: Number.MAX_SAFE_INTEGER, limit: 1 }),
    ]);
    const leader = liveLease(lease, this.clock.now());
    return {
      store: store.location,
      leader,
      report: (leader?.report ?? null) as EngineReport | null,
      entries,
      nextFireAt: next?.nextFireAt ?? null,
      outbox,
    };
  }

  protected async open(): Promise<Opened> {
    if (this.#closed) throw new BeatError("this scheduler was stopped", { remedy: "Make a new one." });
    this.#opened ??= this.whenAvailable(this.#openStore, this.waitMs).then((store) => ({
      store,
      operations: new Operations({ store, clock: this.clock, onChange: (told) => this.told(told) }),
    }));
    return this.#opened;
  }

  /** Where it was opened. Whoever opened it in vain was told so. */
  protected async close(): Promise<void> {
    this.#closed = true;
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.store.close();
  }

  protected async whenAvailable<Result>(attempt: () => Promise<Result>, waitMs: number): Promise<Result> {
    const { clock, log } = this;
    return whenAvailable(attempt, { waitMs, isStopping: () => this.stopping, clock, log });
  }

  async #change<Result>(change: (operations: Operations) => Promise<Result>): Promise<Result> {
    const result = await change((await this.open()).operations);
    this.changed();
    return result;
  }
}

function checkedLimit(limit: number): number {
  if (limit >= 0) return limit;
  throw new UsageError(`limit: ${limit} is not a number of rows`);
}

/** The lease of a scheduler that is at work. */
function liveLease(lease: Lease | undefined, now: Instant): Lease | undefined {
  return lease !== undefined && !isDead(lease) && isCurrent(lease, now) ? lease : undefined;
}

/** A lease is renewed every second. One that was renewed in times to come was not since the clock was put back. */
function isCurrent({ renewedAt, expiresAt }: Lease, now: Instant): boolean {
  return expiresAt > now && renewedAt - now < expiresAt - renewedAt;
}

export interface ListedEntry extends Entry {
  /** Why it waits: its job is not registered where it would run. Null: it does not wait. */
  readonly parked: string | null;
}

export interface SchedulerStatus {
  readonly store: string;
  readonly leader: Lease | undefined;
  /** What the leader says of itself, at most a few seconds old. */
  readonly report: EngineReport | null;
  readonly entries: Awaited<ReturnType<Store["countEntries"]>>;
  /** Of the entry that fires next. */
  readonly nextFireAt: Instant | null;
  readonly outbox: Awaited<ReturnType<Store["outboxSummary"]>>;
}

/** Why no work goes out in time; empty: a scheduler leads and is ready. */
export function notReady({ report }: SchedulerStatus): readonly string[] {
  return report?.alerts.notReady ?? ["no scheduler is running on this database"];
}
