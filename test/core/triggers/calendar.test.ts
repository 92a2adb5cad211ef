import assert from "node:assert/strict";
import { test } from "node:test";
import type { Schedule } from "../../../src/core/triggers/schedule.ts";
import { assertRefused, firesAfter, firesBefore } from "./fires.ts";

const long = "1970-01-01T00:00Z";
const monthly = (more: object): Schedule => ({ calendar: { months: 1, at: "09:00", ...more }, start_at: "2024-01-31" });

test("a date that does not exist is skipped, or moved to the end of its month", () => {
  assert.deepEqual(firesAfter(monthly({}), long, 3), ["2024-01-31T09:00Z", "2024-03-31T09:00Z", "2024-05-31T09:00Z"]);
  assert.deepEqual(firesAfter(monthly({ clamp: true }), long, 4), [
    "2024-01-31T09:00Z",
    "2024-02-29T09:00Z",
    "2024-03-31T09:00Z",
    "2024-04-30T09:00Z",
  ]);
});

test("months and days together count on from the date before", () => {
  assert.deepEqual(firesAfter(monthly({ days: 1 }), long, 3), [
    "2024-01-31T09:00Z",
    "2024-04-01T09:00Z",
    "2024-05-02T09:00Z",
  ]);
});

test("far from its start it is as exact, both ways", () => {
  assert.deepEqual(firesAfter({ calendar: { days: 3 }, start_at: "1990-01-01" }, "2090-01-01T00:00Z", 1), [
    "2090-01-04T00:00Z",
  ]);
  assert.deepEqual(firesBefore({ calendar: { years: 1 }, start_at: "2024-02-29" }, "2100-01-01T00:00Z", 2), [
    "2096-02-29T00:00Z",
    "2092-02-29T00:00Z",
  ]);
  assert.deepEqual(firesBefore({ calendar: { years: 100 }, start_at: "2000-02-29" }, "2399-01-01T00:00Z", 2), [
    "2000-02-29T00:00Z",
  ]);
});

test("without `at` it is the time of start_at; without start_at it counts from the anchor's day", () => {
  assert.deepEqual(
    firesAfter({ calendar: { weeks: 1 }, start_at: "2024-01-01T17:30", timezone: "Asia/Tokyo" }, long, 2),
    ["2024-01-01T08:30Z", "2024-01-08T08:30Z"],
  );
  assert.deepEqual(firesAfter({ calendar: { days: 2, at: "09:00" } }, "2024-01-01T12:00Z", 2), [
    "2024-01-03T09:00Z",
    "2024-01-05T09:00Z",
  ]);
});

test("a time in a gap is skipped, or runs at its end; one shown twice runs once, or twice", () => {
  const gap: Schedule = { calendar: { days: 1, at: "02:30" }, start_at: "2024-03-09", timezone: "America/New_York" };
  assert.deepEqual(firesAfter(gap, long, 2), ["2024-03-09T07:30Z", "2024-03-11T06:30Z"]);
  assert.deepEqual(firesAfter({ ...gap, dst: { gap: "next" } }, long, 2), ["2024-03-09T07:30Z", "2024-03-10T07:00Z"]);
  const overlap: Schedule = {
    calendar: { days: 1, at: "01:30" },
    start_at: "2024-11-03",
    timezone: "America/New_York",
  };
  assert.deepEqual(firesAfter(overlap, long, 2), ["2024-11-03T05:30Z", "2024-11-04T06:30Z"]);
  const twice: Schedule = { ...overlap, dst: { overlap: "both" } };
  assert.deepEqual(firesAfter(twice, long, 3), ["2024-11-03T05:30Z", "2024-11-03T06:30Z", "2024-11-04T06:30Z"]);
  assert.deepEqual(firesBefore(twice, "2024-11-03T06:30:01Z", 3), ["2024-11-03T06:30Z", "2024-11-03T05:30Z"]);
});

const refused: readonly (readonly [unknown, string, RegExp])[] = [
  [{}, "calendar", /does not step/],
  [{ at: "09:00" }, "calendar", /does not step/],
  [{ months: -1 }, "calendar.months", /number of months/],
  [{ days: 1.5 }, "calendar.days", /number of days/],
  [{ days: "1" }, "calendar.days", /number of days/],
  [{ days: 1, at: "24:00" }, "calendar.at", /time of day/],
  [{ days: 1, at: 9 }, "calendar.at", /time of day/],
  [{ days: 1, clamp: "yes" }, "calendar.clamp", /neither true nor false/],
  [{ day: 1 }, "calendar.day", /unknown key/],
  ["monthly", "calendar", /not a map/],
];

for (const [calendar, field, message] of refused) {
  test(`refused: ${JSON.stringify(calendar)}`, () => assertRefused({ calendar }, field, message));
}
