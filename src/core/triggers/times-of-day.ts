// Every second of every minute of every hour that is named: up to 86,400 times of a day, counted and found by arithmetic and
// never written out, since fifty rules in a text may name as many each.

import { hourMs, minuteMs, secondMs } from "../time.ts";
import { firstAtOrAbove } from "./ascending.ts";

/** Each list ascending. Times of a day are milliseconds from its midnight. */
export interface TimesOfDay {
  readonly hours: readonly number[];
  readonly minutes: readonly number[];
  readonly seconds: readonly number[];
}

export const noTimes: TimesOfDay = { hours: [], minutes: [], seconds: [] };

export const numberOfTimes = ({ hours, minutes, seconds }: TimesOfDay): number =>
  hours.length * minutes.length * seconds.length;

/** `index`: from 0 to their number - 1. */
export function timeAt({ hours, minutes, seconds }: TimesOfDay, index: number): number {
  const minute = Math.floor(index / seconds.length);
  return (
    hours[Math.floor(minute / minutes.length)]! * hourMs +
    minutes[minute % minutes.length]! * minuteMs +
    seconds[index % seconds.length]! * secondMs
  );
}

/** How many of the times are before one of the day. */
export function timesBefore({ hours, minutes, seconds }: TimesOfDay, time: number): number {
  const [hour, minute] = [Math.floor(time / hourMs), Math.floor(time / minuteMs) % 60];
  const [hoursBefore, minutesBefore] = [firstAtOrAbove(hours, hour), firstAtOrAbove(minutes, minute)];
  const before = hoursBefore * minutes.length * seconds.length;
  if (hours[hoursBefore] !== hour) return before;
  const inHour = minutesBefore * seconds.length;
  return (
    before + inHour + (minutes[minutesBefore] === minute ? firstAtOrAbove(seconds, (time % minuteMs) / secondMs) : 0)
  );
}
