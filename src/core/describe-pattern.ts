// A pattern of wall times in words: "at 09:00 on weekdays", "every 5 minutes from 09:00 to 17:59". It reads the compiled
// pattern and not what was typed, so whatever dialect it came from, the words say what it matches. Where no common phrase
// fits, its values are listed.

import { packedDate, weekdayOf } from "./triggers/date-time.ts";
import { lastDay, lastOfWeekday, lastWorkday, nearestWorkday, nthWeekday } from "./triggers/day-rules.ts";
import { monthNames, weekdayNames } from "./triggers/fields.ts";
import type { DayRule, WallPattern } from "./triggers/pattern.ts";

/** So many times of day are listed one by one. */
const maxTimes = 6;

export function patternPhrase(pattern: WallPattern): string {
  const { phrase, isTimes } = timePhrase(sixty(pattern.seconds), sixty(pattern.minutes), bits(pattern.hours, 24));
  const days = dayPhrase(pattern, isTimes);
  const named = days === "" ? (isTimes ? "every day" : "") : days;
  return [phrase, named, ...whenPhrases(pattern)].filter(Boolean).join(" ");
}

// ------------------------------------------------------------------------------------------------------- time of day

function timePhrase(seconds: number[], minutes: number[], hours: number[]): { phrase: string; isTimes: boolean } {
  const [second = 0, ...moreSeconds] = seconds;
  if (moreSeconds.length > 0) return { phrase: secondsPhrase(seconds, minutes, hours), isTimes: false };
  const [minute = 0, ...moreMinutes] = minutes;
  if (moreMinutes.length === 0) return hoursPhrase(second, minute, hours);
  if (hours.length * minutes.length <= maxTimes) {
    return {
      phrase: `at ${listed(hours.flatMap((hour) => minutes.map((each) => clock(hour, each, second))))}`,
      isTimes: true,
    };
  }
  const step = wholeStep(minutes, 60);
  if (step !== undefined) {
    const every = step === 1 ? "every minute" : `every ${step} minutes`;
    const at = second === 0 ? "" : ` at second ${second}`;
    return { phrase: `${every}${at}${within(hours)}`, isTimes: false };
  }
  const shifted = evenStep(minutes);
  if (shifted !== undefined && shifted * minutes.length === 60 && hours.length === 24 && minutes.length >= maxTimes) {
    const from = second === 0 ? `minute ${minute}` : `minute ${minute} and second ${second}`;
    return { phrase: `every ${shifted} minutes from ${from} of each hour`, isTimes: false };
  }
  const which = `minutes ${ranges(minutes)}${ofHours(hours)}`;
  return { phrase: second === 0 ? `at ${which}` : `at second ${second} of ${which}`, isTimes: false };
}

/** One minute of some hours. */
function hoursPhrase(second: number, minute: number, hours: number[]): { phrase: string; isTimes: boolean } {
  const onTheHour = minute === 0 && second === 0;
  const first = clock(hours[0]!, minute, second);
  const last = clock(hours.at(-1)!, minute, second);
  if (hours.length === 24) {
    const at = onTheHour ? "" : ` at minute ${minute}${second === 0 ? "" : ` and second ${second}`}`;
    return { phrase: `every hour${at}`, isTimes: false };
  }
  const step = evenStep(hours);
  if (step !== undefined && hours.length >= 4 && (hours.length > maxTimes || step * hours.length === 24)) {
    const every = step === 1 ? "every hour" : `every ${step} hours`;
    const isCycle = step * hours.length === 24 && hours[0] === 0 && onTheHour;
    return { phrase: isCycle ? every : `${every} from ${first} to ${last}`, isTimes: false };
  }
  if (hours.length <= maxTimes)
    return { phrase: `at ${listed(hours.map((hour) => clock(hour, minute, second)))}`, isTimes: true };
  const at = second === 0 ? `minute ${minute}` : `second ${second} of minute ${minute}`;
  return { phrase: `at ${at}${ofHours(hours)}`, isTimes: false };
}

