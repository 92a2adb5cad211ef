// `any`, `all` and `except`: sets of fire times.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nextFireTimes } from "../../../src/core/fire-times.ts";
import { compileSchedule, type Schedule } from "../../../src/core/triggers/schedule.ts";
import {
  fireTimesBetween,
  isElapsed,
  nextFireTime,
  previousFireTime,
  type Trigger,
} from "../../../src/core/triggers/trigger.ts";
import { zoneOf } from "../../../src/core/zone.ts";
import { assertRefused, compile, firesAfter, firesBefore } from "./fires.ts";

const after = "2024-01-01T00:00Z";
const hourMs = 3_600_000;

test("any: the union, each in its own zone", () => {
  const schedule: Schedule = {
    any: [{ cron: "0 9 * * *" }, { cron: "0 9 * * *", timezone: "UTC" }],
    timezone: "Europe/Berlin",
  };
  assert.deepEqual(firesAfter(schedule, after, 3), ["2024-01-01T08:00Z", "2024-01-01T09:00Z", "2024-01-02T08:00Z"]);
  assert.deepEqual(firesBefore(schedule, after, 2), ["2023-12-31T09:00Z", "2023-12-31T08:00Z"]);
});

test("all: the times in common", () => {
  assert.deepEqual(firesAfter({ all: [{ cron: "0 0 13 * *" }, { cron: "0 0 * * fri" }] }, after, 2), [
    "2024-09-13T00:00Z",
    "2024-12-13T00:00Z",
  ]);
});

test("all of intervals is arithmetic", () => {
  assert.deepEqual(firesAfter({ all: [{ every: "7s" }, { every: "11s" }, { every: "13s" }] }, after, 2), [
    "2024-01-01T00:16:41Z",
    "2024-01-01T00:33:22Z",
  ]);
  const apart: Schedule = {
    all: [
      { every: "1h", start_at: "2024-01-01T00:20" },
      { every: "25m", start_at: "2024-01-01" },
    ],
  };
  assert.deepEqual(firesAfter(apart, after, 2), ["2024-01-01T03:20Z", "2024-01-01T08:20Z"]);
});

test("all: what never meets is refused, soon", () => {
  const start = performance.now();
  assertRefused(
    {
      all: [
        { every: "1m", start_at: "2024-01-01" },
        { every: "1m", start_at: "2024-01-01T00:00:30" },
      ],
    },
    "all",
    /no time in common/,
  );
  assertRefused({ all: [{ cron: "0 0 * * *" }, { cron: "30 0 * * *" }] }, "all", /never fires/);
  assertRefused({ all: [{ every: 86_399.999 }, { every: 86_400.001 }] }, "all", /never fires/);
  assertRefused(
    { all: [{ all: [{ cron: "* * * * *" }, { every: 60.001 }] }, { every: 59.999 }] },
    "all",
    /never fires/,
  );
  assert.ok(performance.now() - start < 1_000);
});

test("all: what begins late, or meets only every few decades, is found all the same", () => {
  const late: Schedule = { all: [{ every: "7m" }, { cron: "*/11 * * * *" }], start_at: "2099-01-01" };
  assert.deepEqual(firesAfter(late, "2098-12-31T23:59Z", 2), ["2099-01-01T00:00Z", "2099-01-01T02:55Z"]);
  assert.deepEqual(firesAfter({ all: [{ cron: "0 0 29 2 *" }, { cron: "0 0 * * mon" }] }, "2072-03-01T00:00Z", 2), [
    "2112-02-29T00:00Z",
    "2140-02-29T00:00Z",
  ]);
});

test("all: clocks with no time of day in common meet where both had theirs moved out of a gap", () => {
  const schedule: Schedule = {
    all: [{ cron: "15 2 * * *" }, { cron: "45 2 * * *" }],
    timezone: "America/New_York",
  };
  assert.deepEqual(firesAfter(schedule, after, 2), ["2024-03-10T07:00Z", "2025-03-09T07:00Z"]);
  assert.deepEqual(firesBefore(schedule, after, 2), ["2023-03-12T07:00Z", "2022-03-13T07:00Z"]);
});

test("all: zones whose clocks agree for a part of the year only", () => {
  const schedule: Schedule = {
    all: [
      { cron: "0 9 * * *", timezone: "America/New_York" },
      { cron: "0 13 * * *", timezone: "Europe/London" },
    ],
  };
  assert.deepEqual(firesAfter(schedule, after, 2), ["2024-03-10T13:00Z", "2024-03-11T13:00Z"]);
  assert.deepEqual(firesBefore(schedule, after, 2), ["2023-11-04T13:00Z", "2023-11-03T13:00Z"]);
});

