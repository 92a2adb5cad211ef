// One rule of RFC 5545, section 3.3.10, as a set of wall times: no zones. A rule steps through periods (years, months, weeks,
// days, hours, minutes or seconds from its start); each period holds the days and times of day that the BY parts leave or
// name. Periods are numbered, so a search begins where it is asked and not at the start. Which days the BY parts leave
// depends on nothing but the calendar of the year, and of calendars there are few: so a search goes from one such day to the
// next, though centuries lie between them, and knows soon that there is none.

import { dayMs, hourMs, minuteMs, secondMs } from "../time.ts";
import type { WallTime } from "../zone.ts";
import { dayNumber, daysIn, isLeapYear, packedDate, weekdayOf } from "./date-time.ts";
import { greatestCommonDivisor } from "./interval.ts";

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

/** The calendar repeats after 400 years, so what steps through them holds nothing if as many periods as lie in them are empty. */
const periodsOfCalendar: Record<Frequency, number> = {
  YEARLY: 400,
  MONTHLY: 4_800,
  WEEKLY: 20_871,
  DAILY: 146_097,
  HOURLY: 146_097 * 24,
  MINUTELY: 146_097 * 1_440,
  SECONDLY: 146_097 * 86_400,
};
/** What has no occurrence in so many periods that may hold one is given up. */
const maxEmptyPeriods = 6_000;
/** Counted are so many periods that hold occurrences. */
const maxCountedPeriods = 2_000;
const lastDayOfAll = dayNumber(9999, 12, 31);

const subDailyMs: Partial<Record<Frequency, number>> = { HOURLY: hourMs, MINUTELY: minuteMs, SECONDLY: secondMs };

/** The first occurrence at or after `wall`, or null. */
export function nextOccurrence(rule: Recurrence, wall: WallTime): WallTime | null {
  const wanted = Math.max(wall, rule.start);
  const firstDay = nextDayIn(rule, Math.floor(wanted / dayMs));
  if (firstDay === undefined) return null;
  const from = Math.max(wanted, firstDay * dayMs);
  let period = periodAt(rule, from);
  for (let left = emptyPeriods(rule); left > 0; left--) {
    const { firstDay, lastDay } = boundsOf(rule, period);
    if (firstDay > lastDayOfAll || firstDay * dayMs > rule.until) return null;
    const found = firstIn(contentOf(rule, period), from);
    if (found !== undefined) return found <= rule.until ? found : null;
    const later = emptySpan(rule, period)?.until ?? (subDailyMs[rule.frequency] ? undefined : (lastDay + 1) * dayMs);
    if (later === undefined) period++;
    else {
      const day = nextDayIn(rule, Math.floor(later / dayMs));
      if (day === undefined) return null;
      const at = Math.max(later, day * dayMs);
      const reached = periodAt(rule, at);
      period = Math.max(period + 1, boundsOf(rule, reached).lastDay < day ? reached + 1 : reached);
    }
  }
  return null;
}

/** The last occurrence at or before `wall`, or null. */
export function previousOccurrence(rule: Recurrence, wall: WallTime): WallTime | null {
  const latest = Math.min(wall, rule.until);
  let period = periodAt(rule, latest);
  for (let left = emptyPeriods(rule); period >= 0 && left > 0; left--) {
    const found = lastIn(contentOf(rule, period), latest);
    if (found !== undefined) return found >= rule.start ? found : null;
    const span = emptySpan(rule, period);
    const until = span?.from ?? (subDailyMs[rule.frequency] ? undefined : boundsOf(rule, period).firstDay * dayMs);
    if (until === undefined) period--;
    else {
      const day = previousDayIn(rule, Math.floor((until - 1) / dayMs));
      if (day === undefined) return null;
      period = Math.min(period - 1, periodAt(rule, Math.min(until, (day + 1) * dayMs) - 1));
    }
  }
  return null;
}

/** How many empty periods in a row are looked at. */
function emptyPeriods({ frequency, interval }: Recurrence): number {
  const all = periodsOfCalendar[frequency];
  return Math.min(maxEmptyPeriods, all / greatestCommonDivisor(all, interval) + 1);
}

