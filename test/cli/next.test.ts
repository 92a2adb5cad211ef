// `beat next`: any schedule or entry; local time, UTC, how long until then, and what changes of the clocks did.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { triggerKeys } from "../../src/core/triggers/schedule.ts";
import { temporaryFolder } from "../store/temporary-folder.ts";
import { beat } from "./commands.ts";

const database = temporaryFolder();
const now = Date.UTC(2027, 0, 1, 12);
const berlin = ["--timezone", "Europe/Berlin"];

const stopClock = (t: TestContext) => t.mock.timers.enable({ apis: ["Date"], now });

async function next(t: TestContext, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await beat(t, "next", ...words);
  assert.equal(code, 0, stderr);
  return stdout;
}

const json = async (t: TestContext, ...words: string[]) =>
  JSON.parse(await next(t, ...words, "--json")) as {
    local: string;
    utc: string;
    relative: string;
    clock_change: { kind: string; note: string; missing?: string[] } | null;
  }[];

const fires = async (t: TestContext, ...words: string[]) =>
  (await json(t, ...words)).map(({ utc }) => utc.slice(0, 16));

test("local time with its offset, UTC, and how long until then, under a sentence", async (t) => {
  stopClock(t);
  const lines = (await next(t, "--cron", "0 9 * * 1-5", ...berlin, "-n", "2")).split("\n");
  assert.equal(lines[0], "at 09:00 on weekdays, Europe/Berlin");
  assert.match(lines[2]!, /^LOCAL \(Europe\/Berlin\) +UTC$/);
  assert.match(lines[3]!, /^2027-01-04 09:00:00 \+01:00 +2027-01-04T08:00:00Z +in 2d20h$/);
  assert.equal(lines.length, 6);
});

test("every kind of trigger, and everything beside it, is a flag", async (t) => {
  stopClock(t);
  const table: readonly (readonly [words: string[], first: string])[] = [
    [["--every", "90m"], "2027-01-01T13:30"],
    [["--every", "3600"], "2027-01-01T13:00"],
    [["--every", '{"hours": 2}'], "2027-01-01T14:00"],
    [["--every", "1h", "--start-at", "2027-01-01T00:10"], "2027-01-01T12:10"],
    [["--crontab", "0 15 * * mon-fri"], "2027-01-01T15:00"],
    [["--crontab", '{"minute": 0, "hour": [3, 4]}'], "2027-01-02T03:00"],
    [["--cron", "0 0 15 * * 5L"], "2027-01-29T15:00"],
    [["--apscheduler", '{"day": "last", "hour": 9}'], "2027-01-31T09:00"],
    [["--at", "2027-02-01"], "2027-02-01T00:00"],
    [["--at", "2026-02-01", "2027-03-01T09:00"], "2027-03-01T09:00"],
    [["--calendar", '{"months": 1, "at": "09:00"}', "--start-at", "2026-12-31"], "2027-01-31T09:00"],
    [["--any", '[{"every": "1h"}, {"cron": "30 * * * *"}]'], "2027-01-01T12:30"],
    [["--all", '[{"cron": "0 * * * *"}, {"cron": "0 */7 * * *"}]'], "2027-01-01T14:00"],
    [["--solar", '{"event": "sunset", "latitude": 52.5, "longitude": 13.4}'], "2027-01-01T15:"],
    [["--rrule", "FREQ=DAILY", "--start-at", "2027-01-01T09:00"], "2027-01-02T09:00"],
    [["--cron", "0 9 * * *", "--except", "2027-01-02", "2027-01-03..2027-01-05"], "2027-01-06T09:00"],
    [["--cron", "0 9 * * *", "--except", '{"cron": "* * * * sat"}'], "2027-01-03T09:00"],
    [["--cron", "0 9 * * *", "--except", '["2027-01-02", {"cron": "* * * * sun"}]'], "2027-01-04T09:00"],
  ];
  for (const [words, first] of table) assert.ok((await fires(t, ...words))[0]?.startsWith(first), words.join(" "));
  const tried = new Set(table.map(([words]) => words[0]!.slice(2)));
  assert.deepEqual(
    triggerKeys.filter((key) => !tried.has(key)),
    [],
  );
  const help = await beat(t, "next", "--help");
  for (const key of triggerKeys) assert.match(help.stdout, new RegExp(`--${key} `));
});

