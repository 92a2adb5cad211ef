// Days that a month's shape decides: its last day, its second Friday, the working day nearest to the 15th.

import type { DayRule } from "./pattern.ts";

const bit = (day: number): number => 1 << (day - 1);

const weekdayOn = (firstWeekday: number, day: number): number => (firstWeekday + day - 1) % 7;

export const lastDay: DayRule = (_, length) => bit(length);

/** The last day from Monday to Friday. */
export const lastWorkday: DayRule = (firstWeekday, length) => {
  const weekday = weekdayOn(firstWeekday, length);
  return bit(weekday === 0 ? length - 2 : weekday === 6 ? length - 1 : length);
};

/** The day from Monday to Friday nearest to `day`, in the same month. None in a month that has no such day. */
export function nearestWorkday(day: number): DayRule {
  return (firstWeekday, length) => {
    if (day > length) return 0;
    const weekday = weekdayOn(firstWeekday, day);
    if (weekday === 6) return bit(day > 1 ? day - 1 : day + 2);
    if (weekday === 0) return bit(day < length ? day + 1 : day - 2);
    return bit(day);
  };
}

/** The nth (1 to 5) of a weekday, 0 = Sunday. None in a month that has fewer. */
export function nthWeekday(weekday: number, nth: number): DayRule {
  return (firstWeekday, length) => {
    const day = 1 + ((weekday - firstWeekday + 7) % 7) + (nth - 1) * 7;
    return day > length ? 0 : bit(day);
  };
}

/** The last of a weekday, 0 = Sunday. */
export function lastOfWeekday(weekday: number): DayRule {
  return (firstWeekday, length) => bit(length - ((weekdayOn(firstWeekday, length) - weekday + 7) % 7));
}
