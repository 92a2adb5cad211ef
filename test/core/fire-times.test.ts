// Fire times for programs: Dates at the edges, everything that a schedule may say of time, and one clear error for what is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BeatError, DefinitionError } from "../../src/core/errors.ts";
import { nextFireTimes, previousFireTimes } from "../../src/core/fire-times.ts";
import type { Schedule } from "../../src/core/triggers/schedule.ts";
import * as index from "../../src/index.ts";
import { expected, schedule as scheduleOfRow } from "../vectors/definitions.mjs";
import { rowsOf } from "../vectors/rows.ts";

const iso = (dates: readonly Date[]): string[] => dates.map((date) => date.toISOString().replace(/(:00)?\.000Z$/, "Z"));
const next = (schedule: Schedule, after: string, count = 10): string[] =>
  iso(nextFireTimes(schedule, { after: new Date(after), count }));
const previous = (schedule: Schedule, before: string, count = 10): string[] =>
  iso(previousFireTimes(schedule, { before: new Date(before), count }));

test("the package's index has them", () => {
  assert.equal(index.nextFireTimes, nextFireTimes);
  assert.equal(index.previousFireTimes, previousFireTimes);
  assert.equal(typeof index.describe, "function");
});

test("next ascends, previous descends, both strictly", () => {
  const nine = { cron: "0 9 * * 1-5", timezone: "Europe/Berlin" };
  assert.deepEqual(next(nine, "2027-01-01T08:00Z", 2), ["2027-01-04T08:00Z", "2027-01-05T08:00Z"]);
  assert.deepEqual(previous(nine, "2027-01-04T08:00Z", 2), ["2027-01-01T08:00Z", "2026-12-31T08:00Z"]);
  assert.equal(nextFireTimes(nine, { after: new Date(0) }).length, 1);
});

test("fewer where the schedule ends", () => {
  assert.deepEqual(next({ at: ["2027-01-01", "2027-01-02"] }, "2027-01-01T00:00Z"), ["2027-01-02T00:00Z"]);
  assert.deepEqual(next({ at: "2027-01-01" }, "2027-01-01T00:00Z"), []);
  assert.deepEqual(next({ cron: "0 9 * * *", end_at: "2027-01-02" }, "2027-01-01T00:00Z"), [
    "2027-01-01T09:00Z",
    "2027-01-02T09:00Z",
  ]);
  assert.deepEqual(previous({ cron: "0 9 * * *", start_at: "2027-01-02" }, "2027-01-04T00:00Z"), [
    "2027-01-03T09:00Z",
    "2027-01-02T09:00Z",
  ]);
});

test("an interval without start_at begins at the instant asked about; with it, at start_at", () => {
  assert.deepEqual(next({ every: "1h" }, "2027-01-01T00:20Z", 2), ["2027-01-01T01:20Z", "2027-01-01T02:20Z"]);
  assert.deepEqual(previous({ every: "1h" }, "2027-01-01T00:20Z"), []);
  const anchored = { every: "1h", start_at: "2027-01-01T00:30" };
  assert.deepEqual(next(anchored, "2026-12-31T00:00Z", 2), ["2027-01-01T00:30Z", "2027-01-01T01:30Z"]);
  assert.deepEqual(previous(anchored, "2027-01-01T02:00Z"), ["2027-01-01T01:30Z", "2027-01-01T00:30Z"]);
});

test("max_runs counts runs, not the times of the schedule: those of an entry made at the instant asked about", () => {
  assert.equal(next({ cron: "0 * * * *", max_runs: 3 }, "2027-01-01T00:00Z", 2).length, 2);
  for (const trigger of [{ every: "1h" }, { cron: "0 * * * *" }]) {
    const limited = { ...trigger, start_at: "2027-01-01", max_runs: 3 };
    const whole = ["2027-01-01T00:00Z", "2027-01-01T01:00Z", "2027-01-01T02:00Z"];
    assert.deepEqual(next(limited, "2026-12-31T00:00Z"), whole);
    const late = ["2028-01-01T02:00Z", "2028-01-01T03:00Z", "2028-01-01T04:00Z"];
    assert.deepEqual(next(limited, "2028-01-01T01:30Z"), late);
    assert.deepEqual(previous(limited, "2028-01-01T02:00Z", 2), ["2028-01-01T01:00Z", "2028-01-01T00:00Z"]);
  }
  const forever = { every: "100ms", start_at: "2027-01-01", max_runs: 10 ** 12 };
  assert.equal(next(forever, "2027-01-01T00:00Z", 3).length, 3);
});

