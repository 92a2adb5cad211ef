// The fire times of a schedule, for programs: Dates at the edges, nothing but arithmetic within. No clock is read, no entry
// is needed.

import { definitionKeys, maxNameLength } from "./definition.ts";
import { DefinitionError, nearest } from "./errors.ts";
import { isMap, sizeOf } from "./json-value.ts";
import { durationSchema, type Instant } from "./time.ts";
import { inQuotes } from "./triggers/date-time.ts";
import { compileSchedule, type Schedule, type ScheduleContext, scheduleShape } from "./triggers/schedule.ts";
import { nextFireTime, previousFireTime, type Trigger } from "./triggers/trigger.ts";

export interface FireTimesOptions {
  /** How many at most: 1 to 100,000. Default 1. */
  readonly count?: number;
  /** What `~` in a cron text is chosen by: an entry's name. Default: the empty text. */
  readonly name?: string;
  /** The calendars that `except` may name: lists of dates (`2026-12-25`) and ranges (`2026-12-24..2027-01-01`). */
  readonly calendars?: NonNullable<ScheduleContext["calendars"]>;
}

const maxCount = 100_000;
const firstInstant = Date.UTC(1600, 0);
const lastInstant = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * The fire times strictly later than `after`, ascending; fewer than `count` where the schedule ends. `schedule` is what an
 * entry of a schedule file says of time: a trigger (`cron`, `every`, …) and `timezone`, `start_at`, `end_at`, `max_runs`,
 * `dst`, `except`. Its other keys (`task`, …) may be there and do nothing; the zone is UTC unless it says another one.
 *
 * The schedule is that of an entry made at `after`: an interval without `start_at` first fires one interval later, and all of
 * its `max_runs` are still to come.
 *
 * Throws DefinitionError that names the field, the value and what would be right; BeatError where triggers within `all` or
 * `except` give no fire time in 18,000 steps, or those of `all` have none in common for decades.
 */
export function nextFireTimes(schedule: Schedule, given: FireTimesOptions & { readonly after: Date }): Date[] {
  const { after, count = 1, ...options } = given ?? {};
  const from = instantOf("after", after);
  const limit = countOf(count);
  const trigger = compileChecked(schedule, from, options);
  const times: Date[] = [];
  for (const at of fireTimesAfter(trigger, from, schedule.max_runs)) if (times.push(new Date(at)) === limit) break;
  return times;
}

/** The fire times strictly later than `after`, at most `maxRuns`, to the schedule's end. */
export function* fireTimesAfter(trigger: Trigger, after: Instant, maxRuns = Infinity): Generator<Instant> {
  let left = maxRuns;
  for (let at = nextFireTime(trigger, after); at !== null && left > 0; left--) {
    yield at;
    at = nextFireTime(trigger, at);
  }
}

/**
 * The fire times strictly earlier than `before`, the latest one first; otherwise like nextFireTimes. An interval without
 * `start_at` begins at `before` and so has none; `max_runs` does not limit them, since none of them was a run.
 */
export function previousFireTimes(schedule: Schedule, given: FireTimesOptions & { readonly before: Date }): Date[] {
  const { before, count = 1, ...options } = given ?? {};
  const until = instantOf("before", before);
  const limit = countOf(count);
  const trigger = compileChecked(schedule, until, options);
  const times: Date[] = [];
  for (let at = until; times.length < limit; ) {
    const previous = previousFireTime(trigger, at);
    if (previous === null) break;
    times.push(new Date(previous));
    at = previous;
  }
  return times;
}

/** The trigger of what a user wrote, all of it checked. */
export function compileChecked(
  schedule: unknown,
  anchorAt: Instant,
  options: Partial<Omit<ScheduleContext, "anchorAt">> = {},
): Trigger {
  if (sizeOf(schedule) === undefined) {
    throw new DefinitionError("the schedule takes more than 1 MiB, or nests deeper than 64 levels", {
      remedy: "Give fewer dates, or a rule for them.",
    });
  }
  if (!isMap(schedule)) {
    throw new DefinitionError(`${inQuotes(schedule)} is not a schedule`, {
      remedy: 'Write an object like {cron: "0 9 * * 1-5", timezone: "Europe/Berlin"}.',
    });
  }
  for (const key of Object.keys(schedule)) {
    if (definitionKeys.includes(key)) continue;
    const keys = Object.keys(scheduleShape);
    const guess = nearest(key, keys);
    throw new DefinitionError(`unknown key ${inQuotes(key)}`, {
      remedy: guess ? `Did you mean "${guess}"?` : `Keys: ${keys.join(", ")}.`,
      place: { field: key },
    });
  }
  checkOptions(options);
  const { max_runs: maxRuns, jitter } = schedule as Schedule & { readonly jitter?: unknown };
  if (maxRuns !== undefined && (!Number.isSafeInteger(maxRuns) || maxRuns < 1)) {
    throw new DefinitionError(`${inQuotes(maxRuns)} is not a number of runs`, {
      remedy: "Write a whole number, 1 or more.",
      place: { field: "max_runs" },
    });
  }
  if (jitter !== undefined && !durationSchema.safeParse(jitter).success) {
    throw new DefinitionError(`${inQuotes(jitter)} is not a duration`, {
      remedy: "Write a number of seconds, or a text like 30s or 5m.",
      place: { field: "jitter" },
    });
  }
  return compileSchedule(schedule as Schedule, { name: "", ...options, anchorAt });
}

/** What a program gives beside a schedule. */
function checkOptions({ name, calendars }: { readonly name?: unknown; readonly calendars?: unknown }): void {
  if (name !== undefined && (typeof name !== "string" || name.length > maxNameLength)) {
    throw new DefinitionError(`${inQuotes(name)} is not the name of an entry`, {
      remedy: `Give a text of at most ${maxNameLength} characters.`,
      place: { field: "name" },
    });
  }
  if (calendars === undefined) return;
  if (!isMap(calendars)) {
    throw new DefinitionError(`${inQuotes(calendars)} is not a map of calendars`, {
      remedy: 'Give an object like {holidays: ["2026-12-25"]}.',
      place: { field: "calendars" },
    });
  }
  for (const [key, dates] of Object.entries(calendars)) {
    if (Array.isArray(dates) && [...dates].every((date) => typeof date === "string")) continue;
    throw new DefinitionError(`${inQuotes(dates)} is not a list of dates`, {
      remedy: 'Give texts like "2026-12-25" and "2026-12-24..2027-01-01".',
      place: { field: `calendars.${key}` },
    });
  }
}

function instantOf(field: string, value: unknown): Instant {
  const instant = value instanceof Date ? value.getTime() : Number.NaN;
  if (instant >= firstInstant && instant <= lastInstant) return instant;
  throw new DefinitionError(
    value instanceof Date
      ? `${Number.isNaN(instant) ? "it" : value.toISOString()} is not a date from 1600 to 9999`
      : `${inQuotes(value)} is not a Date`,
    { remedy: `Give a Date, like {${field}: new Date()}.`, place: { field } },
  );
}

function countOf(count: unknown): number {
  if (Number.isInteger(count) && (count as number) >= 1 && (count as number) <= maxCount) return count as number;
  throw new DefinitionError(`${inQuotes(count)} is not a number of fire times`, {
    remedy: "Give a whole number from 1 to 100000.",
    place: { field: "count" },
  });
}
