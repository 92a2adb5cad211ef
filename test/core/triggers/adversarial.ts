// Schedules that were made to hang whoever searches for their fire times: they hardly ever fire, or never, or only after
// centuries, or leave out all that they name. adversarial.test.ts asks them for answers, bench/adversarial.ts for how long
// they take.

import type { Schedule } from "../../../src/core/triggers/schedule.ts";

export interface Adversary {
  readonly name: string;
  readonly schedule: Schedule;
  /** What is asked: fire times after and before it. */
  readonly at: string;
}

const today = "2026-01-01T00:00:00Z";

const one = (name: string, schedule: Schedule, at = today): Adversary => ({ name, schedule, at });

const [leapFriday, lastWeek] = [{ month: 2, day: 29, day_of_week: "fri" }, { week: 53 }];
const everySecond = { cron: "* * * * * *" };
const list = (count: number): string => [...Array(count).keys()].join(",");
const nest = (depth: number, schedule: Schedule, wrap: (inner: Schedule) => Schedule): Schedule =>
  depth === 0 ? schedule : nest(depth - 1, wrap(schedule), wrap);

const crons: readonly Adversary[] = [
  one("leap day on a Friday in week 53", { apscheduler: { ...leapFriday, ...lastWeek } }),
  one("leap day on a Friday, every second", { apscheduler: { ...leapFriday, second: "*" } }),
  one("30 February", { apscheduler: { month: 2, day: 30 } }),
  one("1 January in week 26", { apscheduler: { month: 1, day: 1, week: 26 } }),
  one("a year that is over", { apscheduler: { year: 1999 } }),
  one("a last year, leap day on a Monday", {
    apscheduler: { year: "2100-9999", month: 2, day: 29, day_of_week: "mon" },
  }),
  one("the fifth Friday of February", { cron: "0 0 * 2 fri#5" }),
  one("the fifth Friday of February, from 2100", { cron: "0 0 * 2 fri#5" }, "2100-01-01T00:00:00Z"),
  one("the last day and the fifth weekday", { apscheduler: { month: 2, day: "5th fri", week: 1 } }),
  one("the working day nearest to 31 February", { cron: "0 0 31W 2 *" }),
  one("the working day nearest to 29 February", { cron: "0 0 29W 2 *" }),
  one("the last working day, in impossible months", { cron: "0 0 LW 2 mon#5" }),
  one("leap day, celery", {
    crontab: { minute: 0, hour: 0, day_of_month: 29, month_of_year: 2, day_of_week: 1 },
  } as Schedule),
  one("a gap each time it comes", { cron: "30 2 10 3 *", timezone: "America/New_York", dst: { gap: "skip" } }),
  one("both passes of what is never shown twice", {
    cron: "30 2 29 2 *",
    timezone: "America/New_York",
    dst: { overlap: "both" },
  }),
  one("every year, five hundred times over", { apscheduler: { year: Array(500).fill("*").join(",") } }),
  one("years that overlap, in a hundred triggers", {
    any: Array(100).fill({ apscheduler: { year: Array(100).fill("1970-9998").join(",") } }),
  } as Schedule),
  one("the day that Samoa skipped", { apscheduler: { year: 2011, month: 12, day: 30 }, timezone: "Pacific/Apia" }),
  one("leap day far in the past", { cron: "0 0 29 2 mon" }, "1601-01-01T00:00:00Z"),
  one("leap day far in the future", { cron: "0 0 29 2 mon" }, "9998-01-01T00:00:00Z"),
];

