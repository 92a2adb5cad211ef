// A matcher that shares nothing with the code under test: luxon says what the clock shows, minute by minute or second by
// second, and a time matches if the sets of its fields hold it. It is slow and plain on purpose.

import { DateTime } from "luxon";

export interface Sets {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly monthDays: readonly number[];
  readonly months: readonly number[];
  /** 0 = Sunday. */
  readonly weekdays: readonly number[];
  /** Month day OR weekday. */
  readonly either: boolean;
}

/** `next-unless-day`: a gap of a whole day is not made up for. */
export interface Rule {
  readonly gap: "next" | "next-unless-day" | "skip";
  readonly overlap: "first" | "both";
}

const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 86_400_000;

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
    return instant + (ask(hour) === ask(hour + hourMs) ? ask(hour) : ask(instant - (instant % minuteMs)));
  };
}

export function matches(sets: Sets, wall: number): boolean {
  const date = new Date(wall);
  if (!sets.seconds.includes(date.getUTCSeconds()) || !sets.minutes.includes(date.getUTCMinutes())) return false;
  const monthDay = sets.monthDays.includes(date.getUTCDate());
  const weekday = sets.weekdays.includes(date.getUTCDay());
  return (
    sets.hours.includes(date.getUTCHours()) &&
    sets.months.includes(date.getUTCMonth() + 1) &&
    (sets.either ? monthDay || weekday : monthDay && weekday)
  );
}

/**
 * Every fire time in (after, until], both whole minutes, in steps of a second or a minute. It keeps the latest time that the
 * clock showed, as a cron daemon does: the times that the clock jumps over are due when it arrives behind them, and those
 * that it shows again were shown before.
 */
export function fireTimes(
  sets: Sets,
  zone: string,
  { gap, overlap }: Rule,
  after: number,
  until: number,
  stepMs = minuteMs,
): number[] {
  const wallOf = clockOf(zone);
  const found: number[] = [];
  // A day earlier: an overlap may be going on at `after`.
  let latest = Number.NEGATIVE_INFINITY;
  for (let instant = after - dayMs; instant < after; instant += minuteMs)
    latest = Math.max(latest, wallOf(instant), wallOf(instant + minuteMs - stepMs));
  latest = Math.max(latest, wallOf(after));
  for (let instant = after + stepMs; instant <= until; instant += stepMs) {
    const wall = wallOf(instant);
    const shownBefore = wall <= latest;
    let due = matches(sets, wall) && (!shownBefore || overlap === "both");
    const isMadeUp = gap === "next" || (gap === "next-unless-day" && wall - latest < dayMs);
    for (let missing = latest + stepMs; isMadeUp && !due && missing < wall; missing += stepMs)
      due = matches(sets, missing);
    if (due) found.push(instant);
    latest = Math.max(latest, wall);
  }
  return found;
}
