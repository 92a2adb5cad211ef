// COUNT: the last of the first so many occurrences of a recurrence, so that a rule with COUNT is one with UNTIL. Where every day
// that the BY parts leave in has the same times, days are counted by the year; else the periods that hold something are walked.

import { dayMs, hourMs, minuteMs, secondMs } from "../time.ts";
import type { WallTime } from "../zone.ts";
import { firstAtOrAbove } from "./ascending.ts";
import type { Allowance } from "./context.ts";
import { dayNumber, daysIn, packedDate } from "./date-time.ts";
import {
  boundsOf,
  contentOf,
  frequencies,
  itemAt,
  itemsBefore,
  lastDayOfAll,
  nextOccurrence,
  periodAt,
  type Recurrence,
  sizeOf,
  stepsTo,
} from "./recurrence.ts";
import { daysOf } from "./recurrence-days.ts";
import { numberOfTimes, type TimesOfDay, timeAt, timesBefore } from "./times-of-day.ts";

/** A period that holds something takes as long as so many that hold nothing, and so does finding the days of a rule at first. */
const [stepsForContent, stepsForRule] = [20, 1_000];
/** A year that is counted is a step; where an interval decides of each of its days, so many of them are one more. */
const daysInStep = 6;

/** The last of the first `count` occurrences, or what comes after all of them; undefined where it would take too long to count. */
export function lastOf(rule: Recurrence, count: number, allowance: Allowance): WallTime | undefined {
  if (isSteady(rule)) return lastOfSteady(rule, count);
  const times = timesOfEachDay(rule);
  return times === undefined ? walkTo(rule, count, allowance) : lastOfDays(rule, count, times, allowance);
}

/** Whether every period holds the same times, so that counting them is arithmetic. */
function isSteady({ frequency, ...rule }: Recurrence): boolean {
  const named = [rule.months, rule.weekNumbers, rule.yearDays, rule.monthDays, rule.weekdays, rule.positions];
  if (frequency === "HOURLY") named.push(rule.hours);
  if (frequency === "MINUTELY") named.push(rule.hours, rule.minutes);
  if (frequency === "SECONDLY") named.push(rule.hours, rule.minutes, rule.seconds);
  return frequencies.indexOf(frequency) >= 3 && named.every((each) => each.length === 0);
}

function lastOfSteady(rule: Recurrence, count: number): WallTime {
  const atStart = contentOf(rule, 0);
  const [size, index] = [sizeOf(atStart), itemsBefore(atStart, rule.start) + count - 1];
  const period = Math.floor(index / size);
  if (boundsOf(rule, period).firstDay > lastDayOfAll) return rule.until;
  return Math.min(itemAt(contentOf(rule, period), index % size), rule.until);
}

/** The times that each day has, if they are the same ones on all days. */
function timesOfEachDay({ frequency, interval, start, positions, ...named }: Recurrence): TimesOfDay | undefined {
  if (positions.length > 0) return undefined;
  const level = frequencies.indexOf(frequency) - frequencies.indexOf("HOURLY");
  if (level < 0) return named;
  const units = [
    { values: named.hours, unitMs: hourMs, cycle: 24 },
    { values: named.minutes, unitMs: minuteMs, cycle: 60 },
    { values: named.seconds, unitMs: secondMs, cycle: 60 },
  ];
  if (units[level]!.cycle % interval !== 0) return undefined;
  const [hours, minutes, seconds] = units.map(({ values, unitMs, cycle }, index) => {
    const all = values.length > 0 ? values : Array.from({ length: cycle }, (_, value) => value);
    return index === level ? all.filter((value) => (value - Math.floor(start / unitMs)) % interval === 0) : all;
  }) as [number[], number[], number[]];
  return { hours, minutes, seconds };
}

function lastOfDays(rule: Recurrence, count: number, times: TimesOfDay, allowance: Allowance): WallTime | undefined {
  const { frequency, interval, start, until } = rule;
  const inDay = numberOfTimes(times);
  const startDay = Math.floor(start / dayMs);
  const stepsByDay = interval > 1 && frequencies.indexOf(frequency) < frequencies.indexOf("HOURLY");
  let left = count;
  for (let year = packedDate(startDay) >> 9; year <= 9999; year++) {
    const newYear = dayNumber(year, 1, 1);
    if (newYear * dayMs > until) break;
    if (--allowance.stepsLeft < 0) return undefined;
    if (stepsByDay && !holdsPeriod(rule, newYear, newYear + daysIn(year, 2) + 336)) continue;
    let days = daysOf(rule, year);
    if (newYear < startDay) days = days.slice(firstAtOrAbove(days, startDay - newYear));
    if (stepsByDay) {
      allowance.stepsLeft -= days.length / daysInStep;
      days = days.filter((day) => stepsTo(rule, newYear + day) % interval === 0);
    }
    // Those of the first day that are before the start count as if they had been.
    if (days[0] === startDay - newYear) left += timesBefore(times, start - startDay * dayMs);
    if (left <= days.length * inDay) {
      const day = newYear + days[Math.floor((left - 1) / inDay)]!;
      return Math.min(day * dayMs + timeAt(times, (left - 1) % inDay), until);
    }
    left -= days.length * inDay;
  }
  return until;
}

/** Whether a period begins or goes on from one day to another. */
function holdsPeriod(rule: Recurrence, firstDay: number, lastDay: number): boolean {
  return Math.floor(stepsTo(rule, lastDay) / rule.interval) * rule.interval >= stepsTo(rule, firstDay);
}

function walkTo(rule: Recurrence, count: number, allowance: Allowance): WallTime | undefined {
  allowance.stepsLeft -= stepsForRule;
  let left = count;
  let last = rule.start - 1;
  let period = 0;
  for (; allowance.stepsLeft > 0; allowance.stepsLeft -= stepsForContent) {
    const next = nextOccurrence(rule, last + 1);
    if (next === null) return last;
    // What a BY part empties for long is stepped over, unless each step is long itself.
    allowance.stepsLeft -= Math.min(periodAt(rule, next) - period, rule.interval < 60 ? 60 : 500);
    period = periodAt(rule, next);
    const content = contentOf(rule, period);
    const [index, size] = [itemsBefore(content, next), sizeOf(content)];
    if (index + left <= size) return Math.min(itemAt(content, index + left - 1), rule.until);
    left -= size - index;
    last = itemAt(content, size - 1);
  }
  return undefined;
}
