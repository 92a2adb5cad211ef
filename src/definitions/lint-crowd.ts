// Many entries on one minute: they wait for each other, and so does what they call. Counted from now over a week at most;
// an entry that fires often is followed for less, so that ten thousand of them take a second or two.

import { BeatError } from "../core/errors.ts";
import { dayMs, type Instant, minuteMs } from "../core/time.ts";
import { nextFireTime, type Trigger } from "../core/triggers/trigger.ts";

export interface Crowd {
  readonly minuteAt: Instant;
  /** Indexes of the triggers that fire in that minute, ascending. */
  readonly members: readonly number[];
}

const horizonMs = 7 * dayMs;
/** How many minutes of one trigger are counted at most, and of all together. */
const maxMinutes = 1_440;
const maxSteps = 4_000_000;
/** Triggers made of others may look long for each of their times. */
const maxMinutesOfSearches = 24;
const maxCrowds = 5;
/** How many of the fullest minutes are looked at for crowds that differ. */
const maxLooks = 60;

/** The fullest minutes in which at least `size` triggers fire, each with another crowd, the fullest first; at most five. */
export function crowdedMinutes(triggers: readonly Trigger[], now: Instant, size: number): Crowd[] {
  const start = Math.ceil(now / minuteMs) * minuteMs;
  const counts = new Uint32Array(horizonMs / minuteMs);
  const limit = Math.max(1, Math.min(maxMinutes, Math.floor(maxSteps / triggers.length)));
  for (const trigger of triggers) for (const minute of minutesOf(trigger, start, limit)) counts[minute]! += 1;
  const fullest = [...counts.keys()]
    .filter((minute) => counts[minute]! >= size)
    .sort((a, b) => counts[b]! - counts[a]! || a - b)
    .slice(0, maxLooks);
  const crowds = new Map<string, Crowd>();
  for (const minute of fullest) {
    if (crowds.size === maxCrowds) break;
    const minuteAt = start + minute * minuteMs;
    const members = [...triggers.keys()].filter((index) => firesWithin(triggers[index]!, minuteAt));
    const key = members.join();
    if (!crowds.has(key)) crowds.set(key, { minuteAt, members });
  }
  return [...crowds.values()];
}

/** The minutes from `start` in which a trigger fires, as numbers from 0, ascending. */
function* minutesOf(trigger: Trigger, start: Instant, limit: number): Generator<number> {
  const most = isSearch(trigger) ? Math.min(limit, maxMinutesOfSearches) : limit;
  let after = start - 1;
  for (let count = 0; count < most; count++) {
    const next = nextIfAny(trigger, after);
    if (next === null || next >= start + horizonMs) return;
    const minute = Math.floor((next - start) / minuteMs);
    yield minute;
    after = start + (minute + 1) * minuteMs - 1;
  }
}

const firesWithin = (trigger: Trigger, minuteAt: Instant): boolean => {
  const next = nextIfAny(trigger, minuteAt - 1);
  return next !== null && next < minuteAt + minuteMs;
};

function isSearch(trigger: Trigger): boolean {
  if (trigger.kind === "bounded") return isSearch(trigger.trigger);
  return ["any", "all", "except", "rrule", "solar"].includes(trigger.kind);
}

/** Triggers that meet too seldom to be found do not crowd. */
function nextIfAny(trigger: Trigger, after: Instant): Instant | null {
  try {
    return nextFireTime(trigger, after);
  } catch (error) {
    if (error instanceof BeatError) return null;
    throw error;
  }
}
