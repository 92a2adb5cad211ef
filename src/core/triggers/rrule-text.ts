// The text of RFC 5545 recurrences: lines `RRULE:FREQ=…`, `EXRULE:`, `RDATE:` and `EXDATE:`. A line without a name is an RRULE.

import { DefinitionError, nearest } from "../errors.ts";
import { dayMs, hourMs, minuteMs, secondMs } from "../time.ts";
import type { WallTime, Zone } from "../zone.ts";
import { type Allowance, newAllowance, takeDates, takePart } from "./context.ts";
import { dayNumber, daysIn, inQuotes, packedDate, weekdayOf } from "./date-time.ts";
import { greatestCommonDivisor } from "./interval.ts";
import { type Frequency, frequencies, type Recurrence } from "./recurrence.ts";
import { lastOf } from "./recurrence-count.ts";
import { numberOfTimes } from "./times-of-day.ts";

export interface ParsedSet {
  readonly rules: readonly Recurrence[];
  readonly exceptRules: readonly Recurrence[];
  readonly dates: readonly WallTime[];
  readonly exceptDates: ReadonlySet<WallTime>;
}

const maxLength = 20_000;
const maxCount = 100_000;
const maxRules = 50;
const weekdayNames = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
/** The lists of numbers, with what each may hold. */
const numberLists = {
  BYMONTH: { min: 1, max: 12, negative: false },
  BYWEEKNO: { min: 1, max: 53, negative: true },
  BYYEARDAY: { min: 1, max: 366, negative: true },
  BYMONTHDAY: { min: 1, max: 31, negative: true },
  BYHOUR: { min: 0, max: 23, negative: false },
  BYMINUTE: { min: 0, max: 59, negative: false },
  BYSECOND: { min: 0, max: 59, negative: false },
  BYSETPOS: { min: 1, max: 366, negative: true },
} as const;
type NumberList = keyof typeof numberLists;
const partNames = ["FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", ...Object.keys(numberLists)];

function refuse(message: string, remedy: string): never {
  throw new DefinitionError(message, { remedy, place: { field: "rrule" } });
}

/** `start`: DTSTART as a wall time of `zone`, whole seconds. Throws DefinitionError. */
export function parseRecurrenceSet(
  value: unknown,
  start: WallTime,
  zone: Zone,
  allowance: Allowance = newAllowance(),
): ParsedSet {
  if (typeof value !== "string" || value.trim() === "")
    return refuse(`${inQuotes(value)} is not a recurrence`, "Write it like FREQ=WEEKLY;BYDAY=MO,FR.");
  if (value.length > maxLength) return refuse("is too long", `It has at most ${maxLength} characters.`);
  const rules: Recurrence[] = [];
  const exceptRules: Recurrence[] = [];
  const dates: WallTime[] = [];
  const exceptDates: WallTime[] = [];
  for (const line of value
    .split(/\r?\n/)
    .map((each) => each.trim())
    .filter((each) => each !== "")) {
    const [, name = "RRULE", text = ""] = /^(?:([A-Z]+)(?:;VALUE=DATE(?:-TIME)?)?:)?(.*)$/i.exec(line) ?? [];
    switch (name.toUpperCase()) {
      case "RRULE":
        rules.push(parseRule(text, start, zone, allowance));
        break;
      case "EXRULE":
        exceptRules.push(parseRule(text, start, zone, allowance));
        break;
      case "RDATE":
        dates.push(...timesOf(text, zone, allowance));
        break;
      case "EXDATE":
        exceptDates.push(...timesOf(text, zone, allowance));
        break;
      default:
        refuse(
          `${inQuotes(line)} is no line of a recurrence`,
          "Lines: RRULE, EXRULE, RDATE, EXDATE. DTSTART is start_at, its zone is timezone.",
        );
    }
  }
  if (rules.length + exceptRules.length > maxRules)
    refuse(`${rules.length + exceptRules.length} rules are too many`, `Give at most ${maxRules}, or dates.`);
  return { rules, exceptRules, dates: dates.sort((a, b) => a - b), exceptDates: new Set(exceptDates) };
}

function timesOf(text: string, zone: Zone, allowance: Allowance): WallTime[] {
  const times = text.split(",");
  takeDates(allowance, times.length, "rrule");
  return times.map((each) => parseTime(each, zone));
}

