import assert from "node:assert/strict";
import { test } from "node:test";
import { neverFires } from "../../../src/core/triggers/trigger.ts";
import { assertRefused, compile, firesAfter, firesBefore } from "./fires.ts";

const after = "2024-01-01T00:00Z";

test("fields finer than the finest given take their minimum, coarser ones are every value", () => {
  assert.deepEqual(firesAfter({ apscheduler: { day: 15 } }, after, 2), ["2024-01-15T00:00Z", "2024-02-15T00:00Z"]);
  assert.deepEqual(firesAfter({ apscheduler: { minute: 30 } }, after, 2), ["2024-01-01T00:30Z", "2024-01-01T01:30Z"]);
  assert.deepEqual(firesAfter({ apscheduler: {} }, after, 2), ["2024-01-01T00:00:01Z", "2024-01-01T00:00:02Z"]);
});

test("Monday is 0; days are counted by weekday", () => {
  assert.deepEqual(firesAfter({ apscheduler: { day_of_week: 0 } }, after, 1), ["2024-01-08T00:00Z"]);
  assert.deepEqual(firesAfter({ apscheduler: { day: "2nd fri, last sun", hour: 9 } }, after, 3), [
    "2024-01-12T09:00Z",
    "2024-01-28T09:00Z",
    "2024-02-09T09:00Z",
  ]);
  assert.deepEqual(firesAfter({ apscheduler: { day: "last" } }, after, 2), ["2024-01-31T00:00Z", "2024-02-29T00:00Z"]);
});

test("weeks are ISO 8601's: a week belongs to the year of its Thursday", () => {
  assert.deepEqual(firesAfter({ apscheduler: { week: 1, day_of_week: "mon" } }, after, 2), [
    "2024-12-30T00:00Z",
    "2025-12-29T00:00Z",
  ]);
  assert.deepEqual(firesBefore({ apscheduler: { week: 53, day_of_week: "sun" } }, after, 2), [
    "2021-01-03T00:00Z",
    "2016-01-03T00:00Z",
  ]);
});

test("years end", () => {
  assert.deepEqual(firesAfter({ apscheduler: { year: "2024-2030/5", month: 6 } }, after, 5), [
    "2024-06-01T00:00Z",
    "2029-06-01T00:00Z",
  ]);
});

test("what no day satisfies has no fire time, and says so at once", () => {
  const start = performance.now();
  assert.deepEqual(firesAfter({ apscheduler: { month: 2, day: 29, day_of_week: "fri", week: 53 } }, after, 1), []);
  assert.ok(neverFires(compile({ apscheduler: { month: 2, day: 30 } })));
  assert.ok(!neverFires(compile({ apscheduler: { year: 1999 } })));
  assert.ok(performance.now() - start < 200);
});

const refused: readonly (readonly [unknown, string, RegExp, RegExp?])[] = [
  [{ day_of_week: 7 }, "apscheduler.day_of_week", /"7" is no day of the week/, /0 to 6/],
  [{ day_of_week: "mon-fri/2" }, "apscheduler.day_of_week", /step on names/],
  [{ month: "january" }, "apscheduler.month", /"january" is no month/],
  [{ minute: "*/60" }, "apscheduler.minute", /step beyond its range/, /at most 59/],
  [{ hour: "9-17/9" }, "apscheduler.hour", /step beyond its range/],
  [{ day: "6th mon" }, "apscheduler.day", /"6th mon"/],
  [{ day: "lastly" }, "apscheduler.day", /"lastly"/],
  [{ hour: 1.5 }, "apscheduler.hour", /is no hour/],
  [{ hours: 1 }, "apscheduler.hours", /unknown key/, /"hour"/],
  ["0 9 * * *", "apscheduler", /not a map/],
  [new Date(0), "apscheduler", /not a map/],
];

for (const [apscheduler, field, message, remedy] of refused) {
  test(`refused: ${JSON.stringify(apscheduler)}`, () => assertRefused({ apscheduler }, field, message, remedy));
}
