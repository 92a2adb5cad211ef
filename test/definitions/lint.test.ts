// What surprises in schedule files: each rule with what it finds, what it leaves alone, and that its remedy silences it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Finding, lintDefinitions, lintRules } from "../../src/definitions/lint.ts";
import { parseScheduleFile } from "../../src/definitions/parse.ts";

const now = Date.UTC(2026, 10, 21, 12);

/** Lints a file of entries in Berlin, given as flow maps by name. */
function lint(entries: Readonly<Record<string, string>>, at = now): Finding[] {
  const lines = Object.entries(entries).map(([name, entry]) => `  ${JSON.stringify(name)}: {${entry}, run: "true"}`);
  const text = ["timezone: Europe/Berlin", lines.length === 0 ? "schedules: {}" : "schedules:", ...lines].join("\n");
  const { definitions, problems } = parseScheduleFile(text, "jobs.yaml");
  assert.deepEqual(problems.map(String), []);
  return lintDefinitions(definitions, at);
}

const one = (entry: string): Finding[] => lint({ one: entry });
const rules = (entry: string): string[] => one(entry).map(({ rule }) => rule);

test("each finding has its place, entry, rule, reason and remedy", () => {
  const [finding, ...others] = lint({ fine: 'cron: "0 9 * * 1-5"', seven: 'cron: "*/7 * * * *"' });
  assert.deepEqual(others, []);
  assert.deepEqual(finding, {
    rule: "uneven-step",
    entry: "seven",
    place: { file: "jobs.yaml", line: 4, column: 3, entry: "seven" },
    message: "minute */7 is 0, 7, 14, …, 56, and then 0 again: the last step is 4, not 7",
    remedy: "For even steps write every: 7m. Steps that come out even: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30.",
  });
  assert.deepEqual(lint({}), []);
});

test("secrets in the URL of a request", () => {
  const remarks = (http: string) => {
    const { definitions, problems } = parseScheduleFile(`schedules: {one: {cron: "@reboot", http: ${http}}}`, "f.yaml");
    assert.deepEqual(problems.map(String), []);
    return lintDefinitions(definitions, now).map(({ rule, message, remedy }) => `${rule}: ${message}. ${remedy}`);
  };
  for (const [url, names] of [
    ["https://h/?token=x", "?token="],
    ["https://h/p?a=1&key=x&sig=y#top", "?key= and ?sig="],
    ["https://h/?X-Amz-Signature=x", "?X-Amz-Signature="],
    ["https://h/?access_token=x&access_token=y", "?access_token="],
    ["https://h/?client_secret=x", "?client_secret="],
  ] as const) {
    const [found, ...more] = remarks(`{url: "${url}"}`);
    assert.deepEqual(more, []);
    assert.ok(found?.includes(`seems to hold a secret (${names}): it stands in the clear`), `${url}: ${found}`);
    assert.match(found!, /^secret-in-url: .*url: \{env: NAME\} or \{file: PATH\}.*Authorization/);
  }
  for (const url of ["https://h/", "https://h/?keys=x&monkey=y&tokens=z", "https://h/?key=", "https://h/token=x"])
    assert.deepEqual(remarks(`{url: "${url}"}`), [], url);
  assert.deepEqual(remarks("{url: {env: HOOK}}"), []);
  assert.deepEqual(remarks("{url: {file: /run/secrets/hook}, headers: {Authorization: {file: /run/secrets/a}}}"), []);
});

