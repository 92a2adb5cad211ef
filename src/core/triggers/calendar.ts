// `calendar`: the same wall time every so many years, months, weeks or days, counted from a date: `start_at`, else the day
// of the anchor. Months come first, then days: both together count on from the date before, as APScheduler's
// CalendarIntervalTrigger does. A date that does not exist (31 April) is skipped, or with `clamp` becomes the last of its month.
// So is a time that falls in a gap, unless `dst` says otherwise; one that is shown twice runs on the first pass.

import { z } from "zod";
import { DefinitionError } from "../errors.ts";
import { dayMs, hourMs, type Instant, minuteMs, secondMs } from "../time.ts";
import type { Zone } from "../zone.ts";
import { firstAtOrAbove } from "./ascending.ts";
import type { CompileContext } from "./context.ts";
import { dayNumber, daysIn, inQuotes, packedDate } from "./date-time.ts";
import { checkedMap } from "./map.ts";
import { type DstRule, instantsShowing } from "./wall-clock.ts";

export interface Calendar {
  readonly kind: "calendar";
  /** The day number of the first date. */
  readonly firstDay: number;
  readonly months: number;
  readonly days: number;
  readonly clamp: boolean;
  /** Milliseconds after midnight on the wall clock. */
  readonly timeOfDayMs: number;
  readonly zone: Zone;
  readonly dst: DstRule;
}

const step = z.int().min(0).max(10_000).optional();

export const calendarSchema = z.strictObject({
  years: step,
  months: step,
  weeks: step,
  days: step,
  at: z.string().optional(),
  clamp: z.boolean().optional(),
});

const units = ["years", "months", "weeks", "days"] as const;
const keys = [...units, "at", "clamp"] as const;
const lastYear = 9_999;

export function compileCalendar(value: unknown, { zone, startWall, anchorAt, dst }: CompileContext): Calendar {
  const written = checkedMap(value, keys, "calendar", { remedy: "Write {months: 1, at: 09:00}." });
  const [years, months, weeks, days] = units.map((unit) => amountOf(written[unit], unit)) as [
    number,
    number,
    number,
    number,
  ];
  if (years + months + weeks + days === 0) {
    throw new DefinitionError(`${inQuotes(value)} does not step`, {
      remedy: `Give at least one of ${units.join(", ")}.`,
      place: { field: "calendar" },
    });
  }
  const { at, clamp = false } = written;
  if (typeof clamp !== "boolean") {
    throw new DefinitionError(`${inQuotes(clamp)} is neither true nor false`, {
      remedy: "Write clamp: true to move the 31st to the end of shorter months.",
      place: { field: "calendar.clamp" },
    });
  }
  const firstDay = Math.floor((startWall ?? zone.wallAt(anchorAt)) / dayMs);
  return {
    kind: "calendar",
    firstDay,
    months: years * 12 + months,
    days: weeks * 7 + days,
    clamp,
    timeOfDayMs: at === undefined ? (startWall === null ? 0 : startWall - firstDay * dayMs) : timeOfDay(at),
    zone,
    dst: { gap: "skip", overlap: "first", ...dst },
  };
}

function amountOf(value: unknown, unit: string): number {
  const parsed = step.safeParse(value);
  if (parsed.success) return parsed.data ?? 0;
  throw new DefinitionError(`${inQuotes(value)} is not a number of ${unit}`, {
    remedy: "Write a whole number, at most 10000.",
    place: { field: `calendar.${unit}` },
  });
}

