// `any`, `all` and `except` are union, intersection and difference: what they name within a week is what sets of their parts'
// times say, forwards and backwards, and the laws of sets hold. fast-check prints the seed of a failure.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BeatError } from "../../src/core/errors.ts";
import { compileSchedule, type Schedule } from "../../src/core/triggers/schedule.ts";
import { nextFireTime, previousFireTime } from "../../src/core/triggers/trigger.ts";
import { dayMs, startIn, zoneNames } from "../core/triggers/generators.ts";

const spanMs = 7 * dayMs;
const list = (max: number, most: number): fc.Arbitrary<string> =>
  fc.uniqueArray(fc.integer({ min: 0, max }), { minLength: 1, maxLength: most }).map(String);

/** It fires every week, and often together with others. */
const part = (zone: string): fc.Arbitrary<Schedule> => {
  const minute = fc.oneof(fc.constantFrom("0", "30", "0,30", "*/20", "*/15"), list(59, 3));
  const hour = fc.oneof(fc.constantFrom("*", "*/2", "*/3", "9-17", "0-5"), list(23, 6));
  const weekday = fc.oneof(fc.constantFrom("*", "1-5", "0,6"), list(6, 3));
  const timezone = fc.constantFrom(zone, zone, "UTC");
  return fc.oneof(
    fc.tuple(minute, hour, weekday, timezone).map(([minutes, hours, days, each]) => ({
      cron: `${minutes} ${hours} * * ${days}`,
      timezone: each,
    })),
    fc.constantFrom(10, 30, 60, 90, 240).map((minutes) => ({ every: { minutes }, start_at: "1970-01-01T00:00Z" })),
    fc
      .tuple(hour, weekday)
      .map(([hours, day_of_week]) => ({ crontab: { minute: 0, hour: hours, day_of_week }, timezone: zone })),
  );
};

/** The times in (after, after + a week], found in both directions; `ifRefused` where the schedule hardly ever or never fires. */
function times(schedule: Schedule, after: number, ifRefused?: number[]): number[] {
  const trigger = unlessGivenUp(() => compileSchedule(schedule, { name: "any", anchorAt: 0 }));
  if (trigger === null) {
    fc.pre(ifRefused !== undefined);
    return ifRefused!;
  }
  const until = after + spanMs;
  const forwards: number[] = [];
  const backwards: number[] = [];
  for (let at: number | null = after; ; forwards.push(at)) {
    const last: number = at;
    at = unlessGivenUp(() => nextFireTime(trigger, last));
    if (at === null || at > until) break;
  }
  for (let at: number | null = until + 1; ; backwards.push(at)) {
    const last: number = at;
    at = unlessGivenUp(() => previousFireTime(trigger, last));
    if (at === null || at <= after) break;
  }
  assert.deepEqual(backwards.reverse(), forwards, JSON.stringify(schedule));
  return forwards;
}

/** A search that gives up has looked through far more than a week: null then, as for what never fires. */
function unlessGivenUp<Result>(ask: () => Result): Result | null {
  try {
    return ask();
  } catch (error) {
    if (error instanceof BeatError && /never fires|no time|no fire time/.test(error.message)) return null;
    throw error;
  }
}

const union = (...lists: readonly number[][]): number[] => [...new Set(lists.flat())].sort((a, b) => a - b);
const intersection = (a: readonly number[], b: readonly number[]): number[] => a.filter((each) => b.includes(each));
const difference = (a: readonly number[], b: readonly number[]): number[] => a.filter((each) => !b.includes(each));
const three = fc
  .constantFrom(...zoneNames)
  .chain((zone) => fc.tuple(part(zone), part(zone), part(zone), startIn(zone)));

const check = (
  law: (a: Schedule, b: Schedule, c: Schedule, of: (schedule: Schedule, ifRefused?: number[]) => number[]) => void,
): void =>
  fc.assert(
    fc.property(three, ([a, b, c, after]) => law(a, b, c, (schedule, ifRefused) => times(schedule, after, ifRefused))),
    { numRuns: 100 },
  );

test("any is the union, all the intersection, except the difference", () => {
  check((a, b, c, of) => {
    const [inA, inB, inC] = [of(a), of(b), of(c)];
    assert.deepEqual(of({ any: [a, b, c] }), union(inA, inB, inC));
    assert.deepEqual(of({ all: [a, b] }), intersection(inA, inB));
    assert.deepEqual(of({ all: [a, b, c] }), intersection(intersection(inA, inB), inC));
    assert.deepEqual(of({ ...a, except: [b, c] }), difference(difference(inA, inB), inC));
  });
});

test("they are commutative, associative and idempotent, and absorb each other", () => {
  check((a, b, c, of) => {
    assert.deepEqual(of({ any: [a, b] }), of({ any: [b, a] }));
    assert.deepEqual(of({ all: [a, b] }), of({ all: [b, a] }));
    assert.deepEqual(of({ ...a, except: [b, c] }), of({ ...a, except: [c, b] }));
    assert.deepEqual(of({ any: [a, { any: [b, c] }] }), of({ any: [{ any: [a, b] }, c] }));
    assert.deepEqual(of({ any: [a, a] }), of(a));
    assert.deepEqual(of({ all: [a, a] }), of(a));
    assert.deepEqual(of({ ...a, except: a }, []), []);
    assert.deepEqual(of({ all: [a, { any: [a, b] }] }), of(a));
  });
});

test("De Morgan: what is left out by any is left out by each; what by all, by one of them", () => {
  check((a, b, c, of) => {
    const [withoutB, withoutC] = [of({ ...a, except: b }), of({ ...a, except: c })];
    assert.deepEqual(of({ ...a, except: { any: [b, c] } }), intersection(withoutB, withoutC));
    assert.deepEqual(of({ ...a, except: [b, c] }), intersection(withoutB, withoutC));
    // Where b and c never meet, `all` is refused, and there is nothing to leave out.
    if (of({ all: [b, c] }, []).length > 0)
      assert.deepEqual(of({ ...a, except: { all: [b, c] } }), union(withoutB, withoutC));
  });
});
