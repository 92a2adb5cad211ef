import assert from "node:assert/strict";
import { test } from "node:test";
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
  ["", /five fields/],
  ["* * * *", /five fields/],
  [5, /five fields/],
  [{}, /five fields/],
];

for (const [cron, message, remedy] of refused) {
  test(`refused: ${JSON.stringify(cron)}`, () => assertRefused({ cron }, "cron", message, remedy));
}
