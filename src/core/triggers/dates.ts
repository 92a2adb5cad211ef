// `at`: one date-time or a list of them, each once.

import { z } from "zod";
import { DefinitionError } from "../errors.ts";
import type { Instant } from "../time.ts";
import { minuteMs } from "../time.ts";
import type { WallTime } from "../zone.ts";
import { firstAtOrAbove } from "./ascending.ts";
import { type CompileContext, takeDates } from "./context.ts";
import { parseDateTime } from "./date-time.ts";
import { aroundMs, namesFixedTimes, nextWallClock, previousWallClock, type WallTimes } from "./wall-clock.ts";

export interface Dates {
  readonly kind: "at";
  /** Those that say how far from UTC they are. Ascending, each once, like the others; one of both is not empty. */
  readonly instants: readonly Instant[];
  /** Those that were written as times of a zone's clock: what they are there is found out near the time that is asked for. */
  readonly local?: WallTimes & { readonly pattern: readonly WallTime[] };
}

const maxDates = 10_000;

export const datesSchema = z.union([z.string(), z.array(z.string()).min(1).max(maxDates)]);

export function compileDates(value: unknown, { zone, dst, allowance }: CompileContext): Dates {
  const values: readonly unknown[] = Array.isArray(value) ? [...value] : [value];
  const refuse = (message: string, remedy: string): never => {
    throw new DefinitionError(message, { remedy, place: { field: "at" } });
  };
  if (values.length === 0) return refuse("the list is empty", "Give at least one date-time.");
  if (values.length > maxDates) return refuse(`${values.length} dates are too many`, `Give at most ${maxDates}.`);
  takeDates(allowance, values.length, "at");
  const instants = new Set<Instant>();
  const walls = new Set<WallTime>();
  values.forEach((each, index) => {
    const { wall, offsetMinutes } = parseDateTime(each, Array.isArray(value) ? `at.${index}` : "at");
    if (offsetMinutes === null) walls.add(wall);
    else instants.add(wall - offsetMinutes * minuteMs);
  });
  const local = { pattern: ascending(walls), zone, dst: { ...namesFixedTimes, ...dst } };
  const dates: Dates = { kind: "at", instants: ascending(instants), ...(walls.size > 0 && { local }) };
  if (firstDate(dates) === null)
    return refuse("never fires: the clock never shows it", "Choose a time that exists, or leave out dst: {gap: skip}.");
  return dates;
}

const ascending = (numbers: Iterable<number>): number[] => [...numbers].sort((a, b) => a - b);

/** Null: its times are never shown. */
export function firstDate(dates: Dates): Instant | null {
  return nextDate(dates, Math.min(dates.instants[0] ?? Infinity, dates.local?.pattern[0] ?? Infinity) - aroundMs);
}

export function lastDate(dates: Dates): Instant | null {
  return previousDate(
    dates,
    Math.max(dates.instants.at(-1) ?? -Infinity, dates.local?.pattern.at(-1) ?? -Infinity) + aroundMs,
  );
}

export function nextDate({ instants, local }: Dates, after: Instant): Instant | null {
  const written = instants[firstAtOrAbove(instants, after + 1)] ?? null;
  const shown = local === undefined ? null : nextWallClock(local, after);
  return written === null || shown === null ? (written ?? shown) : Math.min(written, shown);
}

export function previousDate({ instants, local }: Dates, before: Instant): Instant | null {
  const written = instants[firstAtOrAbove(instants, before) - 1] ?? null;
  const shown = local === undefined ? null : previousWallClock(local, before);
  return written === null || shown === null ? (written ?? shown) : Math.max(written, shown);
}