test("times that the clocks skip or show twice in the next two years, with their dates and what becomes of them", () => {
  const table: readonly (readonly [entry: string, gap: RegExp | undefined, overlap: RegExp | undefined])[] = [
    [
      'cron: "30 2 * * *"',
      /^02:30 does not exist on 2027-03-28, 2028-03-26 in Europe\/Berlin: it runs at the end of the gap/,
      /^02:30 comes twice on 2027-10-31, 2028-10-29 in Europe\/Berlin: it runs on the first pass only/,
    ],
    ['cron: "*/30 2 * * *"', /^02:00, 02:30 do not exist .*: it does not run then/, /: it runs on both passes/],
    ['cron: "0 */2 * * *"', /^02:00 does not exist/, /^02:00 comes twice/],
    ['crontab: "0 2 * * sun"', /^02:00 does not exist/, /^02:00 comes twice/],
    ["apscheduler: {hour: 2, minute: 15}", /^02:15 does not exist/, /^02:15 comes twice/],
    ["at: 2027-03-28T02:30", /^02:30 does not exist on 2027-03-28 in/, undefined],
    ['calendar: {days: 1, at: "02:30"}', /does not exist .*: it does not run then/, /the first pass only/],
    ["rrule: FREQ=DAILY, start_at: 2026-01-01T02:30", /^02:30 does not exist/, /^02:30 comes twice/],
    ['any: [{cron: "30 2 * * *"}, {every: 5m}]', /^02:30 does not exist/, /^02:30 comes twice/],
    ['cron: "30 2 * * *", timezone: America/New_York', /on 2027-03-14, 2028-03-12 in America/, undefined],
    ['cron: "30 1 * * *", timezone: America/New_York', undefined, /on 2027-11-07, 2028-11-05 in America/],
    ['cron: "* 2 * * *"', /^02:00, 02:01, 02:02, 02:03 and 56 more do not exist/, /both passes/],
    ['cron: "30 2 * * *", end_at: 2027-06-01', /2027-03-28 in/, undefined],
    ['cron: "30 2 * * *", except: [2027-03-28, 2028-03-26]', undefined, /2027-10-31/],
    ['cron: "30 2 * * *", dst: {gap: skip}', undefined, /2027-10-31/],
    ['cron: "30 2 * * *", dst: {gap: next, overlap: both}', undefined, undefined],
    ['any: [{cron: "30 2 * * *", dst: {gap: next, overlap: first}}]', undefined, undefined],
    ['cron: "30 2 * * *", timezone: UTC', undefined, undefined],
    ['cron: "0 3 * * *"', undefined, undefined],
    ['cron: "0 * * * *"', undefined, undefined],
    ['cron: "*/5 * * * *"', undefined, undefined],
    ["every: 1h", undefined, undefined],
  ];
  for (const [entry, gap, overlap] of table) {
    const findings = one(entry);
    for (const [rule, said] of [
      ["clock-gap", gap],
      ["clock-overlap", overlap],
    ] as const) {
      const [found, ...more] = findings.filter((finding) => finding.rule === rule);
      assert.deepEqual(more, [], entry);
      if (said === undefined) assert.equal(found, undefined, entry);
      else assert.match(found?.message ?? "", said, entry);
    }
  }
});

test("schedules that never fire again, or seldom", () => {
  const table: readonly (readonly [entry: string, rule: string | undefined, said: RegExp])[] = [
    ["at: 2020-01-01", "never-fires", /never fires again: its last time was 2020-01-01/],
    ['cron: "0 9 * * *", end_at: 2026-11-20', "never-fires", /its last time was 2026-11-20/],
    ['cron: "0 9 29 2 *"', "rare", /more than a year .* fires on 2028-02-29, and then on 2032-02-29/],
    ['crontab: "0 9 1 1 mon"', "rare", /2029-01-01/],
    ["every: 500d", "rare", /2028-04-04/],
    ['cron: "0 9 * * *", start_at: 2030-01-01', "rare", /2030-01-01/],
    ["apscheduler: {year: 2030}", "rare", /2030-01-01, and never after that/],
    ['cron: "@yearly"', undefined, /./],
    ["at: 2040-01-01", undefined, /./],
    ["apscheduler: {week: 1}", undefined, /./],
    ['cron: "0 9 * * *", end_at: 2026-11-22', undefined, /./],
    ['cron: "@reboot"', undefined, /./],
  ];
  for (const [entry, rule, said] of table) {
    const [found] = one(entry).filter((finding) => ["never-fires", "rare"].includes(finding.rule));
    assert.equal(found?.rule, rule, entry);
    if (found !== undefined) assert.match(found.message, said);
  }
});