const together: readonly Adversary[] = [
  one("two coprime intervals", { all: [{ every: "86399.999s" }, { every: "86400.001s" }] }),
  one("many coprime intervals", { all: [101, 103, 107, 109, 113, 127, 131].map((every) => ({ every })) }),
  one("coprime intervals that meet within the millennium", { all: [{ every: "99991s" }, { every: "99989s" }] }),
  one("an interval and a cron that never meet", {
    all: [{ every: "1h", start_at: "2024-01-01T00:00:30Z" }, { cron: "0 * * * *" }],
  }),
  one("an interval that hardly meets a cron", { all: [{ every: "1d 1ms".replace(" ", "") }, { cron: "0 0 * * *" }] }),
  one("an interval that hardly meets every second", {
    all: [{ every: "997ms", start_at: "2024-01-01" }, { cron: "59 59 23 31 12 *" }],
  }),
  one("days and months in turn that never meet a late second", {
    all: [
      { apscheduler: { hour: 0, minute: "8-56/13", second: "*" }, start_at: "8841-02-26" },
      { calendar: { months: 1, days: 19, at: "23:59:59" } },
    ],
  }),
  one("a rule that is left out by others, which leave out a part of themselves", {
    rrule: "FREQ=DAILY;BYMONTHDAY=18,27,19;BYHOUR=12,16",
    except: [
      {
        rrule:
          "RRULE:FREQ=SECONDLY;BYMONTHDAY=-4\nRRULE:FREQ=MINUTELY\nEXRULE:FREQ=YEARLY;BYWEEKNO=33\nRRULE:FREQ=HOURLY;BYMONTH=7,8;BYMONTHDAY=5,-11;BYSETPOS=256,286,-342",
      },
    ],
  }),
  one("crons that never meet, by the hour", { all: [{ cron: "0 0 * * *" }, { cron: "30 0 * * *" }] }),
  one("crons that never meet, by the minute", { all: [{ cron: "*/2 * * * *" }, { cron: "1-59/2 * * * *" }] }),
  one("crons that never meet, by the second", { all: [{ cron: "*/2 * * * * *" }, { cron: "1-59/2 * * * * *" }] }),
  one("crons that never meet, by the second, in two zones", {
    all: [
      { cron: "*/2 * * * * *", timezone: "Asia/Gaza" },
      { cron: "1-59/2 * * * * *", timezone: "Africa/Casablanca" },
    ],
  }),
  one("crons that never meet, by the month", { all: [{ cron: "0 0 1 1 *" }, { cron: "0 0 1 2 *" }] }),
  one("crons that never meet, by leap day and weekday", {
    all: [{ cron: "0 0 29 2 *" }, { apscheduler: { week: 53 } }],
  }),
  one("the same time of day in zones that never agree", {
    all: [
      { cron: "0 9 * * *", timezone: "Europe/Berlin" },
      { cron: "0 9 * * *", timezone: "America/New_York" },
    ],
  }),
  one("the same time of day in twelve zones", {
    all: [
      "Europe/Berlin",
      "Africa/Casablanca",
      "America/Sao_Paulo",
      "Asia/Gaza",
      "Antarctica/Troll",
      "Pacific/Apia",
      "Africa/El_Aaiun",
      "Australia/Lord_Howe",
      "America/Caracas",
      "Asia/Tehran",
      "Asia/Pyongyang",
      "America/Godthab",
    ].map((timezone) => ({ cron: "0 9 * * *", timezone })),
  }),
  one("zones that agree in summer, asked for in winter", {
    all: [
      { cron: "0 9 * 1 *", timezone: "Africa/Casablanca" },
      { cron: "0 9 * 1 *", timezone: "Africa/El_Aaiun" },
      { cron: "0 9 * 7 *", timezone: "Europe/London" },
    ],
  }),
  one("a hundred crons without a time in common", {
    all: Array.from({ length: 100 }, (_, index) => ({ cron: `${index % 60} * * * *` })),
  }),
  one("sunrise at nine sharp", {
    all: [{ solar: { event: "sunrise", latitude: 52.5, longitude: 13.4 } }, { cron: "0 9 * * *" }],
  } as Schedule),
  one("sunrise in two places", {
    all: [
      { solar: { event: "sunrise", latitude: 52.5, longitude: 13.4 } },
      { solar: { event: "sunset", latitude: 52.5, longitude: 13.4 } },
    ],
  } as Schedule),
  one("recurrences that never meet", {
    all: [
      { rrule: "FREQ=SECONDLY;INTERVAL=2" },
      { rrule: "FREQ=SECONDLY;INTERVAL=2", start_at: "2024-01-01T00:00:01Z" },
    ],
    start_at: "2024-01-01",
  }),
  one("recurrences that never meet, by the day", {
    all: [{ rrule: "FREQ=DAILY;BYHOUR=1" }, { rrule: "FREQ=DAILY;BYHOUR=2" }],
    start_at: "2024-01-01",
  }),
  one("a recurrence and a cron that never meet", {
    all: [{ rrule: "FREQ=MINUTELY" }, { cron: "30 * * * * *" }],
    start_at: "2024-01-01",
  }),
  one("dates and a cron", { all: [{ at: ["2026-12-25T00:00:01Z"] }, { cron: "0 * * * *" }] }),
  one("all of any of crons", {
    all: [
      { any: [{ cron: "0 0 * * *" }, { cron: "0 1 * * *" }] },
      { any: [{ cron: "30 0 * * *" }, { cron: "30 1 * * *" }] },
    ],
  } as Schedule),
  one(
    "all within all within all",
    nest(
      7,
      { all: [{ cron: "*/2 * * * * *" }, { every: "1s" }] },
      (inner) => ({ all: [inner, { cron: "* * * * * *" }] }) as Schedule,
    ),
  ),
  one(
    "a hundred crons, eight levels deep",
    nest(
      6,
      { any: Array.from({ length: 100 }, (_, index) => ({ cron: `${index % 60} 0 29 2 *` })) },
      (inner) => ({ any: [inner] }) as Schedule,
    ),
  ),
  one(
    "sixteen thousand triggers",
    nest(7, { cron: "* * * * *" }, (inner) => ({ any: Array(4).fill(inner) }) as Schedule),
  ),
  one("eighty pairs that hardly meet", {
    any: Array.from({ length: 80 }, (_, index) => ({
      all: [{ cron: "0 0 * * *" }, { apscheduler: { month: 2, day: 29, day_of_week: index % 7, hour: 0 } }],
    })),
  } as Schedule),
  one("calendars that never meet", {
    all: [
      { calendar: { days: 2 }, start_at: "2024-01-01" },
      { calendar: { days: 2 }, start_at: "2024-01-02" },
    ],
  } as Schedule),
  one("calendars that hardly meet", {
    all: [
      { calendar: { days: 9973 }, start_at: "1900-01-01" },
      { calendar: { days: 9967 }, start_at: "1900-01-02" },
    ],
  } as Schedule),
];

