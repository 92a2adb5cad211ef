// When the clock of a zone shows a time of a pattern: what every trigger that names wall times shares. The rule for the
// changes of the clocks is that of Debian's cron:
//
//   - A schedule with a wildcard (its second, minute or hour begins with `*`) follows real time: every instant whose wall
//     time matches, so nothing in a gap and both passes of an overlap.
//   - Any other names fixed times: one that falls in a gap runs at the first instant after it, where it merges with
//     whatever runs there, and one in an overlap on the first pass only.
//
// `dst: {gap, overlap}` overrides either half. With the two questions of zone.ts there are two searches:
//
//   real    every instant whose wall time matches                     gap: skip, overlap: both
//   fixed   reach(w) of every matching wall time w                    gap: next, overlap: first
//
// and the mixtures are made of them: fixed without the times in gaps, and the union of both.

import type { Instant } from "../time.ts";
import { dayMs, hourMs, minuteMs } from "../time.ts";
import type { WallTime, Zone } from "../zone.ts";
import { firstAtOrAbove } from "./ascending.ts";
import { greatestCommonDivisor, type Interval } from "./interval.ts";
import {
  coversMinutes,
  hasMinutes,
  hoursAround,
  meetInDay,
  meetsStep,
  nextMatch,
  previousMatch,
  type WallPattern,
} from "./pattern.ts";

export interface DstRule {
  /** What becomes of a time in a gap: it runs at the end of the gap, or not, or only if the gap is shorter than a day. */
  readonly gap: "next" | "skip" | "next-unless-day";
  /** What becomes of a time that is shown twice: it runs on the first pass, or on both. */
  readonly overlap: "first" | "both";
}

export const followsRealTime: DstRule = { gap: "skip", overlap: "both" };
export const namesFixedTimes: DstRule = { gap: "next", overlap: "first" };

/** Times of a zone's clock. */
export interface WallTimes {
  /** What they match, or each of them, ascending. */
  readonly pattern: WallPattern | readonly WallTime[];
  readonly zone: Zone;
  readonly dst: DstRule;
}

export interface WallClock extends WallTimes {
  readonly kind: "crontab" | "cron" | "apscheduler";
  readonly pattern: WallPattern;
}

/** A pattern whose matches fall into gaps this often in a row never fires again. A list comes to its end. */
const maxMissesOf = (pattern: WallTimes["pattern"]): number => (isList(pattern) ? Infinity : 128);
const isList = (pattern: WallTimes["pattern"]): pattern is readonly WallTime[] => Array.isArray(pattern);
/** Wall time and real time differ by less than this, and so do two offsets. */
export const aroundMs = 2 * dayMs;

export function nextWallClock(trigger: WallTimes, after: Instant): Instant | null {
  if (trigger.dst.overlap === "first") return nextFixed(trigger, after);
  const real = nextReal(trigger, after);
  if (trigger.dst.gap === "skip") return real;
  const fixed = nextFixed(trigger, after);
  return real === null || fixed === null ? (real ?? fixed) : Math.min(real, fixed);
}

export function previousWallClock(trigger: WallTimes, before: Instant): Instant | null {
  if (trigger.dst.overlap === "first") return previousFixed(trigger, before);
  const real = previousReal(trigger, before);
  if (trigger.dst.gap === "skip") return real;
  const fixed = previousFixed(trigger, before);
  return real === null || fixed === null ? (real ?? fixed) : Math.max(real, fixed);
}

/** The instants at which one wall time runs: none, one, or both passes. */
export function instantsShowing(wall: WallTime, zone: Zone, { gap, overlap }: DstRule): Instant[] {
  const first = zone.reach(wall);
  if (zone.wallAt(first) !== wall) return gap !== "next" && isSkipped(gap, wall, first, zone) ? [] : [first];
  if (overlap === "first") return [first];
  const { until } = zone.stretchAt(first);
  const second = wall - zone.offsetAt(until);
  return second >= until ? [first, second] : [first];
}

/** The first of them at or after `wall`. */
function nextIn(pattern: WallTimes["pattern"], wall: WallTime): WallTime | null {
  return isList(pattern) ? (pattern[firstAtOrAbove(pattern, wall)] ?? null) : nextMatch(pattern, wall);
}

/** The last of them at or before `wall`. */
function previousIn(pattern: WallTimes["pattern"], wall: WallTime): WallTime | null {
  return isList(pattern) ? (pattern[firstAtOrAbove(pattern, wall + 1) - 1] ?? null) : previousMatch(pattern, wall);
}

function nextFixed({ pattern, zone, dst }: WallTimes, after: Instant): Instant | null {
  const maxMisses = maxMissesOf(pattern);
  let wall: WallTime | null = nextIn(pattern, zone.shown(after) + 1);
  for (let misses = 0; wall !== null && misses < maxMisses; misses++) {
    const instant = zone.reach(wall);
    if (dst.gap === "next" || !isSkipped(dst.gap, wall, instant, zone)) return instant;
    wall = nextIn(pattern, zone.wallAt(instant));
  }
  return null;
}

function previousFixed({ pattern, zone, dst }: WallTimes, before: Instant): Instant | null {
  const maxMisses = maxMissesOf(pattern);
  let wall: WallTime | null = previousIn(pattern, zone.shown(before - 1));
  for (let misses = 0; wall !== null && misses < maxMisses; misses++) {
    const instant = zone.reach(wall);
    if (dst.gap === "next" || !isSkipped(dst.gap, wall, instant, zone)) return instant;
    wall = previousIn(pattern, zone.shown(instant - 1));
  }
  return null;
}

