import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileSchedule } from "../../../src/core/triggers/schedule.ts";
import { nextFireTime, previousFireTime } from "../../../src/core/triggers/trigger.ts";
import { instantsShowing } from "../../../src/core/triggers/wall-clock.ts";
import { zoneOf } from "../../../src/core/zone.ts";
import { assertRefused, firesAfter, firesBefore } from "./fires.ts";

const long = "1970-01-01T00:00Z";

test("one date-time, in the schedule's zone, once", () => {
  assert.deepEqual(firesAfter({ at: "2027-01-01T09:00", timezone: "America/New_York" }, long, 5), [
    "2027-01-01T14:00Z",
  ]);
});

test("a space, seconds, a fraction, an offset, a date alone", () => {
  const times = [
    "2027-01-01 09:00",
    "2027-01-02T09:00:30",
    "2027-01-03T09:00:30.25",
    "2027-01-04T09:00+01:00",
    "2027-01-05T09:00Z",
    "2027-01-06",
  ];
  const want = [
    "2027-01-01T09:00Z",
    "2027-01-02T09:00:30Z",
    "2027-01-03T09:00:30.250Z",
    "2027-01-04T08:00Z",
    "2027-01-05T09:00Z",
    "2027-01-06T00:00Z",
  ];
  assert.deepEqual(firesAfter({ at: times }, long, 10), want);
});

test("a list is sorted and each time fires once; backwards too", () => {
  const at = ["2027-03-01", "2027-01-01", "2027-03-01T00:00Z"];
  assert.deepEqual(firesAfter({ at }, long, 5), ["2027-01-01T00:00Z", "2027-03-01T00:00Z"]);
  assert.deepEqual(firesBefore({ at }, "2027-03-01T00:00Z", 5), ["2027-01-01T00:00Z"]);
  assert.deepEqual(firesBefore({ at }, "2027-01-01T00:00Z", 5), []);
});

test("a time in a gap runs at its end, or not; one shown twice on the first pass, or on both", () => {
  const timezone = "America/New_York";
  assert.deepEqual(firesAfter({ at: "2024-03-10T02:30", timezone }, long, 5), ["2024-03-10T07:00Z"]);
  assertRefused({ at: "2024-03-10T02:30", timezone, dst: { gap: "skip" } }, "at", /never fires/);
  assert.deepEqual(firesAfter({ at: "2024-11-03T01:30", timezone }, long, 5), ["2024-11-03T05:30Z"]);
  assert.deepEqual(firesAfter({ at: "2024-11-03T01:30", timezone, dst: { overlap: "both" } }, long, 5), [
    "2024-11-03T05:30Z",
    "2024-11-03T06:30Z",
  ]);
});

/** Around changes of the clocks that were by half an hour, an hour and a day, and at midnight. */
const changes: Record<string, string> = {
  "America/New_York": "2024-11-03",
  "Europe/Berlin": "2024-03-31",
  "Australia/Lord_Howe": "2024-04-07",
  "America/Sao_Paulo": "2018-11-04",
  "Pacific/Apia": "2011-12-30",
  UTC: "2024-03-31",
};

const written = fc
  .record({
    timezone: fc.constantFrom(...Object.keys(changes)),
    minutes: fc.array(fc.integer({ min: -4 * 1_440, max: 4 * 1_440 }), { minLength: 1, maxLength: 20 }),
    offsets: fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }),
    gap: fc.constantFrom("next" as const, "skip" as const),
    overlap: fc.constantFrom("first" as const, "both" as const),
  })
  .map(({ timezone, minutes, offsets, gap, overlap }) => ({
    timezone,
    dst: { gap, overlap },
    walls: minutes.map((each) => Date.parse(changes[timezone]!) + each * 60_000),
    isUtc: offsets,
  }));

const textOf = (wall: number, isUtc: boolean | undefined): string =>
  new Date(wall).toISOString().slice(0, 16) + (isUtc ? "Z" : "");

test("a list names what the zone shows of each of its times, whatever the rule", () => {
  fc.assert(
    fc.property(written, ({ timezone, dst, walls, isUtc }) => {
      const each = walls.flatMap((wall, index) =>
        isUtc[index] ? [wall] : instantsShowing(wall, zoneOf(timezone), dst),
      );
      const at = walls.map((wall, index) => textOf(wall, isUtc[index]));
      const want = [...new Set(each)].sort((a, b) => a - b);
      if (want.length === 0) return assertRefused({ at, timezone, dst }, "at", /never fires/);
      const trigger = compileSchedule({ at, timezone, dst }, { name: "", anchorAt: 0 });
      const next: number[] = [];
      for (let found = nextFireTime(trigger, 0); found !== null; found = nextFireTime(trigger, found)) next.push(found);
      const previous: number[] = [];
      for (let found = previousFireTime(trigger, 4e12); found !== null; found = previousFireTime(trigger, found))
        previous.unshift(found);
      assert.deepEqual(next, want);
      assert.deepEqual(previous, want);
    }),
    { numRuns: 500, seed: 20261121 },
  );
});

const refused: readonly (readonly [unknown, string, RegExp, RegExp?])[] = [
  ["tomorrow", "at", /"tomorrow" is not a date/, /2027-01-31T09:00/],
  ["2027-02-30", "at", /no such day/, /2027-02 has 28 days/],
  ["2027-13-01", "at", /no such month/],
  ["2027-01-01T24:00", "at", /no such time of day/],
  ["2027-01-01T09:00+99:00", "at", /further from UTC/],
  ["2027-01-01T09:00-00:75", "at", /not a date or a date with a time/],
  ["0027-01-01", "at", /too long ago/],
  ["2027-01-01T09", "at", /not a date/],
  [2027, "at", /"2027" is not a date/],
  [null, "at", /not a date/],
  [[undefined], "at.0", /nothing is not a date/],
  [[], "at", /empty/],
  [["2027-01-01", "x"], "at.1", /"x" is not a date/],
  [Array(10_001).fill("2027-01-01"), "at", /too many/],
  ["2".repeat(1_000_000), "at", /not a date/],
];

for (const [at, field, message, remedy] of refused) {
  test(`refused: ${JSON.stringify(at).slice(0, 50)}`, () => assertRefused({ at }, field, message, remedy));
}
