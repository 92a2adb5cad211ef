import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BeatError } from "../../src/core/errors.ts";
import { formatDuration, parseDuration } from "../../src/core/time.ts";

const durations: readonly (readonly [string | number, number])[] = [
  ["30s", 30_000],
  ["500ms", 500],
  ["1h30m", 5_400_000],
  ["2d", 172_800_000],
  ["1w", 604_800_000],
  ["1.5h", 5_400_000],
  ["0s", 0],
  [" 10m ", 600_000],
  ["PT1H30M", 5_400_000],
  ["P2D", 172_800_000],
  ["P1W", 604_800_000],
  ["P1DT0.5S", 86_400_500],
  [30, 30_000],
  [0.25, 250],
  [0.0004, 0],
];

for (const [written, ms] of durations) {
  test(`${JSON.stringify(written)} is ${ms} ms`, () => assert.equal(parseDuration(written), ms));
}

const wrong = [
  "",
  "s",
  "30",
  "30 s",
  "1h 30m",
  "-5s",
  "+5s",
  "5x",
  "1e3s",
  "P",
  "PT",
  "P1M",
  "P1Y",
  "PT5",
  "5S",
  "ms5",
  "0x10s",
  "١s",
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "999999999999d",
  "9".repeat(500),
];

for (const written of wrong) {
  test(`${JSON.stringify(written)} is no duration`, () => {
    assert.throws(
      () => parseDuration(written),
      (error) => error instanceof BeatError && /is not a duration/.test(error.message),
    );
  });
}

test("formatDuration writes what parseDuration reads back", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)),
  );
});
