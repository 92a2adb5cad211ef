// How often a trigger that names wall times fires in a span of real time, without walking through it: what an outage of weeks
// missed is a product. In a stretch of one offset, after its first instant, a trigger fires wherever its pattern matches; only
// what is shown for the second time does not count where the first pass alone does. What runs at the first instant, for all
// that fell into a gap, is asked.

import type { Instant } from "../time.ts";
import { countMatches } from "./pattern-count.ts";
import { nextWallClock, type WallClock } from "./wall-clock.ts";

/** The number of fire times in [from, until]. */
export function countWallClock(trigger: WallClock, from: Instant, until: Instant): number {
  const { pattern, zone, dst } = trigger;
  let count = 0;
  for (let start = from; start <= until; start = zone.stretchAt(start).until) {
    const stretch = zone.stretchAt(start);
    if (start === stretch.from && nextWallClock(trigger, start - 1) === start) count++;
    const shown = dst.overlap === "first" ? stretch.shownBefore : Number.NEGATIVE_INFINITY;
    const wall = Math.max(start === stretch.from ? start + 1 : start, shown + 1 - stretch.offsetMs) + stretch.offsetMs;
    count += countMatches(pattern, wall, Math.min(stretch.until, until + 1) + stretch.offsetMs);
  }
  return count;
}
