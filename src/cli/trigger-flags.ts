// A schedule on the command line, for `next` and `add`: a flag for each key that a schedule may have, so that a new kind of
// trigger has one too.

import type { Options } from "yargs";
import { scheduleShape } from "../core/triggers/schedule.ts";
import { jsonFlagValue } from "./command.ts";

const described: Readonly<Record<string, Options>> = {
  every: { describe: "An interval: 30s, 1h30m" },
  crontab: { describe: "Celery's crontab: five fields, or JSON" },
  cron: { describe: "Unix cron: five fields, or six with seconds first" },
  apscheduler: { describe: 'APScheduler\'s fields as JSON: {"day": "last", "hour": 9}' },
  at: { array: true, describe: "Dates: 2027-01-01T09:00" },
  calendar: { describe: 'Steps of dates as JSON: {"months": 1, "at": "09:00"}' },
  solar: { describe: 'An event of the sun as JSON: {"event": "sunset", "latitude": 52.5, "longitude": 13.4}' },
  rrule: { describe: "RFC 5545: FREQ=WEEKLY;BYDAY=MO" },
  any: { describe: "A JSON list of triggers: each of their times" },
  all: { describe: "A JSON list of triggers: the times that they have in common" },
  timezone: { alias: "z", describe: "The zone of the schedule", defaultDescription: "UTC" },
  start_at: { describe: "Not before this date or time" },
  end_at: { describe: "Not after this date or time" },
  dst: { describe: 'What changes of the clocks do, as JSON: {"gap": "skip", "overlap": "both"}' },
  except: { array: true, describe: "What to leave out: dates, ranges (2026-12-24..2027-01-01), triggers as JSON" },
  max_runs: { type: "number", describe: "At most so many runs" },
};

const keys = Object.keys(scheduleShape);

export const triggerFlags: Readonly<Record<string, Options>> = Object.fromEntries(
  keys.map((key) => [
    key.replaceAll("_", "-"),
    { type: "string", describe: "As in a schedule file; lists and maps as JSON", ...described[key] },
  ]),
);

/** The keys of a schedule that were given as flags. Throws UsageError for JSON that is none. */
export function scheduleOfFlags(given: object): Record<string, unknown> {
  const flags = given as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    keys
      .filter((key) => flags[camelCase(key)] !== undefined)
      .map((key) => [key, writtenValue(key, flags[camelCase(key)])]),
  );
}

const camelCase = (key: string): string => key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

function writtenValue(key: string, value: unknown): unknown {
  if (Array.isArray(value)) {
    const values = value.flatMap((each) => writtenValue(key, each));
    return values.length === 1 ? values[0] : values;
  }
  if (typeof value !== "string") return value;
  if (/^\s*[[{]/.test(value)) return jsonFlagValue(key.replaceAll("_", "-"), value);
  return key === "every" && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}
