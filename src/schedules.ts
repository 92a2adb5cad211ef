// What people and programs do with a schedule database: change it, look into it, ask it why. It takes no running scheduler;
// one that runs hears of changes by itself.

import type { Entry } from "./core/entry.ts";
import { type Answer, explain } from "./core/explain.ts";
import type { Clock, Lease, Log, Occurrence, OccurrenceState, Store } from "./core/ports.ts";
import type { Instant } from "./core/time.ts";
import { Operations } from "./definitions/operations.ts";
import type { EngineReport } from "./dispatch/engine.ts";
import { isDead } from "./process-identity.ts";
import type { StoreOpener } from "./scheduler-options.ts";
import { whenAvailable } from "./when-available.ts";

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
  #opened: Promise<Opened> | undefined;

  protected constructor(openStore: StoreOpener, waitMs: number, clock: Clock, log: Log) {
    this.#openStore = openStore;
    this.waitMs = waitMs;
    this.clock = clock;
    this.log = log;
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
    options: { readonly origin?: "cli" | "code" | "api"; readonly replace?: boolean } = {},
  ): Promise<Entry> {
    const { origin = "code", replace = false } = options;
    return this.#change((operations) => operations.add(name, definition, origin, { replace }));
  }

  /** Adds many at once: all of them are checked before the first is written. */
  async addAll(entries: readonly { readonly name: string; readonly definition: unknown }[]): Promise<void> {
    await this.#change((operations) => operations.addAll(entries, "code"));
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

  /** Runs an entry now, beside its schedule. */
  async trigger(name: string): Promise<{ readonly id: string; readonly fireAt: Instant }> {
    return this.#change((operations) => operations.trigger(name));
  }

  async get(name: string): Promise<Entry> {
    return (await this.open()).operations.get(name);
  }

  /** By name, ascending, from after `afterName`; at most `limit`. */
  async list(query: { readonly afterName?: string; readonly limit?: number } = {}): Promise<Entry[]> {
    return (await this.open()).store.listEntries({ limit: 1_000, ...query });
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
    return (await this.open()).store.history({ limit: 100, ...query });
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
    const { show = (instant: Instant) => new Date(instant).toISOString() } = options;
    return { at, ...explain({ entry, at, now, rows, running: leader !== undefined, show }) };
  }

  async status(): Promise<SchedulerStatus> {
    const { store } = await this.open();
    const [lease, entries, outbox, [next]] = await Promise.all([
      store.currentLease(),
      store.countEntries(),
      store.outboxSummary(),
      store.dueEntries({ before: Number.MAX_SAFE_INTEGER, limit: 1 }),
    ]);
    const live = lease !== undefined && !isDead(lease) && isCurrent(lease, this.clock.now());
    return {
      store: store.location,
      leader: live ? lease : undefined,
      report: live ? (lease.report as EngineReport | null) : null,
      entries,
      nextFireAt: next?.nextFireAt ?? null,
      outbox,
    };
  }

  protected async open(): Promise<Opened> {
    this.#opened ??= this.whenAvailable(this.#openStore, this.waitMs).then((store) => ({
      store,
      operations: new Operations({ store, clock: this.clock }),
    }));
    return this.#opened;
  }

  /** Where it was opened. Whoever opened it in vain was told so. */
  protected async close(): Promise<void> {
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

/** A lease is renewed every second. One that was renewed in times to come was not since the clock was put back. */
function isCurrent({ renewedAt, expiresAt }: Lease, now: Instant): boolean {
  return expiresAt > now && renewedAt - now < expiresAt - renewedAt;
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
