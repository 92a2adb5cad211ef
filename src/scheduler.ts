// The composition root: the stages in the order in which data flows through them. Definitions go into the store, the
// dispatcher claims what is due, the relay sends it to the broker or the local runner, the ledger keeps what became of it.

import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { connectBroker } from "./brokers/connect.ts";
import { type MessageBuilder, prepareMessage } from "./celery/message.ts";
import { type Definition, definitionKeys, parseDefinition, type Target } from "./core/definition.ts";
import { type Entry, triggerOf } from "./core/entry.ts";
import { BeatError, reasonOf, UsageError } from "./core/errors.ts";
import type { Broker, Clock, Lease, Log, Occurrence, OccurrenceState, Store } from "./core/ports.ts";
import { type Instant, parseDuration } from "./core/time.ts";
import { nextFireTime } from "./core/triggers/trigger.ts";
import { type AppliedFiles, Operations } from "./definitions/operations.ts";
import { type LoadedFiles, loadScheduleFiles, schedulesRoot } from "./definitions/parse.ts";
import { watchScheduleFiles } from "./definitions/watch.ts";
import { Engine, type EngineReport } from "./dispatch/engine.ts";
import type { Encode } from "./dispatch/relay.ts";
import { createLog } from "./log.ts";
import { isDead, thisProcess } from "./process-identity.ts";
import type { JobFunction } from "./runner/job.ts";
import { createRunner } from "./runner/runner.ts";
import { MemoryStore } from "./store/memory.ts";
import { openSqliteStore, type SqliteOptions } from "./store/sqlite.ts";
import { systemClock } from "./system-clock.ts";

export interface SchedulerOptions {
  /** Where entries and their progress are kept: `sqlite("beat.sqlite")`, or memory, which ends with the process (default). */
  readonly store?: StoreOpener;
  /** Celery's broker URL for entries with a `task`. Without one, tasks can't be sent; local jobs need none. */
  readonly broker?: string;
  /** The queue of tasks that name none. Default `celery`, as Celery's. */
  readonly defaultQueue?: string;
  /** Create queues that are missing, instead of waiting until a worker does. */
  readonly declareQueues?: boolean;
  /** Schedule files, or folders of them; read at the start, and again whenever they change. */
  readonly schedules?: readonly string[];
  /** The only folder from which `job: file#export` modules are loaded. Default: the first schedules folder. */
  readonly jobsDir?: string;
  /** The zone of entries added in code that name none. Default UTC. */
  readonly timezone?: string;
  /** How long the ledger is kept. Default 7 days. */
  readonly retention?: string | number;
  /** How long stop() waits for what goes on. Default 30 s. */
  readonly drain?: string | number;
  readonly log?: Log;
  readonly clock?: Clock;
}

export type StoreOpener = () => Promise<Store>;

/** A schedule database in a file, made and migrated where needed. */
export function sqlite(path: string, options: SqliteOptions = {}): StoreOpener {
  return () => openSqliteStore(path, options);
}

/** Entries that live as long as the process. */
export function memory(): StoreOpener {
  return async () => new MemoryStore();
}

type CamelCase<Key extends string> = Key extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Key;

/** Everything that an entry may have beside its trigger and target, in camelCase. */
export type EntryOptions = {
  readonly [Key in keyof Omit<Definition, "every" | "crontab" | "cron" | "at" | "task" | "run" | "job"> &
    string as CamelCase<Key>]?: (Key extends "start_at" | "end_at" ? Date : never) | Definition[Key];
} & { readonly name?: string };

/** A function of this program, or a Celery task, or a command. */
export type Work = JobFunction | { readonly task: string } | { readonly run: string | readonly string[] };

export interface Handle {
  readonly name: string;
  /** The next `count` fire times after now. */
  next(count?: number): Date[];
}