test("triggers that meet too seldom to be found are told, not hung upon", () => {
  const started = performance.now();
  const [found] = one('cron: "* * * * * *", except: {every: 1s, start_at: 2026-01-02}');
  assert.equal(found?.rule, "never-fires");
  assert.match(found.message, /no fire time was found in [0-9]+ steps/);
  assert.ok(performance.now() - started < 2_000);
});

test("steps that do not come out even", () => {
  const uneven = [
    ['cron: "*/7 * * * *"', /every: 7m/],
    ['cron: "0/7 * * * *"', /minute 0\/7/],
    ['cron: "3/7 * * * *"', /every: 7m/],
    ['cron: "0-59/7 * * * *"', /0-59\/7/],
    ['cron: "*/40 * * * *"', /is 0, 40, and then 0 again: the last step is 20/],
    ['cron: "*/90 * * * *"', /is 0 alone: the step is longer/],
    ['cron: "*/7 0 * * * *"', /every: 7s/],
    ['cron: "0 */5 * * *"', /every: 5h/],
    ['cron: "0 9 */2 * *"', /begins anew in each month.*calendar: {days: 2}/],
    ['apscheduler: {week: "*/2", day_of_week: mon}', /52 weeks or 53.*calendar: {weeks: 2}/],
    ['cron: "~/7 * * * *"', /minute ~\/7 .*shorter or longer.*every: 7m/],
    ['cron: "0 9 * * *", except: [2027-01-01, {cron: "*/7 8,9 1 * *"}]', /minute \*\/7/],
    ['cron: "0 9 1 */5 *"', /calendar: {months: 5}/],
    ['cron: "0 9 * * */2"', /day of the week \*\/2 is 0, 2, 4, 6, and then 0 again: the last step is 1.*List the days/],
    ['crontab: {minute: "*/45"}', /minute \*\/45/],
    ['apscheduler: {second: "*/13"}', /second \*\/13/],
    ['any: [{crontab: "*/7 * * * *"}]', /every: 7m/],
  ] as const;
  for (const [entry, said] of uneven) {
    const [found, ...more] = one(entry).filter(({ rule }) => rule === "uneven-step");
    assert.match(`${found?.message} ${found?.remedy}`, said, entry);
    assert.deepEqual(more, []);
  }
  for (const entry of [
    'cron: "~/15 * * * *"',
    'cron: "*/15 */6 * */3 *"',
    'cron: "0-30/7 * * * *"',
    'cron: "1-59/2 * * * *"',
    "every: 7m",
  ])
    assert.ok(!rules(entry).includes("uneven-step"), entry);
});

