import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DateTime } from "luxon";
import { BeatError } from "../../src/core/errors.ts";
import { zoneOf } from "../../src/core/zone.ts";

const utc = (text: string): number => Date.parse(`${text}Z`);
const names = [...Intl.supportedValuesOf("timeZone"), "UTC"];
const anyZone = fc.constantFrom(...names);
const anyInstant = fc.integer({ min: utc("1970-01-01T00:00"), max: utc("2100-12-31T00:00") });

test("offsets are those of the time-zone data, in every zone from 1970 to 2100", () => {
  fc.assert(
    fc.property(anyZone, anyInstant, (name, instant) => {
      assert.equal(zoneOf(name).offsetAt(instant), DateTime.fromMillis(instant, { zone: name }).offset * 60_000);
    }),
    { numRuns: 2_000 },
  );
});

test("offsets are those of the time-zone data in every zone from 1600 to 9999, where most are not asked for", () => {
  const format = (timeZone: string) => new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  const formats = new Map(names.map((name) => [name, format(name)]));
  const offsetText = (name: string, at: number) => formats.get(name)!.format(at).split("GMT")[1] || "+00:00";
  const written = (ms: number) => {
    const seconds = Math.abs(ms) / 1_000;
    const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, ...(seconds % 60 ? [seconds % 60] : [])];
    return `${ms < 0 ? "-" : "+"}${parts.map((part) => String(part).padStart(2, "0")).join(":")}`;
  };
  const check = (name: string, at: number) =>
    assert.equal(written(zoneOf(name).offsetAt(at)), offsetText(name, at), `${name} ${new Date(at).toISOString()}`);
  // Around every change of the first modelled years and of a far one, in every zone; and anywhere.
  for (const name of names) {
    for (const [year, years] of [
      [2100, 2],
      [2128, 2],
      [2423, 1],
    ] as const) {
      for (const { at } of zoneOf(name).changesBetween(Date.UTC(year, 0), Date.UTC(year + years, 0)))
        for (const near of [at - 1_000, at]) check(name, near);
      for (let month = 0; month < 12 * years; month++) check(name, Date.UTC(year, month, 15));
    }
  }
  const anywhere = fc.integer({ min: utc("1600-01-01T00:00"), max: utc("9999-01-01T00:00") });
  fc.assert(
    fc.property(anyZone, anywhere, (name, at) => check(name, Math.floor(at / 1_000) * 1_000)),
    { numRuns: 3_000 },
  );
});

test("before and after all years that people name there are offsets too", () => {
  for (const name of ["UTC", "Europe/Berlin", "Pacific/Apia"]) {
    const zone = zoneOf(name);
    for (const instant of [-8e15, utc("1600-01-01T00:00"), 8e15]) {
      const { from, until, offsetMs } = zone.stretchAt(instant);
      assert.ok(from <= instant && instant < until && Math.abs(offsetMs) < 86_400_000, `${name} ${instant}`);
      assert.equal(zone.reach(zone.wallAt(instant)), instant, name);
    }
  }
});

test("changes are exact to the second, with the offsets of either side", () => {
  for (const name of [
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Asia/Gaza",
  ]) {
    const zone = zoneOf(name);
    const changes = zone.changesBetween(utc("2000-01-01T00:00"), utc("2030-01-01T00:00"));
    assert.ok(changes.length > 10, name);
    for (const { at, beforeMs, afterMs } of changes) {
      assert.equal(DateTime.fromMillis(at - 1_000, { zone: name }).offset * 60_000, beforeMs);
      assert.equal(DateTime.fromMillis(at, { zone: name }).offset * 60_000, afterMs);
      assert.notEqual(beforeMs, afterMs);
    }
  }
});

test("New York changed its clocks 60 times from 1990 to 2020, UTC never", () => {
  const [from, until] = [utc("1990-01-01T00:00"), utc("2020-01-01T00:00")];
  assert.equal(zoneOf("America/New_York").changesBetween(from, until).length, 60);
  assert.deepEqual(zoneOf("UTC").changesBetween(from, until), []);
});

test("a wall time in a gap is reached at its end; one shown twice on its first pass", () => {
  const zone = zoneOf("America/New_York");
  assert.equal(zone.reach(utc("2024-03-10T01:59:59")), utc("2024-03-10T06:59:59"));
  assert.equal(zone.reach(utc("2024-03-10T02:00")), utc("2024-03-10T07:00"));
  assert.equal(zone.reach(utc("2024-03-10T02:30")), utc("2024-03-10T07:00"));
  assert.equal(zone.reach(utc("2024-03-10T03:00")), utc("2024-03-10T07:00"));
  assert.equal(zone.reach(utc("2024-11-03T01:30")), utc("2024-11-03T05:30"));
  assert.equal(zone.reach(utc("2024-11-03T02:00")), utc("2024-11-03T07:00"));
});

