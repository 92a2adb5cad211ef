// What a schedule says, in one sentence. The table is read by people; the properties hold for whatever is valid.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { describe } from "../../src/core/describe.ts";
import { DefinitionError } from "../../src/core/errors.ts";
import { compileChecked, nextFireTimes } from "../../src/core/fire-times.ts";
import type { Schedule } from "../../src/core/triggers/schedule.ts";
import { schedule as scheduleOfRow } from "../vectors/definitions.mjs";
import { rowsOf } from "../vectors/rows.ts";

const table: readonly (readonly [schedule: object, sentence: string])[] = [
  [{ cron: "0 9 * * 1-5", timezone: "Europe/Berlin" }, "at 09:00 on weekdays, Europe/Berlin"],
  [{ cron: "*/5 9-17 * * 1-5" }, "every 5 minutes from 09:00 to 17:59 on weekdays"],
  [{ cron: "0 0 1,15 * *" }, "at 00:00 on the 1st and 15th of each month"],
  [{ cron: "30 2 * * 5L" }, "at 02:30 on the last Friday of each month"],
  [{ cron: "* * * * *" }, "every minute"],
  [{ cron: "*/5 * * * *" }, "every 5 minutes"],
  [{ cron: "*/30 * * * *" }, "every 30 minutes"],
  [{ cron: "0 * * * *" }, "every hour"],
  [{ cron: "15 * * * *" }, "every hour at minute 15"],
  [{ cron: "0 */2 * * *" }, "every 2 hours"],
  [{ cron: "30 */2 * * *" }, "every 2 hours from 00:30 to 22:30"],
  [{ cron: "0 */8 * * *" }, "at 00:00, 08:00 and 16:00 every day"],
  [{ cron: "*/7 * * * *" }, "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"],
  [{ cron: "1-59/2 * * * *" }, "every 2 minutes from minute 1 of each hour"],
  [{ cron: "5,20 * * * *" }, "at minutes 5 and 20 of every hour"],
  [{ cron: "0-29 * * * *" }, "at minutes 0 to 29 of every hour"],
  [{ cron: "0 9-17 * * *" }, "every hour from 09:00 to 17:00"],
  [{ cron: "30 9-17 * * 1-5" }, "every hour from 09:30 to 17:30 on weekdays"],
  [{ cron: "0 22,23,0-4 * * *" }, "at minute 0 of hours 0 to 4, 22 and 23"],
  [{ cron: "0 6,12,18 * * *" }, "at 06:00, 12:00 and 18:00 every day"],
  [{ cron: "0,30 9 * * *" }, "at 09:00 and 09:30 every day"],
  [{ cron: "0,30 8-18/2 * * 6,0" }, "every 30 minutes in hours 8, 10, 12, 14, 16 and 18 on weekends"],
  [{ cron: "*/15 9,11,17 * * *" }, "every 15 minutes in hours 9, 11 and 17"],
  [{ cron: "* 9 * * *" }, "every minute from 09:00 to 09:59"],
  [{ cron: "* 9-17 * * *" }, "every minute from 09:00 to 17:59"],
  [{ cron: "17 1,3,5,7,9,13,15,20 * * *" }, "at minute 17 of hours 1, 3, 5, 7, 9, 13, 15 and 20"],
  [{ cron: "7,9 9-17 * * *" }, "at minutes 7 and 9 of every hour from 09:00 to 17:59"],
  [{ cron: "0 0 * * 0" }, "at 00:00 on Sundays"],
  [{ cron: "0 0 * * 7" }, "at 00:00 on Sundays"],
  [{ cron: "0 0 * * 1-4" }, "at 00:00 on Mondays to Thursdays"],
  [{ cron: "0 0 * * 1,3,5" }, "at 00:00 on Mondays, Wednesdays and Fridays"],
  [{ cron: "0 0 1 * *" }, "at 00:00 on the 1st of each month"],
  [{ cron: "0 0 2,3,22 * *" }, "at 00:00 on the 2nd, 3rd and 22nd of each month"],
  [{ cron: "0 9 1-7 * *" }, "at 09:00 on the 1st to 7th of each month"],
  [{ cron: "0 0 L * *" }, "at 00:00 on the last day of each month"],
  [{ cron: "0 0 LW * *" }, "at 00:00 on the last working day of each month"],
  [{ cron: "0 0 15W * *" }, "at 00:00 on the working day nearest to the 15th of each month"],
  [{ cron: "0 0 1,L * *" }, "at 00:00 on the 1st and last day of each month"],
  [{ cron: "0 12 * * 5#2" }, "at 12:00 on the 2nd Friday of each month"],
  [{ cron: "0 12 * * 1,5L" }, "at 12:00 on Mondays and on the last Friday of each month"],
  [{ cron: "0 0 29 2 *" }, "at 00:00 on the 29th of February"],
  [{ cron: "0 0 1 */3 *" }, "at 00:00 on the 1st of January, April, July and October"],
  [{ cron: "0 0 * 6-8 *" }, "at 00:00 every day in June to August"],
  [{ cron: "0 0 * 1-3 1" }, "at 00:00 on Mondays in January to March"],
  [{ cron: "*/10 * * 12 *" }, "every 10 minutes in December"],
  [{ cron: "0 0 13 * 5" }, "at 00:00 on the 13th of each month and on Fridays"],
  [{ cron: "0 0 13 1 5" }, "at 00:00 on the 13th of January and on Fridays in January"],
  [{ cron: "0 0 13 * 5L" }, "at 00:00 on the 13th of each month and on the last Friday of each month"],
  [{ cron: "0 0 13 * 0-6" }, "at 00:00 every day"],
  [{ cron: "*/5 * 1 * *" }, "every 5 minutes on the 1st of each month"],
  [{ cron: "@hourly" }, "every hour"],
  [{ cron: "@daily" }, "at 00:00 every day"],
  [{ cron: "@midnight" }, "at 00:00 every day"],
  [{ cron: "@weekly" }, "at 00:00 on Sundays"],
  [{ cron: "@monthly" }, "at 00:00 on the 1st of each month"],
  [{ cron: "@yearly" }, "at 00:00 on the 1st of January"],
  [{ cron: "@annually" }, "at 00:00 on the 1st of January"],
  [{ cron: "@reboot" }, "once when the scheduler starts"],
  [{ cron: "* * * * * *" }, "every second"],
  [{ cron: "*/10 * * * * *" }, "every 10 seconds"],
  [{ cron: "*/10 * 9-17 * * *" }, "every 10 seconds from 09:00 to 17:59"],
  [{ cron: "30 0 9 * * *" }, "at 09:00:30 every day"],
  [{ cron: "15 */5 * * * *" }, "every 5 minutes at second 15"],
  [{ cron: "10 30 * * * *" }, "every hour at minute 30 and second 10"],
  [{ cron: "0,30 * * * * *" }, "every 30 seconds"],
  [{ cron: "*/7 5 * * * *" }, "at seconds 0, 7, 14, 21, 28, 35, 42, 49 and 56 of minute 5 of every hour"],
  [{ cron: "*/20 */5 8-10 * * *" }, "every 20 seconds of every 5th minute from 08:00 to 10:59"],
  [{ cron: "5 0 1-20 * * *" }, "every hour from 01:00:05 to 20:00:05"],
  [{ cron: "0 0 0 1 1 ?" }, "at 00:00 on the 1st of January"],
  [{ crontab: "0 0 13 * fri" }, "at 00:00 on the 13th of each month if it is a Friday"],
  [{ crontab: "0 9 1-7 * mon,tue" }, "at 09:00 on the 1st to 7th of each month if it is a Monday or a Tuesday"],
  [{ crontab: "0 9 1-7 * mon-fri" }, "at 09:00 on the 1st to 7th of each month if it is a weekday"],
  [{ crontab: { minute: 0, hour: "*/3" } }, "every 3 hours"],
  [
    { crontab: { minute: [0, 30], hour: 9, day_of_week: "fri-mon" } },
    "at 09:00 and 09:30 on Mondays and Fridays to Sundays",
  ],
  [{ crontab: "0 0 * nov-feb *" }, "at 00:00 every day in January, February, November and December"],
  [{ apscheduler: { day: "2nd fri,last sun", hour: 9 } }, "at 09:00 on the 2nd Friday and last Sunday of each month"],
  [{ apscheduler: { day: "last" } }, "at 00:00 on the last day of each month"],
  [{ apscheduler: { week: "1-10", hour: 3 } }, "at 03:00 every day in ISO weeks 1 to 10"],
  [{ apscheduler: { week: 53 } }, "at 00:00 every day in ISO week 53"],
  [{ apscheduler: { year: 2027, month: 6 } }, "at 00:00 on the 1st of June in 2027"],
  [{ apscheduler: { year: "2027-2030", day_of_week: "mon", hour: 8 } }, "at 08:00 on Mondays in 2027 to 2030"],
  [{ apscheduler: { second: "*/5" } }, "every 5 seconds"],
  [{ apscheduler: { hour: 9 }, end_at: "2027-12-31" }, "at 09:00 every day, until 2027-12-31 00:00"],
  [{ every: 30 }, "every 30 seconds"],
  [{ every: "1s" }, "every second"],
  [{ every: "1h" }, "every hour"],
  [{ every: "1h30m", timezone: "Europe/Berlin" }, "every 90 minutes"],
  [{ every: "1d" }, "every 24 hours"],
  [{ every: "2d" }, "every 2 days"],
  [{ every: "7d" }, "every week"],
  [{ every: { weeks: 2 } }, "every 2 weeks"],
  [{ every: "500ms" }, "every 500 milliseconds"],
  [
    { every: "1h", start_at: "2027-01-01T09:00", timezone: "Europe/Berlin" },
    "every hour, from 2027-01-01 09:00, Europe/Berlin",
  ],
  [{ every: "10m", max_runs: 1 }, "every 10 minutes, only once"],
  [{ every: "10m", jitter: "30s", max_runs: 3 }, "every 10 minutes, at most 3 times, up to 30 seconds later"],
  [{ every: "10m", jitter: "1h" }, "every 10 minutes, up to 1 hour later"],
  [{ at: "2027-01-01T09:00", timezone: "Europe/Berlin" }, "once at 2027-01-01 09:00, Europe/Berlin"],
  [{ at: ["2027-01-01T09:00:10+01:00", "2027-02-01"] }, "at 2027-01-01 08:00:10 and 2027-02-01 00:00"],
  [
    { at: ["2027-01-01", "2027-01-02", "2027-01-03", "2027-01-04", "2027-01-05"] },
    "at 5 times from 2027-01-01 00:00 to 2027-01-05 00:00",
  ],
  [
    { calendar: { months: 1, at: "09:00" }, start_at: "2027-01-31" },
    "every month at 09:00 on the 31st, leaving out months that have no such day, from 2027-01-31",
  ],
  [
    { calendar: { months: 1, clamp: true }, start_at: "2027-01-31" },
    "every month at 00:00 on the 31st or the last day of shorter months, from 2027-01-31",
  ],
  [
    { calendar: { months: 3, at: "09:00" }, start_at: "2027-01-15" },
    "every 3 months at 09:00 on the 15th, from 2027-01-15",
  ],
  [{ calendar: { weeks: 2 }, start_at: "2027-01-31T08:30" }, "every 2 weeks on Sunday at 08:30, from 2027-01-31 08:30"],
  [
    { calendar: { years: 1, at: "09:00" }, start_at: "2027-02-28" },
    "every year at 09:00 on the 28th of February, from 2027-02-28",
  ],
  [
    { calendar: { years: 1, months: 6 }, start_at: "2027-02-01" },
    "every year and 6 months at 00:00 on the 1st, from 2027-02-01",
  ],
  [{ calendar: { months: 1, days: 2 }, start_at: "2027-01-01" }, "every month and 2 days at 00:00, from 2027-01-01"],
  [{ calendar: { days: 3, at: "23:59:59" } }, "every 3 days at 23:59:59, counted from the day on which it is added"],
  [
    { solar: { event: "dawn_civil", latitude: 52.5, longitude: -13.4 }, timezone: "Europe/Berlin" },
    "at civil dawn at 52.5° N, 13.4° W",
  ],
  [{ solar: { event: "sunset", latitude: -33.9, longitude: 151.2 } }, "at sunset at 33.9° S, 151.2° E"],
  [{ solar: { event: "solar_noon", latitude: 0, longitude: 0 } }, "at solar noon at 0° N, 0° E"],
  [
    { rrule: "FREQ=WEEKLY;BYDAY=FR,MO", start_at: "2027-01-01T09:00" },
    "every week on Monday and Friday at 09:00, from 2027-01-01 09:00",
  ],
  [{ rrule: "FREQ=DAILY" }, "every day, counted from when it is added"],
  [
    { rrule: "FREQ=DAILY;BYDAY=MO,TU;BYHOUR=9;BYMINUTE=5" },
    "every week on Monday and Tuesday at 09:05, counted from when it is added",
  ],
  [{ rrule: "FREQ=YEARLY;BYMONTH=1" }, "every year in January, counted from when it is added"],
  [{ rrule: "FREQ=YEARLY", start_at: "2027-01-31" }, "every year on the 31st of January at 00:00, from 2027-01-31"],
  [
    { rrule: "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;COUNT=3", start_at: "2027-01-31" },
    "every year on the last Sunday of March at 00:00, 3 times in all, from 2027-01-31",
  ],
  [
    { rrule: "FREQ=MONTHLY;BYMONTHDAY=-2,-1,1,31;UNTIL=20271231T235959Z", start_at: "2027-01-31" },
    "every month on the 1st, the 31st, the 2nd to last day and the last day at 00:00, leaving out months that have no such day, until 2027-12-31 23:59:59 UTC, from 2027-01-31",
  ],
  [
    { rrule: "FREQ=MONTHLY;BYDAY=2FR,SA", start_at: "2027-01-31" },
    "every month on every Saturday and the 2nd Friday at 00:00, from 2027-01-31",
  ],
  [{ rrule: "FREQ=HOURLY;INTERVAL=2", start_at: "2027-01-31" }, "every 2 hours, from 2027-01-31"],
  [
    { any: [{ rrule: "FREQ=DAILY;BYHOUR=9,17" }], start_at: "2027-01-31T08:30" },
    "at each of these times: every day at 09:30 and 17:30, from 2027-01-31 08:30",
  ],
  ...[
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;BYMONTHDAY=13",
    "FREQ=WEEKLY;BYMONTHDAY=13",
    "FREQ=DAILY;INTERVAL=2;BYDAY=MO",
    "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
    "FREQ=MINUTELY;BYHOUR=9",
    "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6",
  ].map((rrule) => [{ rrule, start_at: "2027-01-31" }, `by the rrule "${rrule}", from 2027-01-31`] as const),
  [
    { rrule: "RRULE:FREQ=DAILY\nEXDATE:20270102T090000", start_at: "2027-01-01T09:00" },
    'by the rrule "RRULE:FREQ=DAILY; EXDATE:20270102T090000", from 2027-01-01 09:00',
  ],
  [
    { any: [{ cron: "0 9 * * 1-5" }, { cron: "0 12 * * 0,6", timezone: "Asia/Tokyo" }], timezone: "Europe/Berlin" },
    "at each of these times: at 09:00 on weekdays; at 12:00 on weekends (Asia/Tokyo), Europe/Berlin",
  ],
  [
    { any: [{ every: "1h" }, { every: "7m" }], timezone: "Europe/Berlin" },
    "at each of these times: every hour; every 7 minutes",
  ],
  [
    {
      all: [
        { every: "2h", start_at: "2027-01-01" },
        { cron: "0 9-17 * * *", except: "2027-02-01" },
      ],
    },
    "whenever these coincide: (every 2 hours, from 2027-01-01); (every hour from 09:00 to 17:00, except on 2027-02-01)",
  ],
  [
    { any: [{ all: [{ cron: "0 9 * * *" }, { cron: "* * * * fri" }] }, { at: "2027-01-01" }] },
    "at each of these times: (whenever these coincide: at 09:00 every day; every minute on Fridays); once at 2027-01-01 00:00",
  ],
  [{ cron: "0 9 * * *", except: "2026-12-25" }, "at 09:00 every day, except on 2026-12-25"],
  [
    { cron: "0 9 * * *", except: ["2026-12-24..2027-01-01", "holidays-de"] },
    'at 09:00 every day, except on 2026-12-24 to 2027-01-01 and on the days of "holidays-de"',
  ],
  [
    { cron: "0 9 * * *", except: { from: "2027-01-01", to: "2027-02-01" } },
    "at 09:00 every day, except on 2027-01-01 to 2027-02-01",
  ],
  [{ cron: "0 9 * * *", except: [{ cron: "* * * * fri" }] }, "at 09:00 every day, except every minute on Fridays"],
  [
    { every: "1h", except: "2027-01-01T09:00", timezone: "Europe/Berlin" },
    "every hour, except at 2027-01-01 09:00, Europe/Berlin",
  ],
  [
    { cron: "0 9 * * *", start_at: "2027-01-01", end_at: "2028-01-01T12:00", max_runs: 10 },
    "at 09:00 every day, from 2027-01-01, until 2028-01-01 12:00, at most 10 times",
  ],
  [
    { cron: "30 2 * * *", dst: { gap: "skip", overlap: "both" } },
    "at 02:30 every day, not at all if the clock skips it, twice if the clock shows it twice",
  ],
  [
    { cron: "*/30 2 * * *", dst: { gap: "next", overlap: "first" } },
    "at 02:00 and 02:30 every day, after the gap if the clock skips it, once if the clock shows it twice",
  ],
  [{ cron: "0 9 * * *", timezone: "UTC", task: "a.b" }, "at 09:00 every day, UTC"],
];

