// One rule of RFC 5545, section 3.3.10, as a set of wall times: no zones. A rule steps through periods (years, months, weeks,
// days, hours, minutes or seconds from its start); each period holds the days and times of day that the BY parts leave or
// name. Periods are numbered, so a search begins where it is asked and not at the start.

import { dayMs, hourMs, minuteMs, secondMs } from "../time.ts";
import type { WallTime } from "../zone.ts";
import { dayNumber, daysIn, packedDate, weekdayOf } from "./date-time.ts";

export const frequencies = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"] as const;
export type Frequency = (typeof frequencies)[number];

/** Empty lists restrict nothing. */
export interface Recurrence {
  readonly frequency: Frequency;
  readonly interval: number;
  readonly start: WallTime;
  /** The last wall time that may occur. */
  readonly until: WallTime;
  readonly months: readonly number[];
  readonly weekNumbers: readonly number[];
  readonly yearDays: readonly number[];
  readonly monthDays: readonly number[];
  /** 0 = Sunday; `nth` 0: every one, else counted from the start or (negative) the end of the month or year. */
  readonly weekdays: readonly { readonly weekday: number; readonly nth: number }[];
  readonly hours: readonly number[];
  readonly minutes: readonly number[];
  readonly seconds: readonly number[];
  /** Of a day in milliseconds, ascending, where a period is a day or more. */
  readonly times: readonly number[];
  readonly positions: readonly number[];
  readonly weekStart: number;
}

/** After so many empty periods a rule holds nothing any more: the calendar repeats after 400 years. Short periods are stepped over by the month. */
const maxEmptyPeriods: Record<Frequency, number> = {
  YEARLY: 400,
  MONTHLY: 4_800,
  WEEKLY: 20_871,
  DAILY: 146_097,
  HOURLY: 40_000,
  MINUTELY: 40_000,
  SECONDLY: 40_000,
};
const lastDayOfAll = dayNumber(9999, 12, 31);

const subDailyMs: Partial<Record<Frequency, number>> = { HOURLY: hourMs, MINUTELY: minuteMs, SECONDLY: secondMs };

/** The first occurrence at or after `wall`, or null. */
export function nextOccurrence(rule: Recurrence, wall: WallTime): WallTime | null {
  const from = Math.max(wall, rule.start);
  let period = periodAt(rule, from);
  for (let empty = 0; empty < maxEmptyPeriods[rule.frequency]; empty++) {
    const { firstDay } = boundsOf(rule, period);
    if (firstDay > lastDayOfAll || firstDay * dayMs > rule.until) return null;
    const found = firstIn(contentOf(rule, period), from);
    if (found !== undefined) return found <= rule.until ? found : null;
    const span = emptySpan(rule, period);
    period = span === undefined ? period + 1 : Math.max(period + 1, periodAt(rule, span.until - 1) + 1);
  }
  return null;
}

/** The last occurrence at or before `wall`, or null. */
export function previousOccurrence(rule: Recurrence, wall: WallTime): WallTime | null {
  const latest = Math.min(wall, rule.until);
  let period = periodAt(rule, latest);
  for (let empty = 0; period >= 0 && empty < maxEmptyPeriods[rule.frequency]; empty++) {
    const found = lastIn(contentOf(rule, period), latest);
    if (found !== undefined) return found >= rule.start ? found : null;
    const span = emptySpan(rule, period);
    period = span === undefined ? period - 1 : Math.min(period - 1, periodAt(rule, span.from - 1));
  }
  return null;
}

export function occursAt(rule: Recurrence, wall: WallTime): boolean {
  return wall >= rule.start && wall <= rule.until && firstIn(contentOf(rule, periodAt(rule, wall)), wall) === wall;
}

// -------------------------------------------------------------------------------------------------------- periods

const periodStart = (rule: Recurrence, stepMs: number): WallTime => Math.floor(rule.start / stepMs) * stepMs;
const monthOf = (day: number): number => {
  const date = packedDate(day);
  return (date >> 9) * 12 + ((date >> 5) & 15) - 1;
};
const weekOf = (day: number, weekStart: number): number => day - ((weekdayOf(day) - weekStart + 7) % 7);

