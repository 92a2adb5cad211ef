// Time zones. This file alone knows that clocks change.
//
// A zone is a list of stretches: spans of real time in which the offset from UTC is the same. Stretches are found once, in
// chunks of fifty days as they are needed, by sampling Intl.DateTimeFormat (some 1 µs a question, 20 µs a chunk)
// and bisecting between samples that differ; after that a lookup is a comparison with the stretch of the last answer, or a
// binary search: nanoseconds. Before 1800 no clock was changed, and from 2092 on each year is like a model year that has the
// same calendar: there hardly anything is asked, and chunks are long, so that a search through centuries is cheap.
//
// A wall time is what a clock on the wall shows, written as if it were UTC in epoch milliseconds. Two questions join the
// two kinds of time, and the rules for the changes of the clocks are built on them alone:
//
//   reach(wall)   the first instant at which the clock shows `wall` or later. That is the only instant of a plain wall
//                 time, the first pass of one that is shown twice, and the end of the gap for one that is never shown.
//   shown(t)      the latest wall time that the clock has shown at or before `t`: its high-water mark. In the second pass
//                 of an overlap that is the end of the first pass.
//
// reach never decreases, and reach(wall) <= t exactly where wall <= shown(t): so a search in wall time is one in real time.

import { BeatError, nearest } from "./errors.ts";
import { dayMs, hourMs, type Instant, minuteMs, secondMs } from "./time.ts";

/** What a clock on the wall shows, as if it were UTC: epoch milliseconds. */
export type WallTime = number;

/** A span [from, until) of real time with one offset. A change of the clocks ends it, or merely the end of a chunk. */
export interface Stretch {
  readonly from: Instant;
  readonly until: Instant;
  /** Wall time minus instant, ms. */
  readonly offsetMs: number;
  /** The latest wall time shown before `from`. */
  readonly shownBefore: WallTime;
}

export interface Zone {
  /** As the user wrote it: `Europe/Berlin`. */
  readonly name: string;
  stretchAt(instant: Instant): Stretch;
  offsetAt(instant: Instant): number;
  wallAt(instant: Instant): WallTime;
  /** The first instant at which the clock shows `wall` or later. */
  reach(wall: WallTime): Instant;
  /** The latest wall time shown at or before `instant`. */
  shown(instant: Instant): WallTime;
  /** The changes of offset in [from, until): at `at` the offset goes from `beforeMs` to `afterMs`. */
  changesBetween(
    from: Instant,
    until: Instant,
  ): { readonly at: Instant; readonly beforeMs: number; readonly afterMs: number }[];
}

/** 2^32 ms, 50 days, where zones are asked; 2^37 ms, 4.4 years, where nothing is. */
const [nearChunkMs, farChunkMs] = [4_294_967_296, 137_438_953_472];
/** Two changes of one zone were never less than 6.9 days apart, from 1970 to 2100. */
const sampleMs = 6 * dayMs;
/** Local mean time lasted until the 1830s. A whole number of chunks, as is the end: 1800-02-22. */
const nearFrom = Math.ceil(Date.UTC(1800, 0) / farChunkMs) * farChunkMs;
/** The last rules that do not follow the calendar are those of Ramadan, until 2087: 2091-12-09. */
const nearUntil = Math.ceil(Date.UTC(2088, 0) / farChunkMs) * farChunkMs;
/** Each calendar occurs within 28 years, if none is a turn of the century. */
const [firstModelYear, modelYears] = [2101, 28];
/** In model years summer and winter last for months. */
const modelSampleMs = 20 * dayMs;
/** No zone was ever further than this from UTC, so a wall time is shown within it. */
const farthestOffsetMs = 16 * hourMs;

/** UTC, of which nothing is asked. */
const forever: Stretch = { from: -Infinity, until: Infinity, offsetMs: 0, shownBefore: -Infinity };

class OffsetZone implements Zone {
  readonly name: string;
  /** Made at the first question: it takes 0.1 ms, and the first one of a process 10 ms. */
  #format: Intl.DateTimeFormat | undefined;
  readonly #near = new Map<number, readonly Stretch[]>();
  readonly #far = new Map<number, readonly Stretch[]>();
  /** The changes of the model years that were asked for. */
  readonly #models = new Map<number, readonly Change[]>();
  #last: Stretch;

