import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { DefinitionError } from "../../src/core/errors.ts";
import { nextFireTimes } from "../../src/core/fire-times.ts";
import { loadScheduleFiles, parseScheduleFile } from "../../src/definitions/parse.ts";
import { planReconcile } from "../../src/definitions/reconcile.ts";

const lines = (...text: string[]) => `${text.join("\n")}\n`;
const ics = (...dates: string[]) =>
  lines(
    "BEGIN:VCALENDAR",
    ...dates.flatMap((date) => ["BEGIN:VEVENT", `DTSTART:${date}`, "END:VEVENT"]),
    "END:VCALENDAR",
  );
const entry = (name: string, except: string) => `  ${name}: {cron: "0 9 * * *", task: t, except: ${except}}`;

function parse(text: string, files: Readonly<Record<string, string>> = {}) {
  const { definitions, problems, calendarFiles } = parseScheduleFile(text, "f.yaml", ".", (given) => {
    const found = files[given];
    if (found === undefined) throw new DefinitionError(`"${given}" can't be read: there is none of that name`);
    return { text: found, file: given };
  });
  return {
    excepts: Object.fromEntries(definitions.map(({ name, definition }) => [name, definition.except])),
    definitions,
    problems: problems.map((problem) => problem.describe()),
    calendarFiles,
  };
}

test("a calendar's dates stand in the definition; neighbouring days are one range", () => {
  const { excepts, problems, definitions } = parse(
    lines(
      "calendars:",
      "  holidays-de:",
      "    - 2026-12-26",
      "    - 2026-12-24..2026-12-25",
      "    - {from: 2026-12-31, to: 2027-01-01}",
      "    - 2026-10-03",
      "    - 2026-10-03",
      "  closed: [2026-08-01T12:00..2026-08-01T18:00]",
      "  nothing: []",
      "schedules:",
      entry("one", "holidays-de"),
      entry("list", "[2026-05-01, holidays-de, closed]"),
      entry("single", "closed"),
      entry("none", "nothing"),
      "  none-within: {cron: '0 9 * * *', task: t, except: [nothing, 2026-05-01]}",
    ),
  );
  const holidays = ["2026-10-03", "2026-12-24..2026-12-26", "2026-12-31..2027-01-01"];
  assert.deepEqual(problems, []);
  assert.deepEqual(excepts, {
    one: holidays,
    list: ["2026-05-01", ...holidays, "2026-08-01T12:00..2026-08-01T18:00"],
    single: "2026-08-01T12:00..2026-08-01T18:00",
    none: undefined,
    "none-within": "2026-05-01",
  });
  const after = new Date("2026-12-23T12:00Z");
  assert.deepEqual(
    nextFireTimes(definitions[0]!.definition, { after, count: 2 }).map((time) => time.toISOString().slice(0, 10)),
    ["2026-12-27", "2026-12-28"],
  );
});