function parseRule(text: string, start: WallTime, zone: Zone, allowance: Allowance): Recurrence {
  takePart(allowance, "rrule");
  const parts = partsOf(text);
  const frequency = parts.get("FREQ")?.toUpperCase() as Frequency | undefined;
  if (frequency === undefined || !frequencies.includes(frequency)) {
    return refuse(`FREQ=${parts.get("FREQ") ?? ""} is no frequency`, `Frequencies: ${frequencies.join(", ")}.`);
  }
  const list = (name: NumberList): number[] => numbersOf(parts.get(name), name);
  const written: Recurrence = {
    frequency,
    interval: wholeOf(parts.get("INTERVAL") ?? "1", "INTERVAL", 1, 1_000_000),
    start,
    until: parts.has("UNTIL") ? untilOf(parts.get("UNTIL")!, zone) : Number.MAX_SAFE_INTEGER,
    months: list("BYMONTH"),
    weekNumbers: list("BYWEEKNO"),
    yearDays: list("BYYEARDAY"),
    monthDays: list("BYMONTHDAY"),
    weekdays: weekdaysOf(parts.get("BYDAY"), frequency),
    hours: list("BYHOUR"),
    minutes: list("BYMINUTE"),
    seconds: list("BYSECOND"),
    positions: list("BYSETPOS"),
    weekStart: weekdayNamed(parts.get("WKST") ?? "MO", "WKST"),
  };
  const rule = withDefaults(written);
  refuseUnreachable(rule);
  const most = mostTimes(rule);
  if (rule.positions.length > 0 && rule.positions.every((position) => Math.abs(position) > most))
    return { ...rule, until: Number.NEGATIVE_INFINITY };
  return parts.has("COUNT") ? counted(rule, wholeOf(parts.get("COUNT")!, "COUNT", 1, maxCount), allowance) : rule;
}

/** Steps of 30 minutes from 09:00 never come to minute 10. */
function refuseUnreachable({ frequency, interval, start, hours, minutes, seconds }: Recurrence): void {
  const cases: Partial<Record<Frequency, [named: readonly number[], unitMs: number, cycle: number]>> = {
    HOURLY: [hours, hourMs, 24],
    MINUTELY: [minutes, minuteMs, 60],
    SECONDLY: [seconds, secondMs, 60],
  };
  const [named, unitMs, cycle] = cases[frequency] ?? [[], 1, 1];
  const own = Math.floor(start / unitMs) % cycle;
  const step = greatestCommonDivisor(interval, cycle);
  if (named.length === 0 || named.some((value) => (value - own) % step === 0)) return;
  refuse(
    `${frequency} with INTERVAL=${interval} never comes to ${named.join(",")}`,
    `Choose values that are ${own} plus a multiple of ${step}, or another interval or start.`,
  );
}

function partsOf(text: string): Map<string, string> {
  const parts = new Map<string, string>();
  for (const part of text.split(";")) {
    const [name = "", value = "", ...rest] = part.split("=");
    const key = name.trim().toUpperCase();
    if (!partNames.includes(key)) {
      const guess = nearest(key, partNames);
      refuse(
        `${inQuotes(part)} is no part of a rule`,
        guess ? `Did you mean ${guess}=…?` : `Parts: ${partNames.join(", ")}, each as NAME=value, joined by ";".`,
      );
    }
    if (value === "" || rest.length > 0) refuse(`${inQuotes(part)} has no value`, `Write it as ${key}=value.`);
    if (parts.has(key)) refuse(`${key} stands twice`, "Give each part once.");
    parts.set(key, value.trim());
  }
  return parts;
}

/** What a rule does not say comes from its start. */
function withDefaults(rule: Recurrence): Recurrence {
  const { frequency, start } = rule;
  const day = Math.floor(start / dayMs);
  const date = packedDate(day);
  const inDay = start - day * dayMs;
  const namesDays = rule.weekNumbers.length + rule.yearDays.length + rule.monthDays.length + rule.weekdays.length > 0;
  const level = frequencies.indexOf(frequency);
  const orOwn = (named: readonly number[], isOwn: boolean, own: number): readonly number[] =>
    named.length === 0 && isOwn ? [own] : named;
  const isYearly = frequency === "YEARLY";
  const hours = orOwn(rule.hours, level < 4, Math.floor(inDay / hourMs));
  const minutes = orOwn(rule.minutes, level < 5, Math.floor(inDay / minuteMs) % 60);
  const seconds = orOwn(rule.seconds, level < 6, Math.floor(inDay / secondMs) % 60);
  return {
    ...rule,
    months: orOwn(rule.months, isYearly && !namesDays, (date >> 5) & 15),
    monthDays: orOwn(rule.monthDays, (isYearly || frequency === "MONTHLY") && !namesDays, date & 31),
    weekdays: frequency === "WEEKLY" && !namesDays ? [{ weekday: weekdayOf(day), nth: 0 }] : rule.weekdays,
    hours,
    minutes,
    seconds,
  };
}

