// A pattern of wall times: which seconds, minutes and hours of which days. Pure calendar, no zones: the next and the
// previous match of a wall time. Sets are bits in small integers, so that a search is a handful of shifts: it goes from a
// day to the next matching day by the month's mask of days, never minute by minute. A pattern remembers the month that it was
// last asked for, since fire times are mostly asked for one after the other.

import { dayMs, minuteMs, secondMs } from "../time.ts";
import type { WallTime } from "../zone.ts";
import { firstAtOrAbove } from "./ascending.ts";
import { dayNumber, daysIn, packedDate, weekdayOf } from "./date-time.ts";

/** Sixty bits in two halves: 0 to 29, 30 to 59. */
export interface Sixty {
  readonly low: number;
  readonly high: number;
}

/** Days that depend on the month: given the weekday of the 1st (0 = Sunday) and the month's length, a mask with bit 0 for the 1st. */
export type DayRule = (firstWeekday: number, length: number) => number;

/** Ascending; null: every year. */
type Years = readonly number[] | null;

export interface WallPattern {
  readonly seconds: Sixty;
  readonly minutes: Sixty;
  /** Bit 0 = 00h. */
  readonly hours: number;
  /** The first and the last matching second of a matching day. */
  readonly firstSecond: number;
  readonly lastSecond: number;
  /** Bit 1 = January. */
  readonly months: number;
  /** Bit 0 = the 1st. */
  readonly monthDays: number;
  /** Bit 0 = Sunday. */
  readonly weekdays: number;
  readonly monthDayRules: readonly DayRule[];
  readonly weekdayRules: readonly DayRule[];
  /** A day matches if month day and weekday do, or if one of them does. */
  readonly either: boolean;
  /** Days of the month alone decide: the weekday need not be known. */
  readonly plainDays: boolean;
  /** Nothing but 29 February matches: years in between need not be tried. */
  readonly leapDays: boolean;
  readonly years: Years;
  /** Bit 1 = the first week of the ISO year; null: every week. */
  readonly weeks: Sixty | null;
  /** Nobody's but this file's. */
  readonly month: Month;
}

/** A month with the days of a pattern in it. */
interface Month {
  year: number;
  /** 1 = January. */
  number: number;
  /** Of the 1st. */
  firstDay: number;
  length: number;
  /** The matching days: bit 0 = the 1st. */
  days: number;
  /** Months, counted from the year 0, after and before which there is none with a matching day: not looked for again. */
  noneAfter: number;
  noneBefore: number;
}

export interface PatternFields {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly months: readonly number[];
  readonly monthDays: readonly number[];
  /** 0 = Sunday; 7 is Sunday too. */
  readonly weekdays: readonly number[];
  readonly monthDayRules?: readonly DayRule[];
  readonly weekdayRules?: readonly DayRule[];
  readonly either?: boolean;
  readonly years?: Years;
  readonly weeks?: readonly number[] | null;
}

const bitsOf = (values: readonly number[], base = 0): number =>
  values.reduce((bits, value) => bits | (1 << (value - base)), 0);
const sixtyOf = (values: readonly number[]): Sixty => ({
  low: bitsOf(values.filter((value) => value < 30)),
  high: bitsOf(
    values.filter((value) => value >= 30),
    30,
  ),
});
const secondOf = (hours: number, minutes: number, seconds: number): number => hours * 3_600 + minutes * 60 + seconds;

/** Every list of `fields` must hold at least one value. */
export function wallPattern(fields: PatternFields): WallPattern {
  const { seconds, minutes, hours, monthDayRules = [], weekdayRules = [], either = false, years = null } = fields;
  const weekdays = bitsOf(fields.weekdays.map((weekday) => weekday % 7));
  const [months, monthDays] = [bitsOf(fields.months), bitsOf(fields.monthDays, 1)];
  return {
    seconds: sixtyOf(seconds),
    minutes: sixtyOf(minutes),
    hours: bitsOf(hours),
    firstSecond: secondOf(Math.min(...hours), Math.min(...minutes), Math.min(...seconds)),
    lastSecond: secondOf(Math.max(...hours), Math.max(...minutes), Math.max(...seconds)),
    months,
    monthDays,
    weekdays,
    monthDayRules,
    weekdayRules,
    either,
    plainDays: weekdays === 127 && monthDayRules.length === 0 && !either && !fields.weeks,
    leapDays: months === 1 << 2 && lowestBit(monthDays) === 28 && monthDayRules.length === 0 && !either,
    years,
    weeks: fields.weeks ? sixtyOf(fields.weeks) : null,
    month: { year: 0, number: 0, firstDay: 0, length: 0, days: 0, noneAfter: Infinity, noneBefore: -Infinity },
  };
}

