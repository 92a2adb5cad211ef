// What a trigger is compiled with, beside its own value.

import type { Instant } from "../time.ts";
import type { Zone } from "../zone.ts";
import type { DstRule } from "./wall-clock.ts";

export interface CompileContext {
  /** The entry's name. */
  readonly name: string;
  readonly zone: Zone;
  /** `start_at`, where there is one: intervals count from it. */
  readonly startAt: Instant | null;
  /** What an interval without `start_at` counts from. */
  readonly anchorAt: Instant;
  /** What the user said about changes of the clocks; the rest is the trigger's own rule. */
  readonly dst: Partial<DstRule>;
}