test("days that some months lack", () => {
  const table: readonly (readonly [entry: string, said: RegExp | undefined])[] = [
    ['cron: "0 9 31 * *"', /day 31 .*missing from 5 of its months.*L for the day/],
    ['cron: "0 9 29 * *"', /day 29 .*missing from 1/],
    ['cron: "0 9 1,15,31 * *"', /day 31/],
    ['cron: "0 9 28-31 * *"', /days 29, 30 and 31 .*missing from some/],
    ['crontab: "0 9 30 * *"', /day 30 .*write it as cron, with L/],
    ["apscheduler: {day: 31}", /day: last/],
    ["calendar: {months: 1}, start_at: 2027-01-31", /clamp: true/],
    ["calendar: {months: 3}, start_at: 2027-01-31", /missing from 1 of its months/],
    ['any: [{cron: "0 9 31 * *"}, {every: 1h}]', /day 31/],
    ['cron: "0 9 31W * *"', /day 31 .*missing from 5/],
    ['rrule: "FREQ=MONTHLY;BYMONTHDAY=30,31"', /days 30 and 31 .*BYMONTHDAY=-1/],
    ["rrule: FREQ=MONTHLY;INTERVAL=3, start_at: 2027-01-31", /day 31 .*missing from 1/],
    ['rrule: "FREQ=DAILY\\nRRULE:FREQ=WEEKLY;BYMONTHDAY=31"', /day 31/],
    ['rrule: "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1"', undefined],
    ["rrule: FREQ=MONTHLY;BYMONTHDAY=-1", undefined],
    ["rrule: FREQ=YEARLY, start_at: 2027-01-31", undefined],
    ['cron: "0 9 LW * *"', undefined],
    ['apscheduler: {day: "5th fri"}', undefined],
    ['cron: "0 9 31 1,3,12 *"', undefined],
    ['cron: "0 9 L * *"', undefined],
    ['cron: "0 9 1-31 * *"', undefined],
    ['cron: "0 9 29 2 *"', undefined],
    ["apscheduler: {day: last}", undefined],
    ["calendar: {months: 1, clamp: true}, start_at: 2027-01-31", undefined],
    ["calendar: {years: 1}, start_at: 2027-01-31", undefined],
    ["calendar: {days: 30}, start_at: 2027-01-31", undefined],
  ];
  for (const [entry, said] of table) {
    const [found] = one(entry).filter(({ rule }) => rule === "short-month");
    if (said === undefined) assert.equal(found, undefined, entry);
    else assert.match(`${found?.message} ${found?.remedy}`, said, entry);
  }
});

test("day of the month with day of the week: which rule joins them", () => {
  const table: readonly (readonly [entry: string, said: RegExp | undefined])[] = [
    ['cron: "0 9 13 * 5"', /Unix cron joins them with OR, so it runs on the days that match either/],
    ['cron: "0 0 9 13 * 5"', /OR/],
    ['cron: "0 9 */10 * 5"', /begins with \* joins the days with AND/],
    ['cron: "0 0 9 */10 * 5"', /OR/],
    ['crontab: "0 9 13 * fri"', /Celery's crontab joins them with AND, so it runs only/],
    ["crontab: {day_of_month: 13, day_of_week: fri}", /AND/],
    ["apscheduler: {day: 13, day_of_week: fri}", /APScheduler joins them with AND/],
    ['cron: "0 9 ? * 5"', undefined],
    ['cron: "0 9 13 * *"', undefined],
    ['crontab: "0 9 * * fri"', undefined],
    ['all: [{crontab: "0 9 13 * *"}, {crontab: "0 9 * * fri"}]', undefined],
    ['any: [{cron: "0 9 13 * *"}, {cron: "0 9 * * 5"}]', undefined],
  ];
  for (const [entry, said] of table) {
    const [found] = one(entry).filter(({ rule }) => rule === "day-and-weekday");
    if (said === undefined) assert.equal(found, undefined, entry);
    else assert.match(found?.message ?? "", said, entry);
  }
});

const many = (count: number, entry: (index: number) => string) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`job${index}`, entry(index)]));
const crowds = (entries: Record<string, string>) => lint(entries).filter(({ rule }) => rule === "crowded-minute");

test("many entries on one minute of the next week", () => {
  const [midnight, ...others] = crowds(many(12, () => 'cron: "0 0 * * *"'));
  assert.deepEqual(others, []);
  assert.equal(midnight?.entry, "job0");
  assert.match(
    midnight.message,
    /^12 entries fire in one minute, 2026-11-21T23:00Z: "job0", "job1", "job2", "job3", "job4" and 7 more$/,
  );
  assert.match(midnight.remedy, /~.*jitter/);
  assert.equal(crowds(many(10, (index) => `cron: "${index} 9 * * 1", start_at: 2026-11-2${index % 3}`)).length, 0);
  assert.equal(crowds(many(9, () => 'cron: "0 0 * * *"')).length, 0);
  assert.equal(crowds(many(10, () => 'cron: "0 9 * * fri"')).length, 1, "on some day of the week");
  assert.equal(crowds(many(30, () => 'cron: "~ 3 * * *"')).length, 0, "spread by name");
  assert.equal(crowds(many(30, () => 'cron: "0 3 * * *", jitter: 30m')).length, 0, "spread by jitter");
  assert.equal(crowds(many(30, () => 'cron: "0 3 * * *", enabled: false')).length, 0);
  assert.equal(crowds(many(12, () => "every: 5m")).length, 1, "intervals that begin together stay together");
  const two = { ...many(12, () => 'cron: "0 1 * * *"'), ...{ late: 'cron: "0 1,2 * * *"' } };
  assert.equal(crowds(two).length, 1);
  assert.match(crowds(two)[0]!.message, /^13 entries/);
});

