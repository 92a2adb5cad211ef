// One rule of RFC 5545, section 3.3.10, as a set of wall times: no zones. A rule steps through periods (years, months, weeks,
// days, hours, minutes or seconds from its start); each period holds the days and times of day that the BY parts leave or
// name. Periods are numbered, so a search begins where it is asked and not at the start. It goes from one day that the BY parts
// leave to the next, though centuries lie between them, and knows soon that there is none.

import { dayMs, hourMs, minuteMs, secondMs } from "../time.ts";
import type { WallTime } from "../zone.ts";
import { firstAtOrAbove } from "./ascending.ts";
import { dayNumber, daysIn, packedDate } from "./date-time.ts";
import { greatestCommonDivisor } from "./interval.ts";
import { daysBetween, nextDayIn, previousDayIn, weekOf } from "./recurrence-days.ts";
import { noTimes, numberOfTimes, type TimesOfDay, timeAt, timesBefore } from "./times-of-day.ts";

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
export const lastDayOfAll = dayNumber(9999, 12, 31);

const subDailyMs: Partial<Record<Frequency, number>> = { HOURLY: hourMs, MINUTELY: minuteMs, SECONDLY: secondMs };

/** What a rule answered last: of rules in a set all are asked, though one of them alone comes next. */
interface Answers {
  next: { readonly asked: WallTime; readonly found: WallTime | null };
  previous: { readonly asked: WallTime; readonly found: WallTime | null };
}

const lastAnswers = new WeakMap<Recurrence, Answers>();

/** Periods, of all searches together: what a search took is the difference. */
let looked = 0;
export const periodsLookedAt = (): number => looked;

function answersOf(rule: Recurrence): Answers {
  let answers = lastAnswers.get(rule);
  if (answers === undefined) {
    answers = { next: { asked: Infinity, found: null }, previous: { asked: -Infinity, found: null } };
    lastAnswers.set(rule, answers);
  }
  return answers;
}

/** The first occurrence at or after `wall`, or null. */
export function nextOccurrence(rule: Recurrence, wall: WallTime): WallTime | null {
  const answers = answersOf(rule);
  const { asked, found } = answers.next;
  if (wall >= asked && (found === null || wall <= found)) return found;
  answers.next = { asked: wall, found: findNext(rule, wall) };
  return answers.next.found;
}

/** The last occurrence at or before `wall`, or null. */
export function previousOccurrence(rule: Recurrence, wall: WallTime): WallTime | null {
  const answers = answersOf(rule);
  const { asked, found } = answers.previous;
  if (wall <= asked && (found === null || wall >= found)) return found;
  answers.previous = { asked: wall, found: findPrevious(rule, wall) };
  return answers.previous.found;
}