test("a sentence for every kind of schedule", () => {
  for (const [schedule, sentence] of table)
    assert.equal(describe(schedule as Schedule), sentence, JSON.stringify(schedule));
});

test("a choice by name is told as it was chosen", () => {
  const spread = describe({ cron: "~ 3 * * *" }, { name: "report" });
  assert.match(spread, /^at 03:[0-5][0-9] every day$/);
  assert.equal(describe({ cron: "~ 3 * * *" }, { name: "report" }), spread);
  const others = new Set(Array.from({ length: 20 }, (_, name) => describe({ cron: "~ 3 * * *" }, { name: `${name}` })));
  assert.ok(others.size > 5);
});

test("many of anything are counted, and no sentence is long", () => {
  const dates = Array.from({ length: 100 }, (_, day) =>
    new Date(Date.UTC(2027, 0, 1 + day)).toISOString().slice(0, 10),
  );
  assert.match(describe({ cron: "0 9 * * *", except: dates }), /2027-01-06 and 94 more$/);
  assert.match(describe({ any: dates.map((at) => ({ at })) }), /; 94 more$/);
  const wide = {
    any: dates.slice(0, 6).map(() => ({ any: dates.slice(0, 6).map(() => ({ cron: "*/7 */5 1-20 * *" })) })),
  };
  assert.ok(describe(wide).length <= 2_000);
});