test("--from, --to, --count, --end-at, --max-runs", async (t) => {
  stopClock(t);
  const daily = ["--cron", "0 9 * * *", ...berlin];
  assert.equal((await fires(t, ...daily)).length, 5);
  assert.deepEqual(await fires(t, ...daily, "--from", "2027-03-01T09:00", "-n", "1"), ["2027-03-01T08:00"]);
  assert.deepEqual(await fires(t, ...daily, "--from", "2026-03-01", "--to", "2026-03-02"), [
    "2026-03-01T08:00",
    "2026-03-02T08:00",
  ]);
  assert.equal((await fires(t, ...daily, "--to", "2027-01-31")).length, 30);
  assert.equal((await fires(t, ...daily, "--to", "2027-01-31", "-n", "3")).length, 3);
  assert.equal((await fires(t, ...daily, "--to", "2040-01-01")).length, 1_000);
  assert.match(await next(t, ...daily, "--to", "2040-01-01"), /… more with --count\n$/);
  assert.equal((await fires(t, ...daily, "--end-at", "2027-01-03")).length, 2);
  assert.equal((await fires(t, ...daily, "--max-runs", "3")).length, 3);
  assert.deepEqual(await fires(t, "--every", "1h", "--from", "2027-05-01", "-n", "1"), ["2027-05-01T01:00"]);
  assert.match(await next(t, ...daily, "--to", "2026-12-31"), /It does not fire in that time/);
  assert.match(await next(t, "--at", "2026-01-01"), /It does not fire any more/);
  assert.deepEqual(await json(t, "--at", "2026-01-01"), []);
});

test("what a change of the clocks moved, merged or repeated is marked", async (t) => {
  stopClock(t);
  const notes = async (cron: string, day: string, ...more: string[]) =>
    (await json(t, "--cron", cron, ...berlin, "--from", day, "--to", day, ...more)).map(
      (row) => row.clock_change?.note,
    );
  const gap = "2027-03-28";
  const overlap = "2027-10-31";
  assert.deepEqual(await notes("30 2 * * *", gap), ["moved: 02:30 does not exist that day"]);
  assert.deepEqual(await notes("0,30 2 * * *", gap), ["merged: 02:00 and 02:30 do not exist that day"]);
  assert.deepEqual(await notes("0 2,3 * * *", gap), ["merged with 02:00, which does not exist that day"]);
  assert.deepEqual(await notes("30 2 * * *", overlap), ["first pass of two, the one that runs"]);
  assert.deepEqual(await notes("*/30 2 * * *", overlap), [
    "first pass of two",
    "first pass of two",
    "second pass",
    "second pass",
  ]);
  assert.deepEqual(await notes("30 2 * * *", gap, "--dst", '{"gap": "skip"}'), []);
  assert.deepEqual(await notes("0 9 * * *", gap), [undefined]);
  const [moved] = await json(t, "--cron", "30 2 * * *", ...berlin, "--from", gap, "-n", "1");
  assert.deepEqual(moved, {
    local: "2027-03-28 03:00:00 +02:00",
    utc: "2027-03-28T01:00:00.000Z",
    relative: "in 86d",
    clock_change: {
      kind: "moved",
      zone: "Europe/Berlin",
      missing: ["2027-03-28T02:30:00"],
      note: "moved: 02:30 does not exist that day",
    },
  });
  const samoa = ["--cron", "0 9 * * *", "--timezone", "Pacific/Apia", "--from", "2011-12-31T00:00", "-n", "1"];
  assert.match(await next(t, ...samoa), /2011-12-31 00:00:00 \+14:00 .* moved: 2011-12-30 09:00 does not exist/);
});

