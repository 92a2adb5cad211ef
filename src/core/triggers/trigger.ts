// A trigger is the compiled, pure rule that names fire times. One file a kind; here they are one.

import { BeatError } from "../errors.ts";
import type { Instant } from "../time.ts";
import { type Calendar, nextCalendar, previousCalendar } from "./calendar.ts";
import { type Coincidence, nextAll, nextAny, previousAll, previousAny, type Union } from "./combine.ts";
import { type Dates, nextDate, previousDate } from "./dates.ts";
import { type Except, isLeftOut, nextExcept, previousExcept } from "./except.ts";
import { countInterval, type Interval, nextInterval, previousInterval } from "./interval.ts";
import { isInRrule, nextRrule, previousRrule, type RecurrenceSet } from "./rrule.ts";
import { nextSolar, previousSolar, type Solar } from "./solar.ts";
import { nextWallClock, previousWallClock, type WallClock } from "./wall-clock.ts";
import { countWallClock } from "./wall-clock-count.ts";

/** A trigger within `start_at` and `end_at`, both inclusive. */
export interface Bounded {
  readonly kind: "bounded";
  readonly trigger: Trigger;
  readonly startAt: Instant;
  readonly endAt: Instant;
}

export type Trigger =
  | Interval
  | WallClock
  | Dates
  | Calendar
  | Solar
  | RecurrenceSet
  | Union
  | Coincidence
  | Except
  | Bounded;

/** Asks a trigger within another one for its next or previous fire time. */
export type Ask = (trigger: Trigger, instant: Instant) => Instant | null;

/** How many questions to triggers within a trigger one question may lead to: what meets less often is given up, not hung upon. */
const maxAsks = 18_000;

/** The sun, the RFC's rules and calendars take longer to answer than a clock. */
const costs: Partial<Record<Trigger["kind"], number>> = { solar: 100, rrule: 5, calendar: 2 };

const costOf = (trigger: Trigger): number =>
  trigger.kind === "bounded" ? costOf(trigger.trigger) : (costs[trigger.kind] ?? 1);

interface Budget {
  asksLeft: number;
}

/** The first fire time strictly later than `after`; null: there is none any more. Throws BeatError where a combination of triggers gives none in 18,000 steps. */
export function nextFireTime(trigger: Trigger, after: Instant): Instant | null {
  return nextOf(trigger, after, undefined);
}

/** The last fire time strictly earlier than `before`; null: there was none. Throws like nextFireTime. */
export function previousFireTime(trigger: Trigger, before: Instant): Instant | null {
  return previousOf(trigger, before, undefined);
}

function nextOf(trigger: Trigger, after: Instant, budget: Budget | undefined): Instant | null {
  switch (trigger.kind) {
    case "crontab":
    case "cron":
    case "apscheduler":
      return nextWallClock(trigger, after);
    case "interval":
      return nextInterval(trigger, after);
    case "at":
      return nextDate(trigger, after);
    case "calendar":
      return nextCalendar(trigger, after);
    case "solar":
      return nextSolar(trigger, after);
    case "rrule":
      return nextRrule(trigger, after);
    case "any":
      return nextAny(trigger, after, asking(nextOf, budget));
    case "all":
      return nextAll(trigger, after, asking(nextOf, budget));
    case "except":
      return nextExcept(trigger, after, ...exceptAsking(nextOf, budget));
    case "bounded": {
      const next = nextOf(trigger.trigger, Math.max(after, trigger.startAt - 1), budget);
      return next === null || next > trigger.endAt ? null : next;
    }
  }
}

function previousOf(trigger: Trigger, before: Instant, budget: Budget | undefined): Instant | null {
  switch (trigger.kind) {
    case "crontab":
    case "cron":
    case "apscheduler":
      return previousWallClock(trigger, before);
    case "interval":
      return previousInterval(trigger, before);
    case "at":
      return previousDate(trigger, before);
    case "calendar":
      return previousCalendar(trigger, before);
    case "solar":
      return previousSolar(trigger, before);
    case "rrule":
      return previousRrule(trigger, before);
    case "any":
      return previousAny(trigger, before, asking(previousOf, budget));
    case "all":
      return previousAll(trigger, before, asking(previousOf, budget));
    case "except":
      return previousExcept(trigger, before, ...exceptAsking(previousOf, budget));
    case "bounded": {
      const previous = previousOf(trigger.trigger, Math.min(before, trigger.endAt + 1), budget);
      return previous === null || previous < trigger.startAt ? null : previous;
    }
  }
}