/** The last of the first `count` occurrences, or what comes after all of them; undefined where it would take too long to count. */
export function lastOf(rule: Recurrence, count: number): WallTime | undefined {
  const atStart = contentOf(rule, 0);
  if (isSteady(rule)) {
    const [size, index] = [sizeOf(atStart), itemsBefore(atStart, rule.start) + count - 1];
    const period = Math.floor(index / size);
    if (boundsOf(rule, period).firstDay > lastDayOfAll) return rule.until;
    return Math.min(itemAt(contentOf(rule, period), index % size), rule.until);
  }
  let left = count;
  let last = rule.start - 1;
  for (let periods = 0; periods < maxCountedPeriods; periods++) {
    const next = nextOccurrence(rule, last + 1);
    if (next === null) return last;
    const content = contentOf(rule, periodAt(rule, next));
    const [index, size] = [itemsBefore(content, next), sizeOf(content)];
    if (index + left <= size) return Math.min(itemAt(content, index + left - 1), rule.until);
    left -= size - index;
    last = itemAt(content, size - 1);
  }
  return undefined;
}

/** Whether every period holds the same times, so that counting them is arithmetic. */
function isSteady({
  frequency,
  months,
  weekNumbers,
  yearDays,
  monthDays,
  weekdays,
  positions,
  ...rule
}: Recurrence): boolean {
  const named = [months, weekNumbers, yearDays, monthDays, weekdays, positions];
  if (frequency === "HOURLY") named.push(rule.hours);
  if (frequency === "MINUTELY") named.push(rule.hours, rule.minutes);
  if (frequency === "SECONDLY") named.push(rule.hours, rule.minutes, rule.seconds);
  return frequencies.indexOf(frequency) >= 3 && named.every((each) => each.length === 0);
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
  const days = times.length > 0 ? daysBetween(rule, firstDay, lastDay) : [];
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

const sizeOf = (content: Content): number =>
  "days" in content ? content.days.length * content.times.length : content.length;

const itemAt = (content: Content, index: number): WallTime =>
  "days" in content
    ? content.days[Math.floor(index / content.times.length)]! * dayMs + content.times[index % content.times.length]!
    : content[index]!;

/** How many of its times are before `wall`. */
function itemsBefore(content: Content, wall: WallTime): number {
  if (!("days" in content)) return firstAtOrAbove(content, wall);
  const { days, times } = content;
  const today = Math.floor(wall / dayMs);
  const index = firstAtOrAbove(days, today);
  return index * times.length + (days[index] === today ? firstAtOrAbove(times, wall - today * dayMs) : 0);
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
  const leaves = (named: readonly number[], value: number) => named.length === 0 || named.includes(value);
  const hour = Math.floor(inDay / hourMs);
  if (!leaves(rule.hours, hour)) return [];
  if (stepMs === hourMs) return timesOf([hour], rule.minutes, rule.seconds);
  if (!leaves(rule.minutes, Math.floor(inDay / minuteMs) % 60)) return [];
  if (stepMs === minuteMs) return rule.seconds.map((second) => inDay + second * secondMs);
  return leaves(rule.seconds, Math.floor(inDay / secondMs) % 60) ? [inDay] : [];
}

/** Times of day in milliseconds: every second of every minute of every hour that is named. */
export function timesOf(hours: readonly number[], minutes: readonly number[], seconds: readonly number[]): number[] {
  return hours.flatMap((hour) =>
    minutes.flatMap((minute) => seconds.map((second) => hour * hourMs + minute * minuteMs + second * secondMs)),
  );
}

/** The day, hours or minutes around a period shorter than a day, if a BY part empties it: the search steps over it. */
function emptySpan(
  rule: Recurrence,
  period: number,
): { readonly from: WallTime; readonly until: WallTime } | undefined {
  const stepMs = subDailyMs[rule.frequency];
  if (stepMs === undefined) return undefined;
  const at = periodStart(rule, stepMs) + period * rule.interval * stepMs;
  const day = Math.floor(at / dayMs);
  const midnight = day * dayMs;
  if (nextDayIn(rule, day) !== day) return { from: midnight, until: midnight + dayMs };
  const hour = Math.floor((at - midnight) / hourMs);
  if (rule.hours.length > 0 && !rule.hours.includes(hour)) return spanBetween(rule.hours, hour, midnight, hourMs, 24);
  const began = midnight + hour * hourMs;
  const minute = Math.floor((at - began) / minuteMs);
  return stepMs < hourMs && rule.minutes.length > 0 && !rule.minutes.includes(minute)
    ? spanBetween(rule.minutes, minute, began, minuteMs, 60)
    : undefined;
}

/** The hours of a day, or minutes of an hour, around one that is not named, up to those that are. */
function spanBetween(named: readonly number[], value: number, start: WallTime, unitMs: number, cycle: number) {
  const earlier = named.findLast((each) => each < value) ?? -1;
  const later = named.find((each) => each > value) ?? cycle;
  return { from: start + (earlier + 1) * unitMs, until: start + later * unitMs };
}

// ----------------------------------------------------------------------------------------------------------- days

/** The first day at or after `day` that the BY parts leave in; undefined where there is none in 400 years. */
function nextDayIn(rule: Recurrence, day: number): number | undefined {
  const first = packedDate(day) >> 9;
  for (let year = first; year <= first + 400; year++) {
    const [newYear, days] = [dayNumber(year, 1, 1), daysOf(rule, year)];
    const found = days[firstAtOrAbove(days, day - newYear)];
    if (found !== undefined) return newYear + found;
  }
  return undefined;
}

/** The last day at or before `day` that the BY parts leave in; undefined where there is none in 400 years. */
function previousDayIn(rule: Recurrence, day: number): number | undefined {
  const last = packedDate(day) >> 9;
  for (let year = last; year >= last - 400; year--) {
    const [newYear, days] = [dayNumber(year, 1, 1), daysOf(rule, year)];
    const found = days[firstAtOrAbove(days, day - newYear + 1) - 1];
    if (found !== undefined) return newYear + found;
  }
  return undefined;
}

/** The days from `firstDay` to `lastDay` that the BY parts leave in. */
function daysBetween(rule: Recurrence, firstDay: number, lastDay: number): number[] {
  const found: number[] = [];
  for (let year = packedDate(firstDay) >> 9; ; year++) {
    const [newYear, days] = [dayNumber(year, 1, 1), daysOf(rule, year)];
    if (newYear > lastDay) return found;
    for (let index = firstAtOrAbove(days, firstDay - newYear); index < days.length; index++) {
      if (newYear + days[index]! > lastDay) return found;
      found.push(newYear + days[index]!);
    }
  }
}

/** For each calendar that a year can have, the days of it that a rule leaves in, counted from 0. */
const daysOfYears = new WeakMap<Recurrence, (readonly number[] | undefined)[]>();

function daysOf(rule: Recurrence, year: number): readonly number[] {
  let known = daysOfYears.get(rule);
  if (known === undefined) {
    known = [];
    daysOfYears.set(rule, known);
  }
  // Days at its ends may lie in a week of the year before or after: where that one is a leap year, they have other numbers.
  const leap = isLeapYear(year) ? 1 : isLeapYear(year - 1) ? 2 : isLeapYear(year + 1) ? 3 : 0;
  const calendar = weekdayOf(dayNumber(year, 1, 1)) * 4 + leap;
  let days = known[calendar];
  if (days === undefined) {
    days = findDays(rule, year);
    known[calendar] = days;
  }
  return days;
}

function findDays(rule: Recurrence, year: number): number[] {
  const found: number[] = [];
  const newYear = dayNumber(year, 1, 1);
  const countsInYear = rule.frequency === "YEARLY" && rule.months.length === 0;
  for (let month = 1, first = newYear; month <= 12; first += daysIn(year, month), month++) {
    if (rule.months.length > 0 && !rule.months.includes(month)) continue;
    const last = first + daysIn(year, month) - 1;
    const [firstDay, lastDay] = countsInYear ? [newYear, newYear + daysIn(year, 2) + 336] : [first, last];
    for (let day = first; day <= last; day++)
      if (isDayIn(rule, day, firstDay, lastDay, day - first + 1, last - day + 1)) found.push(day - newYear);
  }
  return found;
}

/** Whether the BY parts leave a day of their months in. Weekdays are counted from `firstDay` to `lastDay`: in its year or month. */
function isDayIn(
  rule: Recurrence,
  day: number,
  firstDay: number,
  lastDay: number,
  monthDay: number,
  monthDayFromEnd: number,
): boolean {
  const { monthDays, yearDays, weekNumbers, weekdays } = rule;
  if (monthDays.length > 0 && !monthDays.includes(monthDay) && !monthDays.includes(-monthDayFromEnd)) return false;
  if (yearDays.length > 0) {
    const year = packedDate(day) >> 9;
    const yearDay = day - dayNumber(year, 1, 1) + 1;
    if (!yearDays.includes(yearDay) && !yearDays.includes(yearDay - (daysIn(year, 2) + 337) - 1)) return false;
  }
  if (weekdays.length > 0) {
    const own = weekdayOf(day);
    const isNamed = weekdays.some(({ weekday, nth }) => {
      if (weekday !== own) return false;
      if (nth === 0) return true;
      return nth > 0 ? Math.floor((day - firstDay) / 7) === nth - 1 : Math.floor((lastDay - day) / 7) === -nth - 1;
    });
    if (!isNamed) return false;
  }
  return weekNumbers.length === 0 || isWeekIn(rule, day);
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