test("what is not valid is refused, by its field", () => {
  for (const [schedule, field] of [
    [{ cron: "99 * * * *" }, "cron"],
    [{ cron: "0 9 * * *", timezone: "Europe/Berln" }, "timezone"],
    [{ cron: "0 9 * * *", end_at: "soon" }, "end_at"],
    [{ cron: "0 9 * * *", every: 5 }, "cron"],
    [{ any: [{ cron: "x" }] }, "any.0.cron"],
    [{ corn: "0 9 * * *" }, "corn"],
  ] as const) {
    assert.throws(
      () => describe(schedule as Schedule),
      (error) => error instanceof DefinitionError && error.place?.field === field && error.remedy !== undefined,
      JSON.stringify(schedule),
    );
  }
});

const files = [
  "celery-crontab",
  "unix-cron",
  "quartz-like",
  "apscheduler-cron",
  "interval",
  "calendar-interval",
  "solar",
  "rrule",
];

test("every schedule of the vectors has a sentence, always the same", () => {
  let described = 0;
  for (const row of files.flatMap(rowsOf)) {
    const schedule = scheduleOfRow(row) as Schedule | undefined;
    if (schedule === undefined || !isValid(schedule)) continue;
    assertSentence(schedule);
    described++;
  }
  assert.ok(described > 1_000);
});