/** The number of the last period that begins at or before `wall`. */
function periodAt(rule: Recurrence, wall: WallTime): number {
  const [day, startDay] = [Math.floor(wall / dayMs), Math.floor(rule.start / dayMs)];
  const stepMs = subDailyMs[rule.frequency];
  if (stepMs !== undefined) return Math.floor((wall - periodStart(rule, stepMs)) / (stepMs * rule.interval));
  const steps = {
    YEARLY: () => Math.floor(monthOf(day) / 12) - Math.floor(monthOf(startDay) / 12),
    MONTHLY: () => monthOf(day) - monthOf(startDay),
    WEEKLY: () => (weekOf(day, rule.weekStart) - weekOf(startDay, rule.weekStart)) / 7,
    DAILY: () => day - startDay,
  }[rule.frequency as "YEARLY" | "MONTHLY" | "WEEKLY" | "DAILY"]();
  return Math.floor(steps / rule.interval);
}

/** The days of a period, both inclusive. */
function boundsOf(rule: Recurrence, period: number): { firstDay: number; lastDay: number } {
  const steps = period * rule.interval;
  const startDay = Math.floor(rule.start / dayMs);
  const stepMs = subDailyMs[rule.frequency];
  if (stepMs !== undefined) {
    const day = Math.floor((periodStart(rule, stepMs) + steps * stepMs) / dayMs);
    return { firstDay: day, lastDay: day };
  }
  if (rule.frequency === "DAILY") return { firstDay: startDay + steps, lastDay: startDay + steps };
  if (rule.frequency === "WEEKLY") {
    const firstDay = weekOf(startDay, rule.weekStart) + steps * 7;
    return { firstDay: Math.max(firstDay, startDay), lastDay: firstDay + 6 };
  }
  const isYear = rule.frequency === "YEARLY";
  const month = isYear ? (Math.floor(monthOf(startDay) / 12) + steps) * 12 : monthOf(startDay) + steps;
  const last = isYear ? month + 11 : month;
  return {
    firstDay: dayNumber(Math.floor(month / 12), (month % 12) + 1, 1),
    lastDay: dayNumber(Math.floor(last / 12), (last % 12) + 1, daysIn(Math.floor(last / 12), (last % 12) + 1)),
  };
}

/** What a period holds, times before the start of the rule included: every time on every day, unless positions choose. */
type Content = { readonly days: readonly number[]; readonly times: readonly number[] } | readonly WallTime[];

function contentOf(rule: Recurrence, period: number): Content {
  const { firstDay, lastDay } = boundsOf(rule, period);
  const times = timesIn(rule, period);
  const days: number[] = [];
  if (times.length > 0) {
    for (let day = firstDay; day <= lastDay; day++) if (isDayIn(rule, day, firstDay, lastDay)) days.push(day);
  }
  if (rule.positions.length === 0) return { days, times };
  const size = days.length * times.length;
  const chosen = new Set<WallTime>();
  for (const position of rule.positions) {
    const index = position > 0 ? position - 1 : size + position;
    if (index >= 0 && index < size)
      chosen.add(days[Math.floor(index / times.length)]! * dayMs + times[index % times.length]!);
  }
  return [...chosen].sort((a, b) => a - b);
}

function firstIn(content: Content, wall: WallTime): WallTime | undefined {
  if (!("days" in content)) return content.find((each) => each >= wall);
  const { days, times } = content;
  const today = Math.floor(wall / dayMs);
  const day = days.find((each) => each >= today && each * dayMs + times.at(-1)! >= wall);
  return day === undefined ? undefined : day * dayMs + times[firstAtOrAbove(times, wall - day * dayMs)]!;
}

function lastIn(content: Content, wall: WallTime): WallTime | undefined {
  if (!("days" in content)) return content.findLast((each) => each <= wall);
  const { days, times } = content;
  const day = days.findLast((each) => each * dayMs + times[0]! <= wall);
  return day === undefined ? undefined : day * dayMs + times[firstAtOrAbove(times, wall - day * dayMs + 1) - 1]!;
}

function firstAtOrAbove(ascending: readonly number[], bound: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! >= bound) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The times of day in milliseconds, ascending: all that the rule names, or those that lie in a period shorter than a day. */
function timesIn(rule: Recurrence, period: number): readonly number[] {
  const stepMs = subDailyMs[rule.frequency];
  if (stepMs === undefined) return rule.times;
  const start = periodStart(rule, stepMs) + period * rule.interval * stepMs;
  const inDay = start - Math.floor(start / dayMs) * dayMs;
  const only = (named: readonly number[], value: number) =>
    named.length === 0 || named.includes(value) ? [value] : [];
  return timesOf(
    only(rule.hours, Math.floor(inDay / hourMs)),
    stepMs < hourMs ? only(rule.minutes, Math.floor(inDay / minuteMs) % 60) : rule.minutes,
    stepMs < minuteMs ? only(rule.seconds, Math.floor(inDay / secondMs) % 60) : rule.seconds,
  );
}