function asking(find: typeof nextOf, budget: Budget = { asksLeft: maxAsks }): Ask {
  return (trigger, instant) => {
    spend(budget, costOf(trigger));
    return find(trigger, instant, budget);
  };
}

function spend(budget: Budget, cost: number): void {
  budget.asksLeft -= cost;
  if (budget.asksLeft >= 0) return;
  throw new BeatError(`no fire time was found in ${maxAsks} steps`, {
    remedy: "Choose triggers that meet more often, or leave out less: dates leave out whole days at once.",
  });
}

/** Whether a trigger that is left out fires at an instant is asked too, and counts. It needs no search, however seldom triggers meet. */
function exceptAsking(find: typeof nextOf, budget: Budget = { asksLeft: maxAsks }) {
  const ask = asking(nextOf, budget);
  const firesAt = (trigger: Trigger, instant: Instant): boolean => {
    switch (trigger.kind) {
      case "any":
        return trigger.triggers.some((each) => firesAt(each, instant));
      case "all":
        return trigger.triggers.every((each) => firesAt(each, instant));
      case "except":
        return firesAt(trigger.trigger, instant) && !isLeftOut(trigger, instant, firesAt);
      case "bounded":
        return instant >= trigger.startAt && instant <= trigger.endAt && firesAt(trigger.trigger, instant);
      case "rrule":
        spend(budget, 3 * (trigger.rules.length + trigger.exceptRules.length));
        return isInRrule(trigger, instant);
      default:
        return ask(trigger, instant - 1) === instant;
    }
  };
  return [asking(find, budget), firesAt] as const;
}

/** How far fire times are counted one by one, and how many questions to triggers within a trigger that may take. */
const maxCounted = 1_000_000;

/**
 * How many fire times lie in [from, until], and the last one of them. Intervals and clocks are counted by arithmetic. Others
 * are walked, at most a million steps: `count` is a lower bound then, and `last` is exact all the same.
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
  if ("pattern" in trigger) return countWallClock(trigger, from, until);
  if (trigger.kind === "bounded") {
    return countBetween(trigger.trigger, Math.max(from, trigger.startAt), Math.min(until, trigger.endAt));
  }
  let count = 0;
  let asked = 0;
  for (let after = from - 1; count + asked < maxCounted; count++) {
    const budget = { asksLeft: maxAsks };
    const next = nextOf(trigger, after, budget);
    if (next === null || next > until) break;
    after = next;
    asked += maxAsks - budget.asksLeft;
  }
  return count;
}

/**
 * Whether it counts elapsed time from the anchor that it was compiled with, so that a dispatcher may compile it with another
 * one when the wall clock was put back. An interval with `start_at` names instants, like every other trigger.
 */
export function isElapsed(trigger: Trigger): boolean {
  if (trigger.kind === "bounded" || trigger.kind === "except") return isElapsed(trigger.trigger);
  return trigger.kind === "interval" && trigger.anchored;
}

/** Whether a trigger fires at all is looked for from here, both ways: what meets seldom is found where its users live. */
const sometime = Date.UTC(2026, 0);

/**
 * Whether it names no time at all, past or future: `{month: 2, day: 30}`. A definition that never fires is a mistake. What
 * the search asks of triggers within it comes off `allowance`; throws like nextFireTime.
 */
export function neverFires(trigger: Trigger, allowance: Budget = { asksLeft: 2 * maxAsks }): boolean {
  const isFound = (find: typeof nextOf, instant: Instant): boolean => {
    const given = Math.min(maxAsks, allowance.asksLeft);
    const budget = { asksLeft: given };
    try {
      return find(trigger, instant, budget) !== null;
    } finally {
      allowance.asksLeft -= given - budget.asksLeft;
    }
  };
  return !isFound(nextOf, sometime) && !isFound(previousOf, sometime + 1);
}
