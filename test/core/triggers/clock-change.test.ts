// What a change of the clocks did to one fire time, and to the times of a trigger in a span.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clockEffects, clockMark } from "../../../src/core/triggers/clock-change.ts";
import type { Schedule } from "../../../src/core/triggers/schedule.ts";
import { nextFireTime } from "../../../src/core/triggers/trigger.ts";
import { at, compile } from "./fires.ts";

const timezone = "Europe/Berlin";
const hours = (walls: readonly number[]): string =>
  walls.map((wall) => new Date(wall).toISOString().slice(11, 16)).join();

/** The marks of the fire times from `from` until `until`: `01:00 moved 02:30`. */
function marks(schedule: object, from: string, until: string): string[] {
  const trigger = compile({ timezone, ...schedule } as Schedule);
  const found: string[] = [];
  for (
    let fire = nextFireTime(trigger, at(from) - 1);
    fire !== null && fire < at(until);
    fire = nextFireTime(trigger, fire)
  ) {
    const mark = clockMark(trigger, fire);
    if (mark === null) continue;
    const detail = "walls" in mark ? ` ${hours(mark.walls)}` : "repeats" in mark ? ` ${mark.repeats}` : "";
    found.push(`${new Date(fire).toISOString().slice(11, 16)} ${mark.kind}${detail}`);
  }
  return found;
}

const effects = (schedule: object, from = "2027-01-01T00:00Z", until = "2028-01-01T00:00Z"): string[] =>
  [...clockEffects(compile({ timezone, ...schedule } as Schedule), at(from), at(until))].map(
    ({ kind, at: instant, walls, outcome }) =>
      `${kind} ${new Date(instant).toISOString().slice(0, 16)} ${hours(walls)} ${outcome}`,
  );

const gapDay = ["2027-03-27T23:00Z", "2027-03-28T22:00Z"] as const;
const overlapDay = ["2027-10-30T22:00Z", "2027-10-31T23:00Z"] as const;

test("a fixed time in a gap is moved to its end, or merged with what runs there", () => {
  assert.deepEqual(marks({ cron: "30 2 * * *" }, ...gapDay), ["01:00 moved 02:30"]);
  assert.deepEqual(marks({ cron: "0,30 2 * * *" }, ...gapDay), ["01:00 merged 02:00,02:30"]);
  assert.deepEqual(marks({ cron: "0 2,3 * * *" }, ...gapDay), ["01:00 merged 02:00"]);
  assert.deepEqual(marks({ cron: "0 3 * * *" }, ...gapDay), []);
  assert.deepEqual(marks({ cron: "* 2,3 * * *" }, ...gapDay), []);
  assert.deepEqual(marks({ cron: "30 2 * * *", dst: { gap: "skip" } }, ...gapDay), []);
  assert.deepEqual(marks({ at: "2027-03-28T02:30" }, ...gapDay), ["01:00 moved 02:30"]);
  assert.deepEqual(marks({ at: "2027-03-28T03:00+02:00" }, ...gapDay), []);
  const monthly = { calendar: { months: 1, at: "02:30" }, start_at: "2027-01-28" };
  assert.deepEqual(marks(monthly, ...gapDay), []);
  assert.deepEqual(marks({ ...monthly, dst: { gap: "next" } }, ...gapDay), ["01:00 moved 02:30"]);
});

test("a recurrence in a gap is late by the gap", () => {
  const daily = { rrule: "FREQ=DAILY", start_at: "2027-01-01T02:30" };
  assert.deepEqual(marks(daily, ...gapDay), ["01:30 moved 02:30"]);
  assert.deepEqual(marks(daily, ...overlapDay), ["00:30 first-pass false"]);
  assert.deepEqual(effects(daily), ["gap 2027-03-28T01:30 02:30 moved", "overlap 2027-10-31T00:30 02:30 first"]);
  assert.deepEqual(marks({ rrule: "FREQ=HOURLY", start_at: "2027-01-01T00:30" }, ...gapDay), ["01:30 merged 02:30"]);
});

test("in an overlap: the only pass that runs, or which of two", () => {
  assert.deepEqual(marks({ cron: "30 2 * * *" }, ...overlapDay), ["00:30 first-pass false"]);
  assert.deepEqual(marks({ cron: "0 * * * *" }, ...overlapDay), ["00:00 first-pass true", "01:00 second-pass"]);
  assert.deepEqual(marks({ cron: "30 2 * * *", dst: { overlap: "both" } }, ...overlapDay), [
    "00:30 first-pass true",
    "01:30 second-pass",
  ]);
  assert.deepEqual(marks({ cron: "0 3 * * *" }, ...overlapDay), []);
  assert.deepEqual(marks({ at: ["2027-10-31T02:00", "2027-10-31T00:00:00Z"] }, ...overlapDay), [
    "00:00 first-pass false",
  ]);
  assert.deepEqual(marks({ every: "1h", start_at: "2027-01-01" }, ...overlapDay), []);
});

