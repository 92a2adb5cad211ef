// `rrule`: RFC 5545 text. Lines of RRULE, EXRULE, RDATE and EXDATE make a set of wall times of the entry's zone; `start_at`
// is DTSTART. A wall time in a gap is late by the length of the gap, and one shown twice is its first pass: that is what the
// RFC says, and `dst` does not apply. A rule may name no time at all: neverFires tells.
//
// The set is Beat's own and not rrule.js's: that gives the same times, but walks to every answer from DTSTART (seconds for
// an hourly rule of some years), and does not end for a rule that names no time.

import { z } from "zod";
import { BeatError } from "../errors.ts";
import { dayMs, type Instant } from "../time.ts";
import type { WallTime, Zone } from "../zone.ts";
import { firstAtOrAbove } from "./ascending.ts";
import type { CompileContext } from "./context.ts";
import { nextOccurrence, occursAt, periodsLookedAt, previousOccurrence, type Recurrence } from "./recurrence.ts";
import { parseRecurrenceSet } from "./rrule-text.ts";

export interface RecurrenceSet {
  readonly kind: "rrule";
  readonly rules: readonly Recurrence[];
  readonly exceptRules: readonly Recurrence[];
  /** Ascending. */
  readonly dates: readonly WallTime[];
  readonly exceptDates: ReadonlySet<WallTime>;
  readonly zone: Zone;
}

export const rruleSchema = z.string();

/** How many times in a row may be left out by EXRULE and EXDATE, times the number of rules: each of them is asked. */
const maxLeftOut = 4_000;
/** How many periods are looked at for them: a rule may name something once in thousands. */
const maxPeriods = 20_000;

export function compileRrule(value: unknown, { zone, startWall, anchorAt, allowance }: CompileContext): RecurrenceSet {
  const start = startWall ?? zone.wallAt(anchorAt);
  return { kind: "rrule", zone, ...parseRecurrenceSet(value, start - (start % 1_000), zone, allowance) };
}

export function nextRrule(set: RecurrenceSet, after: Instant): Instant | null {
  const { zone } = set;
  // After a gap the times that it held are still to come, late, beside those on time.
  const gap = gapBefore(zone, after);
  const missed = gap && nextInSet(set, after + gap.offsetMs + 1);
  const late = typeof missed === "number" && missed < gap!.until ? lateInstant(missed, zone) : Infinity;
  const wall = nextInSet(set, zone.shown(after) + 1);
  if (wall === null) return late === Infinity ? null : late;
  const instant = lateInstant(wall, zone);
  const reached = zone.reach(wall);
  if (instant === reached) return Math.min(late, instant);
  // In a gap itself: what follows the gap may come before it.
  const following = nextInSet(set, zone.wallAt(reached));
  return Math.min(late, instant, following === null ? Infinity : lateInstant(following, zone));
}

export function previousRrule(set: RecurrenceSet, before: Instant): Instant | null {
  const { zone } = set;
  const wall = previousInSet(set, zone.shown(before - 1));
  if (wall === null) return null;
  const instant = lateInstant(wall, zone);
  const isBefore = instant < before;
  // What the gap just before it held came late, perhaps later.
  const gap = gapBefore(zone, isBefore ? instant : before - 1);
  const missed = gap && previousInSet(set, Math.min(gap.until, before + gap.offsetMs) - 1);
  const late = typeof missed === "number" ? lateInstant(missed, zone) : -Infinity;
  const last = Math.max(late, isBefore ? instant : -Infinity);
  return last === -Infinity ? null : last;
}

/** Whether it names `instant`: no search, however much of the set is left out around it. */
export function isInRrule(set: RecurrenceSet, instant: Instant): boolean {
  const { zone } = set;
  const gap = gapBefore(zone, instant);
  const walls = [zone.wallAt(instant), ...(gap ? [instant + gap.offsetMs] : [])];
  return walls.some((wall) => lateInstant(wall, zone) === instant && isInSet(set, wall));
}

function isInSet({ rules, exceptRules, dates, exceptDates }: RecurrenceSet, wall: WallTime): boolean {
  const occurs = (rule: Recurrence): boolean => occursAt(rule, wall);
  const isNamed = dates[firstAtOrAbove(dates, wall)] === wall || rules.some(occurs);
  return isNamed && !exceptDates.has(wall) && !exceptRules.some(occurs);
}