/** Whether `covering` names every minute and second of the hour that `covered` names. */
export function coversMinutes(covering: WallPattern, covered: WallPattern): boolean {
  const covers = (a: Sixty, b: Sixty): boolean => (b.low & ~a.low) === 0 && (b.high & ~a.high) === 0;
  return covers(covering.seconds, covered.seconds) && covers(covering.minutes, covered.minutes);
}

/** Whether it names the minutes of the hour that are `minute` plus or minus a multiple of `step`, which divides an hour. */
export function hasMinutes({ minutes }: WallPattern, minute: number, step: number): boolean {
  for (let each = modulo(minute, step); each < 60; each += step) if (!has(minutes, each)) return false;
  return true;
}

/** The hours in a row around one that is named: from the first up to the one after the last. */
export function hoursAround({ hours }: WallPattern, hour: number): readonly [from: number, until: number] {
  return [32 - Math.clz32(~hours & ((1 << hour) - 1)), lowestBit(~hours & (-1 << hour))];
}

/** The calendar repeats after 400 years: what did not match in as many never does. */
const maxYears = 400;
const lastYear = 9_999;
const firstYear = 1_600;

/** The first matching wall time at or after `wall`, or null where there is none. */
export function nextMatch(pattern: WallPattern, wall: WallTime): WallTime | null {
  const day = Math.floor(wall / dayMs);
  const { month } = pattern;
  if (day < month.firstDay || day >= month.firstDay + month.length) lookAtMonthOf(pattern, day);
  const bit = day - month.firstDay;
  if ((month.days >> bit) & 1) {
    const second = nextSecondOfDay(pattern, Math.ceil((wall - day * dayMs) / secondMs));
    if (second >= 0) return day * dayMs + second * secondMs;
  }
  const later = month.days & (-2 << bit);
  if (later === 0 && !lookAtLaterMonth(pattern)) return null;
  return (month.firstDay + lowestBit(later || month.days)) * dayMs + pattern.firstSecond * secondMs;
}

/** The last matching wall time at or before `wall`, or null where there is none. */
export function previousMatch(pattern: WallPattern, wall: WallTime): WallTime | null {
  const day = Math.floor(wall / dayMs);
  const { month } = pattern;
  if (day < month.firstDay || day >= month.firstDay + month.length) lookAtMonthOf(pattern, day);
  const bit = day - month.firstDay;
  if ((month.days >> bit) & 1) {
    const second = previousSecondOfDay(pattern, Math.floor((wall - day * dayMs) / secondMs));
    if (second >= 0) return day * dayMs + second * secondMs;
  }
  const earlier = month.days & ((1 << bit) - 1);
  if (earlier === 0 && !lookAtEarlierMonth(pattern)) return null;
  return (month.firstDay + highestBit(earlier || month.days)) * dayMs + pattern.lastSecond * secondMs;
}

function lookAtMonthOf(pattern: WallPattern, day: number): void {
  const date = packedDate(day);
  const [year, number] = [date >> 9, (date >> 5) & 15];
  lookAt(pattern, year, number, daysOf(pattern, year, number));
}

function lookAt({ month }: WallPattern, year: number, number: number, days: number): void {
  month.year = year;
  month.number = number;
  month.firstDay = dayNumber(year, number, 1);
  month.length = daysIn(year, number);
  month.days = days;
}