test("triggers made of others", () => {
  const mixed = { any: [{ cron: "30 2 * * *" }, { every: "1h", start_at: "2027-01-01" }] };
  assert.deepEqual(marks(mixed, ...gapDay), ["01:00 moved 02:30"]);
  assert.deepEqual(marks({ all: [{ cron: "30 2 * * *" }, { cron: "0 3 * * *" }] }, ...gapDay), ["01:00 moved 02:30"]);
  assert.deepEqual(marks({ cron: "30 2 * * *", except: "2027-01-01", end_at: "2028-01-01" }, ...gapDay), [
    "01:00 moved 02:30",
  ]);
});

test("half an hour, and a whole day", () => {
  const lordHowe = { cron: "15 2 * * *", timezone: "Australia/Lord_Howe" };
  assert.deepEqual(marks(lordHowe, "2027-10-02T00:00Z", "2027-10-03T12:00Z"), ["15:30 moved 02:15"]);
  const samoa = { cron: "0 9 * * *", timezone: "Pacific/Apia" };
  assert.deepEqual(marks(samoa, "2011-12-29T00:00Z", "2012-01-01T00:00Z"), ["10:00 moved 09:00"]);
});

test("the effects of a year", () => {
  assert.deepEqual(effects({ cron: "30 2 * * *" }), [
    "gap 2027-03-28T01:00 02:30 moved",
    "overlap 2027-10-31T00:30 02:30 first",
  ]);
  assert.deepEqual(effects({ cron: "*/30 2 * * *" }), [
    "gap 2027-03-28T01:00 02:00,02:30 skipped",
    "overlap 2027-10-31T00:00 02:00,02:30 both",
  ]);
  assert.deepEqual(effects({ cron: "0 9 * * *" }), []);
  assert.deepEqual(effects({ cron: "30 2 * * *", timezone: "UTC" }), []);
  assert.deepEqual(effects({ cron: "30 2 * * 1-5" }), []);
  assert.deepEqual(effects({ calendar: { days: 1, at: "02:30" }, start_at: "2027-01-01" }), [
    "gap 2027-03-28T01:00 02:30 skipped",
    "overlap 2027-10-31T00:30 02:30 first",
  ]);
});

test("what runs alike in every hour loses nothing where clocks change by whole hours", () => {
  assert.deepEqual(effects({ cron: "*/7 * * * *" }), []);
  assert.deepEqual(effects({ cron: "0 * * * *" }), []);
  assert.equal(effects({ cron: "0 */2 * * *" }).length, 2);
  assert.equal(effects({ cron: "0 * * * *", timezone: "Australia/Lord_Howe" }).length, 1);
  assert.deepEqual(effects({ cron: "* * * * *", timezone: "Australia/Lord_Howe" }), []);
});

test("bounds and exceptions end the effects too", () => {
  assert.deepEqual(effects({ cron: "30 2 * * *", end_at: "2027-03-01" }), []);
  assert.deepEqual(effects({ cron: "30 2 * * *", except: ["2027-03-28", "2027-10-31"] }), []);
  assert.deepEqual(effects({ cron: "*/30 2 * * *", except: "2027-03-28" }).length, 1);
  assert.deepEqual(effects({ all: [{ cron: "30 2 * * *" }, { cron: "* * * 1 *" }] }), []);
  assert.equal(effects({ any: [{ cron: "30 2 * * *" }, { cron: "45 2 * * *" }] }).length, 4);
});

test("a mark is about the fire time: moved ones do not show their own time, passes come in pairs", () => {
  const zones = fc.constantFrom(
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Gaza",
  );
  const crons = fc
    .tuple(fc.constantFrom("0", "30", "*/20", "0,45"), fc.constantFrom("*", "1", "2", "0-3", "*/2"))
    .map(([minute, hour]) => `${minute} ${hour} * * *`);
  fc.assert(
    fc.property(zones, crons, fc.integer({ min: 2000, max: 2035 }), (zone, cron, year) => {
      const trigger = compile({ cron, timezone: zone });
      for (const effect of clockEffects(trigger, Date.UTC(year, 0), Date.UTC(year + 1, 0))) {
        if (effect.outcome !== "skipped") assert.equal(nextFireTime(trigger, effect.at - 1), effect.at);
        const mark = clockMark(trigger, effect.at);
        if (effect.outcome === "moved") assert.ok(mark?.kind === "moved" || mark?.kind === "merged");
        if (effect.outcome === "first") assert.deepEqual(mark, { kind: "first-pass", zone, repeats: false });
        if (effect.outcome === "both") {
          assert.deepEqual(mark, { kind: "first-pass", zone, repeats: true });
          const [second] = effect.zone.changesBetween(effect.at, effect.at + 86_400_000);
          assert.deepEqual(clockMark(trigger, effect.at + second!.beforeMs - second!.afterMs), {
            kind: "second-pass",
            zone,
          });
        }
      }
    }),
    { numRuns: 300 },
  );
});
