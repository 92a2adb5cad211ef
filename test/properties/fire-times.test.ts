// What must hold for any schedule in every zone, from 1970 to 2100, near its changes of the clocks above all. Each run goes
// through all zones; fast-check prints the seed of a failure.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileSchedule } from "../../src/core/triggers/schedule.ts";
import { fireTimesBetween, nextFireTime, previousFireTime, type Trigger } from "../../src/core/triggers/trigger.ts";
import { fireTimes } from "../core/triggers/brute-force.ts";
import { byMinute, bySecond, compileIn, dayMs, startIn, zoneNames } from "../core/triggers/generators.ts";

/** Those with the oddest changes are tried twice. */
const oddZones = `America/New_York Europe/London Australia/Lord_Howe Pacific/Apia Pacific/Kwajalein Africa/Casablanca
  America/Havana Antarctica/Troll America/St_Johns Africa/Cairo America/Caracas Asia/Pyongyang Pacific/Chatham`.split(
  /\s+/,
);
const everyZone = [...zoneNames, ...oddZones];

function timesIn(trigger: Trigger | undefined, after: number, until: number): number[] {
  const found: number[] = [];
  if (trigger === undefined) return found;
  for (let next = nextFireTime(trigger, after); next !== null && next <= until; next = nextFireTime(trigger, next))
    found.push(next);
  return found;
}

function timesBack(trigger: Trigger | undefined, after: number, until: number): number[] {
  const found: number[] = [];
  if (trigger === undefined) return found;
  for (let last = previousFireTime(trigger, until + 1); last !== null && last > after; )
    last = previousFireTime(trigger, found[found.push(last) - 1]!);
  return found.reverse();
}

/** Near changes, both ways, the fire times are those of a plain walk: no instant that matches is skipped, and no other fires. */
function checkAgainstWalk(zone: string, meant: typeof byMinute, stepMs: number, spanMs: number): void {
  fc.assert(
    fc.property(meant, startIn(zone, spanMs * 0.75), ({ value, sets, rule }, after) => {
      const trigger = compileIn(zone, value);
      const until = after + spanMs;
      const walked = fireTimes(sets, zone, rule, after, until, stepMs);
      assert.deepEqual(timesIn(trigger, after, until), walked, `in ${zone}`);
      assert.deepEqual(timesBack(trigger, after, until), walked, `backwards in ${zone}`);
    }),
    { numRuns: 1 },
  );
}

test("within a day and a half, fire times are those that a walk by minutes finds, and no others", () => {
  for (const zone of everyZone) checkAgainstWalk(zone, byMinute, 60_000, 1.5 * dayMs);
});

test("within two hours, fire times are those that a walk by seconds finds, and no others", () => {
  for (const zone of everyZone) checkAgainstWalk(zone, bySecond, 1_000, dayMs / 12);
});

test("next is later, previous is earlier, and nothing lies between them", () => {
  for (const zone of everyZone) {
    fc.assert(
      fc.property(fc.oneof(byMinute, bySecond), startIn(zone), fc.nat(59_999), ({ value }, after, ms) => {
        const trigger = compileIn(zone, value);
        if (trigger === undefined) return;
        const start = after + ms;
        const next = nextFireTime(trigger, start);
        const previous = previousFireTime(trigger, start);
        assert.ok(previous === null || previous < start);
        if (next === null) return;
        assert.ok(next > start);
        assert.equal(nextFireTime(trigger, next - 1), next);
        const second = nextFireTime(trigger, next);
        assert.ok(second === null || (second > next && previousFireTime(trigger, second) === next));
        const before = previousFireTime(trigger, next);
        assert.ok(before === null || before <= start);
        assert.ok(before === start || before === previous);
        if (previous === null) return;
        const again = nextFireTime(trigger, previous)!;
        assert.ok(again >= start && (again === start || again === next));
      }),
      { numRuns: 5 },
    );
  }
});