test("an iCalendar file that any reader takes", async (t) => {
  stopClock(t);
  const words = ["--cron", "30 2 * * *", ...berlin, "--from", "2027-03-28", "-n", "3", "--ics"];
  const text = await next(t, ...words);
  assert.ok(text.startsWith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:"));
  assert.ok(text.endsWith("END:VEVENT\r\nEND:VCALENDAR\r\n"));
  assert.ok(!/[^\r]\n/.test(text), "every line ends with CRLF");
  for (const line of text.split("\r\n")) assert.ok(Buffer.byteLength(line) <= 75, line);
  const events = eventsOf(text);
  assert.deepEqual(
    events.map(({ DTSTART }) => DTSTART),
    ["20270328T010000Z", "20270329T003000Z", "20270330T003000Z"],
  );
  assert.ok(events.every(({ DTSTAMP }) => DTSTAMP === "20270101T120000Z"));
  assert.equal(events[0]!["SUMMARY"], "at 02:30 every day\\, Europe/Berlin");
  assert.match(events[0]!["DESCRIPTION"]!, /\\nmoved: 02:30 does not exist that day$/);
  assert.equal(new Set(events.map(({ UID }) => UID)).size, 3);
  t.mock.timers.setTime(now + 1_000_000);
  assert.deepEqual(
    eventsOf(await next(t, ...words)).map(({ UID }) => UID),
    events.map(({ UID }) => UID),
  );
  const [other] = eventsOf(await next(t, "--at", "2027-03-28T01:00Z", "--ics"));
  assert.notEqual(other!["UID"], events[0]!["UID"]);
});

/** Unfolded, as a reader of RFC 5545 sees them. */
function eventsOf(text: string): Record<string, string>[] {
  return text
    .replaceAll("\r\n ", "")
    .split("BEGIN:VEVENT\r\n")
    .slice(1)
    .map((event) => Object.fromEntries(event.split("\r\n").map((line) => line.split(/:(.*)/s).slice(0, 2))));
}

test("entries: from the stored next fire time, within max_runs, with what keeps them from running", async (t) => {
  stopClock(t);
  const db = ["--schedule-db", database()];
  const add = async (name: string, ...words: string[]) => {
    const { code, stderr } = await beat(t, "add", name, "--run", "true", ...words, ...db);
    assert.equal(code, 0, stderr);
  };
  const long = "Überprüfung; a, b \\ c — ".repeat(6).trim();
  await add("hourly", "--every", "1h", "--max-runs", "3");
  await add("daily", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin");
  await add(long, "--all", '[{"cron": "0 9 * * *"}, {"cron": "* * * * mon"}]', "--except", "2027-01-04");

  assert.deepEqual(await fires(t, "hourly", ...db), ["2027-01-01T13:00", "2027-01-01T14:00", "2027-01-01T15:00"]);
  assert.deepEqual(await fires(t, "hourly", "--from", "2027-01-01T14:30", ...db), ["2027-01-01T15:00"]);
  assert.deepEqual(await fires(t, "daily", "--from", "2027-03-28", "-n", "1", ...db), ["2027-03-28T01:00"]);
  assert.deepEqual(await fires(t, "daily", "--from", "2026-12-31", "-n", "3", ...db), [
    "2026-12-31T01:30",
    "2027-01-01T01:30",
    "2027-01-02T01:30",
  ]);
  assert.deepEqual(await fires(t, "daily", "--to", "2027-01-03", ...db), ["2027-01-02T01:30", "2027-01-03T01:30"]);
  assert.deepEqual(await fires(t, long, "-n", "1", ...db), ["2027-01-11T09:00"]);
  const tokyo = await next(t, "daily", "--timezone", "Asia/Tokyo", "--from", "2027-03-28", "-n", "1", ...db);
  assert.match(
    tokyo,
    /LOCAL \(Asia\/Tokyo\)[\s\S]* 10:00:00 \+09:00 .*moved: 02:30 does not exist that day \(Europe\/Berlin\)/,
  );

  const ics = await next(t, long, "--ics", "-n", "2", ...db);
  for (const line of ics.split("\r\n")) assert.ok(Buffer.byteLength(line) <= 75 && line.isWellFormed());
  assert.equal(eventsOf(ics)[0]!["SUMMARY"], long.replaceAll(/[\\;,]/g, "\\$&"));

  await beat(t, "pause", "daily", ...db);
  assert.match(await next(t, "daily", ...db), /It is paused: none of these run until beat resume daily\n$/);
  const listed = JSON.parse((await beat(t, "list", "--json", ...db)).stdout) as { name: string; when: string }[];
  assert.equal(listed.find(({ name }) => name === "daily")?.when, "at 02:30 every day, Europe/Berlin");
  assert.match((await beat(t, "show", "hourly", ...db)).stdout, /^when {6}every hour, at most 3 times$/m);
  assert.match((await beat(t, "list", ...db)).stdout, /all \[\{"cron"/);
});

test("one clear error for what is wrong", async (t) => {
  stopClock(t);
  const daily = ["--cron", "0 9 * * *"];
  const table: readonly (readonly [words: string[], said: RegExp])[] = [
    [[], /either the name of an entry or a trigger/],
    [["report", ...daily], /either the name of an entry or a trigger/],
    [["--timezone", "UTC"], /either the name of an entry or a trigger/],
    [["--start-at", "2027-01-01"], /has no trigger/],
    [[...daily, "--every", "1h"], /second trigger/],
    [[...daily, "--json", "--ics"], /either --json or --ics/],
    [[...daily, "--count", "0"], /--count 0 .*1 to 100000/],
    [[...daily, "--count", "1e6"], /1 to 100000/],
    [[...daily, "--count", "few"], /1 to 100000/],
    [[...daily, "--from", "yesterday"], /--from: "yesterday".*2027-01-31/],
    [[...daily, "--from", "2027-03-02", "--to", "2027-03-01"], /--to 2027-03-01 is before --from 2027-03-02/],
    [[...daily, "--to", "2027-02-30"], /--to: .*28 days/],
    [[...daily, "--timezone", "Europe/Berln"], /Did you mean "Europe\/Berlin"/],
    [["--any", "[{cron: 1}]"], /--any is not JSON/],
    [["--any", '[{"corn": "0 9 * * *"}]'], /any\.0\.corn.*Did you mean "cron"/],
    [["--apscheduler", "9"], /apscheduler: .*not a map/],
    [[...daily, "--dst", '{"gap": "jump"}'], /dst/],
    [[...daily, "--max-runs", "0"], /max_runs/],
    [[...daily, "--except", "holidays"], /except: "holidays"/],
  ];
  for (const [words, said] of table) {
    const { code, stdout, stderr } = await beat(t, "next", ...words);
    assert.equal(code, 2, `${words.join(" ")}: ${stdout}${stderr}`);
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /\n\s+at /);
    assert.equal(stdout, "");
  }
});
