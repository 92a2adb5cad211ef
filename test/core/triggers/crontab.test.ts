import assert from "node:assert/strict";
import { test } from "node:test";
import { assertRefused, firesAfter } from "./fires.ts";

test("day of the month and day of the week must both match", () => {
  assert.deepEqual(firesAfter({ crontab: "0 0 13 * fri" }, "2024-01-01T00:00Z", 2), [
    "2024-09-13T00:00Z",
    "2024-12-13T00:00Z",
  ]);
});

test("the map takes numbers, texts and lists; what it leaves out is every value", () => {
  const want = ["2024-01-01T08:15Z", "2024-01-01T08:45Z", "2024-01-02T08:15Z"];
  assert.deepEqual(
    firesAfter({ crontab: { minute: [45, 15], hour: 8, day_of_week: "mon-fri" } }, "2024-01-01T00:00Z", 3),
    want,
  );
});

test("ranges wrap, and steps run along the wrapped range", () => {
  assert.deepEqual(firesAfter({ crontab: "0 22-4/3 * * *" }, "2024-01-01T05:00Z", 3), [
    "2024-01-01T22:00Z",
    "2024-01-02T01:00Z",
    "2024-01-02T04:00Z",
  ]);
  assert.deepEqual(firesAfter({ crontab: "0 0 * * fri-mon" }, "2024-01-02T00:00Z", 4), [
    "2024-01-05T00:00Z",
    "2024-01-06T00:00Z",
    "2024-01-07T00:00Z",
    "2024-01-08T00:00Z",
  ]);
  assert.deepEqual(firesAfter({ crontab: "0 0 1 nov-feb *" }, "2024-02-02T00:00Z", 4), [
    "2024-11-01T00:00Z",
    "2024-12-01T00:00Z",
    "2025-01-01T00:00Z",
    "2025-02-01T00:00Z",
  ]);
});

test("names are read from three letters to the whole, in any case", () => {
  for (const name of ["thu", "Thur", "THURSDAY"]) {
    assert.deepEqual(firesAfter({ crontab: `0 0 * * ${name}` }, "2024-01-01T00:00Z", 1), ["2024-01-04T00:00Z"]);
  }
});

test("29 February", () => {
  assert.deepEqual(firesAfter({ crontab: "0 0 29 2 *" }, "2096-03-01T00:00Z", 2), [
    "2104-02-29T00:00Z",
    "2108-02-29T00:00Z",
  ]);
  assert.deepEqual(firesAfter({ crontab: "0 0 29 2 sun" }, "2072-01-01T00:00Z", 2), [
    "2088-02-29T00:00Z",
    "2128-02-29T00:00Z",
  ]);
});

const refused: readonly (readonly [unknown, string, RegExp, RegExp?])[] = [
  ["0 0 * * 7", "crontab", /"7" is no day of the week/, /0 to 6/],
  ["0 0 * * mon#1", "crontab", /"mon#1"/],
  ["1-5x * * * *", "crontab", /"1-5x"/],
  ["5/10 * * * *", "crontab", /step on one value/],
  ["0 0 30 2 *", "crontab", /never fires/],
  ["0 0 31 apr,jun *", "crontab", /never fires/],
  ["0 0 * *", "crontab", /five fields/],
  ["0  0 * * *", "crontab", /single spaces/],
  ["0 0 * * * ", "crontab", /single spaces/],
  ["", "crontab", /five fields/],
  ["* ".repeat(100_000), "crontab", /five fields/],
  [`${"1,".repeat(2_000)}1 * * * *`, "crontab", /too long/],
  [null, "crontab", /not a crontab/],
  [["0 0 * * *"], "crontab", /not a crontab/],
  [{ minute: 60 }, "crontab.minute", /60 is no minute/, /0 to 59/],
  [{ minute: [] }, "crontab.minute", /neither text nor whole numbers/],
  [{ minute: 1.5 }, "crontab.minute", /neither/],
  [{ minute: true }, "crontab.minute", /neither/],
  [{ day_of_week: ["mon"] }, "crontab.day_of_week", /neither/, /text/],
  [{ day_of_weak: "mon" }, "crontab.day_of_weak", /unknown key/, /day_of_week/],
  [JSON.parse('{"__proto__": 1}'), "crontab.__proto__", /unknown key/],
];

for (const [crontab, field, message, remedy] of refused) {
  test(`refused: ${JSON.stringify(crontab).slice(0, 60)}`, () => assertRefused({ crontab }, field, message, remedy));
}
