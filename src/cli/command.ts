// What all commands share: how one is declared, the flags that several have, and the scheduler that they talk to.

import { readFile } from "node:fs/promises";
import type { Options } from "yargs";
import type { Entry } from "../core/entry.ts";
import { reasonOf, UsageError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { parseDateTime, startOf } from "../core/triggers/date-time.ts";
import { zoneOf } from "../core/zone.ts";
import { createLog } from "../log.ts";
import { Scheduler } from "../scheduler.ts";
import { type SchedulerOptions, sqlite } from "../scheduler-options.ts";

export interface Command<Flags = never> {
  /** yargs' form: `show <name>`. */
  readonly command: string;
  readonly describe: string;
  readonly builder: Readonly<Record<string, Options>>;
  /** Returns the exit code. */
  readonly run: (flags: Flags) => Promise<number>;
}

/** A flag can come from the environment: `schedule-db` from BEAT_SCHEDULE_DB. The help shows the variable, never its value. */
export function flags(options: Readonly<Record<string, Options>>): Record<string, Options> {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => {
      const variable = `BEAT_${name.toUpperCase().replaceAll("-", "_")}`;
      const value = process.env[variable];
      return [
        name,
        value === undefined
          ? option
          : { ...option, default: parsed(value, option), defaultDescription: `$${variable}` },
      ];
    }),
  );
}

function parsed(value: string, option: Options): unknown {
  if (option.type === "boolean") return !["", "0", "false", "no"].includes(value.toLowerCase());
  if (option.type === "number") return Number(value);
  return option.array ? value.split(",") : value;
}

export const storeFlag: Record<string, Options> = {
  "schedule-db": {
    type: "string",
    alias: "d",
    default: "beat.sqlite",
    describe: "The schedule database, a SQLite file",
    coerce: databasePath,
  },
};

/** A URL, as SQLAlchemy and Celery take them, would be a path through folders that nobody has. */
function databasePath(text: string): string {
  if (!/^[\w+.-]+:\/\//.test(text)) return text;
  throw new UsageError(
    `--schedule-db: "${text}" is a URL; Beat keeps its schedules in a SQLite file, whose path is meant`,
  );
}

export const jsonFlag: Record<string, Options> = {
  json: { type: "boolean", default: false, describe: "Print JSON" },
};

export interface StoreFlags {
  readonly scheduleDb: string;
}

export interface JsonFlag {
  readonly json: boolean;
}

/** Opens the schedule database for one command, and closes it. `create`: whether it may be made by this command. */
export async function withScheduler<Result>(
  { scheduleDb }: StoreFlags,
  work: (scheduler: Scheduler) => Promise<Result>,
  options: { readonly create?: boolean } & Omit<SchedulerOptions, "store"> = {},
): Promise<Result> {
  const { create = false, ...rest } = options;
  const store = sqlite(scheduleDb, { create, busyTimeoutMs: 5_000 });
  await using scheduler = new Scheduler({ log: commandLog(), ...rest, store });
  return await work(scheduler);
}

function commandLog(): Log {
  return createLog({ level: "warn", format: "pretty" });
}

/** The value of a flag that holds JSON. */
export function jsonFlagValue(flag: string, text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--${flag} is not JSON: ${(error as Error).message}`, {
      remedy: `Quote it for the shell, like --${flag} '["a", 1]'.`,
    });
  }
}

/** A time on the command line: in the entry's zone unless it says otherwise; a date alone is the day's beginning. */
export function timeFor(entry: Entry, text: string, flag: string): Instant {
  return startOf(parseDateTime(text, flag), zoneOf(entry.definition.timezone ?? "UTC"));
}

/** What a file holds whose name a flag gives. */
export async function secretIn(flag: string, file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw new UsageError(`${flag}: ${reasonOf(error)}`);
  }
}
