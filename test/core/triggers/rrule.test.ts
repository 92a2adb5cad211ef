import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { occursAt } from "../../../src/core/triggers/recurrence.ts";
import { isInRrule, lateInstant } from "../../../src/core/triggers/rrule.ts";
import type { Schedule } from "../../../src/core/triggers/schedule.ts";
import { neverFires, nextFireTime, previousFireTime } from "../../../src/core/triggers/trigger.ts";
import { zoneOf } from "../../../src/core/zone.ts";
import { assertRefused, compile, firesAfter, firesBefore } from "./fires.ts";

const long = "1970-01-01T00:00Z";
const rule = (rrule: string, more: Partial<Schedule> = {}): Schedule => ({
  rrule,
  start_at: "2024-01-31T09:00",
  ...more,
});

test("start_at is DTSTART; what a rule does not say comes from it", () => {
  assert.deepEqual(firesAfter(rule("FREQ=MONTHLY;COUNT=3"), long, 9), [
    "2024-01-31T09:00Z",
    "2024-03-31T09:00Z",
    "2024-05-31T09:00Z",
  ]);
  assert.deepEqual(firesAfter(rule("RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=30"), long, 2), [
    "2024-02-23T17:30Z",
    "2024-03-29T17:30Z",
  ]);
});

test("without start_at it begins at the anchor, in the entry's zone", () => {
  assert.deepEqual(
    firesAfter({ rrule: "FREQ=DAILY;BYHOUR=9;BYMINUTE=0", timezone: "Asia/Tokyo" }, "2024-01-01T12:00Z", 1),
    ["2024-01-02T00:00Z"],
  );
});

test("lines add and take away; UNTIL is in UTC and inclusive", () => {
  const text =
    "RRULE:FREQ=DAILY;UNTIL=20240204T090000Z\nEXRULE:FREQ=WEEKLY;BYDAY=SA\r\nRDATE:20240210T120000,20240211T120000Z\nEXDATE:20240202T090000";
  assert.deepEqual(firesAfter(rule(text), long, 9), [
    "2024-01-31T09:00Z",
    "2024-02-01T09:00Z",
    "2024-02-04T09:00Z",
    "2024-02-10T12:00Z",
    "2024-02-11T12:00Z",
  ]);
  assert.deepEqual(firesBefore(rule(text), "2024-02-10T00:00Z", 9), [
    "2024-02-04T09:00Z",
    "2024-02-01T09:00Z",
    "2024-01-31T09:00Z",
  ]);
});

test("a weekday with a number and one without are both meant", () => {
  assert.deepEqual(firesAfter(rule("FREQ=MONTHLY;BYDAY=1MO,FR"), "2024-02-01T00:00Z", 3), [
    "2024-02-02T09:00Z",
    "2024-02-05T09:00Z",
    "2024-02-09T09:00Z",
  ]);
});

test("times in a gap are late by its length, in order, and those that meet are one", () => {
  const schedule = { rrule: "FREQ=MINUTELY;INTERVAL=30", start_at: "2024-03-09T23:00", timezone: "America/New_York" };
  const want = ["2024-03-10T06:30Z", "2024-03-10T07:00Z", "2024-03-10T07:30Z", "2024-03-10T08:00Z"];
  assert.deepEqual(firesAfter(schedule, "2024-03-10T06:00Z", 4), want);
  assert.deepEqual(firesBefore(schedule, "2024-03-10T08:00:01Z", 4), want.toReversed());
  const late = { rrule: "FREQ=DAILY", start_at: "2024-03-09T02:30", timezone: "America/New_York" };
  assert.deepEqual(firesAfter(late, long, 3), ["2024-03-09T07:30Z", "2024-03-10T07:30Z", "2024-03-11T06:30Z"]);
});