function findNext(rule: Recurrence, wall: WallTime): WallTime | null {
  const wanted = Math.max(wall, rule.start);
  const firstDay = nextDayIn(rule, Math.floor(wanted / dayMs));
  if (firstDay === undefined) return null;
  const from = Math.max(wanted, firstDay * dayMs);
  let period = periodAt(rule, from);
  for (let left = emptyPeriods(rule); left > 0; left--) {
    looked++;
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

function findPrevious(rule: Recurrence, wall: WallTime): WallTime | null {
  const latest = Math.min(wall, rule.until);
  let period = periodAt(rule, latest);
  for (let left = emptyPeriods(rule); period >= 0 && left > 0; left--) {
    looked++;
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

export function occursAt(rule: Recurrence, wall: WallTime): boolean {
  return wall >= rule.start && wall <= rule.until && firstIn(contentOf(rule, periodAt(rule, wall)), wall) === wall;
}

// -------------------------------------------------------------------------------------------------------- periods

const periodStart = (rule: Recurrence, stepMs: number): WallTime => Math.floor(rule.start / stepMs) * stepMs;
const monthOf = (day: number): number => {
  const date = packedDate(day);
  return (date >> 9) * 12 + ((date >> 5) & 15) - 1;
};
/** The number of the last period that begins at or before `wall`. */
export function periodAt(rule: Recurrence, wall: WallTime): number {
  const stepMs = subDailyMs[rule.frequency];
  if (stepMs !== undefined) return Math.floor((wall - periodStart(rule, stepMs)) / (stepMs * rule.interval));
  return Math.floor(stepsTo(rule, Math.floor(wall / dayMs)) / rule.interval);
}

/** How many years, months, weeks or (else) days lie between the start of the rule and a day. */
export function stepsTo({ frequency, start, weekStart }: Recurrence, day: number): number {
  const startDay = Math.floor(start / dayMs);
  if (frequency === "YEARLY") return (packedDate(day) >> 9) - (packedDate(startDay) >> 9);
  if (frequency === "MONTHLY") return monthOf(day) - monthOf(startDay);
  if (frequency === "WEEKLY") return (weekOf(day, weekStart) - weekOf(startDay, weekStart)) / 7;
  return day - startDay;
}

/** The days of a period, both inclusive. */
export function boundsOf(rule: Recurrence, period: number): { firstDay: number; lastDay: number } {
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
type Content = { readonly days: readonly number[]; readonly times: TimesOfDay } | readonly WallTime[];

export function contentOf(rule: Recurrence, period: number): Content {
  const { firstDay, lastDay } = boundsOf(rule, period);
  const times = timesIn(rule, period);
  const days = times === noTimes ? [] : daysBetween(rule, firstDay, lastDay);
  const whole = { days, times };
  if (rule.positions.length === 0) return whole;
  const size = sizeOf(whole);
  const chosen = new Set<WallTime>();
  for (const position of rule.positions) {
    const index = position > 0 ? position - 1 : size + position;
    if (index >= 0 && index < size) chosen.add(itemAt(whole, index));
  }
  return [...chosen].sort((a, b) => a - b);
}

function firstIn(content: Content, wall: WallTime): WallTime | undefined {
  const index = itemsBefore(content, wall);
  return index < sizeOf(content) ? itemAt(content, index) : undefined;
}

function lastIn(content: Content, wall: WallTime): WallTime | undefined {
  const index = itemsBefore(content, wall + 1);
  return index > 0 ? itemAt(content, index - 1) : undefined;
}

export const sizeOf = (content: Content): number =>
  "days" in content ? content.days.length * numberOfTimes(content.times) : content.length;

export function itemAt(content: Content, index: number): WallTime {
  if (!("days" in content)) return content[index]!;
  const inDay = numberOfTimes(content.times);
  return content.days[Math.floor(index / inDay)]! * dayMs + timeAt(content.times, index % inDay);
}

/** How many of its times are before `wall`. */
export function itemsBefore(content: Content, wall: WallTime): number {
  if (!("days" in content)) return firstAtOrAbove(content, wall);
  const { days, times } = content;
  const today = Math.floor(wall / dayMs);
  const index = firstAtOrAbove(days, today);
  return index * numberOfTimes(times) + (days[index] === today ? timesBefore(times, wall - today * dayMs) : 0);
}

/** The times of day: all that the rule names, or those that lie in a period shorter than a day. */
function timesIn(rule: Recurrence, period: number): TimesOfDay {
  const stepMs = subDailyMs[rule.frequency];
  if (stepMs === undefined) return rule;
  const start = periodStart(rule, stepMs) + period * rule.interval * stepMs;
  const inDay = start - Math.floor(start / dayMs) * dayMs;
  const leaves = (named: readonly number[], value: number) => named.length === 0 || named.includes(value);
  const hour = Math.floor(inDay / hourMs);
  if (!leaves(rule.hours, hour)) return noTimes;
  if (stepMs === hourMs) return { hours: [hour], minutes: rule.minutes, seconds: rule.seconds };
  const minute = Math.floor(inDay / minuteMs) % 60;
  if (!leaves(rule.minutes, minute)) return noTimes;
  if (stepMs === minuteMs) return { hours: [hour], minutes: [minute], seconds: rule.seconds };
  const second = Math.floor(inDay / secondMs) % 60;
  return leaves(rule.seconds, second) ? { hours: [hour], minutes: [minute], seconds: [second] } : noTimes;
}

/** The day, hours, minutes or seconds around a period shorter than a day, if a BY part empties it: the search steps over it. */
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
  if (stepMs === hourMs) return undefined;
  const hourBegan = midnight + hour * hourMs;
  const minute = Math.floor((at - hourBegan) / minuteMs);
  if (rule.minutes.length > 0 && !rule.minutes.includes(minute))
    return spanBetween(rule.minutes, minute, hourBegan, minuteMs, 60);
  if (stepMs === minuteMs) return undefined;
  const minuteBegan = hourBegan + minute * minuteMs;
  const second = Math.floor((at - minuteBegan) / secondMs);
  return rule.seconds.length > 0 && !rule.seconds.includes(second)
    ? spanBetween(rule.seconds, second, minuteBegan, secondMs, 60)
    : undefined;
}

/** The hours of a day, or minutes of an hour, around one that is not named, up to those that are. */
function spanBetween(named: readonly number[], value: number, start: WallTime, unitMs: number, cycle: number) {
  const earlier = named.findLast((each) => each < value) ?? -1;
  const later = named.find((each) => each > value) ?? cycle;
  return { from: start + (earlier + 1) * unitMs, until: start + later * unitMs };
}
