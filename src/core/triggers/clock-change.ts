// What the changes of the clocks do to a trigger. wall-clock.ts holds the rule; here it is asked about: of one fire time,
// whether a change moved, merged or repeated it, and of a span of time, which times of the trigger fall into its changes.
//
// Both questions come down to one: which wall times does a trigger name in a gap, or in an overlap? A trigger that names
// wall times, whatever its kind, is a Leaf that can list them; the others are made of such.

import { dayMs, hourMs, type Instant } from "../time.ts";
import { type WallTime, type Zone, zoneOf } from "../zone.ts";
import { firstAtOrAbove } from "./ascending.ts";
import { nextCalendar } from "./calendar.ts";
import { spanAt } from "./except.ts";
import { nextMatch } from "./pattern.ts";
import { lateInstant, nextRrule } from "./rrule.ts";
import { nextFireTime, type Trigger } from "./trigger.ts";
import { type DstRule, instantsShowing, namesFixedTimes } from "./wall-clock.ts";

/**
 * Why a fire time is what it is. `moved`: it stands for a time in a gap, and runs at its end (`rrule`: late by the length of
 * the gap). `merged`: it stands for several of them, or for its own time too. `first-pass`: the clock shows its time twice;
 * `repeats` where the second pass has a run as well. `walls`: the times that the clock never shows, at most 100.
 */
export type ClockMark = { readonly zone: string } & (
  | { readonly kind: "moved" | "merged"; readonly walls: readonly WallTime[] }
  | { readonly kind: "first-pass"; readonly repeats: boolean }
  | { readonly kind: "second-pass" }
);

/** A change of the clocks, and what it does to a trigger. */
export interface ClockEffect {
  readonly kind: "gap" | "overlap";
  /** When the first of `walls` runs, or the end of the gap; the first pass of the first of `walls` in an overlap. */
  readonly at: Instant;
  /** The trigger's times that the clock never shows, or shows twice: at least one, at most 100. */
  readonly walls: readonly WallTime[];
  readonly outcome: "moved" | "skipped" | "first" | "both";
  readonly zone: Zone;
}

interface Leaf {
  readonly zone: Zone;
  /** Whether it runs on both passes of an overlap. */
  readonly twice: boolean;
  /** Its first wall time at or after `wall`. */
  next(wall: WallTime): WallTime | null;
  /** The instants at which a wall time of its runs. */
  instants(wall: WallTime): Instant[];
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
      return { ...ruled(zone, dst), hourly, everyMinute, next: (wall) => nextMatch(pattern, wall) };
    }
    case "calendar": {
      const steps = { ...trigger, zone: withoutChanges };
      return { ...ruled(trigger.zone, trigger.dst), next: (wall) => nextCalendar(steps, wall - 1) };
    }
    case "rrule": {
      const { zone } = trigger;
      const set = { ...trigger, zone: withoutChanges };
      const instants = (wall: WallTime) => [lateInstant(wall, zone)];
      return { ...ruled(zone, namesFixedTimes), instants, next: (wall) => nextRrule(set, wall - 1) };
    }
    case "at": {
      if (trigger.local === undefined) return undefined;
      const { pattern, zone, dst } = trigger.local;
      return { ...ruled(zone, dst), next: (wall) => pattern[firstAtOrAbove(pattern, wall)] ?? null };
    }
    default:
      return undefined;
  }
}

/** In a zone without changes an instant is a wall time. */
const withoutChanges = zoneOf("UTC");

const ruled = (zone: Zone, dst: DstRule) => ({
  zone,
  twice: dst.overlap === "both",
  hourly: false,
  everyMinute: false,
  instants: (wall: WallTime) => instantsShowing(wall, zone, dst),
});

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
  const { zone, twice } = leaf;
  const { name } = zone;
  const wall = zone.wallAt(instant);
  const names = leaf.next(wall) === wall;
  for (const { at, beforeMs, afterMs } of zone.changesBetween(instant - dayMs, instant + 1)) {
    const moved = wallsIn(leaf, at + beforeMs, at + afterMs).filter((each) => leaf.instants(each).includes(instant));
    if (moved.length > 0) return { kind: names || moved.length > 1 ? "merged" : "moved", zone: name, walls: moved };
  }
  if (!names) return null;
  if (zone.stretchAt(instant).shownBefore >= wall) return twice ? { kind: "second-pass", zone: name } : null;
  const back = zone
    .changesBetween(instant + 1, instant + dayMs)
    .find(({ at, afterMs }) => wall - afterMs >= at && zone.wallAt(wall - afterMs) === wall);
  return back === undefined ? null : { kind: "first-pass", zone: name, repeats: twice };
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
        if (spanAt(trigger, effect.at) === undefined && (effect.outcome === "skipped" || fires(trigger, effect.at)))
          yield effect;
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
  const { zone, twice } = leaf;
  for (const { at, beforeMs, afterMs } of zone.changesBetween(from, until)) {
    const shiftMs = afterMs - beforeMs;
    if (leaf.hourly && (leaf.everyMinute || shiftMs % hourMs === 0)) continue;
    if (shiftMs > 0) {
      const walls = wallsIn(leaf, at + beforeMs, at + afterMs);
      if (walls.length === 0) continue;
      const [runsAt] = leaf.instants(walls[0]!);
      yield { kind: "gap", at: runsAt ?? at, walls, outcome: runsAt === undefined ? "skipped" : "moved", zone };
    } else {
      const walls = wallsIn(leaf, at + afterMs, at + beforeMs);
      if (walls.length === 0) continue;
      yield { kind: "overlap", at: walls[0]! - beforeMs, walls, outcome: twice ? "both" : "first", zone };
    }
  }
}