/** Goes on to the next month with a matching day; false where there is none. */
function lookAtLaterMonth(pattern: WallPattern): boolean {
  const { month } = pattern;
  let { year, number } = month;
  const from = year * 12 + number;
  if (from >= month.noneAfter) return false;
  for (let tried = 0; ; ) {
    const later = pattern.months & (-2 << number);
    if (later === 0) {
      if (pattern.years === null) year = pattern.leapDays ? (year | 3) + 1 : year + 1;
      else year = pattern.years[firstAtOrAbove(pattern.years, year + 1)] ?? lastYear + 1;
      if (year > lastYear || tried++ > maxYears) {
        month.noneAfter = from;
        return false;
      }
    }
    number = lowestBit(later === 0 ? pattern.months : later);
    const days = daysOf(pattern, year, number);
    if (days === 0) continue;
    lookAt(pattern, year, number, days);
    return true;
  }
}

/** Goes back to the last month before with a matching day; false where there is none. */
function lookAtEarlierMonth(pattern: WallPattern): boolean {
  const { month } = pattern;
  let { year, number } = month;
  const from = year * 12 + number;
  if (from <= month.noneBefore) return false;
  for (let tried = 0; ; ) {
    const earlier = pattern.months & ((1 << number) - 1);
    if (earlier === 0) {
      if (pattern.years === null) year = pattern.leapDays ? (year - 1) & -4 : year - 1;
      else year = pattern.years[firstAtOrAbove(pattern.years, year) - 1] ?? firstYear - 1;
      if (year < firstYear || tried++ > maxYears) {
        month.noneBefore = from;
        return false;
      }
    }
    number = highestBit(earlier === 0 ? pattern.months : earlier);
    const days = daysOf(pattern, year, number);
    if (days === 0) continue;
    lookAt(pattern, year, number, days);
    return true;
  }
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);
const highestBit = (bits: number): number => 31 - Math.clz32(bits);

/** The matching days of a month: bit 0 = the 1st. */
export function daysOf(pattern: WallPattern, year: number, month: number): number {
  if (((pattern.months >> month) & 1) === 0) return 0;
  const length = daysIn(year, month);
  const allDays = 0x7fff_ffff >> (31 - length);
  if (pattern.years !== null && pattern.years[firstAtOrAbove(pattern.years, year)] !== year) return 0;
  if (pattern.plainDays) return pattern.monthDays & allDays;
  const firstDay = dayNumber(year, month, 1);
  const firstWeekday = weekdayOf(firstDay);
  const week = ((pattern.weekdays >> firstWeekday) | (pattern.weekdays << (7 - firstWeekday))) & 127;
  let weekdays = week | (week << 7) | (week << 14) | (week << 21) | (week << 28);
  let monthDays = pattern.monthDays;
  for (const rule of pattern.monthDayRules) monthDays |= rule(firstWeekday, length);
  for (const rule of pattern.weekdayRules) weekdays |= rule(firstWeekday, length);
  const days = (pattern.either ? monthDays | weekdays : monthDays & weekdays) & allDays;
  return pattern.weeks === null ? days : days & daysOfWeeks(pattern.weeks, firstDay, firstWeekday, length);
}

/** The days of a month that lie in some of the ISO weeks. A week belongs to the year of its Thursday. */
function daysOfWeeks(weeks: Sixty, firstDay: number, firstWeekday: number, length: number): number {
  let days = 0;
  const firstMonday = -((firstWeekday + 6) % 7);
  for (let monday = firstMonday; monday < length; monday += 7) {
    const thursday = firstDay + monday + 3;
    const week = Math.floor((thursday - dayNumber(packedDate(thursday) >> 9, 1, 1)) / 7) + 1;
    if (has(weeks, week)) days |= monday < 0 ? 127 >> -monday : 127 << monday;
  }
  return days;
}