test("fireTimesBetween counts what next finds", () => {
  fc.assert(
    fc.property(
      byMinute,
      fc.constantFrom(...everyZone).chain((zone) => fc.tuple(fc.constant(zone), startIn(zone))),
      fc.nat(5_000),
      ({ value }, [zone, after], minutes) => {
        const trigger = compileIn(zone, value);
        if (trigger === undefined) return;
        const until = after + minutes * 60_000;
        const found = timesIn(trigger, after - 1, until);
        assert.deepEqual(fireTimesBetween(trigger, after, until), { count: found.length, last: found.at(-1) ?? null });
      },
    ),
    { numRuns: 200 },
  );
});

test("what is counted by arithmetic is what a walk counts, by the second and from any millisecond", () => {
  fc.assert(
    fc.property(
      bySecond,
      fc.constantFrom(...everyZone).chain((zone) => fc.tuple(fc.constant(zone), startIn(zone, dayMs / 4))),
      fc.nat(2 * 3_600_000),
      fc.nat(2_000),
      ({ value }, [zone, after], spanMs, ms) => {
        const trigger = compileIn(zone, value);
        if (trigger === undefined) return;
        const [from, until] = [after + ms, after + ms + spanMs];
        const found = timesIn(trigger, from - 1, until);
        assert.deepEqual(fireTimesBetween(trigger, from, until), { count: found.length, last: found.at(-1) ?? null });
      },
    ),
    { numRuns: 300 },
  );
});

test("counts of years are the sums of the counts of their parts, and beyond a million", () => {
  const years = fc.integer({ min: 0, max: 80 * 365 * 24 * 60 }).map((minutes) => Date.UTC(2020, 0) + minutes * 60_000);
  fc.assert(
    fc.property(
      fc.oneof(byMinute, bySecond),
      fc.constantFrom(...everyZone),
      years,
      years,
      years,
      ({ value }, zone, ...at) => {
        const trigger = compileIn(zone, value);
        if (trigger === undefined) return;
        const [a, b, c] = at.sort((left, right) => left - right) as [number, number, number];
        const count = (from: number, until: number): number => fireTimesBetween(trigger, from, until).count;
        assert.equal(count(a, b - 1) + count(b, c), count(a, c));
      },
    ),
    { numRuns: 200 },
  );
  const everySecond = compileIn("Europe/Berlin", { cron: "* * * * * *" })!;
  assert.equal(fireTimesBetween(everySecond, Date.UTC(2026, 0), Date.UTC(2027, 0) - 1).count, 365 * 86_400);
});

test("an interval is arithmetic, over a hundred years and at their end", () => {
  const centuryMs = 36_525 * dayMs;
  const instant = fc.integer({ min: Date.UTC(1970, 0), max: Date.UTC(2100, 0) });
  const elapsed = fc.oneof(fc.integer({ min: -10 * dayMs, max: centuryMs }), fc.constant(centuryMs));
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 100 * dayMs }),
      instant,
      elapsed,
      fc.boolean(),
      (everyMs, anchorAt, passed, starts) => {
        const start = starts ? { start_at: new Date(anchorAt).toISOString() } : {};
        const trigger = compileSchedule({ every: everyMs / 1_000, ...start }, { name: "any", anchorAt });
        const firstAt = starts ? anchorAt : anchorAt + everyMs;
        const after = anchorAt + passed;
        // Whole numbers without bounds: nothing is rounded.
        const [every, first] = [BigInt(everyMs), BigInt(firstAt)];
        const steps = after < firstAt ? 0n : (BigInt(after) - first) / every + 1n;
        const expected = Number(first + steps * every);
        assert.equal(nextFireTime(trigger, after), expected);
        assert.equal(previousFireTime(trigger, expected), steps === 0n ? null : expected - everyMs);
        assert.equal(fireTimesBetween(trigger, firstAt, expected).count, Number(steps) + 1);
      },
    ),
    { numRuns: 3_000 },
  );
});