  constructor(name: string) {
    this.name = name;
    this.#last = name === "UTC" ? forever : { from: 0, until: 0, offsetMs: 0, shownBefore: 0 };
  }

  stretchAt(instant: Instant): Stretch {
    const last = this.#last;
    if ((instant >= last.from && instant < last.until) || last === forever) return last;
    const isNear = instant >= nearFrom && instant < nearUntil;
    const chunks = isNear ? this.#near : this.#far;
    const chunkMs = isNear ? nearChunkMs : farChunkMs;
    const index = Math.floor(instant / chunkMs);
    let chunk = chunks.get(index);
    if (chunk === undefined) {
      chunk = this.#build(index * chunkMs, (index + 1) * chunkMs);
      chunks.set(index, chunk);
    }
    let low = 0;
    let high = chunk.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (chunk[middle]!.from <= instant) low = middle;
      else high = middle - 1;
    }
    this.#last = chunk[low]!;
    return this.#last;
  }

  offsetAt(instant: Instant): number {
    return this.stretchAt(instant).offsetMs;
  }

  wallAt(instant: Instant): WallTime {
    return instant + this.stretchAt(instant).offsetMs;
  }

  reach(wall: WallTime): Instant {
    const last = this.#last;
    if (wall > last.shownBefore && wall - last.offsetMs < last.until) return Math.max(last.from, wall - last.offsetMs);
    let stretch = this.stretchAt(wall - farthestOffsetMs);
    for (;;) {
      const instant = Math.max(stretch.from, wall - stretch.offsetMs);
      if (instant < stretch.until) return instant;
      stretch = this.stretchAt(stretch.until);
    }
  }

  shown(instant: Instant): WallTime {
    const stretch = this.stretchAt(instant);
    return Math.max(instant + stretch.offsetMs, stretch.shownBefore);
  }

  changesBetween(from: Instant, until: Instant) {
    const changes = [];
    let before = this.stretchAt(from - 1);
    while (before.until < until) {
      const after = this.stretchAt(before.until);
      if (after.offsetMs !== before.offsetMs) {
        changes.push({ at: after.from, beforeMs: before.offsetMs, afterMs: after.offsetMs });
      }
      before = after;
    }
    return changes;
  }

  /** The stretches of [from, until). The search begins two days earlier: a second pass may be going on at `from`. */
  #build(from: Instant, until: Instant): Stretch[] {
    const stretches: Stretch[] = [];
    let start = from - 2 * dayMs;
    let offsetMs = this.#ask(start);
    let shownBefore = start - 1 + offsetMs;
    const close = (end: Instant): void => {
      if (end > from) {
        const cut = Math.max(start, from);
        const shownBeforeCut = cut === start ? shownBefore : Math.max(shownBefore, cut - 1 + offsetMs);
        stretches.push({ from: cut, until: end, offsetMs, shownBefore: shownBeforeCut });
      }
      shownBefore = Math.max(shownBefore, end - 1 + offsetMs);
    };
    for (const change of this.#changes(start, until)) {
      close(change.at);
      start = change.at;
      offsetMs = change.offsetMs;
    }
    close(until);
    return stretches;
  }

  /** The changes in (from, until). */
  #changes(from: Instant, until: Instant): readonly Change[] {
    if (until <= nearFrom) return [];
    if (until <= nearUntil) return this.#sample(from, until, sampleMs);
    const changes: Change[] = [];
    for (let year = new Date(from).getUTCFullYear(); Date.UTC(year, 0) < until; year++) {
      const model = models[shapeOf(year)]!;
      const shiftMs = Date.UTC(year, 0) - Date.UTC(model, 0);
      for (const { at, offsetMs } of this.#modelChanges(model)) {
        if (at + shiftMs > from && at + shiftMs < until) changes.push({ at: at + shiftMs, offsetMs });
      }
    }
    return changes;
  }

  #modelChanges(year: number): readonly Change[] {
    let changes = this.#models.get(year);
    if (changes === undefined) {
      changes = this.#sample(Date.UTC(year, 0), Date.UTC(year + 1, 0), modelSampleMs);
      this.#models.set(year, changes);
    }
    return changes;
  }

  #sample(from: Instant, until: Instant, everyMs: number): Change[] {
    const changes: Change[] = [];
    let offsetMs = this.#ask(from);
    for (let sample = from; sample < until; ) {
      const next = Math.min(sample + everyMs, until);
      if (this.#ask(next) === offsetMs) {
        sample = next;
        continue;
      }
      sample = this.#bisect(sample, next, offsetMs);
      if (sample >= until) break;
      offsetMs = this.#ask(sample);
      changes.push({ at: sample, offsetMs });
    }
    return changes;
  }

  /** The first instant, to the second, with another offset than at `low`: nowadays clocks are changed on a quarter of an hour. */
  #bisect(low: Instant, high: Instant, offsetMs: number): Instant {
    const found = this.#bisectBy(15 * minuteMs, low, high, offsetMs);
    const second = found - secondMs;
    return second <= low || this.#ask(second) === offsetMs ? found : this.#bisectBy(secondMs, low, second, offsetMs);
  }

  /** The first multiple of `unitMs` with another offset than at `low`. */
  #bisectBy(unitMs: number, low: Instant, high: Instant, offsetMs: number): Instant {
    let before = Math.floor(low / unitMs);
    let after = Math.ceil(high / unitMs);
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (this.#ask(middle * unitMs) === offsetMs) before = middle;
      else after = middle;
    }
    return after * unitMs;
  }

  /** The offset at an instant, from the text `1, GMT-00:44:30`. */
  #ask(instant: Instant): number {
    this.#format ??= new Intl.DateTimeFormat("en-US", {
      timeZone: this.name,
      timeZoneName: "longOffset",
      day: "numeric",
    });
    const text = this.#format.format(instant);
    const offset = text.slice(text.indexOf("GMT") + 3);
    let offsetMs = offsets.get(offset);
    if (offsetMs === undefined) {
      const [hours = 0, minutes = 0, seconds = 0] = offset.slice(1).split(":").map(Number);
      const size = hours * hourMs + minutes * minuteMs + seconds * secondMs;
      offsetMs = offset.startsWith("-") ? -size : size;
      offsets.set(offset, offsetMs);
    }
    return offsetMs;
  }
}

