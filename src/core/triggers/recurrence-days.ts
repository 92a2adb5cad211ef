// The days of a recurrence: those that its BY parts leave in, whatever its periods are. They depend on nothing but the calendar
// of the year, and of calendars there are few: each is looked through once.

import { firstAtOrAbove } from "./ascending.ts";
import { dayNumber, daysIn, isLeapYear, packedDate, weekdayOf } from "./date-time.ts";
import type { Recurrence } from "./recurrence.ts";

/** The first day at or after `day` that the BY parts leave in; undefined where there is none in 400 years. */
export function nextDayIn(rule: Recurrence, day: number): number | undefined {
  const first = packedDate(day) >> 9;
  for (let year = first; year <= first + 400; year++) {
    const [newYear, days] = [dayNumber(year, 1, 1), daysOf(rule, year)];
    const found = days[firstAtOrAbove(days, day - newYear)];
    if (found !== undefined) return newYear + found;
  }
  return undefined;
}

/** The last day at or before `day` that the BY parts leave in; undefined where there is none in 400 years. */
export function previousDayIn(rule: Recurrence, day: number): number | undefined {
  const last = packedDate(day) >> 9;
  for (let year = last; year >= last - 400; year--) {
    const [newYear, days] = [dayNumber(year, 1, 1), daysOf(rule, year)];
    const found = days[firstAtOrAbove(days, day - newYear + 1) - 1];
    if (found !== undefined) return newYear + found;
  }
  return undefined;
}

/** The days from `firstDay` to `lastDay` that the BY parts leave in. */
export function daysBetween(rule: Recurrence, firstDay: number, lastDay: number): number[] {
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

export function daysOf(rule: Recurrence, year: number): readonly number[] {
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

export const weekOf = (day: number, weekStart: number): number => day - ((weekdayOf(day) - weekStart + 7) % 7);
