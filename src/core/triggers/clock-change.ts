// What the changes of the clocks do to a trigger. wall-clock.ts holds the rule; here it is asked about: of one fire time,
// whether a change moved, merged or repeated it, and of a span of time, which times of the trigger fall into its changes.
//
// Both questions come down to one: which wall times does a trigger name in a gap, or in an overlap? A trigger that names
// wall times, whatever its kind, is a Leaf that can list them; the others are made of such.

import { dayMs, hourMs, type Instant } from "../time.ts";
import { type WallTime, type Zone, zoneOf } from "../zone.ts";
import { nextCalendar } from "./calendar.ts";
import { nextMatch } from "./pattern.ts";
import { nextFireTime, type Trigger } from "./trigger.ts";
import { type DstRule, instantsShowing } from "./wall-clock.ts";

/** Why a fire time is what it is. `walls` are times that the clock never shows on that day, at most 100. */
export type ClockMark =
  /** It stands for a time in a gap. */
  | { readonly kind: "moved"; readonly walls: readonly WallTime[] }
  /** It stands for several times in a gap, or for its own time and those. */
  | { readonly kind: "merged"; readonly walls: readonly WallTime[] }
  /** The clock shows its time twice. `repeats`: the second pass has a run too. */
  | { readonly kind: "first-pass"; readonly repeats: boolean }
  | { readonly kind: "second-pass" };

/** A change of the clocks, and what it does to a trigger. */
export interface ClockEffect {
  readonly kind: "gap" | "overlap";
  /** The first instant after the gap; the first pass of the first of `walls` in an overlap. */
  readonly at: Instant;
  /** The trigger's times that the clock never shows, or shows twice: at least one, at most 100. */
  readonly walls: readonly WallTime[];
  readonly outcome: "moved" | "skipped" | "first" | "both";
  readonly zone: Zone;
}

interface Leaf {
  readonly zone: Zone;
  readonly dst: DstRule;
  /** Its first wall time at or after `wall`. */
  next(wall: WallTime): WallTime | null;
  /** Whether it runs alike in every hour, and follows real time: a change by whole hours takes nothing from it. */
  readonly hourly: boolean;
  readonly everyMinute: boolean;
}

const maxWalls = 100;
const allHours = 0xff_ffff;
const thirtyMinutes = 0x3fff_ffff;

function leafOf(trigger: Trigger): Leaf | undefined {
  switch (trigger.kind) {
    case "crontab":
    case "cron":
    case "apscheduler": {
      const { pattern, zone, dst } = trigger;
      const { hours, minutes } = pattern;
      const hourly = dst.gap === "skip" && dst.overlap === "both" && hours === allHours;
      const everyMinute = minutes.low === thirtyMinutes && minutes.high === thirtyMinutes;
      return { zone, dst, hourly, everyMinute, next: (wall) => nextMatch(pattern, wall) };
    }
    case "calendar": {
      // In a zone without changes an instant is a wall time.
      const steps = { ...trigger, zone: zoneOf("UTC") };
      const { zone, dst } = trigger;
      return { zone, dst, hourly: false, everyMinute: false, next: (wall) => nextCalendar(steps, wall - 1) };
    }
    case "at": {
      if (trigger.local === undefined) return undefined;
      const { walls, zone, dst } = trigger.local;
      const ascending = walls.toSorted((a, b) => a - b);
      const next = (wall: WallTime) => ascending.find((each) => each >= wall) ?? null;
      return { zone, dst, hourly: false, everyMinute: false, next };
    }
    default:
      return undefined;
  }
}

/** Its wall times in [from, until). */
function wallsIn(leaf: Leaf, from: WallTime, until: WallTime): WallTime[] {
  const walls: WallTime[] = [];
  for (let wall = leaf.next(from); wall !== null && wall < until && walls.length < maxWalls; wall = leaf.next(wall + 1))
    walls.push(wall);
  return walls;
}

// ------------------------------------------------------------------------------------------------- of one fire time

