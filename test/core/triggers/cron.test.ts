import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSchedule } from "../../../src/core/triggers/schedule.ts";
import { nextFireTime } from "../../../src/core/triggers/trigger.ts";
import { assertRefused, firesAfter } from "./fires.ts";

test("day of the month or day of the week, where both are restricted", () => {
  assert.deepEqual(firesAfter({ cron: "0 0 13 * fri" }, "2024-09-01T00:00Z", 4), [
    "2024-09-06T00:00Z",
    "2024-09-13T00:00Z",
    "2024-09-20T00:00Z",
    "2024-09-27T00:00Z",
  ]);
});

test("a field that begins with * is not restricted: then both must match", () => {
  assert.deepEqual(firesAfter({ cron: "0 0 */10 * mon" }, "2024-01-01T00:00Z", 2), [
    "2024-03-11T00:00Z",
    "2024-04-01T00:00Z",
  ]);
});

const dates = (cron: string, count: number, after = "2024-01-01T00:00Z"): string[] =>
  firesAfter({ cron }, after, count).map((text) => text.slice(0, 10));

test("L, LW, nW: days that the end of a month or a weekend moves", () => {
  assert.deepEqual(dates("0 0 L * *", 3), ["2024-01-31", "2024-02-29", "2024-03-31"]);
  assert.deepEqual(dates("0 0 LW 3,6 *", 2), ["2024-03-29", "2024-06-28"]);
  assert.deepEqual(dates("0 0 1W 6,9 *", 2), ["2024-06-03", "2024-09-02"]);
  assert.deepEqual(dates("0 0 30W 2,3 *", 1), ["2024-03-29"]);
  assert.deepEqual(dates("0 0 15,L * *", 3), ["2024-01-15", "2024-01-31", "2024-02-15"]);
});

test("5L and 5#2: the last Friday and the second", () => {
  assert.deepEqual(dates("0 0 * * 5L", 2), ["2024-01-26", "2024-02-23"]);
  assert.deepEqual(dates("0 0 * * fri#2", 2), ["2024-01-12", "2024-02-09"]);
  assert.deepEqual(dates("0 0 0 * * MONL", 1), ["2024-01-29"]);
});

test("six fields begin with seconds, and */10 is a restriction there", () => {
  assert.deepEqual(firesAfter({ cron: "*/30 0 0 1 1 ?" }, "2024-01-01T00:00Z", 2), [
    "2024-01-01T00:00:30Z",
    "2025-01-01T00:00Z",
  ]);
  assert.deepEqual(dates("0 0 0 */10 * 0", 3), ["2024-01-07", "2024-01-11", "2024-01-14"]);
});

test("~ chooses by the entry's name: always the same, not the same for all, evenly", () => {
  const minuteOf = (name: string, cron: string): number =>
    new Date(nextFireTime(compileSchedule({ cron }, { name, anchorAt: 0 }), 0)!).getUTCMinutes();
  const names = Array.from({ length: 3_000 }, (_, index) => `entry-${index}`);
  const counts = new Map<number, number>();
  for (const name of names) {
    const minute = minuteOf(name, "10~19 * * * *");
    assert.equal(minuteOf(name, "10~19 * * * *"), minute);
    counts.set(minute, (counts.get(minute) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort(), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  assert.ok([...counts.values()].every((count) => count > 200 && count < 400));
  assert.ok(new Set(names.map((name) => minuteOf(name, "~/15 * * * *"))).size === 15);
  assert.equal(firesAfter({ cron: "~/15 * * * *" }, "2024-01-01T00:00Z", 9).length, 9);
});

test("@reboot is the start of the program, and unknown where none starts", () => {
  const startedAt = Date.parse("2024-06-01T00:00Z");
  const trigger = compileSchedule({ cron: "@reboot" }, { name: "x", anchorAt: 0, startedAt });
  assert.equal(nextFireTime(trigger, 0), startedAt);
  assert.equal(nextFireTime(trigger, startedAt), null);
  assertRefused({ cron: "@reboot" }, "cron", /when the program starts/);
});

test("0 and 7 are Sunday, 5/15 runs to the end, whitespace is free", () => {
  assert.deepEqual(firesAfter({ cron: "0 0 * * 7" }, "2024-01-01T00:00Z", 1), ["2024-01-07T00:00Z"]);
  assert.deepEqual(firesAfter({ cron: "0 0 * * 5-7" }, "2024-01-01T00:00Z", 3), [
    "2024-01-05T00:00Z",
    "2024-01-06T00:00Z",
    "2024-01-07T00:00Z",
  ]);
  assert.deepEqual(firesAfter({ cron: " 5/25\t1  * * * " }, "2024-01-01T00:00Z", 3), [
    "2024-01-01T01:05Z",
    "2024-01-01T01:30Z",
    "2024-01-01T01:55Z",
  ]);
});

const refused: readonly (readonly [unknown, RegExp, RegExp?])[] = [
  ["61 * * * *", /"61" is no minute/, /0 to 59/],
  ["0 0 * * 8", /"8" is no day of the week/],
  ["0 0 * * SUN6", /"SUN6"/],
  ["0 0 * JANFEB *", /"JANFEB"/],
  ["0 0 * * monday", /"monday"/],
  ["0 22-4 * * *", /backwards/, /22-23,0-4/],
  ["*/0 * * * *", /step of 0/],
  ["1,,2 * * * *", /empty element/],
  ["0 0 30 2 *", /never fires/],
  ["", /five or six fields/],
  ["* * * *", /five or six fields/],
  ["@every 5m", /no nickname/, /@hourly/],
  ["0 0 * * 1#6", /weekday number 6/],
  ["0 0 * * L", /"L" is no day of the week/],
  ["0 0 L-3 * *", /"L-3"/],
  ["0 0 32W * *", /"32" is no day of the month/],
  ["30~10 * * * *", /runs backwards/],
  ["0 0 31W 2 *", /never fires/],
  ["* * * * * * *", /five or six fields/],
  [5, /five or six fields/],
  [{}, /five or six fields/],
];

for (const [cron, message, remedy] of refused) {
  test(`refused: ${JSON.stringify(cron)}`, () => assertRefused({ cron }, "cron", message, remedy));
}
