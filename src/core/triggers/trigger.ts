// A trigger is the compiled, pure rule that names fire times. One file a kind; here they are one.

import type { Instant } from "../time.ts";
import { type Dates, nextDate, previousDate } from "./dates.ts";
import { countInterval, type Interval, nextInterval, previousInterval } from "./interval.ts";
import { nextWallClock, previousWallClock, type WallClock } from "./wall-clock.ts";

/** A trigger within `start_at` and `end_at`, both inclusive. */
export interface Bounded {
  readonly kind: "bounded";
  readonly trigger: Trigger;
  readonly startAt: Instant;
  readonly endAt: Instant;
}

export type Trigger = Interval | WallClock | Dates | Bounded;

/** The first fire time strictly later than `after`; null: there is none any more. */
export function nextFireTime(trigger: Trigger, after: Instant): Instant | null {
  switch (trigger.kind) {
    case "crontab":
    case "cron":
      return nextWallClock(trigger, after);
    case "interval":
      return nextInterval(trigger, after);
    case "at":
      return nextDate(trigger, after);
    case "bounded": {
      const next = nextFireTime(trigger.trigger, Math.max(after, trigger.startAt - 1));
      return next === null || next > trigger.endAt ? null : next;
    }
  }
}

/** The last fire time strictly earlier than `before`; null: there was none. */
export function previousFireTime(trigger: Trigger, before: Instant): Instant | null {
  switch (trigger.kind) {
    case "crontab":
    case "cron":
      return previousWallClock(trigger, before);
    case "interval":
      return previousInterval(trigger, before);
    case "at":
      return previousDate(trigger, before);
    case "bounded": {
      const previous = previousFireTime(trigger.trigger, Math.min(before, trigger.endAt + 1));
      return previous === null || previous < trigger.startAt ? null : previous;
    }
  }
}

/** How far fire times are counted one by one. */
const maxCounted = 1_000_000;

/**
 * How many fire times lie in [from, until], and the last one of them. Intervals are counted by arithmetic. Others are
 * walked, at most a million: `count` is a lower bound then, and `last` is exact all the same.
 */
export function fireTimesBetween(
  trigger: Trigger,
  from: Instant,
  until: Instant,
): { readonly count: number; readonly last: Instant | null } {
  const previous = previousFireTime(trigger, until + 1);
  const last = previous === null || previous < from ? null : previous;
  return { count: last === null ? 0 : countBetween(trigger, from, until), last };
}

function countBetween(trigger: Trigger, from: Instant, until: Instant): number {
  if (trigger.kind === "interval") return countInterval(trigger, from, until);
  if (trigger.kind === "bounded") {
    return countBetween(trigger.trigger, Math.max(from, trigger.startAt), Math.min(until, trigger.endAt));
  }
  let count = 0;
  let next = nextFireTime(trigger, from - 1);
  while (next !== null && next <= until && count < maxCounted) {
    count++;
    next = nextFireTime(trigger, next);
  }
  return count;
}

/**
 * Whether it counts elapsed time from the anchor that it was compiled with, so that a dispatcher may compile it with another
 * one when the wall clock was put back. An interval with `start_at` names instants, like every other trigger.
 */
export function isElapsed(trigger: Trigger): boolean {
  if (trigger.kind === "bounded") return isElapsed(trigger.trigger);
  return trigger.kind === "interval" && trigger.anchored;
}
