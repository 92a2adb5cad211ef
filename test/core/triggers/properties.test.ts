// What must hold for any schedule, in any zone, near any change of the clocks. fast-check prints the seed of a failure.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileSchedule, type Schedule } from "../../../src/core/triggers/schedule.ts";
import { fireTimesBetween, nextFireTime, previousFireTime, type Trigger } from "../../../src/core/triggers/trigger.ts";
import { zoneOf } from "../../../src/core/zone.ts";
import { fireTimes, type Sets } from "./brute-force.ts";

const dayMs = 86_400_000;
/** Those with the oddest changes, and all; Monrovia's offset had seconds until 1972, which a walk by minutes can't follow. */
const anyZone = fc.oneof(
  fc.constantFrom(
    "UTC",
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "America/Havana",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Africa/Cairo",
    "America/Caracas",
    "Asia/Pyongyang",
  ),
  fc.constantFrom(...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "Africa/Monrovia")),
);
const anyInstant = fc.integer({ min: 0, max: Date.UTC(2100, 0) / 60_000 }).map((minutes) => minutes * 60_000);

/** Half of the instants lie within a day and a half before a change of the clocks. */
const anyStart = fc
  .tuple(anyZone, anyInstant, fc.boolean(), fc.integer({ min: 0, max: 2_160 }))
  .map(([zone, instant, aimed, minutes]) => {
    const change = aimed ? zoneOf(zone).changesBetween(instant, instant + 400 * dayMs)[0] : undefined;
    return { zone, after: Math.floor((change?.at ?? instant) / 60_000 - minutes) * 60_000 };
  });

const range = (min: number, max: number): number[] => Array.from({ length: max - min + 1 }, (_, index) => min + index);

interface Field {
  readonly text: string;
  readonly values: readonly number[];
}

/** `*`, `*\/n` or a list; text and set side by side. Fixed values are common, so that fixed times are. */
const field = (min: number, max: number): fc.Arbitrary<Field> =>
  fc.oneof(
    fc.constant({ text: "*", values: range(min, max) }),
    fc
      .integer({ min: 1, max })
      .map((step) => ({ text: `*/${step}`, values: range(min, max).filter((value) => (value - min) % step === 0) })),
    fc
      .uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 })
      .map((values) => ({ text: values.join(","), values })),
  );

const dst = fc.record({
  gap: fc.constantFrom("next" as const, "skip" as const),
  overlap: fc.constantFrom("first" as const, "both" as const),
});

const cron = fc
  .tuple(
    field(0, 59),
    field(0, 23),
    field(1, 31),
    field(1, 12),
    field(0, 6),
    fc.constantFrom("cron", "crontab"),
    fc.option(dst, { nil: undefined }),
  )
  .map(([minute, hour, monthDay, month, weekday, dialect, override]) => {
    const text = [minute, hour, monthDay, month, weekday].map((each) => each.text).join(" ");
    const either = dialect === "cron" && !monthDay.text.startsWith("*") && !weekday.text.startsWith("*");
    const sets: Sets = {
      minutes: minute.values,
      hours: hour.values,
      monthDays: monthDay.values,
      months: month.values,
      weekdays: weekday.values,
      either,
    };
    const wildcard = minute.text.startsWith("*") || hour.text.startsWith("*");
    const rule = override ?? (wildcard ? { gap: "skip", overlap: "both" } : { gap: "next", overlap: "first" });
    return { value: { [dialect]: text, ...(override && { dst: override }) } as Schedule, sets, rule };
  });

/** Undefined for a schedule that never fires (30 February). */
function compile(value: Schedule, timezone: string): Trigger | undefined {
  try {
    return compileSchedule({ ...value, timezone }, { name: "any", anchorAt: 0 });
  } catch (error) {
    assert.match(String(error), /never fires/);
    return undefined;
  }
}

test("within two days, fire times are those that a plain walk finds, and no others", () => {
  fc.assert(
    fc.property(cron, anyStart, ({ value, sets, rule }, { zone, after }) => {
      const trigger = compile(value, zone);
      const until = after + 2 * dayMs;
      const found: number[] = [];
      for (
        let next = trigger ? nextFireTime(trigger, after) : null;
        next !== null && next <= until;
        next = nextFireTime(trigger!, next)
      )
        found.push(next);
      assert.deepEqual(found, fireTimes(sets, zone, rule, after, until));
    }),
    { numRuns: 200 },
  );
});

test("next is later, previous is earlier, and nothing lies between them", () => {
  fc.assert(
    fc.property(cron, anyStart, fc.integer({ min: 0, max: 59_999 }), ({ value }, { zone, after }, ms) => {
      const trigger = compile(value, zone);
      if (trigger === undefined) return;
      const start = after + ms;
      const next = nextFireTime(trigger, start);
      const previous = previousFireTime(trigger, start);
      assert.ok(previous === null || previous < start);
      if (next === null) return;
      assert.ok(next > start);
      assert.equal(nextFireTime(trigger, next - 1), next);
      const before = previousFireTime(trigger, next);
      assert.ok(before === null || before <= start);
      assert.ok(before === start || before === previous);
      if (previous !== null)
        assert.ok(nextFireTime(trigger, previous) === start || nextFireTime(trigger, previous) === next);
    }),
    { numRuns: 3_000 },
  );
});

test("fireTimesBetween counts what next finds", () => {
  fc.assert(
    fc.property(cron, anyStart, fc.integer({ min: 0, max: 5_000 }), ({ value }, { zone, after }, minutes) => {
      const trigger = compile(value, zone);
      if (trigger === undefined) return;
      const until = after + minutes * 60_000;
      const found: number[] = [];
      for (
        let next = nextFireTime(trigger, after - 1);
        next !== null && next <= until;
        next = nextFireTime(trigger, next)
      )
        found.push(next);
      assert.deepEqual(fireTimesBetween(trigger, after, until), { count: found.length, last: found.at(-1) ?? null });
    }),
    { numRuns: 200 },
  );
});

test("an interval is arithmetic, over a hundred years", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 100 * dayMs }),
      anyInstant,
      fc.integer({ min: -10 * dayMs, max: 36_500 * dayMs }),
      (everyMs, anchorAt, elapsed) => {
        const trigger = compileSchedule({ every: everyMs / 1_000 }, { name: "any", anchorAt });
        const after = anchorAt + elapsed;
        const next = nextFireTime(trigger, after)!;
        assert.equal((next - anchorAt) % everyMs, 0);
        assert.ok(next > after && next >= anchorAt + everyMs);
        assert.ok(next - everyMs <= after || next === anchorAt + everyMs);
        assert.equal(previousFireTime(trigger, next), next === anchorAt + everyMs ? null : next - everyMs);
        assert.equal(fireTimesBetween(trigger, anchorAt, next).count, (next - anchorAt) / everyMs);
      },
    ),
    { numRuns: 2_000 },
  );
});