const exceptions: readonly Adversary[] = [
  one("except itself", { cron: "0 9 * * *", except: { cron: "0 9 * * *" } } as Schedule),
  one("every second except every second", { ...everySecond, except: everySecond } as Schedule),
  one("every second except two halves", {
    ...everySecond,
    except: [{ cron: "*/2 * * * * *" }, { cron: "1-59/2 * * * * *" }],
  } as Schedule),
  one(
    "every second except in August",
    { ...everySecond, except: { cron: "* * * * 8 *" } } as Schedule,
    "2026-07-31T23:59:59Z",
  ),
  one("every 100 ms except every 100 ms", { every: "100ms", except: { every: "100ms" } } as Schedule),
  one("every 100 ms except within centuries", { every: "100ms", except: "1900-01-01..9999-12-31" }),
  one("every second except within centuries", { ...everySecond, except: "1900-01-01..9999-12-31" }),
  one("every second except on each day by itself", {
    ...everySecond,
    except: Array.from({ length: 5_000 }, (_, day) =>
      new Date(Date.UTC(2026, 0, 1 + 2 * day)).toISOString().slice(0, 10),
    ),
  }),
  one("every minute except in every hour of every zone", {
    cron: "* * * * *",
    except: [
      { cron: "* 0-11 * * *", timezone: "Asia/Gaza" },
      { cron: "* 12-23 * * *", timezone: "Asia/Gaza" },
    ],
  } as Schedule),
  one("except any of all that it names", {
    cron: "0 * * * *",
    except: { any: Array.from({ length: 24 }, (_, hour) => ({ cron: `0 ${hour} * * *` })) },
  } as Schedule),
  one("except all of what never meets", {
    cron: "* * * * *",
    except: { all: [{ every: "7m" }, { cron: "*/11 * * * *" }] },
  } as Schedule),
  one(
    "except with exceptions",
    nest(6, { cron: "* * * * *" }, (inner) => ({ cron: "* * * * *", except: inner }) as Schedule),
  ),
  one("except a recurrence of every second", {
    ...everySecond,
    except: { rrule: "FREQ=SECONDLY" },
    start_at: "2024-01-01",
  } as Schedule),
  one("a recurrence except itself", {
    rrule: "FREQ=MINUTELY",
    except: { rrule: "FREQ=MINUTELY" },
    start_at: "2024-01-01",
  } as Schedule),
  one("the sun except the sun", {
    solar: { event: "sunrise", latitude: 52.5, longitude: 13.4 },
    except: { solar: { event: "sunrise", latitude: 52.5, longitude: 13.4 } },
  } as Schedule),
  one("a calendar except itself", {
    calendar: { days: 1 },
    except: { cron: "0 0 * * *" },
    start_at: "1900-01-01",
  } as Schedule),
];