test("except: days, ranges of days, a calendar, an instant, a trigger", () => {
  const context = { name: "test", anchorAt: 0, calendars: { "holidays-de": ["2024-01-06", "2024-01-08..2024-01-09"] } };
  const except = [
    "2024-01-01",
    "2024-01-02..2024-01-03",
    { from: "2024-01-04", to: "2024-01-05T08:00Z" },
    "2024-01-05T09:00",
    "holidays-de",
    { cron: "0 9 * * sun" },
  ];
  const trigger = compileSchedule({ cron: "0 9 * * *", except }, context);
  assert.equal(nextFireTime(trigger, Date.parse(after)), Date.parse("2024-01-10T09:00Z"));
  assert.equal(previousFireTime(trigger, Date.parse("2024-01-10T09:00Z")), Date.parse("2023-12-30T09:00Z"));
});

test("except leaves out days of the entry's zone", () => {
  const schedule: Schedule = { cron: "0 */12 * * *", timezone: "America/New_York", except: "2024-03-10" };
  assert.deepEqual(firesAfter(schedule, "2024-03-09T18:00Z", 1), ["2024-03-11T04:00Z"]);
});

test("a date-time in except that the clock never shows leaves out what runs in its place, and no more", () => {
  const schedule: Schedule = { cron: "30 2,3 * * *", timezone: "America/New_York" };
  const from = "2024-03-10T00:00Z";
  assert.deepEqual(firesAfter(schedule, from, 2), ["2024-03-10T07:00Z", "2024-03-10T07:30Z"]);
  assert.deepEqual(firesAfter({ ...schedule, except: "2024-03-10T02:30" }, from, 1), ["2024-03-10T07:30Z"]);
  assert.deepEqual(firesAfter({ ...schedule, except: "2024-03-10T02:10..2024-03-10T02:50" }, from, 1), [
    "2024-03-10T07:30Z",
  ]);
  assert.deepEqual(firesAfter({ ...schedule, except: "2024-03-10T03:00" }, from, 1), ["2024-03-10T07:30Z"]);
  assert.deepEqual(firesAfter({ ...schedule, except: "2024-03-10T03:30" }, from, 1), ["2024-03-10T07:00Z"]);
});

test("an except of days, times and instants leaves out what lies between them, around changes of the clocks", () => {
  const zones = {
    "America/New_York": "2024-11-03",
    "Europe/Berlin": "2024-03-31",
    "America/Sao_Paulo": "2018-11-04",
    UTC: "2024-03-31",
  };
  const minutes = fc.integer({ min: -2 * 1_440, max: 2 * 1_440 });
  const range = fc.record({
    from: minutes,
    length: fc.integer({ min: 0, max: 600 }),
    kind: fc.constantFrom("days", "times", "instants"),
  });
  const given = fc.record({
    timezone: fc.constantFrom(...(Object.keys(zones) as (keyof typeof zones)[])),
    ranges: fc.array(range, { minLength: 1, maxLength: 8 }),
  });
  fc.assert(
    fc.property(given, ({ timezone, ranges }) => {
      const zone = zoneOf(timezone);
      const around = Date.parse(zones[timezone]);
      const text = (wall: number, kind: string) =>
        kind === "days"
          ? new Date(wall).toISOString().slice(0, 10)
          : new Date(wall).toISOString().slice(0, 16) + (kind === "instants" ? "Z" : "");
      const midnight = (wall: number) => Math.floor(wall / 86_400_000) * 86_400_000;
      const spans = ranges.map(({ from, length, kind }) => {
        const [start, end] = [around + from * 60_000, around + (from + length) * 60_000];
        const texts = `${text(start, kind)}..${text(end, kind)}`;
        if (kind === "instants") return { texts, start, until: end + 1 };
        if (kind === "times") return { texts, start: zone.reach(start), until: zone.reach(end) + 1 };
        return { texts, start: zone.reach(midnight(start)), until: zone.reach(midnight(end) + 86_400_000) };
      });
      const schedule = { cron: "*/10 * * * *", timezone, except: spans.map(({ texts }) => texts) };
      const trigger = compile(schedule);
      const every = compile({ cron: "*/10 * * * *", timezone });
      for (let at = around - 4 * 86_400_000; at < around + 4 * 86_400_000; ) {
        at = nextFireTime(every, at)!;
        const isLeft = spans.every(({ start, until }) => at < start || at >= until);
        assert.equal(nextFireTime(trigger, at - 1) === at, isLeft, new Date(at).toISOString());
        assert.equal(previousFireTime(trigger, at + 1) === at, isLeft, new Date(at).toISOString());
      }
    }),
    { numRuns: 100, seed: 20261121 },
  );
});

