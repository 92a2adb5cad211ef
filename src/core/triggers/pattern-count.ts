// How many times of a pattern lie in a span of wall time: matching days, by the months' masks, times the seconds that match in a
// day, plus those of the two days at the ends.

import { dayMs, secondMs } from "../time.ts";
import type { WallTime } from "../zone.ts";
import { dayNumber, daysIn, packedDate } from "./date-time.ts";
import { daysOf, has, type Sixty, type WallPattern } from "./pattern.ts";

/** How many wall times in [from, until) match. */
export function countMatches(pattern: WallPattern, from: WallTime, until: WallTime): number {
  if (until <= from) return 0;
  const [firstDay, lastDay] = [Math.floor(from / dayMs), Math.floor(until / dayMs)];
  const before = (wall: WallTime, day: number): number =>
    matchesOn(pattern, day) ? secondsBefore(pattern, Math.ceil((wall - day * dayMs) / secondMs)) : 0;
  const inDay = secondsBefore(pattern, dayMs / secondMs);
  return countDays(pattern, firstDay, lastDay) * inDay + before(until, lastDay) - before(from, firstDay);
}

/** How many of the days in [first, last) match. */
function countDays(pattern: WallPattern, first: number, last: number): number {
  const date = packedDate(first);
  let count = 0;
  for (let months = (date >> 9) * 12 + ((date >> 5) & 15) - 1; ; months++) {
    const [year, month] = [Math.floor(months / 12), (months % 12) + 1];
    const firstOfMonth = dayNumber(year, month, 1);
    if (firstOfMonth >= last) return count;
    let days = daysOf(pattern, year, month);
    if (firstOfMonth < first) days &= -1 << (first - firstOfMonth);
    if (firstOfMonth + daysIn(year, month) > last) days &= (1 << (last - firstOfMonth)) - 1;
    count += bitCount(days);
  }
}

function matchesOn(pattern: WallPattern, day: number): boolean {
  const date = packedDate(day);
  return ((daysOf(pattern, date >> 9, (date >> 5) & 15) >> ((date & 31) - 1)) & 1) === 1;
}

/** How many seconds of a matching day match before one of them. */
function secondsBefore({ hours, minutes, seconds }: WallPattern, second: number): number {
  const [hour, minute] = [Math.floor(second / 3_600), Math.floor(second / 60) % 60];
  const before = bitCount(hours & ((1 << hour) - 1)) * sizeOf(minutes) * sizeOf(seconds);
  if (((hours >> hour) & 1) === 0) return before;
  const inHour = sizeBelow(minutes, minute) * sizeOf(seconds);
  return before + inHour + (has(minutes, minute) ? sizeBelow(seconds, second % 60) : 0);
}

const sizeOf = ({ low, high }: Sixty): number => bitCount(low) + bitCount(high);

/** How many members are below `value` (0 to 59). */
const sizeBelow = ({ low, high }: Sixty, value: number): number =>
  value < 30 ? bitCount(low & ((1 << value) - 1)) : bitCount(low) + bitCount(high & ((1 << (value - 30)) - 1));

function bitCount(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count++;
  return count;
}
