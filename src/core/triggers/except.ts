// `except`: what a trigger leaves out. Dates, ranges of dates and named calendars leave out whole days of the zone; a
// date-time leaves out that instant; a trigger leaves out the instants at which it fires.

import { z } from "zod";
import { DefinitionError, nearest } from "../errors.ts";
import { dayMs, type Instant } from "../time.ts";
import type { Zone } from "../zone.ts";
import { type CompileContext, takeDates } from "./context.ts";
import { endOf, inQuotes, parseDateTime, startOf } from "./date-time.ts";
import type { Ask, Trigger } from "./trigger.ts";
import { coveredSpan } from "./wall-clock.ts";

export interface Except {
  readonly kind: "except";
  readonly trigger: Trigger;
  /** The zone of `days` and `times`. */
  readonly zone: Zone;
  /** What is left out: wall times [from, until) of days, wall times [from, until] and instants [from, until] as written. */
  readonly days: readonly Span[];
  readonly times: readonly Span[];
  readonly instants: readonly Span[];
  readonly triggers: readonly Trigger[];
}

/** Those of one list are ascending, and apart from each other. */
interface Span {
  readonly from: number;
  readonly until: number;
}

type LeftOut = Record<"days" | "times" | "instants", Span[]>;

const maxItems = 10_000;

const item = z.union([z.string(), z.record(z.string(), z.unknown())]);
export const exceptSchema = z.union([item, z.array(item).min(1).max(maxItems)]);

export function compileExcept(value: unknown, trigger: Trigger, context: CompileContext): Except {
  const items: readonly unknown[] = Array.isArray(value) ? [...value] : [value];
  if (items.length === 0 || items.length > maxItems) {
    throw new DefinitionError(items.length === 0 ? "the list is empty" : `${items.length} exceptions are too many`, {
      remedy: `Give 1 to ${maxItems}, or a named calendar.`,
      place: { field: "except" },
    });
  }
  const left: LeftOut = { days: [], times: [], instants: [] };
  const triggers: Trigger[] = [];
  items.forEach((each, index) => {
    const field = Array.isArray(value) ? `except.${index}` : "except";
    takeDates(context.allowance, 1, field);
    if (typeof each === "string") addNamed(left, each, field, context);
    else if (isRange(each)) addRange(left, each.from, each.to, field, context);
    else triggers.push(context.compileNested(each, field));
  });
  return {
    kind: "except",
    trigger,
    zone: context.zone,
    days: merge(left.days),
    times: merge(left.times),
    instants: merge(left.instants),
    triggers,
  };
}

const isRange = (value: unknown): value is { from: unknown; to: unknown } =>
  typeof value === "object" && value !== null && "from" in value && "to" in value && Object.keys(value).length === 2;

/** `2026-12-25`, `2026-12-24..2027-01-01`, a date-time, or the name of a calendar. */
function addNamed(left: LeftOut, text: string, field: string, context: CompileContext): void {
  const { calendars } = context;
  if (/^[0-9]/.test(text)) {
    addText(left, text, field, context);
    return;
  }
  if (Object.hasOwn(calendars, text)) {
    takeDates(context.allowance, calendars[text]!.length, field);
    for (const [index, each] of calendars[text]!.entries()) {
      addText(left, each, `calendars.${text}.${index}`, context);
    }
    return;
  }
  const guess = nearest(text, Object.keys(calendars));
  throw new DefinitionError(`${inQuotes(text)} is neither a date nor a calendar of this file`, {
    remedy: guess
      ? `Did you mean "${guess}"?`
      : 'Write a date like "2026-12-25", a range like "2026-12-24..2027-01-01", or the name of one of `calendars`.',
    place: { field },
  });
}

function addText(left: LeftOut, text: string, field: string, context: CompileContext): void {
  const [from, to, ...rest] = text.split(/ *(?:\.\.|\/) */);
  addRange(left, from, rest.length > 0 ? text : (to ?? from), field, context);
}

