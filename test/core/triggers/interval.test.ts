import assert from "node:assert/strict";
import { test } from "node:test";
import { fireTimesBetween, isElapsed, nextFireTime } from "../../../src/core/triggers/trigger.ts";
import { assertRefused, at, compile, firesAfter, firesBefore } from "./fires.ts";

test("without start_at the first run is one interval after the anchor", () => {
  assert.deepEqual(firesAfter({ every: "90s" }, "2024-01-01T00:00Z", 2), ["2024-01-01T00:01:30Z", "2024-01-01T00:03Z"]);
  assert.equal(nextFireTime(compile({ every: 30 }, at("2024-01-01T00:00Z")), 0), at("2024-01-01T00:00:30Z"));
});

test("with start_at it fires first at it, and backwards ends there", () => {
  const schedule = { every: { hours: 1, minutes: 30 }, start_at: "2024-01-01T09:00", timezone: "Europe/Berlin" };
  assert.deepEqual(firesAfter(schedule, "2023-01-01T00:00Z", 3), [
    "2024-01-01T08:00Z",
    "2024-01-01T09:30Z",
    "2024-01-01T11:00Z",
  ]);
  assert.deepEqual(firesBefore(schedule, "2024-01-01T11:00Z", 5), ["2024-01-01T09:30Z", "2024-01-01T08:00Z"]);
});

test("it counts elapsed time over a change of the clocks", () => {
  const schedule = { every: "1d", start_at: "2024-03-09T12:00", timezone: "America/New_York" };
  assert.deepEqual(firesAfter(schedule, "2024-03-09T00:00Z", 2), ["2024-03-09T17:00Z", "2024-03-10T17:00Z"]);
});

test("catching up over fifty years is arithmetic", () => {
  const trigger = compile({ every: "1s" }, 0);
  const until = at("2024-01-01T00:00Z");
  const start = performance.now();
  assert.deepEqual(fireTimesBetween(trigger, 1, until), { count: until / 1_000, last: until });
  assert.ok(performance.now() - start < 50);
  assert.deepEqual(fireTimesBetween(trigger, 1_001, 1_999), { count: 0, last: null });
  assert.deepEqual(fireTimesBetween(trigger, -5_000, 0), { count: 0, last: null });
});

test("only an interval without start_at may be anchored anew", () => {
  assert.equal(isElapsed(compile({ every: 5 })), true);
  assert.equal(isElapsed(compile({ every: 5, end_at: "2030-01-01" })), true);
  assert.equal(isElapsed(compile({ every: 5, start_at: "2024-01-01" })), false);
  assert.equal(isElapsed(compile({ cron: "* * * * *" })), false);
});

const refused: readonly (readonly [unknown, string, RegExp, RegExp?])[] = [
  [0, "every", /too short/, /at least 100 ms/],
  ["99ms", "every", /too short/],
  [-5, "every", /not a duration/],
  ["5 minutes", "every", /not a duration/, /30s/],
  [{}, "every", /too short/],
  [{ minutes: -1 }, "every.minutes", /number of minutes/],
  [{ minutes: "1" }, "every.minutes", /number of minutes/],
  [{ minuts: 1 }, "every.minuts", /unknown unit/, /minutes/],
  [{ weeks: 1e9 }, "every", /not a duration/],
  [null, "every", /not a duration/],
  [true, "every", /not a duration/],
  [[10], "every", /not a duration/],
];

for (const [every, field, message, remedy] of refused) {
  test(`refused: ${JSON.stringify(every)}`, () => assertRefused({ every }, field, message, remedy));
}