test("whole definitions, named calendars, choices by name", () => {
  const definition = { cron: "0 9 * * *", except: ["holidays"], task: "reports.send", options: { queue: "mail" } };
  const calendars = { holidays: ["2027-01-02", "2027-01-04..2027-01-06"] };
  const after = new Date("2027-01-01T10:00Z");
  assert.deepEqual(iso(nextFireTimes(definition, { after, count: 2, calendars })), [
    "2027-01-03T09:00Z",
    "2027-01-07T09:00Z",
  ]);
  const chosen = (name: string) => iso(nextFireTimes({ cron: "~ ~ * * *" }, { after, name }))[0];
  assert.equal(chosen("a"), chosen("a"));
  assert.notEqual(chosen("a"), chosen("b"));
});

test("a wrong value is refused: field, value, and what would be right", () => {
  const after = new Date("2027-01-01T00:00Z");
  const table: readonly (readonly [schedule: unknown, options: object, field: string | undefined, said: RegExp])[] = [
    [undefined, {}, undefined, /nothing is not a schedule.*Write/],
    ["0 9 * * *", {}, undefined, /"0 9 \* \* \*" is not a schedule.*Write/],
    [[], {}, undefined, /not a schedule/],
    [{}, {}, undefined, /no trigger.*Give exactly one of: every/],
    [{ cron: "0 25 * * *" }, {}, "cron", /"25".*0 to 23/],
    [{ cron: 5 }, {}, "cron", /"5".*five/],
    [{ cron: "0 9 * * *", every: "1h" }, {}, "cron", /second trigger/],
    [{ corn: "0 9 * * *" }, {}, "corn", /"corn".*Did you mean "cron"/],
    [{ every: "1 hour" }, {}, "every", /"1 hour".*1h30m/],
    [{ every: 0 }, {}, "every", /"0".*at least 100 ms/],
    [{ cron: "0 9 * * *", max_runs: 0 }, {}, "max_runs", /"0".*1 or more/],
    [{ cron: "0 9 * * *", max_runs: "3" }, {}, "max_runs", /"3".*whole number/],
    [{ cron: "0 9 * * *", timezone: "Europe/Berln" }, {}, "timezone", /"Europe\/Berln".*Did you mean "Europe\/Berlin"/],
    [{ cron: "0 9 * * *", timezone: 5 }, {}, "timezone", /"5".*Write a name/],
    [{ cron: "0 9 * * *", start_at: "2027-02-30" }, {}, "start_at", /"2027-02-30".*28 days/],
    [{ cron: "0 9 * * *", end_at: 5 }, {}, "end_at", /"5"/],
    [{ cron: "0 9 * * *", dst: { gap: "jump" } }, {}, "dst", /jump.*next or skip/],
    [{ cron: "0 9 * * *", except: ["holidays"] }, {}, "except.0", /"holidays".*calendars/],
    [{ cron: "@reboot" }, {}, "cron", /@reboot/],
    [{ cron: "0 9 * * *" }, { after: "2027-01-01" }, "after", /"2027-01-01" is not a Date.*new Date/],
    [{ cron: "0 9 * * *" }, { after: new Date(Number.NaN) }, "after", /not a date/],
    [{ cron: "0 9 * * *" }, { after: new Date(8.64e15) }, "after", /1600 to 9999/],
    [{ cron: "0 9 * * *" }, { after: undefined }, "after", /not a Date/],
    ...[0, -1, 1.5, 100_001, Number.NaN, "3", null].map(
      (count) => [{ cron: "0 9 * * *" }, { count }, "count", /1 to 100000/] as const,
    ),
  ];
  for (const [schedule, options, field, said] of table) {
    assert.throws(
      () => nextFireTimes(schedule as Schedule, { after, ...options }),
      (error) => {
        assert.ok(error instanceof DefinitionError, String(error));
        assert.equal(error.place?.field, field);
        assert.match(error.describe(), said);
        assert.ok(error.remedy);
        return true;
      },
      JSON.stringify(schedule),
    );
  }
  assert.throws(() => previousFireTimes({ cron: "0 9 * * *" }, {} as never), /not a Date/);
});

