// What a program gives to a Scheduler.

import { basename, dirname, extname, join, resolve } from "node:path";
import type { z } from "zod";
import type { brokerSchema } from "./core/broker-definition.ts";
import { type Definition, definitionKeys } from "./core/definition.ts";
import { nearest, reasonOf, UsageError } from "./core/errors.ts";
import type { Clock, Log, Store } from "./core/ports.ts";
import type { targetKeys } from "./core/target.ts";
import { parseDuration } from "./core/time.ts";
import { compileZone, type scheduleKeys, type triggerKeys } from "./core/triggers/schedule.ts";
import type { Conflict } from "./definitions/addition.ts";
import type { SecurityOptions } from "./message-signing.ts";
import type { JobFunction } from "./runner/job.ts";
import { MemoryStore } from "./store/memory.ts";
import { openSqliteStore, type SqliteOptions } from "./store/sqlite.ts";

export interface SchedulerOptions {
  /** Where entries and their progress are kept: `sqlite("beat.sqlite")`, or memory, which ends with the process (default). */
  readonly store?: StoreOpener;
  /** Celery's broker URL for entries with a `task`. Without one, tasks can't be sent; local jobs need none. */
  readonly broker?: string;
  /** More brokers by the name that an entry's `broker` gives: a URL, or what `brokers` of a schedule file holds. What a file names goes before it. */
  readonly brokers?: Readonly<Record<string, string | BrokerOptions>>;
  /** The queue of tasks that name none. Default `celery`, as Celery's. */
  readonly defaultQueue?: string;
  /** Create queues that are missing, instead of waiting until a worker does. */
  readonly declareQueues?: boolean;
  /** Give each message a W3C `traceparent` header, whose trace is the occurrence. Default: no. */
  readonly traceparent?: boolean;
  /** Signs the messages of tasks with `serializer: auth`, as Celery's `setup_security`. */
  readonly security?: SecurityOptions;
  /** How many late messages, as after an outage, may leave in a second, so that workers are not flooded. Default: no limit. */
  readonly maxRate?: number;
  /** Schedule files, or folders of them; read at the start, and again whenever they change. */
  readonly schedules?: readonly string[];
  /** The only folder from which `job: file#export` modules are loaded. Default: the first schedules folder. */
  readonly jobsDir?: string;
  /** The zone of entries added in code that name none. Default UTC. */
  readonly timezone?: string;
  /** How long the ledger is kept. Default 7 days. */
  readonly retention?: string | number;
  /** How many rows the ledger keeps at most; the oldest go first. Default 1,000,000, in memory 100,000. */
  readonly retentionRows?: number;
  /** How many local runs go on at once at most; others wait for their turn. Default 100. */
  readonly maxConcurrentRuns?: number;
  /** How long stop() waits for what goes on. Default 30 s. */
  readonly drain?: string | number;
  /** How long start() waits for a schedule database that is away (locked, a volume that is not mounted yet). Default: not at all. */
  readonly wait?: string | number;
  /** How late something may be before that is an alert. Default 10 s. */
  readonly overdueTolerance?: string | number;
  /** What is told of alerts: a command (an array, or a text for the shell) or an http(s) URL. */
  readonly onAlert?: string | readonly string[];
  /** Signs what is sent to a URL. */
  readonly alertSecret?: string;
  /** Let `onAlert`, and the `http` of entries, be URLs of this machine or of a private network. */
  readonly allowPrivateAddresses?: boolean;
  /** Where to listen for those who ask for `/metrics`, `/livez` and `/readyz`: a port, on loopback, or `host:port`. Default: nowhere. */
  readonly metrics?: string | number;
  readonly log?: Log;
  readonly clock?: Clock;
}

/** Beyond that, what is in a file takes room on a disk, and what is in memory takes it from the program. */
const defaultRows = { memory: 100_000, elsewhere: 1_000_000 };

/** How many rows the ledger of this store keeps at most. */
export function retentionRowsOf({ retentionRows }: SchedulerOptions, store: Store): number {
  return retentionRows ?? (store instanceof MemoryStore ? defaultRows.memory : defaultRows.elsewhere);
}