test("a schedule names no more zones, triggers and dates than anybody needs", () => {
  const zones = Intl.supportedValuesOf("timeZone").slice(0, 60);
  const [fifty, hundred] = [zones.slice(0, 49), Array(100).fill({ cron: "0 9 * * *" })];
  const nine = (timezone: string) => ({ cron: "0 9 * * *", timezone });
  assert.equal(firesAfter({ any: fifty.map(nine) }, "2026-01-01", 1).length, 1);
  assertRefused({ any: zones.map(nine) }, "any.49.timezone", /one time zone too many/, /at most 50/);
  assertRefused({ any: [{ any: hundred }, { any: hundred }] }, "any.1.any.47.cron", /too many triggers/, /at most 150/);
  const at = Array.from({ length: 5_000 }, (_, day) => new Date(day * 86_400_000).toISOString().slice(0, 10));
  assertRefused({ any: [{ at }, { at }, { at }] }, "any.2.at", /too many dates/, /at most 12000/);
});

test("a month of every second is stepped over in time", () => {
  const start = performance.now();
  assert.deepEqual(firesAfter({ cron: "* * * * * *", except: { cron: "* * * * 8 *" } }, "2024-07-31T23:59:59Z", 1), [
    "2024-09-01T00:00Z",
  ]);
  assert.deepEqual(firesBefore({ cron: "* * * * * *", except: { cron: "* * * * 8 *" } }, "2024-09-01T00:00Z", 1), [
    "2024-07-31T23:59:59Z",
  ]);
  assert.ok(performance.now() - start < 500);
});

test("an interval with exceptions still counts elapsed time", () => {
  assert.equal(isElapsed(compile({ every: "1h", except: "2024-01-01" })), true);
  assert.equal(isElapsed(compile({ any: [{ every: "1h" }] })), false);
});

test("counting a wide union ends, with the last time exact", () => {
  const wide: Schedule = { any: Array.from({ length: 100 }, (_, index) => ({ cron: `${index % 60} * * * *` })) };
  const { count, last } = fireTimesBetween(compile(wide), 0, Date.parse(after));
  assert.ok(count > 1_000);
  assert.equal(last, Date.parse(after));
});

const refused: readonly (readonly [Record<string, unknown>, string, RegExp, RegExp?])[] = [
  [{ any: [] }, "any", /not a list/],
  [{ any: {} }, "any", /not a list/],
  [{ any: ["x"] }, "any.0", /not a trigger/],
  [{ any: [{ cron: "61 * * * *" }] }, "any.0.cron", /"61" is no minute/],
  [{ any: [{ crn: "* * * * *" }] }, "any.0.crn", /unknown key/, /"cron"/],
  [{ any: [{ timezone: "UTC" }] }, "any.0", /no trigger/],
  [{ any: [{ every: 1, at: "2027-01-01" }] }, "any.0.at", /second trigger/],
  [{ all: Array(101).fill({ every: 1 }) }, "all", /too many/],
  [{ cron: "0 9 * * *", except: [] }, "except", /empty/],
  [{ cron: "0 9 * * *", except: "holidays" }, "except", /neither a date nor a calendar/],
  [{ cron: "0 9 * * *", except: "2024-13-01" }, "except", /no such month/],
  [{ cron: "0 9 * * *", except: ["2024-01-02..2024-01-01"] }, "except.0", /is before/],
  [{ cron: "0 9 * * *", except: [5] }, "except.0", /not a trigger/],
  [{ cron: "0 9 * * *", except: { cron: "0 9 * * *" } }, "except", /everything is left out/],
];

for (const [schedule, field, message, remedy] of refused) {
  test(`refused: ${JSON.stringify(schedule).slice(0, 70)}`, () => assertRefused(schedule, field, message, remedy));
}

test("refused: nesting without end", () => {
  let schedule: unknown = { cron: "* * * * *" };
  for (let depth = 0; depth < 30; depth++) schedule = { any: [schedule] };
  assert.throws(() => compile(schedule as Schedule), /nests too deeply/);
});

const leaf: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc.record({
    every: fc.integer({ min: 1, max: 600 }).map((minutes) => `${minutes}m`),
    start_at: fc.constant("2024-01-01"),
  }),
  fc
    .tuple(fc.integer({ min: 0, max: 59 }), fc.constantFrom("*", "*/2", "9-17", "8"))
    .map(([minute, hour]) => ({ cron: `${minute} ${hour} * * *` })),
  fc.constantFrom("*/5", "*/7", "*").map((minute) => ({ crontab: `${minute} * * * *` })),
);

const set = (trigger: Trigger, from: number, until: number): Set<number> => {
  const found = new Set<number>();
  for (let next = nextFireTime(trigger, from - 1); next !== null && next <= until; next = nextFireTime(trigger, next))
    found.add(next);
  return found;
};

