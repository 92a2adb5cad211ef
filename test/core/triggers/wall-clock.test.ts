// The rule for changes of the clocks, each half of it and its overrides.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Schedule } from "../../../src/core/triggers/schedule.ts";
import { firesAfter, firesBefore } from "./fires.ts";

const timezone = "America/New_York";
/** Clocks went from 02:00 to 03:00 at 07:00Z on 10 March 2024, and from 02:00 back to 01:00 at 06:00Z on 3 November. */
const gapDay = "2024-03-10T05:00Z";
const overlapDay = "2024-11-03T04:00Z";

const rows: readonly (readonly [string, Schedule, string, readonly string[]])[] = [
  ["a fixed time in a gap runs at its end", { cron: "30 2 * * *" }, gapDay, ["2024-03-10T07:00Z", "2024-03-11T06:30Z"]],
  ["two fixed times in a gap run as one", { cron: "0,30 2 * * *" }, gapDay, ["2024-03-10T07:00Z", "2024-03-11T06:00Z"]],
  [
    "and merge with what runs at its end",
    { crontab: "0 2,3 * * *" },
    gapDay,
    ["2024-03-10T07:00Z", "2024-03-11T06:00Z"],
  ],
  [
    "a fixed time shown twice runs on the first pass",
    { cron: "30 1 * * *" },
    overlapDay,
    ["2024-11-03T05:30Z", "2024-11-04T06:30Z"],
  ],
  [
    "a wildcard runs through a gap in real time",
    { cron: "*/30 * * * *" },
    "2024-03-10T06:00Z",
    ["2024-03-10T06:30Z", "2024-03-10T07:00Z", "2024-03-10T07:30Z"],
  ],
  [
    "a wildcard runs on both passes",
    { cron: "30 * * * *" },
    "2024-11-03T05:00Z",
    ["2024-11-03T05:30Z", "2024-11-03T06:30Z", "2024-11-03T07:30Z"],
  ],
  [
    "a wildcard's times in a gap do not run",
    { cron: "*/30 2 * * *" },
    gapDay,
    ["2024-03-11T06:00Z", "2024-03-11T06:30Z"],
  ],
  [
    "a second pass is found though the next match is a year away",
    { cron: "*/30 1 3 11 *" },
    "2024-11-03T05:30Z",
    ["2024-11-03T06:00Z", "2024-11-03T06:30Z", "2025-11-03T06:00Z"],
  ],
  ["gap: skip leaves a fixed time out", { cron: "30 2 * * *", dst: { gap: "skip" } }, gapDay, ["2024-03-11T06:30Z"]],
  [
    "gap: next brings a wildcard's time in",
    { cron: "*/30 2 * * *", dst: { gap: "next" } },
    gapDay,
    ["2024-03-10T07:00Z", "2024-03-11T06:00Z"],
  ],
  [
    "overlap: both runs a fixed time twice",
    { cron: "30 1 * * *", dst: { overlap: "both" } },
    overlapDay,
    ["2024-11-03T05:30Z", "2024-11-03T06:30Z", "2024-11-04T06:30Z"],
  ],
  [
    "overlap: first runs a wildcard once",
    { cron: "30 * * * *", dst: { overlap: "first" } },
    "2024-11-03T05:00Z",
    ["2024-11-03T05:30Z", "2024-11-03T07:30Z"],
  ],
  [
    "a day that was skipped whole runs at its end",
    { crontab: "0 12 * * fri", timezone: "Pacific/Apia" },
    "2011-12-24T00:00Z",
    ["2011-12-30T10:00Z", "2012-01-05T22:00Z"],
  ],
  [
    "half an hour",
    { cron: "15 2 * * *", timezone: "Australia/Lord_Howe" },
    "2024-10-05T12:00Z",
    ["2024-10-05T15:30Z", "2024-10-06T15:15Z"],
  ],
];

for (const [name, schedule, after, want] of rows) {
  test(name, () => {
    const zoned = { timezone, ...schedule };
    assert.deepEqual(firesAfter(zoned, after, want.length), want);
    const back = firesBefore(zoned, new Date(Date.parse(want.at(-1)!) + 1).toISOString(), want.length);
    assert.deepEqual(back.reverse(), want);
  });
}

test("a first pass is found from the second though the match before is a year away", () => {
  const schedule: Schedule = { cron: "45 1 3 11 *", timezone, dst: { overlap: "both" } };
  assert.deepEqual(firesBefore(schedule, "2024-11-03T06:10Z", 2), ["2024-11-03T05:45Z", "2023-11-03T05:45Z"]);
});

test("a schedule whose every time falls in a gap has no next one, and the search for it ends", () => {
  const schedule: Schedule = {
    cron: "30 2 10 3 *",
    timezone,
    dst: { gap: "skip" },
    start_at: "2024-03-10",
    end_at: "2024-03-10",
  };
  assert.deepEqual(firesAfter(schedule, "2024-01-01T00:00Z", 1), []);
});
