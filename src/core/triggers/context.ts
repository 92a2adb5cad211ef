// What a trigger is compiled with, beside its own value.

import type { Instant } from "../time.ts";
import type { WallTime, Zone } from "../zone.ts";
import type { Trigger } from "./trigger.ts";

/** What the triggers of one schedule may take together: many that take long each would hold up whoever reads them. It is used up. */
export interface Allowance {
  /** Triggers, and rules of recurrences. */
  partsLeft: number;
  /** Of counting COUNTs by walking. */
  stepsLeft: number;
  /** Questions to triggers within triggers, to find out whether they fire at all. */
  asksLeft: number;
}

export const newAllowance = (): Allowance => ({ partsLeft: 250, stepsLeft: 100_000, asksLeft: 72_000 });

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