const optionKeys = Object.keys({
  store: 0,
  broker: 0,
  brokers: 0,
  defaultQueue: 0,
  declareQueues: 0,
  traceparent: 0,
  security: 0,
  maxRate: 0,
  schedules: 0,
  jobsDir: 0,
  timezone: 0,
  retention: 0,
  retentionRows: 0,
  maxConcurrentRuns: 0,
  drain: 0,
  wait: 0,
  overdueTolerance: 0,
  onAlert: 0,
  alertSecret: 0,
  allowPrivateAddresses: 0,
  metrics: 0,
  log: 0,
  clock: 0,
} satisfies Record<keyof SchedulerOptions, 0>);

/** What the compiler finds, for those who have none, and what it does not. Throws UsageError. */
export function checkOptions(options: SchedulerOptions): void {
  const refuse = (message: string, remedy?: string) => {
    throw new UsageError(message, { ...(remedy !== undefined && { remedy }) });
  };
  for (const key of Object.keys(options)) {
    if (optionKeys.includes(key)) continue;
    const guess = nearest(key, optionKeys);
    refuse(
      `there is no option "${key}"`,
      guess === undefined ? `There are: ${optionKeys.join(", ")}.` : `Did you mean "${guess}"?`,
    );
  }
  const { store, timezone, maxRate = 1, maxConcurrentRuns = 1, retentionRows = 1 } = options;
  if (store !== undefined && typeof store !== "function")
    refuse("store: it is not a store", 'Give sqlite("jobs.sqlite") or memory().');
  if (timezone !== undefined) compileZone(timezone);
  if (!(retentionRows >= 0)) refuse(`retention-rows: ${retentionRows} is not a number of rows`);
  if (!(Number.isInteger(maxConcurrentRuns) && maxConcurrentRuns >= 1))
    refuse(`max-concurrent-runs: ${maxConcurrentRuns} is not a number of runs`, "Give 1 or more.");
  if (!(maxRate > 0)) refuse(`max-rate: ${maxRate} is not a number of messages a second above 0`);
}

/** A broker by its parts. Further options are those of Celery that change the wire, as `global_keyprefix`; they go into the URL's query. */
export type BrokerOptions = z.infer<typeof brokerSchema>;

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
  readonly [Key in keyof Omit<Definition, (typeof triggerKeys)[number] | (typeof targetKeys)[number]> &
    string as CamelCase<Key>]?: (Key extends "start_at" | "end_at" ? Date : never) | Definition[Key];
} & {
  readonly name?: string;
  /** What becomes of an entry that has the name already. Default `replace`: it is changed, and keeps its progress unless its trigger changed. */
  readonly conflict?: Conflict;
};

type Schedule = Required<Pick<Definition, (typeof scheduleKeys)[number]>>;

/** The triggers, and what they may say beside: exactly one trigger is given. */
export type Triggers = {
  readonly [Key in keyof Schedule as CamelCase<Key>]:
    | (Key extends "start_at" | "end_at" ? Date : Key extends "at" ? Date | readonly (Date | string)[] : never)
    | Schedule[Key];
};

/** A function of this program, or a Celery task, a command, a request over HTTP, or a module's function (`./file.ts#export`, in the jobs folder). */
export type Work =
  | JobFunction
  | { readonly task: string }
  | { readonly run: string | readonly string[] }
  | { readonly http: NonNullable<Definition["http"]> }
  | { readonly job: string };

/** The broker that `beat start` uses where none is named: a file beside the schedule database that Celery workers read. */
export function embeddedBrokerUrl(scheduleDb: string): string {
  const path = resolve(scheduleDb);
  return `sqla+sqlite:///${join(dirname(path), `${basename(path, extname(path))}-broker.sqlite`)}`;
}

/** URLs that may hold secrets, and what systemd says to this process alone. */
const notForCommands = new Set(["BEAT_BROKER", "BEAT_ON_ALERT", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]);

/** What commands inherit: this process's environment, less what is its own. */
export function commandEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !notForCommands.has(name)));
}

/** Milliseconds. Throws UsageError that names the option. */
export function durationOption(name: string, value: string | number): number {
  try {
    return parseDuration(value);
  } catch (error) {
    throw new UsageError(`${name}: ${reasonOf(error)}`);
  }
}

/** Options in camelCase, as a schedule file writes them. */
export function writtenOptions(options: Record<string, unknown>): Record<string, unknown> {
  const known = new Map(
    definitionKeys.map((key) => [key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), key]),
  );
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [known.get(key) ?? key, written(value)]),
  );
}

function written(value: unknown): unknown {
  // One that is none is refused as the text that it shows.
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? String(value) : value.toISOString();
  return Array.isArray(value) ? value.map(written) : value;
}