function secondsPhrase(seconds: number[], minutes: number[], hours: number[]): string {
  const step = wholeStep(seconds, 60);
  if (step !== undefined) {
    const every = step === 1 ? "every second" : `every ${step} seconds`;
    const minuteStep = wholeStep(minutes, 60);
    if (minuteStep === 1) return `${every}${within(hours)}`;
    return minuteStep === undefined
      ? `${every} in ${plural("minute", minutes)} ${ranges(minutes)}${ofHours(hours)}`
      : `${every} of every ${ordinal(minuteStep)} minute${within(hours)}`;
  }
  const at = `at seconds ${ranges(seconds)}`;
  return minutes.length === 60
    ? `${at} of every minute${within(hours)}`
    : `${at} of ${plural("minute", minutes)} ${ranges(minutes)}${ofHours(hours)}`;
}

const plural = (word: string, values: readonly unknown[]): string => (values.length === 1 ? word : `${word}s`);

function within(hours: number[]): string {
  if (hours.length === 24) return "";
  return isRun(hours) ? ` from ${clock(hours[0]!, 0, 0)} to ${clock(hours.at(-1)!, 59, 0)}` : ` in ${hourList(hours)}`;
}

function ofHours(hours: number[]): string {
  if (hours.length === 24) return " of every hour";
  return isRun(hours) && hours.length > 1 ? ` of every hour${within(hours)}` : ` of ${hourList(hours)}`;
}

const hourList = (hours: number[]): string => `${plural("hour", hours)} ${ranges(hours)}`;

const two = (value: number): string => String(value).padStart(2, "0");

/** `09:00`; seconds only where there are any. */
export const clock = (hour: number, minute: number, second: number): string =>
  `${two(hour)}:${two(minute)}${second === 0 ? "" : `:${two(second)}`}`;

// -------------------------------------------------------------------------------------------------------------- days

interface Days {
  readonly plain: readonly number[];
  readonly rules: readonly string[];
}

/** On which days of which months; "" where every day of every month will do. */
function dayPhrase(pattern: WallPattern, isTimes: boolean): string {
  const months = bits(pattern.months, 13);
  const monthDays = bits(pattern.monthDays, 31).map((bit) => bit + 1);
  const weekdays = bits(pattern.weekdays, 7);
  const anyMonthDay = monthDays.length === 31;
  const anyWeekday = weekdays.length === 7;
  const ofMonths = months.length === 12 ? "of each month" : `of ${listed(months.map(monthName))}`;
  const inMonths = months.length === 12 ? "" : ` in ${monthRanges(months)}`;
  const onDates = `on the ${listed([...ordinalRanges(monthDays), ...pattern.monthDayRules.map(ruleName)])} ${ofMonths}`;
  const week: Days = { plain: weekdays, rules: pattern.weekdayRules.map(ruleName) };
  const onWeekdays = weekdayPhrase(week, ofMonths, inMonths);
  const everyDay = inMonths === "" ? "" : isTimes ? `every day${inMonths}` : inMonths.trim();
  if (pattern.either) return anyMonthDay || anyWeekday ? everyDay : `${onDates} and ${onWeekdays}`;
  if (anyMonthDay) return anyWeekday ? everyDay : onWeekdays;
  return anyWeekday ? onDates : `${onDates} if it is ${oneOfWeekdays(week)}`;
}

function weekdayPhrase({ plain, rules }: Days, ofMonths: string, inMonths: string): string {
  const names = plainWeekdays(plain);
  const ruled = rules.length === 0 ? "" : `the ${listed(rules)} ${ofMonths}`;
  if (names === "") return `on ${ruled}`;
  return `on ${names}${inMonths}${ruled === "" ? "" : ` and on ${ruled}`}`;
}

function plainWeekdays(weekdays: readonly number[]): string {
  const text = weekdays.join();
  if (text === "1,2,3,4,5") return "weekdays";
  if (text === "0,6") return "weekends";
  return listed(runs(mondayFirst(weekdays)).map((run) => rangeText(run, (day) => `${weekdayName(day)}s`)));
}

function oneOfWeekdays({ plain, rules }: Days): string {
  if (plain.join() === "1,2,3,4,5" && rules.length === 0) return "a weekday";
  const names = mondayFirst(plain).map((day) => `a ${weekdayName(day)}`);
  return listed([...names, ...rules.map((rule) => `the ${rule} of the month`)], "or");
}

/** Sunday is 7 here. */
const mondayFirst = (weekdays: readonly number[]): number[] =>
  weekdays.map((day) => (day === 0 ? 7 : day)).sort((a, b) => a - b);