const r = (rrule: string, start_at = "2024-01-01", more: Partial<Schedule> = {}): Schedule => ({
  rrule,
  start_at,
  ...more,
});
const all = { hours: list(24), minutes: list(60), seconds: list(60) };
const recurrences: readonly Adversary[] = [
  one("every second of 30 February", r("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30")),
  one("every minute of 31 June", r("FREQ=MINUTELY;BYMONTH=6;BYMONTHDAY=31")),
  one("every hour of 30 February", r("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30")),
  one("every day of 30 February", r("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")),
  one("every week of 30 February", r("FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30;BYDAY=MO")),
  one("every month of 30 February", r("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30")),
  one("every year of 30 February", r("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")),
  one("every second of leap Fridays in week 53", r("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=FR;BYWEEKNO=53")),
  one("every second of leap Fridays", r("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=FR")),
  one("every minute of leap Fridays at noon", r("FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=29;BYDAY=FR;BYHOUR=12;BYMINUTE=0")),
  one("week 53 in July", r("FREQ=YEARLY;BYWEEKNO=53;BYMONTH=7")),
  one("week 53 on Mondays", r("FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO")),
  one("day 366 on a Friday in week 1", r("FREQ=YEARLY;BYYEARDAY=366;BYDAY=FR;BYWEEKNO=1")),
  one("day 366 every four years from a year that has none", r("FREQ=YEARLY;INTERVAL=4;BYYEARDAY=366", "2023-01-01")),
  one("day 366 of the month", r("FREQ=DAILY;BYYEARDAY=366;BYMONTH=1")),
  one("day -366", r("FREQ=YEARLY;BYYEARDAY=-366;BYMONTH=12")),
  one("position 366 of two", r("FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1,2;BYSETPOS=366")),
  one("position 31 of the month's Mondays", r("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=31")),
  one("position 2 of each second", r("FREQ=SECONDLY;BYSETPOS=2")),
  one("position 2 of each day", r("FREQ=DAILY;BYSETPOS=2")),
  one("position 61 of each minute", r("FREQ=MINUTELY;BYSECOND=0,1;BYSETPOS=61")),
  one("position 366 of the week", r("FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=-366")),
  one(
    "all seconds of the year, the last one",
    r(
      `FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=${all.hours};BYMINUTE=${all.minutes};BYSECOND=${all.seconds};BYSETPOS=-1`,
    ),
  ),
  one(
    "all seconds of leap Fridays",
    r(
      `FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=FR;BYHOUR=${all.hours};BYMINUTE=${all.minutes};BYSECOND=${all.seconds}`,
    ),
  ),
  one("all seconds of the day, in forty rules of six recurrences", {
    any: Array(6).fill(
      r(
        Array.from(
          { length: 40 },
          (_, second) =>
            `FREQ=DAILY;BYHOUR=${all.hours};BYMINUTE=${all.minutes};BYSECOND=${all.seconds.replace(`${second},`, "")}`,
        ).join("\n"),
      ),
    ),
  } as Schedule),
  one("fifty rules whose position no period holds", r(Array(50).fill("FREQ=SECONDLY;BYSETPOS=2").join("\n"))),
  one("forty COUNTs that have to be walked", {
    any: Array(10).fill(r(Array(4).fill("FREQ=HOURLY;INTERVAL=7;BYMONTH=1;COUNT=900").join("\n"), "1900-01-01")),
  } as Schedule),
  one("every millionth year", r("FREQ=YEARLY;INTERVAL=1000000")),
  one("every millionth second, on 1 January", r("FREQ=SECONDLY;INTERVAL=1000000;BYMONTH=1;BYMONTHDAY=1")),
  one(
    "every 999983rd second, on leap Fridays",
    r("FREQ=SECONDLY;INTERVAL=999983;BYMONTH=2;BYMONTHDAY=29;BYDAY=FR", "1900-01-01"),
  ),
  one("every 999983rd minute, at midnight", r("FREQ=MINUTELY;INTERVAL=999983;BYHOUR=0;BYMINUTE=0", "1900-01-01")),
  one("every 9973rd hour, in January", r("FREQ=HOURLY;INTERVAL=9973;BYMONTH=1", "1900-01-01")),
  one("every 997th day, on 29 February", r("FREQ=DAILY;INTERVAL=997;BYMONTH=2;BYMONTHDAY=29", "1900-01-01")),
  one("every seventh day on another weekday", r("FREQ=DAILY;INTERVAL=7;BYDAY=TU")),
  one("every 24th hour at another one", r("FREQ=HOURLY;INTERVAL=48;BYDAY=TU;BYHOUR=0", "2024-01-01T00:00")),
  one("every week's seconds of Sunday from Monday", r("FREQ=SECONDLY;INTERVAL=604800;BYDAY=SU", "2024-01-01")),
  one("every twelfth month in another one", r("FREQ=MONTHLY;INTERVAL=12;BYMONTH=2")),
  one("every second since 1900, in 2500", r("FREQ=SECONDLY", "1900-01-01"), "2500-01-01T00:00:00Z"),
  one("every minute since 1900, in 2500", r("FREQ=MINUTELY;INTERVAL=7", "1900-01-01"), "2500-01-01T00:00:00Z"),
  one(
    "every minute since 1900 in New York, in 2500",
    r("FREQ=MINUTELY;INTERVAL=7", "1900-01-01", { timezone: "America/New_York" }),
    "2500-01-01T00:00:00Z",
  ),
  one("a billion times", r("FREQ=SECONDLY;COUNT=1000000000")),
  one("a hundred thousand seconds", r("FREQ=SECONDLY;COUNT=100000")),
  one("a hundred thousand years", r("FREQ=YEARLY;COUNT=100000", "1900-01-01")),
  one("a hundred thousand leap days", r("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;COUNT=100000", "1900-01-01")),
  one("a hundred thousand days", r("FREQ=DAILY;COUNT=100000", "1900-01-01")),
  one(
    "a hundred thousand hours by their months",
    r("FREQ=HOURLY;BYMONTH=1;BYMONTHDAY=1;BYHOUR=0;COUNT=100000", "1900-01-01"),
  ),
  one(
    "a hundred thousand times by week number",
    r("FREQ=YEARLY;BYWEEKNO=1,20,-1;BYDAY=MO,TU,FR;COUNT=100000", "1900-01-01"),
  ),
  one(
    "a hundred thousand times by position",
    r("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=100000", "1900-01-01"),
  ),
  one("a hundred thousand times on 30 February", r("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;COUNT=100000")),
  one("to the end of time", r("FREQ=SECONDLY;UNTIL=99991231T235959Z", "1900-01-01"), "9999-12-31T23:59:59.999Z"),
  one("over before it began", r("FREQ=SECONDLY;UNTIL=19000101T000000Z", "2024-01-01")),
  one("everything left out by EXRULE", r("RRULE:FREQ=SECONDLY\nEXRULE:FREQ=SECONDLY")),
  one(
    "everything left out by EXRULE, in Sao Paulo",
    r("RRULE:FREQ=SECONDLY\nEXRULE:FREQ=SECONDLY", "1900-01-01", { timezone: "America/Sao_Paulo" }),
  ),
  one(
    "each day left out by seven EXRULEs",
    r(
      [
        "RRULE:FREQ=DAILY",
        ...["MO", "TU", "WE", "TH", "FR", "SA", "SU"].map((day) => `EXRULE:FREQ=WEEKLY;BYDAY=${day}`),
      ].join("\n"),
    ),
  ),
  one(
    "everything left out of what comes once in thousands of periods",
    r("RRULE:FREQ=SECONDLY;INTERVAL=390955;BYHOUR=14;BYMINUTE=11\nEXRULE:FREQ=SECONDLY"),
  ),
  one(
    "everything left out of what comes once in thousands of periods, by months",
    r(`RRULE:FREQ=SECONDLY;INTERVAL=390955;BYHOUR=14;BYMINUTE=11\nEXRULE:FREQ=MINUTELY;BYMONTH=${list(13).slice(2)}`),
  ),
  one("each year left out", r("RRULE:FREQ=YEARLY\nEXRULE:FREQ=DAILY", "1900-01-01")),
  one("twenty rules that name nothing", r(Array(20).fill("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30").join("\n"))),
  one(
    "two hundred rules that name nothing",
    r(Array(200).fill("RRULE:FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30;BYDAY=MO").join("\n")),
  ),
  one(
    "every second in the gap",
    r("FREQ=YEARLY;BYMONTH=3;BYDAY=2SU;BYHOUR=2;BYMINUTE=30", "2024-01-01", { timezone: "America/New_York" }),
    "9000-01-01T00:00:00Z",
  ),
];