export function lateInstant(wall: WallTime, zone: Zone): Instant {
  const instant = zone.reach(wall);
  return zone.wallAt(instant) === wall ? instant : wall - zone.offsetAt(instant - 1);
}

/** The gap whose times still come at or after `instant`, late: the first wall time after it, and the offset before it. */
function gapBefore(zone: Zone, instant: Instant): { readonly until: WallTime; readonly offsetMs: number } | undefined {
  const { from, offsetMs } = zone.stretchAt(instant);
  const before = zone.offsetAt(from - 1);
  return instant - from < offsetMs - before ? { until: from + offsetMs, offsetMs: before } : undefined;
}

/** The first wall time of the set at or after `wall`. */
function nextInSet(set: RecurrenceSet, wall: WallTime): WallTime | null {
  const { rules, dates } = set;
  let from = wall;
  const mayGoOn = patience(set);
  let leftOut = 0;
  for (; mayGoOn(leftOut); leftOut++) {
    const found = Math.min(
      ...rules.map((rule) => nextOccurrence(rule, from) ?? Infinity),
      dates[firstAtOrAbove(dates, from)] ?? Infinity,
    );
    if (found === Infinity) return null;
    const span = leftOutAround(set, found);
    if (span === undefined) return found;
    from = span.until;
  }
  return giveUp(leftOut, wall);
}

/** The last wall time of the set at or before `wall`. */
function previousInSet(set: RecurrenceSet, wall: WallTime): WallTime | null {
  const { rules, dates } = set;
  let until = wall;
  const mayGoOn = patience(set);
  let leftOut = 0;
  for (; mayGoOn(leftOut); leftOut++) {
    const found = Math.max(
      ...rules.map((rule) => previousOccurrence(rule, until) ?? -Infinity),
      dates[firstAtOrAbove(dates, until + 1) - 1] ?? -Infinity,
    );
    if (found === -Infinity) return null;
    const span = leftOutAround(set, found);
    if (span === undefined) return found;
    until = span.from - 1;
  }
  return giveUp(leftOut, wall);
}

/** The span around a time of the set in which all of it is left out; undefined where it is not. */
function leftOutAround(
  set: RecurrenceSet,
  wall: WallTime,
): { readonly from: WallTime; readonly until: WallTime } | undefined {
  const rule = set.exceptRules.find((each) => occursAt(each, wall));
  if (rule !== undefined && coversDays(rule, set)) {
    const midnight = Math.floor(wall / dayMs) * dayMs;
    return { from: Math.max(midnight, rule.start), until: Math.min(midnight + dayMs, rule.until + 1) };
  }
  return rule !== undefined || set.exceptDates.has(wall) ? { from: wall, until: wall + 1 } : undefined;
}

/** Whether a rule names, on its days, all that the set could: then they are stepped over by the day. */
function coversDays(
  { frequency, interval, hours, minutes, seconds, positions }: Recurrence,
  { rules, dates }: RecurrenceSet,
): boolean {
  if (interval > 1 || hours.length + minutes.length + positions.length > 0) return false;
  if (frequency === "SECONDLY") return seconds.length === 0;
  const isCovered = (rule: Recurrence): boolean =>
    rule.seconds.length > 0 && rule.seconds.every((second) => seconds.includes(second));
  return frequency === "MINUTELY" && dates.length === 0 && rules.every(isCovered);
}

/** Whether one more may be looked for, after so many were left out. */
function patience({ rules, exceptRules }: RecurrenceSet): (leftOut: number) => boolean {
  const most = Math.ceil(maxLeftOut / Math.max(1, rules.length + exceptRules.length));
  const before = periodsLookedAt();
  return (leftOut) => leftOut < most && (leftOut === 0 || periodsLookedAt() - before < maxPeriods);
}

function giveUp(leftOut: number, wall: WallTime): never {
  const near = new Date(wall).toISOString().slice(0, 19);
  throw new BeatError(`EXRULE and EXDATE leave out ${leftOut} times in a row near ${near}`, {
    remedy: "Leave out less, or write a rule that names less.",
  });
}