test("what stands beside a schedule is checked like it", () => {
  const schedule: Schedule = { cron: "0 9 * * *", except: "holidays" };
  const given = { after: new Date(0), before: new Date(0) };
  const refused = (field: string, message: RegExp, options: object, written: object = schedule) => {
    for (const ask of [nextFireTimes, previousFireTimes]) {
      assert.throws(
        () => ask(written as Schedule, { ...given, ...options }),
        (error) => error instanceof DefinitionError && error.place?.field === field && message.test(error.describe()),
        field,
      );
    }
  };
  refused("name", /"5" is not the name/, { name: 5 });
  refused("name", /at most 200 characters/, { name: "x".repeat(201) });
  const days = Array.from({ length: 10_000 }, (_, day) => new Date(day * 86_400_000).toISOString().slice(0, 10));
  const twice = { ...schedule, except: ["holidays", "works"] };
  refused("except.1", /too many dates.* 12000 in all/, { calendars: { holidays: days, works: days } }, twice);
  refused("calendars", /"null" is not a map of calendars.*holidays/, { calendars: null });
  refused("calendars.holidays", /"2026-12-25" is not a list of dates/, { calendars: { holidays: "2026-12-25" } });
  refused("calendars.holidays", /not a list of dates/, { calendars: { holidays: [5] } });
  refused("jitter", /"soon" is not a duration.*5m/, {}, { cron: "0 9 * * *", jitter: "soon" });
  refused("jitter", /"null" is not a duration/, {}, { cron: "0 9 * * *", jitter: null });
  refused("crontab.minute", /neither text nor whole numbers/, {}, { crontab: { minute: null } });
  assert.throws(() => nextFireTimes(schedule, undefined as never), DefinitionError);
});

test("circles and giants are refused at once", () => {
  const circle: { any: object[] } = { any: [] };
  for (let copy = 0; copy < 100; copy++) circle.any.push(circle);
  const started = performance.now();
  assert.throws(() => nextFireTimes(circle as never, { after: new Date(0) }), BeatError);
  assert.throws(() => nextFireTimes({ cron: "*".repeat(10 ** 7) }, { after: new Date(0) }), BeatError);
  assert.ok(performance.now() - started < 1_000);
});

const files = ["celery-crontab", "unix-cron", "quartz-like", "apscheduler-cron", "interval", "calendar-interval"];

test("every row of the vectors, through the public function", () => {
  let rows = 0;
  for (const row of files.flatMap(rowsOf)) {
    const schedule = scheduleOfRow(row) as Schedule | undefined;
    if (schedule === undefined) continue;
    const wanted = expected(row);
    const count = Math.max(1, wanted.length + (row.exhausted ? 1 : 0));
    const found = nextFireTimes(schedule, { after: new Date(row.after), count }).map((date) => date.getTime());
    assert.deepEqual(
      found,
      wanted.map((text) => Date.parse(text)),
      row.id,
    );
    rows++;
  }
  assert.ok(rows > 1_000);
});

test("previous undoes next, and one call is many calls", () => {
  const schedules = fc.constantFrom<Schedule>(
    { cron: "*/7 2 * * *", timezone: "Europe/Berlin" },
    { cron: "30 2 * * *", timezone: "America/New_York" },
    { crontab: "0 9 13 * fri" },
    { every: "17m", start_at: "2020-01-01" },
    { calendar: { months: 1 }, start_at: "2020-01-31" },
    { any: [{ cron: "0 9 * * *" }, { every: "7h", start_at: "2020-01-01" }], except: "2027-05-05" },
    { cron: "0 0 * * *", start_at: "2026-01-01", end_at: "2027-06-01" },
  );
  const instants = fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2030, 0) });
  fc.assert(
    fc.property(schedules, instants, (schedule, after) => {
      const many = nextFireTimes(schedule, { after: new Date(after), count: 6 });
      let last = after;
      for (const each of many) {
        assert.deepEqual(nextFireTimes(schedule, { after: new Date(last) }), [each]);
        last = each.getTime();
      }
      const back = previousFireTimes(schedule, { before: new Date(last + 1), count: Math.max(1, many.length) });
      if (many.length > 0) assert.deepEqual(back.reverse(), many);
    }),
    { numRuns: 200 },
  );
});