test("names that differ in case only", () => {
  const found = lint({ Report: "every: 1h", report: "every: 1h", REPORT: "every: 1h", other: "every: 1h" });
  assert.deepEqual(
    found.map(({ rule, entry, message }) => [rule, entry, message]),
    [
      ["similar-names", "report", 'its name differs in case only from "Report" (jobs.yaml:3:3)'],
      ["similar-names", "REPORT", 'its name differs in case only from "Report" (jobs.yaml:3:3)'],
    ],
  );
});

test("ten thousand entries take a few seconds at most", () => {
  const kinds = [
    (index: number) => `cron: "${index % 60} ${index % 24} * * *"`,
    () => 'cron: "* * * * * *"',
    (index: number) => `every: ${1 + (index % 90)}s`,
    (index: number) => `any: [{cron: "${index % 60} 2 * * *"}, {every: 5m}], except: 2027-01-01`,
    (index: number) => `rrule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=${index % 60}", start_at: 2026-01-01`,
  ];
  const lines = Array.from({ length: 10_000 }, (_, index) => `  e${index}: {${kinds[index % 5]!(index)}, task: a.b}`);
  const { definitions } = parseScheduleFile(["schedules:", ...lines].join("\n"), "jobs.yaml");
  assert.equal(definitions.length, 10_000);
  const started = performance.now();
  const findings = lintDefinitions(definitions, now);
  assert.ok(performance.now() - started < 10_000);
  assert.ok(findings.some(({ rule }) => rule === "crowded-minute"));
});

test("whatever is valid is linted without an error, and every finding is whole", () => {
  const cron = fc
    .tuple(
      ...[59, 23, 28, 12, 6].map((max) =>
        fc.oneof(
          fc.constant("*"),
          fc.integer({ min: 1, max }).map(String),
          fc.integer({ min: 1, max }).map((n) => `*/${n}`),
        ),
      ),
    )
    .map((fields) => `cron: "${fields.join(" ")}"`);
  const zone = fc.constantFrom("Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia");
  const entries = fc.tuple(cron, zone).map(([trigger, timezone]) => `${trigger}, timezone: ${timezone}`);
  fc.assert(
    fc.property(fc.array(entries, { minLength: 1, maxLength: 12 }), (list) => {
      for (const { rule, entry, message, remedy, place } of lint(many(list.length, (index) => list[index]!))) {
        assert.ok(lintRules.includes(rule));
        assert.ok(place.line !== undefined && place.column !== undefined && place.entry === entry);
        assert.ok(message.length > 10 && message.length < 500 && remedy.length > 5);
        assert.doesNotMatch(message + remedy, /undefined|NaN|\[object/);
      }
    }),
    { numRuns: 100 },
  );
});

test("a broker that no file names", () => {
  const { definitions } = parseScheduleFile(
    `schedules:
  a: {every: 1h, task: t, broker: mial}
  b: {every: 1h, task: t, broker: mail}
  c: {every: 1h, task: t, broker: default}
  d: {every: 1h, task: t, broker: other}
`,
    "jobs.yaml",
  );
  assert.deepEqual(
    lintDefinitions(definitions, now, ["mail"]).map(({ rule, entry, remedy }) => [rule, entry, remedy]),
    [
      ["unknown-broker", "a", 'Did you mean "mail"?'],
      ["unknown-broker", "d", "Add it under the key brokers."],
    ],
  );
});