test("any is the union of the sets, all their intersection, except their difference", () => {
  fc.assert(
    fc.property(leaf, leaf, fc.integer({ min: 0, max: 8_000 }), (left, right, startHour) => {
      const from = Date.parse("2024-01-02T00:00Z") + startHour * hourMs;
      const until = from + 30 * hourMs;
      const [a, b] = [left, right].map((each) => set(compile(each as Schedule), from, until)) as [
        Set<number>,
        Set<number>,
      ];
      const sorted = (values: Set<number>): number[] => [...values].sort((x, y) => x - y);
      const of = (schedule: Schedule): number[] | undefined => {
        try {
          return sorted(set(compile(schedule), from, until));
        } catch (error) {
          assert.match(String(error), /never fires|no fire time was found/);
          return undefined;
        }
      };
      assert.deepEqual(of({ any: [left, right] }), sorted(new Set([...a, ...b])));
      assert.deepEqual(of({ all: [left, right] }) ?? [], sorted(new Set([...a].filter((each) => b.has(each)))));
      assert.deepEqual(
        of({ ...left, except: right } as Schedule) ?? [],
        sorted(new Set([...a].filter((each) => !b.has(each)))),
      );
    }),
    { numRuns: 300 },
  );
});

test("what meets for the first time in years is found", () => {
  const next = (schedule: Schedule, after: string): string | undefined =>
    nextFireTimes(schedule, { after: new Date(after) })[0]
      ?.toISOString()
      .slice(0, 16);
  const [lastOfFebruary, sundays] = [{ cron: "0 9 L 2 *" }, { cron: "0 9 * * 0" }];
  assert.equal(next({ all: [lastOfFebruary, sundays] }, "2026-03-01"), "2027-02-28T09:00");
  assert.equal(next({ all: [lastOfFebruary, sundays] }, "2027-03-01"), "2032-02-29T09:00");
  const inLeapYears = { apscheduler: { year: "2024-2096/4", hour: 9 } };
  assert.equal(
    next({ all: [{ cron: "0 9 13 * *" }, { cron: "* * * * fri" }, inLeapYears] }, "2025-01-01"),
    "2028-10-13T09:00",
  );
  // Lord Howe is 11 hours ahead of UTC in summer, and ten and a half in winter.
  const everyThirdHour = { crontab: { minute: 0, hour: "*/3" }, timezone: "Australia/Lord_Howe" };
  const all = [{ every: "90m", start_at: "1970-01-01" }, everyThirdHour];
  assert.equal(next({ all }, "2026-10-10"), "2027-04-03T16:30");
  assert.equal(next({ all }, "2026-06-10"), "2026-06-10T01:30");
});

test("what is left out for months is stepped over", () => {
  const timezone = "Europe/Berlin";
  const next = (schedule: Schedule): string | undefined =>
    nextFireTimes({ ...schedule, timezone }, { after: new Date("2026-03-01") })[0]?.toISOString();
  const december = "2026-11-30T23:00:00.000Z";
  const except = [{ cron: "*/5 * * 1-11 *" }];
  assert.equal(next({ every: "5m", except }), december);
  assert.equal(next({ cron: "*/10 * * * *", except }), december);
  assert.equal(next({ cron: "1/5 * * * *", except }), "2026-03-01T00:01:00.000Z");
  assert.equal(next({ cron: "* * * * * *", except: [{ cron: "* 0-11,12-23 * 1-11 *" }] }), "2026-03-01T00:00:01.000Z");
  assert.equal(
    next({
      cron: "* * * * *",
      except: [{ cron: "* 0-22 * * *", dst: { overlap: "both" } }, { cron: "* 23 * 1-11 *" }],
    }),
    "2026-12-01T22:00:00.000Z",
  );
  // A fixed time is not left out of the second pass of an hour that is shown twice.
  assert.equal(
    next({ cron: "* * * * *", except: [{ cron: "0-59 0-22 * * *" }, { cron: "* 23 * 1-11 *" }] }),
    "2026-10-25T01:00:00.000Z",
  );
});

test("what never fires among what does is looked for once", () => {
  const never = { apscheduler: { day: 30, week: 24, minute: "*" } };
  const started = performance.now();
  const trigger = compile({ any: [never, { cron: "0 * * * *" }] });
  assert.equal(firesAfter({ any: [never, { cron: "0 9 * * *" }] }, after, 1)[0], "2024-01-01T09:00Z");
  assert.equal(fireTimesBetween(trigger, 0, 20_000 * hourMs - 1).count, 20_000);
  assert.ok(performance.now() - started < 2_000);
});