function isValid(schedule: Schedule): boolean {
  try {
    compileChecked(schedule, 0);
    return true;
  } catch (error) {
    if (error instanceof DefinitionError) return false;
    throw error;
  }
}

function assertSentence(schedule: Schedule): void {
  const sentence = describe(schedule);
  assert.ok(sentence.length > 0 && sentence.length <= 2_000);
  assert.doesNotMatch(sentence, /undefined|NaN|null|\[object|rule of its own| {2}|\n|\.$/, JSON.stringify(schedule));
  assert.equal(describe(schedule), sentence);
}

const fieldOf = (min: number, max: number) => {
  const value = fc.integer({ min, max });
  const element = fc.oneof(
    { arbitrary: fc.constant("*"), weight: 3 },
    { arbitrary: value.map(String), weight: 3 },
    { arbitrary: fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`), weight: 2 },
    { arbitrary: fc.integer({ min: 1, max: max - min }).map((step) => `*/${step}`), weight: 2 },
  );
  return fc.array(element, { minLength: 1, maxLength: 3 }).map((elements) => elements.join(","));
};
const days = fc.oneof(fieldOf(1, 31), fc.constantFrom("L", "LW", "15W", "1,L", "?"));
const weekdays = fc.oneof(fieldOf(0, 7), fc.constantFrom("5L", "1#1", "mon#5", "1-3,5L", "?"));
const cron = fc
  .tuple(fieldOf(0, 59), fieldOf(0, 59), fieldOf(0, 23), days, fieldOf(1, 12), weekdays, fc.boolean())
  .map(([second, ...fields]) => ({ cron: [...(fields.pop() ? [second] : []), ...fields].join(" ") }));
const every = fc.integer({ min: 100, max: 10 ** 9 }).map((ms) => ({ every: `${ms}ms` }));
const leaf = fc.oneof(cron, every);
const within = fc.array(leaf, { minLength: 1, maxLength: 4 });
const schedules = fc
  .record(
    {
      trigger: fc.oneof(
        leaf,
        within.map((any) => ({ any })),
      ),
      beside: fc.record(
        {
          timezone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York"),
          start_at: fc.constantFrom("2027-01-01", "2027-03-28T02:30"),
          end_at: fc.constantFrom("2030-01-01", "2030-01-01T09:00:30"),
          max_runs: fc.integer({ min: 1, max: 1_000 }),
          except: fc.constantFrom("2027-01-01", ["2027-01-01..2027-01-05", "holidays"]),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ["trigger", "beside"] },
  )
  .map(({ trigger, beside }) => ({ ...trigger, ...beside }) as Schedule);

test("what is told alike fires alike", () => {
  const bySentence = new Map<string, Map<string, string>>();
  const after = new Date("2027-01-01T00:00Z");
  const add = (schedule: Schedule) => {
    if (!isValid(schedule)) return;
    const sentence = describe(schedule);
    if (/ more\b|times from/.test(sentence)) return;
    const fires = nextFireTimes(schedule, { after, count: 40 }).map((date) => date.toISOString());
    const known = bySentence.get(sentence) ?? new Map<string, string>();
    bySentence.set(sentence, known.set(fires.join(), JSON.stringify(schedule)));
  };
  for (const row of files.flatMap(rowsOf)) {
    const { timezone, start_at, end_at, ...trigger } = (scheduleOfRow(row) ?? {}) as Schedule;
    if (trigger.calendar === undefined && trigger.rrule === undefined && trigger.solar === undefined) add(trigger);
  }
  for (const schedule of fc.sample(cron, { numRuns: 2_000, seed: 1 })) add(schedule);
  for (const [sentence, fires] of bySentence)
    assert.equal(fires.size, 1, `${sentence}: ${[...fires.values()].join(" ")}`);
  assert.ok(bySentence.size > 1_000);
});

test("any valid schedule has a sentence, always the same", () => {
  fc.assert(
    fc.property(schedules, (schedule) => {
      const { except, ...plain } = schedule;
      fc.pre(isValid(plain));
      assertSentence(schedule);
    }),
    { numRuns: 500 },
  );
});