/** The most times that a period may hold: where BYSETPOS wants more, nobody needs to look for one that does. */
function mostTimes(rule: Recurrence): number {
  switch (rule.frequency) {
    case "SECONDLY":
      return 1;
    case "MINUTELY":
      return rule.seconds.length;
    case "HOURLY":
      return rule.minutes.length * rule.seconds.length;
    case "DAILY":
      return numberOfTimes(rule);
    case "WEEKLY":
      return (rule.weekdays.length || 7) * numberOfTimes(rule);
    case "MONTHLY":
      return (rule.monthDays.length || 31) * numberOfTimes(rule);
    case "YEARLY":
      return 366 * numberOfTimes(rule);
  }
}

/** The same rule, ending with its nth occurrence. */
function counted(rule: Recurrence, count: number, allowance: Allowance): Recurrence {
  const until = lastOf(rule, count, allowance);
  if (until !== undefined) return { ...rule, until };
  return refuse(`COUNT=${count} takes too long to count`, "Give a smaller COUNT, or UNTIL.");
}

function numbersOf(text: string | undefined, name: NumberList): number[] {
  if (text === undefined) return [];
  const { min, max, negative } = numberLists[name];
  const values = text.split(",").map((each) => {
    const value = /^[+-]?[0-9]{1,3}$/.test(each) ? Number(each) : Number.NaN;
    const size = negative ? Math.abs(value) : value;
    if (size >= min && size <= max) return value;
    return refuse(
      `${name}=${each.slice(0, 20)} is out of range`,
      `Write numbers from ${min} to ${max}${negative ? `, or from -${max} to -${min} counted from the end` : ""}.`,
    );
  });
  return [...new Set(values)].sort((a, b) => a - b);
}

function weekdaysOf(text: string | undefined, frequency: Frequency): { weekday: number; nth: number }[] {
  if (text === undefined) return [];
  const counts = frequency === "YEARLY" || frequency === "MONTHLY";
  return text.split(",").map((each) => {
    const [, nth, name] = /^([+-]?[0-9]{1,2})?([A-Z]{2})$/i.exec(each) ?? [];
    const weekday = weekdayNamed(name ?? each, "BYDAY");
    if (nth !== undefined && (Number(nth) === 0 || Math.abs(Number(nth)) > 53)) {
      return refuse(`BYDAY=${each} counts no weekday`, "Count from 1 to 53, or from -1 to -53 from the end.");
    }
    return { weekday, nth: counts ? Number(nth ?? 0) : 0 };
  });
}

function weekdayNamed(name: string, part: string): number {
  const weekday = weekdayNames.indexOf(name.toUpperCase());
  return weekday >= 0
    ? weekday
    : refuse(`${part}=${name.slice(0, 20)} is no weekday`, `Weekdays: ${weekdayNames.join(", ")}.`);
}

function wholeOf(text: string, name: string, min: number, max: number): number {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max
    ? value
    : refuse(`${name}=${text.slice(0, 20)} is out of range`, `Write a whole number from ${min} to ${max}.`);
}

/** RFC 5545: where DTSTART is local, UNTIL is in UTC. */
function untilOf(text: string, zone: Zone): WallTime {
  if (!/Z$/i.test(text))
    return refuse(`UNTIL=${text.slice(0, 20)} is not in UTC`, "Write it like UNTIL=20271231T235959Z.");
  return parseTime(text, zone);
}

/** `20270131T090000` is local, with a Z it is in UTC; `20270131` is its midnight. */
function parseTime(text: string, zone: Zone): WallTime {
  const match = /^([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z)?)?$/i.exec(text.trim());
  const [year, month, day, hour, minute, second] = (match ?? []).slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (
    match === null ||
    year < 1900 ||
    month < 1 ||
    month > 12 ||
    day < 1 ||
    day > daysIn(year, month) ||
    hour > 23 ||
    minute > 59 ||
    second > 59
  ) {
    return refuse(`${inQuotes(text)} is not a time`, "Write it like 20270131T090000, or with a Z for UTC.");
  }
  const time = dayNumber(year, month, day) * dayMs + hour * hourMs + minute * minuteMs + second * secondMs;
  return match[7] === undefined ? time : zone.wallAt(time);
}