/** At `at` the offset becomes `offsetMs`. */
interface Change {
  readonly at: Instant;
  readonly offsetMs: number;
}

/** Years of one shape have the same calendar: which weekday they begin on, and whether they have a leap day. */
function shapeOf(year: number): number {
  const first = Date.UTC(year, 0) / dayMs;
  return (((first % 7) + 7) % 7) + 7 * (Date.UTC(year + 1, 0) / dayMs - first - 365);
}

/** The model year of each shape. */
const models: readonly number[] = Array.from({ length: modelYears }, (_, index) => firstModelYear + index).reduce(
  (found: number[], year) => {
    found[shapeOf(year)] = year;
    return found;
  },
  [],
);

/** Offsets in milliseconds by their text, `-00:44:30`; few ever occur. */
const offsets = new Map<string, number>();
const zones = new Map<string, Zone>();
let known: ReadonlyMap<string, string> | undefined;

/** The zone of an IANA name. Zones are shared and keep what they learned. Throws BeatError for a name that is not one. */
export function zoneOf(name: string): Zone {
  const found = zones.get(name);
  if (found !== undefined) return found;
  refuseUnknown(name);
  const zone = new OffsetZone(name);
  zones.set(name, zone);
  return zone;
}

/** Names only: Intl would also take offsets like `+01:00`, and any mixture of cases. */
const nameShape = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/;

function refuseUnknown(name: string): void {
  if (name === "UTC") return;
  known ??= new Map([...Intl.supportedValuesOf("timeZone"), "UTC", "GMT"].map((each) => [each.toLowerCase(), each]));
  const proper = known.get(name.toLowerCase().trim());
  if (proper === name) return;
  const shown = JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
  if (proper !== undefined) {
    throw new BeatError(`${shown} is not a time zone`, { remedy: `Write "${proper}".` });
  }
  if (name.length <= 64 && nameShape.test(name) && isSupported(name)) return;
  const guess = name.length <= 64 ? nearest(name, known.values()) : undefined;
  throw new BeatError(`${shown} is not a time zone`, {
    remedy: guess ? `Did you mean "${guess}"?` : 'Write a name of the IANA database, like "Europe/Berlin" or "UTC".',
  });
}

/** Older names (`US/Pacific`, `Asia/Kolkata`) are valid though they are not in the list of present ones. */
function isSupported(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
