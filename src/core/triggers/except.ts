// `except`: what a trigger leaves out. Dates, ranges of dates and named calendars leave out whole days of the zone; a
// date-time leaves out that instant; a trigger leaves out the instants at which it fires.

import { z } from "zod";
import { DefinitionError, nearest } from "../errors.ts";
import type { Instant } from "../time.ts";
import type { CompileContext } from "./context.ts";
import { endOf, inQuotes, parseDateTime, startOf } from "./date-time.ts";
import type { Ask, Trigger } from "./trigger.ts";
import { coveredSpan } from "./wall-clock.ts";

export interface Except {
  readonly kind: "except";
  readonly trigger: Trigger;
  /** Spans [from, until) that are left out, ascending, apart from each other. */
  readonly spans: readonly Span[];
  readonly triggers: readonly Trigger[];
}

interface Span {
  readonly from: Instant;
  readonly until: Instant;
}

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
  const spans: Span[] = [];
  const triggers: Trigger[] = [];
  items.forEach((each, index) => {
    const field = Array.isArray(value) ? `except.${index}` : "except";
    if (typeof each === "string") spans.push(...namedSpans(each, field, context));
    else if (isRange(each)) spans.push(rangeSpan(each.from, each.to, field, context));
    else triggers.push(context.compileNested(each, field));
    if (spans.length > maxItems) {
      throw new DefinitionError(`its calendars make ${spans.length} exceptions and more`, {
        remedy: `At most ${maxItems} are kept: name fewer calendars.`,
        place: { field },
      });
    }
  });
  return { kind: "except", trigger, spans: merge(spans), triggers };
}

const isRange = (value: unknown): value is { from: unknown; to: unknown } =>
  typeof value === "object" && value !== null && "from" in value && "to" in value && Object.keys(value).length === 2;

/** `2026-12-25`, `2026-12-24..2027-01-01`, a date-time, or the name of a calendar. */
function namedSpans(text: string, field: string, context: CompileContext): Span[] {
  if (/^[0-9]/.test(text)) return [textSpan(text, field, context)];
  const { calendars } = context;
  if (Object.hasOwn(calendars, text)) {
    return calendars[text]!.map((each, index) => textSpan(each, `calendars.${text}.${index}`, context));
  }
  const guess = nearest(text, Object.keys(calendars));
  throw new DefinitionError(`${inQuotes(text)} is neither a date nor a calendar of this file`, {
    remedy: guess
      ? `Did you mean "${guess}"?`
      : 'Write a date like "2026-12-25", a range like "2026-12-24..2027-01-01", or the name of one of `calendars`.',
    place: { field },
  });
}

function textSpan(text: string, field: string, context: CompileContext): Span {
  const [from, to, ...rest] = text.split(/ *(?:\.\.|\/) */);
  return rangeSpan(from, rest.length > 0 ? text : (to ?? from), field, context);
}

function rangeSpan(from: unknown, to: unknown, field: string, { zone }: CompileContext): Span {
  const start = startOf(parseDateTime(from, field), zone);
  const end = endOf(parseDateTime(to, field), zone);
  if (end >= start) return { from: start, until: end + 1 };
  throw new DefinitionError(`${inQuotes(to)} is before ${inQuotes(from)}`, {
    remedy: "Write the earlier date first.",
    place: { field },
  });
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

export function nextExcept(
  { trigger, spans, triggers }: Except,
  after: Instant,
  next: Ask,
  firesAt: Fires,
): Instant | null {
  let found = next(trigger, after);
  while (found !== null) {
    const instant: Instant = found;
    const span = spanAt(spans, instant) ?? spanFrom(triggers, trigger, instant, firesAt);
    if (span === undefined) return instant;
    found = next(trigger, span.until - 1);
  }
  return null;
}

export function previousExcept(
  { trigger, spans, triggers }: Except,
  before: Instant,
  previous: Ask,
  firesAt: Fires,
): Instant | null {
  let found = previous(trigger, before);
  while (found !== null) {
    const instant: Instant = found;
    const span = spanAt(spans, instant) ?? spanFrom(triggers, trigger, instant, firesAt);
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

export function isLeftOut({ spans, triggers }: Except, instant: Instant, firesAt: Fires): boolean {
  return spanAt(spans, instant) !== undefined || triggers.some((each) => firesAt(each, instant));
}

function spanAt(spans: readonly Span[], instant: Instant): Span | undefined {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.until > instant) high = middle;
    else low = middle + 1;
  }
  const span = spans[low];
  return span !== undefined && span.from <= instant ? span : undefined;
}
