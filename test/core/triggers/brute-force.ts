// A matcher that shares nothing with the code under test: luxon says what the clock shows, minute by minute, and a time
// matches if the sets of its fields hold it. It is slow and plain on purpose.

import { DateTime } from "luxon";

export interface Sets {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly monthDays: readonly number[];
  readonly months: readonly number[];
  /** 0 = Sunday. */
  readonly weekdays: readonly number[];
  /** Month day OR weekday. */
  readonly either: boolean;
}

const minuteMs = 60_000;
const hourMs = 3_600_000;

/** The wall clock as if it were UTC. Where an hour begins and ends with one offset, luxon is not asked for every minute of it. */
function clockOf(zone: string): (instant: number) => number {
  const offsets = new Map<number, number>();
  const ask = (instant: number): number => {
    const known = offsets.get(instant) ?? DateTime.fromMillis(instant, { zone }).offset * minuteMs;
    offsets.set(instant, known);
    return known;
  };
  return (instant) => {
    const hour = instant - (instant % hourMs);
    return instant + (ask(hour) === ask(hour + hourMs) ? ask(hour) : ask(instant));
  };
}

export function matches(sets: Sets, wall: number): boolean {
  const date = new Date(wall);
  const monthDay = sets.monthDays.includes(date.getUTCDate());
  const weekday = sets.weekdays.includes(date.getUTCDay());
  return (
    sets.minutes.includes(date.getUTCMinutes()) &&
    sets.hours.includes(date.getUTCHours()) &&
    sets.months.includes(date.getUTCMonth() + 1) &&
    (sets.either ? monthDay || weekday : monthDay && weekday)
  );
}

/**
 * Every fire time in (after, until], both whole minutes. It keeps the latest minute that the clock showed, as a cron daemon does: the
 * minutes that the clock jumps over are due when it arrives behind them, and those that it shows again were shown before.
 */
export function fireTimes(
  sets: Sets,
  zone: string,
  dst: { gap: string; overlap: string },
  after: number,
  until: number,
): number[] {
  const wallOf = clockOf(zone);
  const found: number[] = [];
  // Two days earlier: an overlap may be going on at `after`.
  let latest = wallOf(after - 2_880 * minuteMs);
  for (let instant = after - 2_879 * minuteMs; instant <= until; instant += minuteMs) {
    const wall = wallOf(instant);
    const shownBefore = wall <= latest;
    let due = matches(sets, wall) && (!shownBefore || dst.overlap === "both");
    if (dst.gap === "next") {
      for (let missing = latest + minuteMs; missing < wall; missing += minuteMs) due ||= matches(sets, missing);
    }
    if (due && instant > after) found.push(instant);
    latest = Math.max(latest, wall);
  }
  return found;
}