/** What a change of the clocks has to do with `instant`, a fire time of `trigger`; null: nothing. */
export function clockMark(trigger: Trigger, instant: Instant): ClockMark | null {
  switch (trigger.kind) {
    case "bounded":
    case "except":
      return clockMark(trigger.trigger, instant);
    case "any":
    case "all":
      for (const each of trigger.triggers) {
        const mark = clockMark(each, instant);
        if (mark !== null) return mark;
      }
      return null;
    default: {
      const leaf = leafOf(trigger);
      return leaf === undefined ? null : markOf(leaf, instant);
    }
  }
}

function markOf(leaf: Leaf, instant: Instant): ClockMark | null {
  const { zone, dst } = leaf;
  const wall = zone.wallAt(instant);
  const names = leaf.next(wall) === wall;
  const [change] = zone.changesBetween(instant, instant + 1);
  if (change !== undefined && change.afterMs > change.beforeMs) {
    const missing = wallsIn(leaf, instant + change.beforeMs, instant + change.afterMs);
    const moved = missing.filter((each) => instantsShowing(each, zone, dst).includes(instant));
    if (moved.length > 0) return { kind: names || moved.length > 1 ? "merged" : "moved", walls: moved };
  }
  if (!names) return null;
  if (zone.stretchAt(instant).shownBefore >= wall) return dst.overlap === "both" ? { kind: "second-pass" } : null;
  const back = zone
    .changesBetween(instant + 1, instant + dayMs)
    .find(({ at, afterMs }) => wall - afterMs >= at && zone.wallAt(wall - afterMs) === wall);
  return back === undefined ? null : { kind: "first-pass", repeats: dst.overlap === "both" };
}

// ------------------------------------------------------------------------------------------------- of a span of time

/** What the changes of the clocks in [from, until) do to a trigger, each kind of it in the order of time. */
export function* clockEffects(trigger: Trigger, from: Instant, until: Instant): Generator<ClockEffect> {
  switch (trigger.kind) {
    case "bounded":
      yield* clockEffects(trigger.trigger, Math.max(from, trigger.startAt), Math.min(until, trigger.endAt + 1));
      return;
    case "any":
      for (const each of trigger.triggers) yield* clockEffects(each, from, until);
      return;
    case "except":
      for (const effect of clockEffects(trigger.trigger, from, until)) {
        const isLeftOut = trigger.spans.some((span) => effect.at >= span.from && effect.at < span.until);
        if (!isLeftOut && (effect.outcome === "skipped" || fires(trigger, effect.at))) yield effect;
      }
      return;
    case "all":
      for (const each of trigger.triggers) {
        for (const effect of clockEffects(each, from, until)) if (fires(trigger, effect.at)) yield effect;
      }
      return;
    default: {
      const leaf = leafOf(trigger);
      if (leaf !== undefined) yield* effectsOn(leaf, from, until);
    }
  }
}

const fires = (trigger: Trigger, instant: Instant): boolean => nextFireTime(trigger, instant - 1) === instant;

function* effectsOn(leaf: Leaf, from: Instant, until: Instant): Generator<ClockEffect> {
  const { zone, dst } = leaf;
  for (const { at, beforeMs, afterMs } of zone.changesBetween(from, until)) {
    const shiftMs = afterMs - beforeMs;
    if (leaf.hourly && (leaf.everyMinute || shiftMs % hourMs === 0)) continue;
    if (shiftMs > 0) {
      const walls = wallsIn(leaf, at + beforeMs, at + afterMs);
      if (walls.length === 0) continue;
      const runs = instantsShowing(walls[0]!, zone, dst).length > 0;
      yield { kind: "gap", at, walls, outcome: runs ? "moved" : "skipped", zone };
    } else {
      const walls = wallsIn(leaf, at + afterMs, at + beforeMs);
      if (walls.length === 0) continue;
      const outcome = dst.overlap === "both" ? "both" : "first";
      yield { kind: "overlap", at: walls[0]! - beforeMs, walls, outcome, zone };
    }
  }
}