const others: readonly Adversary[] = [
  one(
    "a clamped calendar anchored centuries away",
    { calendar: { months: 1, clamp: true }, start_at: "1900-01-31" } as Schedule,
    "9990-01-01T00:00:00Z",
  ),
  one(
    "a clamped calendar of months and days",
    { calendar: { months: 1, days: 1, clamp: true }, start_at: "1900-01-31" } as Schedule,
    "9990-01-01T00:00:00Z",
  ),
  one(
    "a calendar of months and days in Casablanca",
    { calendar: { months: 1, days: 1 }, start_at: "1900-01-31", timezone: "Africa/Casablanca" } as Schedule,
    "9990-01-01T00:00:00Z",
  ),
  one(
    "a calendar of days in Sao Paulo",
    { calendar: { days: 1, at: "00:00" }, start_at: "1900-01-01", timezone: "America/Sao_Paulo" } as Schedule,
    "9990-01-01T00:00:00Z",
  ),
  one(
    "leap days of a calendar",
    { calendar: { years: 1 }, start_at: "1904-02-29" } as Schedule,
    "9990-01-01T00:00:00Z",
  ),
  one("leap days of a calendar by odd years", { calendar: { years: 9999 }, start_at: "1904-02-29" } as Schedule),
  one("a calendar that is still to come", { calendar: { days: 1 }, start_at: "9999-01-01" } as Schedule),
  one(
    "a calendar always in a gap",
    { calendar: { years: 1, at: "02:30" }, start_at: "2019-03-10", timezone: "America/New_York" } as Schedule,
    "9000-01-01T00:00:00Z",
  ),
  one("a calendar in a gap, by 400 years", {
    calendar: { years: 400, at: "02:30" },
    start_at: "2019-03-10",
    timezone: "America/New_York",
  } as Schedule),
  one("the sun at the pole", { solar: { event: "sunrise", latitude: 90, longitude: 0 } } as Schedule),
  one(
    "the sun at the other pole",
    { solar: { event: "dusk_astronomical", latitude: -90, longitude: 180 } } as Schedule,
    "9999-06-01T00:00:00Z",
  ),
  one(
    "the sun in Longyearbyen",
    { solar: { event: "dawn_civil", latitude: 78.2, longitude: 15.6 } } as Schedule,
    "1600-06-01T00:00:00Z",
  ),
  one(
    "no astronomical dusk",
    { solar: { event: "dusk_astronomical", latitude: 89.9, longitude: -180 } } as Schedule,
    "2100-05-01T00:00:00Z",
  ),
  one("an interval of a thousand years", { every: "365000d", start_at: "1900-01-01" }),
  one("runs to be counted from long ago", { cron: "*/5 * * * *", start_at: "1900-01-01", max_runs: 10_000 }),
  one("a window without a run", { cron: "0 0 29 2 *", start_at: "2097-01-01", end_at: "2103-12-31" }),
  one("ten thousand dates", {
    at: Array.from({ length: 10_000 }, (_, day) => new Date(Date.UTC(1970, 0, day)).toISOString().slice(0, 10)),
    timezone: "Africa/Casablanca",
  }),
];