/** The first matching second of a day at or after `second`; -1 where the day holds none. */
function nextSecondOfDay(pattern: WallPattern, second: number): number {
  if (second <= pattern.firstSecond) return pattern.firstSecond;
  if (second > pattern.lastSecond) return -1;
  const hour = (second / 3_600) | 0;
  if ((pattern.hours >> hour) & 1) {
    const minute = ((second / 60) | 0) % 60;
    if (has(pattern.minutes, minute)) {
      const found = nextOf(pattern.seconds, second % 60);
      if (found >= 0) return secondOf(hour, minute, found);
    }
    const found = nextOf(pattern.minutes, minute + 1);
    if (found >= 0) return secondOf(hour, found, nextOf(pattern.seconds, 0));
  }
  return secondOf(lowestBit(pattern.hours & (-2 << hour)), nextOf(pattern.minutes, 0), nextOf(pattern.seconds, 0));
}

/** Whether both name a time of day at once where the clock of `left` is `aheadMs` ahead of that of `right`. */
export function meetInDay(left: WallPattern, right: WallPattern, aheadMs: number): boolean {
  const isApart = (a: Sixty, b: Sixty): boolean => (a.low & b.low) === 0 && (a.high & b.high) === 0;
  if (aheadMs % minuteMs === 0 && isApart(left.seconds, right.seconds)) return false;
  for (
    let second = nextSecondOfDay(left, 0);
    second >= 0 && second < daySeconds;
    second = nextSecondOfDay(left, second)
  ) {
    const other = modulo(second - aheadMs / secondMs, daySeconds);
    const found = nextSecondOfDay(right, other);
    if (found === other) return true;
    second += (found < 0 ? daySeconds : found) - other;
    if (second >= daySeconds) return false;
  }
  return false;
}

/** Whether it names a time of day that is `anyMs` plus or minus a multiple of `stepMs`, which divides a day. */
export function meetsStep(pattern: WallPattern, anyMs: number, stepMs: number): boolean {
  for (let at = modulo(anyMs, stepMs); at < dayMs; ) {
    const second = nextSecondOfDay(pattern, Math.ceil(at / secondMs));
    if (second < 0) return false;
    if (second * secondMs === at) return true;
    at += Math.ceil((second * secondMs - at) / stepMs) * stepMs;
  }
  return false;
}

const daySeconds = dayMs / secondMs;
const modulo = (value: number, by: number): number => ((value % by) + by) % by;

/** The last matching second of a day at or before `second`; -1 where the day holds none. */
function previousSecondOfDay(pattern: WallPattern, second: number): number {
  if (second >= pattern.lastSecond) return pattern.lastSecond;
  if (second < pattern.firstSecond) return -1;
  const hour = (second / 3_600) | 0;
  if ((pattern.hours >> hour) & 1) {
    const minute = ((second / 60) | 0) % 60;
    if (has(pattern.minutes, minute)) {
      const found = previousOf(pattern.seconds, second % 60);
      if (found >= 0) return secondOf(hour, minute, found);
    }
    const found = previousOf(pattern.minutes, minute - 1);
    if (found >= 0) return secondOf(hour, found, previousOf(pattern.seconds, 59));
  }
  return secondOf(
    highestBit(pattern.hours & ((1 << hour) - 1)),
    previousOf(pattern.minutes, 59),
    previousOf(pattern.seconds, 59),
  );
}

export const has = (set: Sixty, value: number): boolean =>
  ((value < 30 ? set.low >> value : set.high >> (value - 30)) & 1) === 1;

/** The lowest member at or above `value` (0 to 60), or -1. */
function nextOf(set: Sixty, value: number): number {
  if (value < 30) {
    const low = set.low & (-1 << value);
    if (low !== 0) return lowestBit(low);
  }
  const high = value <= 30 ? set.high : value < 60 ? set.high & (-1 << (value - 30)) : 0;
  return high === 0 ? -1 : 30 + lowestBit(high);
}

/** The highest member at or below `value` (-1 to 59), or -1. */
function previousOf(set: Sixty, value: number): number {
  if (value >= 30) {
    const high = set.high & ((2 << (value - 30)) - 1);
    if (high !== 0) return 30 + highestBit(high);
  }
  const low = value >= 29 ? set.low : value >= 0 ? set.low & ((2 << value) - 1) : 0;
  return low === 0 ? -1 : highestBit(low);
}