export const weekdayName = (day: number): string => capital(weekdayNames[day % 7]!);
const monthName = (month: number): string => capital(monthNames[month - 1]!);
const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1);
const monthRanges = (months: readonly number[]): string => listed(runs(months).map((run) => rangeText(run, monthName)));

/** Weeks and years. */
function whenPhrases({ weeks, years }: WallPattern): string[] {
  const phrases: string[] = [];
  if (weeks !== null) {
    const values = sixty(weeks);
    if (values.length < 53) phrases.push(`in ISO ${plural("week", values)} ${ranges(values)}`);
  }
  if (years !== null) {
    const text = runs(years).map((run) => rangeText(run, String));
    phrases.push(`in ${listed(someOf(text))}`);
  }
  return phrases;
}

/** A rule is a function: it is known by the days that it gives, in months of every shape. */
function ruleName(rule: DayRule): string {
  names ??= new Map(Array.from(ruleNames(), ([each, name]) => [fingerprint(each), name]));
  return names.get(fingerprint(rule)) ?? "day of a rule of its own";
}

let names: Map<string, string> | undefined;

function fingerprint(rule: DayRule): string {
  const days: number[] = [];
  for (let length = 28; length <= 31; length++) for (let first = 0; first < 7; first++) days.push(rule(first, length));
  return days.join();
}

function* ruleNames(): Generator<readonly [DayRule, string]> {
  for (let day = 1; day <= 31; day++) yield [nearestWorkday(day), `working day nearest to the ${ordinal(day)}`];
  for (let day = 0; day < 7; day++) {
    for (let nth = 1; nth <= 5; nth++) yield [nthWeekday(day, nth), `${ordinal(nth)} ${weekdayName(day)}`];
    yield [lastOfWeekday(day), `last ${weekdayName(day)}`];
  }
  yield [lastDay, "last day"];
  yield [lastWorkday, "last working day"];
}

// ------------------------------------------------------------------------------------------------------------- words

/** `1st`, `22nd`. */
export function ordinal(value: number): string {
  const ending = value % 100 >= 11 && value % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][value % 10] ?? "th");
  return `${value}${ending}`;
}

/** `a, b and c`. */
export function listed(items: readonly string[], last = "and"): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} ${last} ${items.at(-1)}`;
}

/** The first few of many, and how many more. */
export function someOf(items: readonly string[], most = 5): string[] {
  return items.length <= most + 1 ? [...items] : [...items.slice(0, most), `${items.length - most} more`];
}

const ordinalRanges = (days: readonly number[]): string[] => runs(days).map((run) => rangeText(run, ordinal));
const ranges = (values: readonly number[]): string => listed(runs(values).map((run) => rangeText(run, String)));

const rangeText = ([first, last]: readonly [number, number], name: (value: number) => string): string =>
  first === last ? name(first) : `${name(first)} to ${name(last)}`;

/** Ascending values as runs of three or more, and single ones. */
function runs(values: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (let start = 0; start < values.length; ) {
    let end = start;
    while (values[end + 1] === values[end]! + 1) end++;
    if (end - start < 2) end = start;
    found.push([values[start]!, values[end]!]);
    start = end + 1;
  }
  return found;
}

const isRun = (values: readonly number[]): boolean => values.at(-1)! - values[0]! === values.length - 1;

/** The step of values that stand evenly. */
function evenStep(values: readonly number[]): number | undefined {
  const step = values[1]! - values[0]!;
  return values.every((value, index) => value === values[0]! + index * step) ? step : undefined;
}

/** The step of values that stand evenly from 0 all around `size`. */
function wholeStep(values: readonly number[], size: number): number | undefined {
  const step = evenStep(values);
  return values[0] === 0 && step !== undefined && step * values.length === size ? step : undefined;
}

function bits(set: number, size: number): number[] {
  return Array.from({ length: size }, (_, bit) => bit).filter((bit) => (set >> bit) & 1);
}

function sixty({ low, high }: { readonly low: number; readonly high: number }): number[] {
  return [...bits(low, 30), ...bits(high, 30).map((bit) => bit + 30)];
}

/** The day of the month, and the weekday (0 = Sunday), of a day number. */
export const dateParts = (day: number): { readonly monthDay: number; readonly weekday: number } => ({
  monthDay: packedDate(day) & 31,
  weekday: weekdayOf(day),
});
