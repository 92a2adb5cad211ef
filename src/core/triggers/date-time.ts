// Dates and times as people write them, and the calendar's arithmetic. Days are counted from 1970-01-01.

import { DefinitionError } from "../errors.ts";
import { dayMs, hourMs, type Instant, minuteMs } from "../time.ts";
import type { WallTime, Zone } from "../zone.ts";

export interface WrittenTime {
  /** What the text says, as if it were UTC. */
  readonly wall: WallTime;
  /** Minutes east of UTC where it says so; null: local to the schedule's zone. */
  readonly offsetMinutes: number | null;
  /** A date alone: its midnight. */
  readonly dateOnly: boolean;
}

const shape =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?: ?(Z|[+-]\d{2}:?[0-5]\d))?)?$/;
const remedy = 'Write it like "2027-01-31", "2027-01-31T09:00" or "2027-01-31T09:00:30+01:00".';
const firstYear = 1900;

/** Reads `2027-01-31`, `2027-01-31T09:00[:30[.5]][Z|+01:00]`, or with a space. Throws DefinitionError, with `field` as its place. */
export function parseDateTime(value: unknown, field: string): WrittenTime {
  const refuse = (why: string, instead = remedy): never => {
    throw new DefinitionError(`${inQuotes(value)} ${why}`, { remedy: instead, place: { field } });
  };
  const match = typeof value === "string" ? shape.exec(value) : null;
  if (match === null) return refuse("is not a date or a date with a time");
  const part = (index: number) => Number(match[index] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  if (year < firstYear) return refuse("is too long ago", `Years from ${firstYear} to 9999 are understood.`);
  if (month < 1 || month > 12) return refuse("has no such month", "Months go from 01 to 12.");
  if (day < 1 || day > daysIn(year, month)) {
    return refuse("has no such day", `${year}-${two(month)} has ${daysIn(year, month)} days.`);
  }
  if (hour > 23 || minute > 59 || second > 59)
    return refuse("has no such time of day", "Times go from 00:00:00 to 23:59:59.");
  const ms = match[7] === undefined ? 0 : Math.floor(Number(`0.${match[7]}`) * 1_000);
  const wall = dayNumber(year, month, day) * dayMs + hour * hourMs + minute * minuteMs + second * 1_000 + ms;
  const offsetMinutes = match[8] === undefined ? null : minutesOf(match[8]);
  if (offsetMinutes !== null && Math.abs(offsetMinutes) > 16 * 60) {
    return refuse("is further from UTC than any place", "Offsets go from -12:00 to +14:00.");
  }
  return { wall, offsetMinutes, dateOnly: match[4] === undefined };
}

/**
 * The instant at which something starts or ends: the first pass of a time that is shown twice; one in a gap is late by the
 * length of the gap (02:30 is 03:30), which keeps the minute that a series was anchored at.
 */
function instantOf({ wall, offsetMinutes }: WrittenTime, zone: Zone): Instant {
  if (offsetMinutes !== null) return wall - offsetMinutes * minuteMs;
  const instant = zone.reach(wall);
  return zone.wallAt(instant) === wall ? instant : wall - zone.offsetAt(instant - 1);
}

/** A written bound at the end: a date alone ends with that day. */
export function endOf(time: WrittenTime, zone: Zone): Instant {
  return time.dateOnly ? zone.reach(time.wall + dayMs) - 1 : instantOf(time, zone);
}

/** A written bound at the start: a date alone begins with that day. */
export function startOf(time: WrittenTime, zone: Zone): Instant {
  return time.dateOnly ? zone.reach(time.wall) : instantOf(time, zone);
}

/** A value for an error message: short, in quotes. It must not hold itself: sizeOf tells. */
export function inQuotes(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = typeof value === "string" ? value : (JSON.stringify(value, writtenOut) ?? String(value));
  return `"${text.length > 80 ? `${text.slice(0, 80)}…` : text}"`;
}

/** JSON has no form for a bigint, and would throw. */
const writtenOut = (_: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);

function minutesOf(offset: string): number {
  if (offset === "Z") return 0;
  const digits = offset.replace(":", "");
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3));
  return digits[0] === "-" ? -minutes : minutes;
}

const two = (number: number): string => String(number).padStart(2, "0");

export function isLeapYear(year: number): boolean {
  return (year & 3) === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** `month`: 1 to 12. */
export function daysIn(year: number, month: number): number {
  return month === 2 ? (isLeapYear(year) ? 29 : 28) : 30 + ((month + (month >> 3)) & 1);
}

/** Days from 1970-01-01 to a date of the Gregorian calendar; `month` 1 to 12. Years are counted from March, so that a leap day comes last. */
export function dayNumber(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

/** The date of a day number, packed as year * 512 + month * 32 + day: one number costs no allocation. */
export function packedDate(day: number): number {
  const z = day + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra =
    ((dayOfEra - ((dayOfEra / 1_460) | 0) + ((dayOfEra / 36_524) | 0) - ((dayOfEra / 146_096) | 0)) / 365) | 0;
  const dayOfYear = dayOfEra - (365 * yearOfEra + (yearOfEra >> 2) - ((yearOfEra / 100) | 0));
  const m = ((5 * dayOfYear + 2) / 153) | 0;
  const month = m < 10 ? m + 3 : m - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return year * 512 + month * 32 + (dayOfYear - (((153 * m + 2) / 5) | 0) + 1);
}

/** 0 = Sunday. */
export function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}