test("within any, all and except, however deep", () => {
  const { definitions, problems } = parse(
    lines(
      "calendars: {h: [2026-01-01]}",
      "schedules:",
      "  a:",
      "    any: [{cron: '0 9 * * *', except: h}, {all: [{every: 1h, except: [h]}, {cron: '0 * * * *'}]}]",
      "    except: [{cron: '0 9 1 * *', except: h}]",
      "    task: t",
    ),
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(definitions[0]!.definition, {
    timezone: "UTC",
    any: [
      { cron: "0 9 * * *", except: "2026-01-01" },
      { all: [{ every: "1h", except: "2026-01-01" }, { cron: "0 * * * *" }] },
    ],
    except: { cron: "0 9 1 * *", except: "2026-01-01" },
    task: "t",
  });
});

test("an .ics file", () => {
  const text = lines("calendars: {h: ./holidays/de.ics}", "schedules:", entry("a", "h"), entry("b", "2026-01-01"));
  const { excepts, problems, calendarFiles } = parse(text, {
    "./holidays/de.ics": ics("20261225", "20261226", "20270101"),
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(excepts, { a: ["2026-12-25..2026-12-26", "2027-01-01"], b: "2026-01-01" });
  assert.deepEqual(calendarFiles, ["./holidays/de.ics"]);
});

test("a changed calendar changes the entries that use it, and no others", () => {
  const text = lines("calendars: {h: h.ics}", "schedules:", entry("a", "h"), entry("b", "2026-01-01"));
  const loaded = (...dates: string[]) => {
    const file = parseScheduleFile(text, "f.yaml", ".", () => ({ text: ics(...dates), file: "h.ics" }));
    const files = [{ ...file, origin: "file:f.yaml" as const }];
    return { root: "/", files, problems: file.problems, unreadFolders: [], calendarFiles: [], brokers: new Map() };
  };
  const before = planReconcile(loaded("20261225"), [], 0);
  const entries = before.changes.map(({ change }, index) => {
    assert.equal(change.change, "insert");
    if (change.change !== "insert") throw new Error("not an insertion");
    const { change: _, ...fields } = change;
    const rest = {
      id: index,
      lastFireAt: null,
      runCount: 0,
      pausedAt: null,
      pauseNote: null,
      removedAt: null,
      revision: 1,
    };
    return { ...rest, ...fields };
  });
  const changed = (...dates: string[]) => planReconcile(loaded(...dates), entries, 0).changes.map(({ name }) => name);
  assert.deepEqual(changed("20261225"), []);
  assert.deepEqual(changed("20261226"), ["a"]);
});

const bad: [title: string, text: string, good: string[], ...problems: string[]][] = [
  [
    "an unknown calendar",
    lines(
      "calendars: {holidays-de: [2026-12-25]}",
      "schedules:",
      entry("a", "[2026-01-01, holiday-de]"),
      entry("b", "holidays-de"),
    ),
    ["b"],
    'f.yaml:3:56: entry "a", except.1: "holiday-de" is neither a date nor a calendar of this file. Did you mean "holidays-de"?',
  ],
  [
    "an unknown calendar deep within",
    lines(
      "schedules:",
      "  a:",
      "    task: t",
      "    all:",
      "      - every: 1h",
      "      - cron: '0 9 * * *'",
      "        except: nope",
    ),
    [],
    'f.yaml:7:9: entry "a", all.1.except: "nope" is neither a date nor a calendar of this file. Write a date like "2026-12-25", a range like "2026-12-24..2027-01-01", or the name of one of `calendars`.',
  ],
  [
    "bad dates; entries that use them wait, others do not",
    lines(
      "calendars:",
      "  h:",
      "    - 2026-13-01",
      "    - 2026-12-26..2026-12-24",
      "    - 5",
      "    - {from: 2026-01-01, until: 2026-01-02}",
      "    - soon",
      "schedules:",
      entry("a", "h"),
      entry("b", "2026-01-01"),
    ),
    ["b"],
    'f.yaml:3:7: calendars.h.0: "2026-13-01" has no such month. Months go from 01 to 12.',
    'f.yaml:4:7: calendars.h.1: "2026-12-24" is before "2026-12-26". Write the earlier date first.',
    'f.yaml:5:7: calendars.h.2: "5" is not a date. Write dates like 2026-12-25 and ranges like 2026-12-24..2026-12-26, or the name of an .ics file.',
    'f.yaml:6:7: calendars.h.3: "{"from":"2026-01-01","until":"2026-01-02"}" is not a date. Write dates like 2026-12-25 and ranges like 2026-12-24..2026-12-26, or the name of an .ics file.',
    'f.yaml:7:7: calendars.h.4: "soon" is not a date or a date with a time. Write it like "2027-01-31", "2027-01-31T09:00" or "2027-01-31T09:00:30+01:00".',
  ],
  [
    "calendars that are none",
    lines("calendars:", "  a: 5", "  b: holidays.txt", "  2026: []", "  c: gone.ics", "schedules: {}"),
    [],
    "f.yaml:2:3: calendars.a: must be a list of dates, or the name of an .ics file. Write dates like 2026-12-25 and ranges like 2026-12-24..2026-12-26, or the name of an .ics file.",
    'f.yaml:3:3: calendars.b: "holidays.txt" is not an .ics file. Write dates like 2026-12-25 and ranges like 2026-12-24..2026-12-26, or the name of an .ics file.',
    "f.yaml:4:3: calendars.2026: the name of a calendar must not begin with a digit. A date does; choose another name.",
    'f.yaml:5:3: calendars.c: "gone.ics" can\'t be read: there is none of that name. Write dates like 2026-12-25 and ranges like 2026-12-24..2026-12-26, or the name of an .ics file.',
  ],
  [
    "a list of calendars",
    lines("calendars: [2026-12-25]", "schedules: {}"),
    [],
    "f.yaml:1:1: calendars must be a map of names and dates. Write it like {holidays: [2026-12-25]}.",
  ],
  [
    "a misspelt key",
    lines("calendar: {}", "schedules: {}"),
    [],
    'f.yaml:1:1: unknown key "calendar". Did you mean "calendars"?',
  ],
];

for (const [title, text, good, ...expected] of bad) {
  test(`refused: ${title}`, () => {
    const { definitions, problems } = parse(text);
    assert.deepEqual(problems, expected);
    assert.deepEqual(
      definitions.map(({ name }) => name),
      good,
    );
  });
}

test("a calendar file's own problems name its line", () => {
  const text = lines("calendars: {h: h.ics}", "schedules:", entry("a", "h"));
  const { problems, definitions } = parse(text, { "h.ics": ics("20261225", "20261301") });
  assert.deepEqual(problems, ['h.ics:6: DTSTART: "2026-13-01" has no such month. Months go from 01 to 12.']);
  assert.deepEqual(definitions, []);
});

test("calendars are bounded: each, in number, and what they make together", () => {
  const dates = (from: string) =>
    Array.from({ length: 6_000 }, (_, index) =>
      new Date(Date.parse(from) + index * 2 * 86_400_000).toISOString().slice(0, 10),
    );
  const together = lines(
    `calendars: {a: [${dates("2000-01-01").join(",")}], b: [${dates("2040-01-01").join(",")}]}`,
    "schedules:",
    entry("one", "a"),
    entry("two", "[a, b]"),
  );
  assert.deepEqual(parse(together).problems, [
    'f.yaml:4:49: entry "two", except.1: is made of too many dates. Give at most 12000 in all, those of calendars included.',
  ]);
  const large = lines(`calendars: {a: [${Array(10_001).fill("2026-01-01").join(",")}]}`, "schedules: {}");
  assert.deepEqual(parse(large).problems, [
    "f.yaml:1:13: calendars.a: 10001 dates are too many. Give at most 10000, or ranges.",
  ]);
  const many = lines("calendars:", ...Array.from({ length: 101 }, (_, index) => `  c${index}: []`), "schedules: {}");
  assert.deepEqual(parse(many).problems, ["f.yaml:102:3: more than 100 calendars are too many. Join some of them."]);
});

test("calendar files are read below the schedule file's folder, and nowhere else", async () => {
  const root = await mkdtemp(path.join(tmpdir(), "beat-calendars-"));
  try {
    await mkdir(path.join(root, "schedules/calendars"), { recursive: true });
    const at = (name: string) => path.join(root, "schedules", name);
    await writeFile(path.join(root, "outside.ics"), ics("20261225"));
    await writeFile(at("calendars/in.ics"), ics("20261225"));
    await symlink(path.join(root, "outside.ics"), at("out.ics"));
    await symlink(at("calendars/in.ics"), at("link.ics"));
    await mkdir(at("folder.ics"));
    await writeFile(at("large.ics"), "");
    await truncate(at("large.ics"), 1_048_577);
    await writeFile(at("latin.ics"), Buffer.from("caf\xe9", "latin1"));
    const names = [
      "./calendars/in.ics",
      "link.ics",
      "out.ics",
      "../outside.ics",
      "gone.ics",
      "folder.ics",
      "large.ics",
      "latin.ics",
    ];
    await writeFile(
      at("a.yaml"),
      lines(
        "calendars:",
        ...names.map((name, index) => `  c${index}: ${name}`),
        "schedules:",
        entry("a", "[c0]"),
        entry("b", "c1"),
      ),
    );
    const { problems, files, calendarFiles } = await loadScheduleFiles([path.join(root, "schedules")]);
    assert.deepEqual(
      problems.map((problem) => problem.describe().replaceAll(root, "ROOT")),
      [
        'ROOT/schedules/a.yaml:4:3: calendars.c2: "out.ics" leads out of the folder of the schedule file. Keep calendar files in that folder or below it.',
        'ROOT/schedules/a.yaml:5:3: calendars.c3: "../outside.ics" leads out of the folder of the schedule file. Keep calendar files in that folder or below it.',
        'ROOT/schedules/a.yaml:6:3: calendars.c4: "gone.ics" can\'t be read: there is none of that name. Calendar files are named relative to the schedule file.',
        'ROOT/schedules/a.yaml:7:3: calendars.c5: "folder.ics" is not a file. Name an .ics file.',
        'ROOT/schedules/a.yaml:8:3: calendars.c6: "large.ics" has 1048577 bytes, more than 1 MiB. Leave past events out.',
        'ROOT/schedules/a.yaml:9:3: calendars.c7: "latin.ics" is not text in UTF-8. Save it as UTF-8.',
      ],
    );
    assert.deepEqual(
      files[0]!.definitions.map(({ definition }) => definition.except),
      ["2026-12-25", "2026-12-25"],
    );
    assert.deepEqual(
      calendarFiles.map((file) => path.relative(at(""), file)),
      ["calendars/in.ics", ...names.filter((name) => !name.includes("/"))],
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