/** `instant` reaches `wall`: it is in a gap where the clock shows another time by then. */
function isSkipped(gap: "skip" | "next-unless-day", wall: WallTime, instant: Instant, zone: Zone): boolean {
  if (zone.wallAt(instant) === wall) return false;
  return gap === "skip" || zone.offsetAt(instant) - zone.offsetAt(instant - 1) >= dayMs;
}

/** Looks for a match in one stretch after the other; a stretch that can hold none is stepped over. */
function nextReal({ pattern, zone }: WallTimes, after: Instant): Instant | null {
  const maxMisses = maxMissesOf(pattern);
  let from = after + 1;
  for (let misses = 0; misses < 2 * maxMisses; misses++) {
    const { offsetMs, until } = zone.stretchAt(from);
    const wall = nextIn(pattern, from + offsetMs);
    if (wall !== null && wall - offsetMs < until) return wall - offsetMs;
    // A second pass can show wall times from before `from` only where a change is near.
    if (until - from < aroundMs) from = until;
    else if (wall === null) return null;
    else from = Math.max(until, wall - offsetMs - aroundMs);
  }
  return null;
}

function previousReal({ pattern, zone }: WallTimes, before: Instant): Instant | null {
  const maxMisses = maxMissesOf(pattern);
  let last = before - 1;
  for (let misses = 0; misses < 2 * maxMisses; misses++) {
    const { offsetMs, from } = zone.stretchAt(last);
    const wall = previousIn(pattern, last + offsetMs);
    if (wall !== null && wall - offsetMs >= from) return wall - offsetMs;
    if (last - from < aroundMs) last = from - 1;
    else if (wall === null) return null;
    else last = Math.min(from - 1, wall - offsetMs + aroundMs);
  }
  return null;
}

interface Meeting {
  readonly right: WallPattern | Interval;
  readonly aheadMs: number;
  readonly meet: boolean;
}

/** What was found out about a pattern and others. */
const meetings = new WeakMap<WallPattern, readonly Meeting[]>();

function meetInSomeDay(left: WallPattern, right: WallPattern | Interval, aheadMs: number): boolean {
  const known = meetings.get(left) ?? [];
  const found = known.find((each) => each.right === right && each.aheadMs === aheadMs);
  if (found !== undefined) return found.meet;
  const meet =
    "kind" in right
      ? meetsStep(left, right.firstAt + aheadMs, greatestCommonDivisor(right.everyMs, dayMs))
      : meetInDay(left, right, aheadMs);
  meetings.set(left, [...known, { right, aheadMs, meet }]);
  return meet;
}

/**
 * The span (from, until) around `instant`, exclusive, in which both zones keep their offsets and the two triggers never fire
 * at once, since no time of day of the one is one of the other. Undefined where they may. At `from` both may run what fell into gaps.
 */
export function apart(
  left: WallClock | Interval,
  right: WallClock | Interval,
  instant: Instant,
): { readonly from: Instant; readonly until: Instant } | undefined {
  if (left.kind === "interval") return right.kind === "interval" ? undefined : apart(right, left, instant);
  const a = left.zone.stretchAt(instant);
  if (right.kind === "interval") {
    return instant <= a.from || meetInSomeDay(left.pattern, right, a.offsetMs) ? undefined : a;
  }
  const b = right.zone.stretchAt(instant);
  const [from, until] = [Math.max(a.from, b.from), Math.min(a.until, b.until)];
  if (instant <= from) return undefined;
  return meetInSomeDay(left.pattern, right.pattern, a.offsetMs - b.offsetMs) ? undefined : { from, until };
}

/**
 * The hours of a day of the wall clock around a fire time of both, if `covering` fires in it whenever `covered` can. Undefined
 * where it may not. It lets a search step over what is left out: a day has 86,400 seconds.
 */
export function coveredSpan(
  covering: WallClock,
  covered: WallClock | Interval,
  instant: Instant,
): { readonly from: Instant; readonly until: Instant } | undefined {
  const { pattern, zone, dst } = covering;
  const { offsetMs, shownBefore, ...own } = zone.stretchAt(instant);
  const other = covered.kind === "interval" ? own : covered.zone.stretchAt(instant);
  const [from, until] = [Math.max(own.from, other.from), Math.min(own.until, other.until)];
  const wall = instant + offsetMs;
  // At the end of a gap both run what fell into it, which says nothing of the hour.
  if (instant === from || !coversHour(covering, covered, instant)) return undefined;
  const midnight = Math.floor(wall / dayMs) * dayMs;
  const [firstHour, nextHour] = hoursAround(pattern, Math.floor((wall - midnight) / hourMs));
  const began = Math.max(from + 1, midnight + firstHour * hourMs - offsetMs);
  if (dst.overlap === "first" && began + offsetMs <= shownBefore) return undefined;
  return { from: began, until: Math.min(until, midnight + nextHour * hourMs - offsetMs) };
}

/** Whether `covering`, in an hour in which it matches at all, matches every time that `covered` can. Both fire at `instant`. */
function coversHour({ pattern, zone }: WallClock, covered: WallClock | Interval, instant: Instant): boolean {
  const wall = zone.wallAt(instant);
  if (covered.kind === "interval") {
    // An interval of whole minutes keeps to its second, as long as the offset is the same.
    const stepMs = greatestCommonDivisor(covered.everyMs, hourMs);
    return stepMs % minuteMs === 0 && hasMinutes(pattern, Math.floor(wall / minuteMs), stepMs / minuteMs);
  }
  if (!coversMinutes(pattern, covered.pattern)) return false;
  const aheadMs = wall - covered.zone.wallAt(instant);
  return covered.zone === zone || (aheadMs % minuteMs === 0 && hasMinutes(pattern, 0, 1));
}