test("weekdays with and without a number are named side by side", () => {
  const schedule = { rrule: "FREQ=MONTHLY;BYDAY=FR,1MO", start_at: "2027-02-01T09:00" };
  assert.deepEqual(firesAfter(schedule, "2027-01-31", 3), [
    "2027-02-01T09:00Z",
    "2027-02-05T09:00Z",
    "2027-02-12T09:00Z",
  ]);
});

test("long after its start it is as quick, and a rule that names nothing says so", () => {
  const start = performance.now();
  assert.deepEqual(
    firesAfter({ rrule: "FREQ=SECONDLY;INTERVAL=7", start_at: "1970-01-01" }, "2099-12-31T23:59:59Z", 1).length,
    1,
  );
  assert.ok(neverFires(compile(rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"))));
  assert.ok(neverFires(compile(rule("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"))));
  assert.ok(neverFires(compile(rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=FR;BYWEEKNO=53"))));
  const every = (count: number): string => [...Array(count).keys()].join(",");
  const dense = rule(
    `FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=${every(24)};BYMINUTE=${every(60)};BYSECOND=${every(60)};BYSETPOS=-1,1`,
  );
  assert.deepEqual(firesAfter(dense, "2024-02-01T00:00Z", 2), ["2024-12-31T23:59:59Z", "2025-01-01T00:00Z"]);
  assert.throws(
    () =>
      nextFireTime(
        compile(rule("RRULE:FREQ=SECONDLY\nEXRULE:FREQ=SECONDLY;BYSECOND=0,1,2,3,4,5,6\nEXRULE:FREQ=SECONDLY")),
        0,
      ),
    /leave out [0-9]+ times in a row/,
  );
  assert.ok(performance.now() - start < 2_000);
});

const part = (name: string, min: number, max: number) =>
  fc.option(
    fc
      .uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 3 })
      .map((values) => `;${name}=${values.join(",")}`),
    { nil: "" },
  );

test("next, previous and membership agree for any rule, near changes of the clocks too", () => {
  const anyRule = fc
    .tuple(
      fc.constantFrom("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"),
      fc.integer({ min: 1, max: 5 }),
      part("BYMONTH", 1, 12),
      part("BYMONTHDAY", 1, 31),
      part("BYHOUR", 0, 23),
      part("BYMINUTE", 0, 59),
      part("BYSETPOS", 1, 2),
    )
    .map(([frequency, interval, ...parts]) => `FREQ=${frequency};INTERVAL=${interval}${parts.join("")}`);
  const after = fc
    .integer({ min: Date.UTC(2024, 2, 8) / 60_000, max: Date.UTC(2024, 2, 12) / 60_000 })
    .map((minutes) => minutes * 60_000);
  fc.assert(
    fc.property(anyRule, after, (rrule, instant) => {
      let trigger: ReturnType<typeof compile>;
      try {
        trigger = compile({ rrule, start_at: "2023-12-31T00:00", timezone: "America/New_York" });
      } catch (error) {
        assert.match(String(error), /never comes to/);
        return;
      }
      const next = nextFireTime(trigger, instant);
      const set = trigger.kind === "bounded" ? trigger.trigger : trigger;
      assert.ok(set.kind === "rrule");
      assert.equal(isInRrule(set, instant), nextFireTime(trigger, instant - 1) === instant);
      if (next === null) return;
      assert.ok(isInRrule(set, next));
      assert.ok(next > instant);
      const last = previousFireTime(trigger, next);
      assert.ok(last === null || last <= instant);
      if (last !== null) assert.equal(nextFireTime(trigger, last), next);
    }),
    { numRuns: 1_000 },
  );
});

test("around gaps of half an hour to a day it finds what walking through all wall times finds", () => {
  const gaps = [
    ["America/New_York", "2024-03-10T07:00Z"],
    ["Australia/Lord_Howe", "2024-10-05T15:30Z"],
    ["Pacific/Apia", "2011-12-30T10:00Z"],
    ["Africa/Casablanca", "2024-04-14T02:00Z"],
    ["Europe/Berlin", "2024-10-27T01:00Z"],
  ] as const;
  const text = fc
    .tuple(fc.constantFrom("HOURLY", "MINUTELY"), fc.integer({ min: 1, max: 90 }), part("BYHOUR", 0, 23))
    .map(([frequency, interval, hours]) => `FREQ=${frequency};INTERVAL=${interval}${hours}`);
  const minuteMs = 60_000;
  fc.assert(
    fc.property(fc.constantFrom(...gaps), text, fc.integer({ min: -3_000, max: 3_000 }), (gap, rrule, minutes) => {
      const [timezone, changed] = [gap[0], Date.parse(gap[1])];
      const zone = zoneOf(timezone);
      const from = changed - 6_000 * minuteMs;
      let set: ReturnType<typeof compile>;
      try {
        set = compile({ rrule, timezone }, from);
      } catch (error) {
        assert.match(String(error), /never comes to/);
        return;
      }
      assert.ok(set.kind === "rrule");
      const { rules } = set;
      const instants: number[] = [];
      for (let wall = zone.wallAt(from); wall < zone.wallAt(from) + 12_000 * minuteMs; wall += minuteMs)
        if (rules.some((rule) => occursAt(rule, wall))) instants.push(lateInstant(wall, zone));
      const asked = changed + minutes * minuteMs + 1_000;
      const later = instants.filter((instant) => instant > asked);
      const earlier = instants.filter((instant) => instant < asked);
      if (later.length > 0) assert.equal(nextFireTime(set, asked), Math.min(...later));
      if (earlier.length > 0) assert.equal(previousFireTime(set, asked), Math.max(...earlier));
    }),
    { numRuns: 300 },
  );
});

test("a rule of every second in a gap of a day is found at once", () => {
  const trigger = compile(rule("FREQ=SECONDLY;BYDAY=WE,FR", { start_at: "2011-01-01", timezone: "Pacific/Apia" }));
  const after = Date.parse("2011-12-30T10:00:00Z");
  const before = process.threadCpuUsage().user;
  for (let index = 0; index < 1_000; index++) {
    assert.equal(nextFireTime(trigger, after + index * 1_000), after + (index + 1) * 1_000);
    assert.equal(previousFireTime(trigger, after + (index + 1) * 1_000), after + index * 1_000);
  }
  assert.ok(process.threadCpuUsage().user - before < 2_000_000, "it was walked through");
});

const refused: readonly (readonly [unknown, RegExp, RegExp?])[] = [
  ["", /not a recurrence/],
  [5, /not a recurrence/],
  ["FREQ=FORTNIGHTLY", /no frequency/, /WEEKLY/],
  ["FREQ=DAILY;INTERVL=2", /no part of a rule/, /INTERVAL/],
  ["FREQ=DAILY;FREQ=DAILY", /stands twice/],
  ["FREQ=DAILY;COUNT=0", /COUNT=0 is out of range/],
  ["FREQ=DAILY;COUNT=100001", /out of range/],
  ["FREQ=DAILY;UNTIL=20240201T090000", /not in UTC/],
  ["FREQ=DAILY;BYHOUR=24", /BYHOUR=24 is out of range/, /0 to 23/],
  ["FREQ=MONTHLY;BYDAY=0MO", /counts no weekday/],
  ["FREQ=MINUTELY;INTERVAL=30;BYMINUTE=10", /never comes to 10/],
  ["DTSTART:20240101T090000", /no line of a recurrence/, /start_at/],
  ["RDATE:20240230", /not a time/],
  [`FREQ=DAILY;BYHOUR=${"1,".repeat(20_000)}`, /too long/],
];

for (const [rrule, message, remedy] of refused) {
  test(`refused: ${JSON.stringify(rrule).slice(0, 60)}`, () =>
    assertRefused({ rrule, start_at: "2024-01-01T09:00" }, "rrule", message, remedy));
}
