// `at`: one date-time or a list of them, each once.

import { z } from "zod";
import { DefinitionError } from "../errors.ts";
import type { Instant } from "../time.ts";
import { minuteMs } from "../time.ts";
import type { WallTime, Zone } from "../zone.ts";
import { firstAtOrAbove } from "./ascending.ts";
import type { CompileContext } from "./context.ts";
import { parseDateTime } from "./date-time.ts";
import { type DstRule, instantsShowing, namesFixedTimes } from "./wall-clock.ts";

export interface Dates {
  readonly kind: "at";
  /** Ascending, each once; at least one. */
  readonly instants: readonly Instant[];
  /** Those that were written as times of a zone's clock. */
  readonly local?: { readonly walls: readonly WallTime[]; readonly zone: Zone; readonly dst: DstRule };
}

const maxDates = 10_000;

export const datesSchema = z.union([z.string(), z.array(z.string()).min(1).max(maxDates)]);

export function compileDates(value: unknown, { zone, dst }: CompileContext): Dates {
  const values: readonly unknown[] = Array.isArray(value) ? [...value] : [value];
  const refuse = (message: string, remedy: string): never => {
    throw new DefinitionError(message, { remedy, place: { field: "at" } });
  };
  if (values.length === 0) return refuse("the list is empty", "Give at least one date-time.");
  if (values.length > maxDates) return refuse(`${values.length} dates are too many`, `Give at most ${maxDates}.`);
  const rule = { ...namesFixedTimes, ...dst };
  const instants = new Set<Instant>();
  const walls: WallTime[] = [];
  values.forEach((each, index) => {
    const field = Array.isArray(value) ? `at.${index}` : "at";
    const { wall, offsetMinutes } = parseDateTime(each, field);
    if (offsetMinutes !== null) instants.add(wall - offsetMinutes * minuteMs);
    else {
      walls.push(wall);
      for (const instant of instantsShowing(wall, zone, rule)) instants.add(instant);
    }
  });
  if (instants.size === 0)
    return refuse("never fires: the clock never shows it", "Choose a time that exists, or leave out dst: {gap: skip}.");
  return { kind: "at", instants: [...instants].sort((a, b) => a - b), local: { walls, zone, dst: rule } };
}

export function nextDate({ instants }: Dates, after: Instant): Instant | null {
  return instants[firstAtOrAbove(instants, after + 1)] ?? null;
}

export function previousDate({ instants }: Dates, before: Instant): Instant | null {
  return instants[firstAtOrAbove(instants, before) - 1] ?? null;
}