function addRange(left: LeftOut, from: unknown, to: unknown, field: string, { zone }: CompileContext): void {
  const start = parseDateTime(from, field);
  const end = to === from ? start : parseDateTime(to, field);
  const isLocal = start.offsetMinutes === null && end.offsetMinutes === null;
  const span = isLocal
    ? { from: start.wall, until: end.wall + (end.dateOnly ? dayMs : 0) }
    : { from: startOf(start, zone), until: endOf(end, zone) };
  const isOfDays = isLocal && end.dateOnly;
  if (span.until < span.from + Number(isOfDays)) {
    throw new DefinitionError(`${inQuotes(to)} is before ${inQuotes(from)}`, {
      remedy: "Write the earlier date first.",
      place: { field },
    });
  }
  (isOfDays ? left.days : isLocal ? left.times : left.instants).push(span);
}

function merge(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && span.from <= last.until)
      merged[merged.length - 1] = { from: last.from, until: Math.max(last.until, span.until) };
    else merged.push(span);
  }
  return merged;
}

type Fires = (trigger: Trigger, instant: Instant) => boolean;

export function nextExcept(except: Except, after: Instant, next: Ask, firesAt: Fires): Instant | null {
  const { trigger, triggers } = except;
  let found = next(trigger, after);
  while (found !== null) {
    const instant: Instant = found;
    const span = spanAt(except, instant) ?? spanFrom(triggers, trigger, instant, firesAt);
    if (span === undefined) return instant;
    found = next(trigger, span.until - 1);
  }
  return null;
}

export function previousExcept(except: Except, before: Instant, previous: Ask, firesAt: Fires): Instant | null {
  const { trigger, triggers } = except;
  let found = previous(trigger, before);
  while (found !== null) {
    const instant: Instant = found;
    const span = spanAt(except, instant) ?? spanFrom(triggers, trigger, instant, firesAt);
    if (span === undefined) return instant;
    found = previous(trigger, span.from);
  }
  return null;
}

/** The span around `instant` in which a trigger leaves everything out that `trigger` could name: often no more than the instant. */
function spanFrom(triggers: readonly Trigger[], trigger: Trigger, instant: Instant, firesAt: Fires): Span | undefined {
  const found = triggers.find((each) => firesAt(each, instant));
  if (found === undefined) return undefined;
  const isStepped = "pattern" in found && ("pattern" in trigger || trigger.kind === "interval");
  return (isStepped ? coveredSpan(found, trigger, instant) : undefined) ?? { from: instant, until: instant + 1 };
}

export function isLeftOut(except: Except, instant: Instant, firesAt: Fires): boolean {
  return spanAt(except, instant) !== undefined || except.triggers.some((each) => firesAt(each, instant));
}

/**
 * The span [from, until) around `instant` that dates and date-times leave out. What was written as wall times is asked of the
 * zone near `instant` alone. In a gap they stand for its end, like the fire times that they leave out.
 */
export function spanAt({ zone, days, times, instants }: Except, instant: Instant): Span | undefined {
  const written = lastFrom(instants, instant);
  if (written !== undefined && instant <= written.until) return { from: written.from, until: written.until + 1 };
  if (days.length + times.length === 0) return undefined;
  const shown = zone.shown(instant);
  const day = lastFrom(days, shown);
  if (day !== undefined && shown < day.until) return { from: zone.reach(day.from), until: zone.reach(day.until) };
  const time = lastFrom(times, shown);
  if (time === undefined || zone.shown(instant - 1) >= time.until) return undefined;
  return { from: zone.reach(time.from), until: zone.reach(time.until) + 1 };
}

/** The last of them that begins at or before `time`. */
function lastFrom(spans: readonly Span[], time: number): Span | undefined {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.from > time) high = middle;
    else low = middle + 1;
  }
  return spans[low - 1];
}
