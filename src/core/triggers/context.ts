// What a trigger is compiled with, beside its own value.

import { DefinitionError } from "../errors.ts";
import type { Instant } from "../time.ts";
import type { WallTime, Zone } from "../zone.ts";
import type { Trigger } from "./trigger.ts";

/** What the triggers of one schedule may take together: many that take long each would hold up whoever reads them. It is used up. */
export interface Allowance {
  /** Triggers, and rules of recurrences. */
  partsLeft: number;
  /** Dates and date-times, those of named calendars each time that they are named. */
  datesLeft: number;
  /** Those that it names: each has to be asked for its changes. */
  readonly zones: Set<Zone>;
  /** Of counting COUNTs, by years and by walking. */
  stepsLeft: number;
  /** Questions to triggers within triggers, to find out whether they fire at all. */
  asksLeft: number;
}

export const newAllowance = (): Allowance => ({
  partsLeft: maxParts,
  datesLeft: maxDates,
  zones: new Set(),
  stepsLeft: 100_000,
  asksLeft: 72_000,
});

const [maxParts, maxDates, maxZones] = [150, 12_000, 50];

/** These throw DefinitionError where a schedule is made of more than anybody needs. */
export function takePart(allowance: Allowance, field: string): void {
  if (--allowance.partsLeft >= 0) return;
  refuse("is made of too many triggers", `Give at most ${maxParts} in all, rules of recurrences included.`, field);
}

export function takeDates(allowance: Allowance, count: number, field: string): void {
  allowance.datesLeft -= count;
  if (allowance.datesLeft >= 0) return;
  refuse("is made of too many dates", `Give at most ${maxDates} in all, those of calendars included.`, field);
}

export function takeZone(allowance: Allowance, zone: Zone): void {
  if (allowance.zones.add(zone).size <= maxZones) return;
  refuse(`"${zone.name}" is one time zone too many`, `Name at most ${maxZones} in one schedule.`, "timezone");
}

function refuse(message: string, remedy: string, field: string): never {
  throw new DefinitionError(message, { remedy, place: { field } });
}

export interface CompileContext {
  /** The entry's name. */
  readonly name: string;
  readonly zone: Zone;
  /** `start_at`, where there is one: intervals count from it. */
  readonly startAt: Instant | null;
  /** What the clock of the zone shows at `start_at`, or would show in a gap: series of dates count from it. */
  readonly startWall: WallTime | null;
  /** What an interval without `start_at` counts from. */
  readonly anchorAt: Instant;
  /** When the program started; null: nobody knows, since none runs. */
  readonly startedAt: Instant | null;
  /** What the user said about changes of the clocks; the rest is the trigger's own rule. */
  readonly dst: { readonly gap?: "next" | "skip"; readonly overlap?: "first" | "both" };
  /** Dates and ranges of dates by the name of their calendar. */
  readonly calendars: Readonly<Record<string, readonly string[]>>;
  readonly allowance: Allowance;
  /** Compiles a trigger within this one, which inherits what it does not say itself. `field`: where it stands. */
  compileNested(value: unknown, field: string): Trigger;
}
