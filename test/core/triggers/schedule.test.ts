import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { DefinitionError } from "../../../src/core/errors.ts";
import { type Schedule, scheduleShape } from "../../../src/core/triggers/schedule.ts";
import { assertRefused, compile, firesAfter, firesBefore } from "./fires.ts";

const long = "1970-01-01T00:00Z";

test("start_at and end_at are inclusive", () => {
  const schedule = { cron: "0 * * * *", start_at: "2024-01-01T09:00", end_at: "2024-01-01T11:00" };
  const want = ["2024-01-01T09:00Z", "2024-01-01T10:00Z", "2024-01-01T11:00Z"];
  assert.deepEqual(firesAfter(schedule, long, 9), want);
  assert.deepEqual(firesBefore(schedule, "2030-01-01T00:00Z", 9), want.toReversed());
});

test("a date alone starts and ends with that day of the zone", () => {
  const schedule = { cron: "0 */12 * * *", start_at: "2024-03-09", end_at: "2024-03-10", timezone: "America/New_York" };
  assert.deepEqual(firesAfter(schedule, long, 9), [
    "2024-03-09T05:00Z",
    "2024-03-09T17:00Z",
    "2024-03-10T05:00Z",
    "2024-03-10T16:00Z",
  ]);
});

test("bounds with an offset are absolute", () => {
  const schedule = { cron: "0 0 * * *", start_at: "2024-01-02T00:00Z", timezone: "Asia/Tokyo" };
  assert.deepEqual(firesAfter(schedule, long, 1), ["2024-01-02T15:00Z"]);
});

test("an end in the past leaves nothing", () => {
  assert.deepEqual(firesAfter({ every: "1h", end_at: "1999-12-31" }, "2024-01-01T00:00Z", 1), []);
});

test("a bad trigger, a second one, none", () => {
  assertRefused({ cron: "* * * * *", at: "2027-01-01" }, "at", /second trigger beside cron/);
  assert.throws(
    () => compile({}),
    (error) => error instanceof DefinitionError && /no trigger/.test(error.message),
  );
});

const refused: readonly (readonly [Record<string, unknown>, string, RegExp])[] = [
  [{ timezone: "Europe/Berln" }, "timezone", /not a time zone/],
  [{ timezone: 1 }, "timezone", /not a time zone/],
  [{ start_at: "soon" }, "start_at", /not a date/],
  [{ end_at: "2024-02-30" }, "end_at", /no such day/],
  [{ start_at: "2024-01-02", end_at: "2024-01-01" }, "end_at", /before start_at/],
  [{ dst: { gap: "late" } }, "dst", /changes of the clocks/],
  [{ dst: "skip" }, "dst", /changes of the clocks/],
  [{ dst: new Map([["gap", "skip"]]) }, "dst", /changes of the clocks/],
];

for (const [keys, field, message] of refused) {
  test(`refused: ${JSON.stringify(keys)}`, () => assertRefused({ cron: "0 0 * * *", ...keys }, field, message));
}

test("the shape takes what the compiler takes", () => {
  const schema = z.strictObject(scheduleShape);
  const accepted: Schedule[] = [
    { every: "1h30m", max_runs: 3 },
    { every: { weeks: 1, days: 1 } },
    { crontab: { minute: "*/5", hour: [1, 2], day_of_month: 3 } },
    { cron: "0 0 * * *", timezone: "UTC", dst: { gap: "skip" } },
    { at: ["2027-01-01"], start_at: "2027-01-01", end_at: "2027-12-31" },
  ];
  for (const value of accepted) assert.deepEqual(schema.parse(value), value);
  for (const value of [
    { max_runs: 0 },
    { every: [] },
    { crontab: { minutes: 1 } },
    { at: [] },
    { dst: { gap: "x" } },
  ]) {
    assert.equal(schema.safeParse(value).success, false);
  }
});