function timeOfDay(value: unknown): number {
  const [, hours, minutes, seconds = "0"] =
    /^([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?$/.exec(typeof value === "string" ? value : "") ?? [];
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59 || hours === undefined) {
    throw new DefinitionError(`${inQuotes(value)} is not a time of day`, {
      remedy: 'Write it like "09:00" or "23:59:59".',
      place: { field: "calendar.at" },
    });
  }
  return Number(hours) * hourMs + Number(minutes) * minuteMs + Number(seconds) * secondMs;
}

export function nextCalendar(calendar: Calendar, after: Instant): Instant | null {
  for (const day of datesFrom(calendar, Math.floor(calendar.zone.shown(after) / dayMs) - 2)) {
    const found = instantsOn(calendar, day).find((instant) => instant > after);
    if (found !== undefined) return found;
  }
  return null;
}

export function previousCalendar(calendar: Calendar, before: Instant): Instant | null {
  const lastDay = Math.floor(calendar.zone.shown(before) / dayMs);
  // A few dates before it: some may not exist. Where none of them will do, all are looked at.
  return (
    lastBefore(calendar, before, lastDay, lastDay - 8 * periodDays(calendar)) ??
    lastBefore(calendar, before, lastDay, calendar.firstDay)
  );
}

/** About how far apart its dates are. */
const periodDays = ({ months, days }: Calendar): number => months * 31 + days;

function lastBefore(calendar: Calendar, before: Instant, lastDay: number, fromDay: number): Instant | null {
  let found: Instant | null = null;
  for (const day of datesFrom(calendar, fromDay)) {
    if (day > lastDay) break;
    found = instantsOn(calendar, day).findLast((instant) => instant < before) ?? found;
  }
  return found;
}

const instantsOn = ({ zone, dst, timeOfDayMs }: Calendar, day: number): Instant[] =>
  instantsShowing(day * dayMs + timeOfDayMs, zone, dst);

/** Its dates as day numbers, ascending, from `day` or some date before it. Ends with the year 9999. */
function* datesFrom(calendar: Calendar, day: number): Generator<number> {
  const { firstDay, months, days, clamp } = calendar;
  if (months === 0) {
    const limit = dayNumber(lastYear, 12, 31);
    for (let date = firstDay + Math.max(0, Math.floor((day - firstDay) / days)) * days; date <= limit; date += days)
      yield date;
    return;
  }
  const { month: firstMonth, monthDay } = split(firstDay);
  if (days === 0) {
    const first = firstMonth + Math.max(0, Math.floor((split(day).month - firstMonth) / months)) * months;
    for (let month = first; month < (lastYear + 1) * 12; month += months) {
      const date = dateIn(month, monthDay, clamp);
      if (date !== undefined) yield date;
    }
    return;
  }
  const chain = chainOf(calendar);
  while (chain.at(-1)! < day) if (!prolong(chain, calendar)) return;
  for (let index = firstAtOrAbove(chain, day); ; index++) {
    if (index === chain.length && !prolong(chain, calendar)) return;
    yield chain[index]!;
  }
}

/** Where months and days are stepped in turn each date hangs on the one before: they are kept as far as anybody asked. */
const chains = new WeakMap<Calendar, number[]>();

function chainOf(calendar: Calendar): number[] {
  const known = chains.get(calendar);
  if (known !== undefined) return known;
  const chain = [calendar.firstDay];
  chains.set(calendar, chain);
  return chain;
}

/** Whether there is one more date, up to the year 9999. */
function prolong(chain: number[], { months, days, clamp }: Calendar): boolean {
  const { month, monthDay } = split(chain.at(-1)!);
  for (let next = month + months; next < (lastYear + 1) * 12; next += months) {
    const date = dateIn(next, monthDay, clamp);
    if (date === undefined) continue;
    chain.push(date + days);
    return true;
  }
  return false;
}

/** Months are counted from January of the year 0. */
function split(day: number): { month: number; monthDay: number } {
  const date = packedDate(day);
  return { month: (date >> 9) * 12 + ((date >> 5) & 15) - 1, monthDay: date & 31 };
}

function dateIn(monthCount: number, monthDay: number, clamp: boolean): number | undefined {
  const [year, month] = [Math.floor(monthCount / 12), (monthCount % 12) + 1];
  const length = daysIn(year, month);
  if (monthDay > length && !clamp) return undefined;
  return dayNumber(year, month, Math.min(monthDay, length));
}