/** `count` days from 1900 on, so far apart, and a time of day. */
const daysApart = (count: number, apart: number, time = ""): string[] =>
  Array.from(
    { length: count },
    (_, index) => new Date(Date.UTC(1900, 0) + index * apart * 86_400_000).toISOString().slice(0, 10) + time,
  );

const oddZones = [
  "Africa/Casablanca",
  "America/Sao_Paulo",
  "Asia/Gaza",
  "Antarctica/Troll",
  "Pacific/Apia",
  "Africa/El_Aaiun",
  "America/New_York",
];
const zoneNames = Intl.supportedValuesOf("timeZone").filter((_, index) => index % 8 === 0);
/** Each of them in a zone of its own. */
const inZones = (count: number, make: (timezone: string, index: number) => object): Schedule =>
  ({ any: zoneNames.slice(0, count).map(make) }) as Schedule;
/** As many triggers as there may be, in as many zones. */
const inAllZones = (make: (timezone: string, index: number) => object): Schedule =>
  ({
    any: [0, 1, 2].map((from) => inZones(48, (timezone, index) => make(timezone, from * 48 + index))),
  }) as Schedule;
const inOddZones = (make: (timezone: string) => object): Schedule => ({ any: oddZones.map(make) }) as Schedule;

/** What makes zones tell of centuries. */
const eras: readonly Adversary[] = [
  one(
    "dates of 230 years in seven zones",
    inOddZones((timezone) => ({ at: daysApart(1_400, 60, "T09:00"), timezone })),
  ),
  one(
    "dates of 230 years on both passes",
    inOddZones((timezone) => ({ at: daysApart(1_400, 60, "T02:30"), timezone, dst: { gap: "skip", overlap: "both" } })),
  ),
  one("dates of 8,000 years", { at: daysApart(10_000, 290, "T09:00"), timezone: "America/Sao_Paulo" }),
  one("dates that are never shown, and one that is", {
    at: [
      ...Array.from(
        { length: 3_600 },
        (_, second) => `2011-12-30T${new Date(second * 1_000).toISOString().slice(11, 19)}`,
      ),
      "2030-01-01",
    ],
    timezone: "Pacific/Apia",
    dst: { gap: "skip" },
  }),
  one("dates in the gaps of 200 years", {
    at: Array.from(
      { length: 200 * 31 },
      (_, index) => `${1900 + (index % 200)}-03-${String(1 + Math.floor(index / 200)).padStart(2, "0")}T02:30`,
    ),
    timezone: "America/New_York",
    dst: { gap: "skip" },
  }),
  one("every minute except on days of 8,000 years", {
    cron: "* * * * *",
    except: daysApart(10_000, 290),
    timezone: "America/Sao_Paulo",
  }),
  one(
    "every minute except on days of 230 years, in seven zones",
    inOddZones((timezone) => ({ cron: "* * * * *", except: daysApart(1_400, 60), timezone })),
  ),
  one(
    "every minute except at times of 8,000 years, in seven zones",
    inOddZones((timezone) => ({ cron: "* * * * *", except: daysApart(1_400, 2_000, "T09:00"), timezone })),
  ),
  one(
    "as many dates as there may be",
    inOddZones((timezone) => ({ cron: "* * * * *", except: daysApart(1_710, 50), timezone })),
  ),
  one(
    "more dates than there may be",
    inOddZones((timezone) => ({ cron: "* * * * *", except: daysApart(8_000, 30), timezone })),
  ),
  one(
    "RDATEs of 230 years in seven zones",
    inOddZones((timezone) => ({
      rrule: `RDATE:${daysApart(1_400, 60).join(",").replaceAll("-", "")}`,
      start_at: "1900-01-01",
      timezone,
    })),
  ),
  one(
    "EXDATEs of 230 years in seven zones",
    inOddZones((timezone) => ({
      rrule: `RRULE:FREQ=DAILY\nEXDATE:${daysApart(1_400, 60).join(",").replaceAll("-", "")}`,
      start_at: "1900-01-01",
      timezone,
    })),
  ),
  one(
    "nine in fifty zones",
    inZones(49, (timezone) => ({ cron: "0 9 * * *", timezone })),
  ),
  one(
    "nine in as many triggers and zones as there may be",
    inAllZones((timezone) => ({ cron: "0 9 * * *", timezone })),
  ),
  one("nine in more zones than there may be", {
    any: Intl.supportedValuesOf("timeZone")
      .slice(0, 100)
      .map((timezone) => ({ cron: "0 9 * * *", timezone })),
  }),
  one(
    "spans of other years in as many triggers and zones as there may be",
    inAllZones((timezone, index) => ({
      cron: "0 9 * * *",
      start_at: `${1900 + index}-01-01`,
      end_at: `${2000 + index}-01-01`,
      timezone,
    })),
  ),
  one(
    "calendars of other years in as many triggers and zones as there may be",
    inAllZones((timezone, index) => ({ calendar: { days: 1 }, start_at: `${1900 + index}-01-01`, timezone })),
  ),
  one(
    "leap days in as many triggers and zones as there may be",
    inAllZones((timezone) => ({ cron: "0 0 29 2 *", timezone })),
  ),
  one(
    "leap Fridays in week 53 in as many triggers and zones as there may be",
    inAllZones((timezone) => ({ apscheduler: { ...leapFriday, ...lastWeek }, timezone })),
  ),
  one("nine at once in forty-nine zones", { all: inZones(49, (timezone) => ({ cron: "0 9 * * *", timezone })).any }),
  one(
    "pairs that never meet, in forty-nine zones",
    inZones(49, (timezone) => ({
      all: [
        { cron: "0 9 * * *", timezone },
        { cron: "30 9 * * *", timezone: "Asia/Kathmandu" },
      ],
    })),
  ),
  one(
    "fifty rules with COUNTs",
    r(
      Array.from(
        { length: 50 },
        (_, index) => `FREQ=HOURLY;INTERVAL=${7 + index};BYMONTH=${1 + (index % 12)};COUNT=9999`,
      ).join("\n"),
      "1900-01-01",
    ),
  ),
  one(
    "fifty rules of weeks with COUNTs",
    r(
      Array.from({ length: 50 }, (_, index) => `FREQ=YEARLY;BYWEEKNO=${1 + index};BYDAY=MO,TU;COUNT=99999`).join("\n"),
      "1900-01-01",
    ),
  ),
  one(
    "fifty rules of days with COUNTs",
    r(
      Array.from(
        { length: 50 },
        (_, index) => `FREQ=DAILY;BYMONTHDAY=${1 + (index % 31)};BYDAY=MO;BYHOUR=1,2,3;COUNT=${90_000 + index}`,
      ).join("\n"),
      "1900-01-01",
    ),
  ),
  one(
    "ten rules of every sixth week with COUNTs",
    r(Array(10).fill("FREQ=WEEKLY;INTERVAL=6;BYDAY=SA;COUNT=99140").join("\n"), "1900-01-01"),
  ),
  one("one rule of every sixth week with a COUNT", r("FREQ=WEEKLY;INTERVAL=6;BYDAY=SA;COUNT=99140", "1900-01-01")),
  one(
    "fifty rules of positions with COUNTs",
    r(
      Array.from(
        { length: 50 },
        (_, index) => `FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=${1 + (index % 20)};COUNT=90000`,
      ).join("\n"),
      "1900-01-01",
    ),
  ),
];

const zoned: readonly Adversary[] = oddZones.flatMap((timezone) =>
  ["1800", "1970", "2100", "9998"].flatMap((year) => [
    one(`half past two, ${timezone}`, { cron: "30 2 * * *", timezone }, `${year}-01-01T00:00:00Z`),
    one(
      `leap Fridays in week 53, ${timezone}`,
      { apscheduler: { ...leapFriday, ...lastWeek }, timezone },
      `${year}-01-01T00:00:00Z`,
    ),
    one(
      `empty recurrence, ${timezone}`,
      r("FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30", "1900-01-01", { timezone }),
      `${year}-01-01T00:00:00Z`,
    ),
    one(
      `crons that never meet, ${timezone}`,
      { all: [{ cron: "0 9 * * *" }, { cron: "0 9 * * *", timezone: "Asia/Kathmandu" }], timezone } as Schedule,
      `${year}-01-01T00:00:00Z`,
    ),
  ]),
);

export const adversaries: readonly Adversary[] = [
  ...crons,
  ...together,
  ...exceptions,
  ...recurrences,
  ...others,
  ...zoned,
  ...eras,
];