test("in a second pass the latest wall time shown is the end of the first", () => {
  const zone = zoneOf("America/New_York");
  assert.equal(zone.shown(utc("2024-11-03T05:30")), utc("2024-11-03T01:30"));
  assert.equal(zone.shown(utc("2024-11-03T06:30")), utc("2024-11-03T02:00") - 1);
  assert.equal(zone.shown(utc("2024-11-03T07:30")), utc("2024-11-03T02:30"));
});

test("a day that was skipped whole, a gap of half an hour, a zone with seconds", () => {
  assert.equal(zoneOf("Pacific/Apia").reach(utc("2011-12-30T12:00")), utc("2011-12-30T10:00"));
  assert.equal(zoneOf("Australia/Lord_Howe").reach(utc("2024-10-06T02:15")), utc("2024-10-05T15:30"));
  assert.equal(zoneOf("Africa/Monrovia").offsetAt(0), -(44 * 60 + 30) * 1_000);
});

/** Instants near a change of the clocks of a zone, where there is one, and far from it. */
const nearChange = fc
  .tuple(anyZone, anyInstant, fc.integer({ min: -200_000, max: 200_000 }))
  .map(([name, instant, seconds]) => {
    const change = zoneOf(name).changesBetween(instant, instant + 400 * 86_400_000)[0];
    return { zone: zoneOf(name), instant: (change?.at ?? instant) + seconds * 1_000 };
  });

test("reach(wall) <= t exactly where wall <= shown(t)", () => {
  fc.assert(
    fc.property(nearChange, fc.integer({ min: -100_000, max: 100_000 }), ({ zone, instant }, seconds) => {
      const wall = zone.wallAt(instant) + seconds * 1_000;
      assert.equal(zone.reach(wall) <= instant, wall <= zone.shown(instant));
    }),
    { numRuns: 1_000 },
  );
});

test("reach never decreases, and shows its wall time unless that is in a gap", () => {
  fc.assert(
    fc.property(nearChange, fc.integer({ min: 1, max: 10_000 }), ({ zone, instant }, seconds) => {
      const wall = zone.wallAt(instant);
      const reached = zone.reach(wall);
      assert.ok(reached <= instant);
      assert.equal(zone.wallAt(reached), wall);
      assert.ok(zone.reach(wall + seconds * 1_000) >= reached);
    }),
    { numRuns: 1_000 },
  );
});

test("answers do not depend on the order of the questions", () => {
  const [name, from, until] = ["Europe/Paris", utc("1975-01-01T00:00"), utc("2031-01-01T00:00")];
  const walls = Array.from({ length: 3_000 }, (_, index) => from + index * ((until - from) / 3_000));
  const forwards = walls.map((wall) => zoneOf(name).reach(wall));
  const backwards = walls
    .toReversed()
    .map((wall) => zoneOf(name).reach(wall))
    .reverse();
  assert.deepEqual(forwards, backwards);
});

const refused: readonly (readonly [string, RegExp])[] = [
  ["Mars/Olympus", /IANA/],
  ["Europe/Berln", /Europe\/Berlin/],
  ["europe/berlin", /Write "Europe\/Berlin"/],
  ["Europe/London ", /Write "Europe\/London"/],
  ["utc", /Write "UTC"/],
  ["", /IANA/],
  ["+01:00", /IANA/],
  ["GMT+1", /./],
  ["../etc/passwd", /./],
  ["/etc/localtime", /./],
  ["EST5EDT4", /./],
  ["x".repeat(100_000), /IANA/],
];

for (const [name, remedy] of refused) {
  test(`${JSON.stringify(name.slice(0, 40))} is refused with a remedy`, () => {
    assert.throws(
      () => zoneOf(name),
      (error) => error instanceof BeatError && remedy.test(error.remedy ?? "") && error.message.length < 200,
    );
  });
}

for (const name of [
  "UTC",
  "Etc/UTC",
  "US/Pacific",
  "Asia/Calcutta",
  "Asia/Kolkata",
  "Europe/Kyiv",
  "America/Argentina/Buenos_Aires",
]) {
  test(`${name} is a zone`, () => assert.equal(zoneOf(name).name, name));
}