export class Scheduler implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #drainMs: number;
  readonly #retentionMs: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #jobs = new Map<string, JobFunction>();
  readonly #names = new Set<string>();
  #opened: Promise<Opened> | undefined;
  #added: Promise<void> = Promise.resolve();
  #engine: Engine | undefined;
  #watch: { close(): Promise<void> } | undefined;
  #started: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #onStopped!: () => void;
  readonly #untilStopped = new Promise<void>((resolve) => {
    this.#onStopped = resolve;
  });

  constructor(options: SchedulerOptions = {}) {
    this.#options = options;
    this.#drainMs = durationOption("drain", options.drain ?? "30s");
    this.#retentionMs = durationOption("retention", options.retention ?? "7d");
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? createLog({ level: "warn" });
  }

  // ------------------------------------------------------------------------------------------------- what to schedule

  /** Every so often: `30s`, `1h30m`, or seconds. */
  every(interval: string | number, work: Work, options: EntryOptions = {}): Handle {
    return this.#define({ every: interval }, `every ${interval}`, work, options);
  }

  /** Unix cron: five fields, day-of-month OR day-of-week. */
  cron(expression: string, work: Work, options: EntryOptions = {}): Handle {
    return this.#define({ cron: expression }, `cron ${expression}`, work, options);
  }

  /** Celery's crontab: five fields or its arguments, day-of-month AND day-of-week. */
  crontab(expression: NonNullable<Definition["crontab"]>, work: Work, options: EntryOptions = {}): Handle {
    return this.#define({ crontab: expression }, `crontab ${JSON.stringify(expression)}`, work, options);
  }

  /** Once, or once at each of several times. A text is local to the entry's zone unless it carries an offset. */
  at(when: Date | string | readonly (Date | string)[], work: Work, options: EntryOptions = {}): Handle {
    const list = (Array.isArray(when) ? when : [when]) as readonly (Date | string)[];
    const at = list.map((one) => (one instanceof Date ? one.toISOString() : one));
    return this.#define({ at }, `at ${at.join(", ")}`, work, options);
  }

  #define(trigger: Record<string, unknown>, label: string, work: Work, options: EntryOptions): Handle {
    const { name: wanted, ...rest } = options;
    const name = this.#freeName(
      wanted ?? (typeof work === "function" && work.name ? work.name : label),
      wanted !== undefined,
    );
    const target = typeof work === "function" ? { job: name } : work;
    const raw = { timezone: this.#options.timezone ?? "UTC", ...trigger, ...target, ...snakeCase(rest) };
    const definition = parseDefinition(raw, { entry: name });
    if (typeof work === "function") this.#jobs.set(name, work);
    this.#names.add(name);
    const added = this.#added.then(async () => {
      const { operations } = await this.#open();
      await operations.add(name, definition, "code", { replace: true });
      this.#engine?.wake();
    });
    // start() reports it; nothing may be left unhandled until then.
    this.#added = added;
    added.catch(() => {});
    const trigger_ = triggerOf({ definition, name, anchorAt: this.#clock.now(), lastFireAt: null });
    return {
      name,
      next: (count = 1) => {
        const times: Date[] = [];
        for (
          let at = nextFireTime(trigger_, this.#clock.now());
          at !== null && times.length < count;
          at = nextFireTime(trigger_, at)
        ) {
          times.push(new Date(at));
        }
        return times;
      },
    };
  }

  #freeName(base: string, exact: boolean): string {
    if (!this.#names.has(base)) return base;
    if (exact)
      throw new BeatError(`there is an entry "${base}" already`, {
        remedy: "Give each entry a name of its own.",
        place: { entry: base },
      });
    for (let number = 2; ; number++) if (!this.#names.has(`${base} ${number}`)) return `${base} ${number}`;
  }

  // ---------------------------------------------------------------------------------------------------------- running

  /** Starts in the background. Resolves when it leads or stands by. */
  async start(): Promise<void> {
    this.#started ??= this.#start();
    await this.#started;
  }

  /** Starts, and goes on until stop(), SIGINT or SIGTERM; then drains. A second signal ends the process at once. */
  async run(): Promise<void> {
    const signals = ["SIGINT", "SIGTERM"] as const;
    const onSignal = (signal: NodeJS.Signals) => {
      for (const each of signals) process.removeListener(each, onSignal);
      this.#log.info(`${signal}: finishing what goes on; again to end at once.`);
      void this.stop();
    };
    for (const signal of signals) process.on(signal, onSignal);
    try {
      await this.start();
      await this.#untilStopped;
      await this.#stopped;
    } finally {
      for (const signal of signals) process.removeListener(signal, onSignal);
    }
  }

  /** Lets what goes on end within the drain time, then ends it. What was claimed and not sent stays in the outbox. */
  async stop(options: { readonly drain?: string | number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.drain === undefined ? this.#drainMs : durationOption("drain", options.drain));
    await this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    const { operations, store } = await this.#open();
    await this.#added;
    const { schedules = [], broker: url } = this.#options;
    if (schedules.length > 0) await this.#follow(schedules, operations);
    const broker = url === undefined ? undefined : await this.#connect(url);
    const jobsDir = this.#options.jobsDir ?? (schedules.length > 0 ? schedulesRoot(schedules) : undefined);
    this.#engine = new Engine({
      clock: this.#clock,
      store,
      log: this.#log,
      broker,
      runner: createRunner({ clock: this.#clock, log: this.#log, jobs: this.#jobs, jobsDir }),
      encode: messageEncoder(this.#defaultQueue),
      owner: thisProcess(),
      isDead,
      random: Math.random,
      retentionMs: this.#retentionMs,
    });
    if (this.#stopped === undefined) await this.#engine.start();
  }

  async #stop(drainMs: number): Promise<void> {
    try {
      await this.#started?.catch(() => {});
      await this.#watch?.close();
      await this.#engine?.stop(drainMs);
      await this.#added.catch(() => {});
      // Whoever opened it in vain was told so.
      const opened = await this.#opened?.catch(() => undefined);
      await opened?.store.close();
    } finally {
      this.#onStopped();
    }
  }

  async #follow(paths: readonly string[], operations: Operations): Promise<void> {
    const { jobsDir } = this.#options;
    const read = async () => {
      this.#tellOf(
        await operations.applyFiles(await loadScheduleFiles(paths, jobsDir === undefined ? {} : { jobsDir })),
      );
      this.#engine?.wake();
    };
    this.#watch = watchScheduleFiles(paths, { clock: this.#clock, log: this.#log }, read);
    await read();
  }

  #tellOf({ summary, problems }: AppliedFiles): void {
    for (const problem of problems) this.#log.error(reasonOf(problem));
    if (summary !== "") this.#log.info(summary);
  }

  async #connect(url: string): Promise<Broker> {
    return connectBroker(url, {
      clock: this.#clock,
      log: this.#log,
      declareQueues: this.#options.declareQueues ?? false,
      defaultQueue: this.#defaultQueue,
    });
  }

  get #defaultQueue(): string {
    return this.#options.defaultQueue ?? "celery";
  }

  /** Whether stop() was called. */
  get stopping(): boolean {
    return this.#stopped !== undefined;
  }

  /** The scheduler's wall clock, epoch ms. */
  now(): Instant {
    return this.#clock.now();
  }

  // ------------------------------------------------------------------------------------------- operating on the store

  async #open(): Promise<Opened> {
    this.#opened ??= (this.#options.store ?? memory())().then((store) => ({
      store,
      operations: new Operations({ store, clock: this.#clock }),
    }));
    return this.#opened;
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

  async resume(name: string): Promise<Entry> {
    return this.#change((operations) => operations.resume(name));
  }

  /** Runs an entry now, beside its schedule. */
  async trigger(name: string): Promise<{ readonly id: string; readonly fireAt: Instant }> {
    return this.#change((operations) => operations.trigger(name));
  }

  async get(name: string): Promise<Entry> {
    return (await this.#open()).operations.get(name);
  }

  /** By name, ascending, from after `afterName`; at most `limit`. */
  async list(query: { readonly afterName?: string; readonly limit?: number } = {}): Promise<Entry[]> {
    return (await this.#open()).store.listEntries({ limit: 1_000, ...query });
  }

  /** The entries that fire next, soonest first. */
  async upcoming(limit: number): Promise<Entry[]> {
    const { store } = await this.#open();
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
    return (await this.#open()).store.history({ limit: 100, ...query });
  }

  async status(): Promise<SchedulerStatus> {
    const { store } = await this.#open();
    const [lease, entries, outbox] = await Promise.all([
      store.currentLease(),
      store.countEntries(),
      store.outboxSummary(),
    ]);
    const live = lease !== undefined && !isDead(lease) && lease.expiresAt > this.#clock.now();
    return {
      store: store.location,
      leader: live ? lease : undefined,
      report: live ? (lease.report as EngineReport | null) : null,
      entries,
      outbox,
    };
  }

  async #change<Result>(change: (operations: Operations) => Promise<Result>): Promise<Result> {
    const result = await change((await this.#open()).operations);
    this.#engine?.wake();
    return result;
  }
}

interface Opened {
  readonly store: Store;
  readonly operations: Operations;
}

export interface SchedulerStatus {
  readonly store: string;
  readonly leader: Lease | undefined;
  /** What the leader says of itself, at most a few seconds old. */
  readonly report: EngineReport | null;
  readonly entries: Awaited<ReturnType<Store["countEntries"]>>;
  readonly outbox: Awaited<ReturnType<Store["outboxSummary"]>>;
}

/** Encodes occurrences of tasks. What an entry's messages have in common is prepared once for as long as its target lives. */
function messageEncoder(defaultQueue: string): Encode {
  const origin = `beat@${hostname()}`;
  const builders = new WeakMap<Target, MessageBuilder>();
  return ({ entry, target, trigger }, { id, fireAt }) => {
    if (target.kind !== "task") throw new BeatError(`a ${target.kind} is not sent to a broker`);
    let build = builders.get(target);
    if (build === undefined) {
      build = prepareMessage({ entryName: entry.name, target, defaultQueue, origin });
      builders.set(target, build);
    }
    return build({ id, fireAt, nextFireAt: target.options.expires === "next" ? nextFireTime(trigger, fireAt) : null });
  };
}

/** Reads and checks schedule files without a store. */
export async function checkScheduleFiles(paths: readonly string[]): Promise<LoadedFiles> {
  return loadScheduleFiles(paths);
}

/** The broker that `beat start` uses where none is named: a file beside the schedule database that Celery workers read. */
export function embeddedBrokerUrl(scheduleDb: string): string {
  const path = resolve(scheduleDb);
  const file = resolve(dirname(path), `${path.slice(dirname(path).length + 1).replace(/\.[^.]*$/, "")}-broker.sqlite`);
  return `sqla+sqlite:///${file}`;
}

function durationOption(name: string, value: string | number): number {
  try {
    return parseDuration(value);
  } catch (error) {
    throw new UsageError(`${name}: ${reasonOf(error)}`);
  }
}

function snakeCase(options: Record<string, unknown>): Record<string, unknown> {
  const known = new Map(
    definitionKeys.map((key) => [key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), key]),
  );
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [known.get(key) ?? key, value instanceof Date ? value.toISOString() : value]),
  );
}