/** Times of day in milliseconds: every second of every minute of every hour that is named. */
export function timesOf(hours: readonly number[], minutes: readonly number[], seconds: readonly number[]): number[] {
  return hours.flatMap((hour) =>
    minutes.flatMap((minute) => seconds.map((second) => hour * hourMs + minute * minuteMs + second * secondMs)),
  );
}

/** The month, day, hour or minute around a period shorter than a day, if a BY part empties it: the search steps over it. */
function emptySpan(
  rule: Recurrence,
  period: number,
): { readonly from: WallTime; readonly until: WallTime } | undefined {
  const stepMs = subDailyMs[rule.frequency];
  if (stepMs === undefined) return undefined;
  const at = periodStart(rule, stepMs) + period * rule.interval * stepMs;
  const day = Math.floor(at / dayMs);
  const date = packedDate(day);
  const [year, month] = [date >> 9, (date >> 5) & 15];
  if (rule.months.length > 0 && !rule.months.includes(month)) {
    const from = dayNumber(year, month, 1);
    return { from: from * dayMs, until: (from + daysIn(year, month)) * dayMs };
  }
  const around = (unitMs: number) => ({ from: at - modulo(at, unitMs), until: at - modulo(at, unitMs) + unitMs });
  if (!isDayIn(rule, day, day, day)) return around(dayMs);
  if (rule.hours.length > 0 && !rule.hours.includes(modulo(Math.floor(at / hourMs), 24))) return around(hourMs);
  if (stepMs < hourMs && rule.minutes.length > 0 && !rule.minutes.includes(modulo(Math.floor(at / minuteMs), 60)))
    return around(minuteMs);
  return undefined;
}

const modulo = (value: number, by: number): number => ((value % by) + by) % by;

// ----------------------------------------------------------------------------------------------------------- days

/** Whether the BY parts leave a day in; weekdays are counted within the period's days, or within the month of the day. */
function isDayIn(rule: Recurrence, day: number, firstDay: number, lastDay: number): boolean {
  const date = packedDate(day);
  const [year, month, monthDay] = [date >> 9, (date >> 5) & 15, date & 31];
  const { months, monthDays, yearDays, weekNumbers, weekdays } = rule;
  if (months.length > 0 && !months.includes(month)) return false;
  if (monthDays.length > 0 && !monthDays.includes(monthDay) && !monthDays.includes(monthDay - daysIn(year, month) - 1))
    return false;
  if (yearDays.length > 0) {
    const yearDay = day - dayNumber(year, 1, 1) + 1;
    if (!yearDays.includes(yearDay) && !yearDays.includes(yearDay - (daysIn(year, 2) + 337) - 1)) return false;
  }
  if (weekNumbers.length > 0 && !isWeekIn(rule, day)) return false;
  if (weekdays.length === 0) return true;
  const isWithinMonth = rule.frequency === "YEARLY" && months.length > 0;
  const first = isWithinMonth ? day - monthDay + 1 : firstDay;
  const last = isWithinMonth ? day - monthDay + daysIn(year, month) : lastDay;
  return weekdays.some(({ weekday, nth }) => {
    if (weekday !== weekdayOf(day)) return false;
    if (nth === 0) return true;
    return nth > 0 ? Math.floor((day - first) / 7) === nth - 1 : Math.floor((last - day) / 7) === -nth - 1;
  });
}

/** Weeks begin on `weekStart` and belong to the year that holds at least four of their days. */
function isWeekIn({ weekNumbers, weekStart }: Recurrence, day: number): boolean {
  const week = weekOf(day, weekStart);
  const year = packedDate(week + 3) >> 9;
  const firstWeek = (each: number): number => weekOf(dayNumber(each, 1, 4), weekStart);
  const number = (week - firstWeek(year)) / 7 + 1;
  const weeks = (firstWeek(year + 1) - firstWeek(year)) / 7;
  return weekNumbers.includes(number) || weekNumbers.includes(number - weeks - 1);
}
