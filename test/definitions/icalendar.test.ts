import assert from "node:assert/strict";
import { test } from "node:test";
import { parseIcalendar } from "../../src/definitions/icalendar.ts";

const calendar = (...lines: string[]) => ["BEGIN:VCALENDAR", "VERSION:2.0", ...lines, "END:VCALENDAR", ""].join("\r\n");
/** The lines of an event begin at line 4. */
const event = (...lines: string[]) => calendar("BEGIN:VEVENT", ...lines, "END:VEVENT");

function read(text: string) {
  const { dates, problems } = parseIcalendar(text, "h.ics");
  const date = (day: number) => new Date(day * 86_400_000).toISOString().slice(0, 10);
  const days = dates.days.map(({ firstDay, lastDay }) => `${date(firstDay)}..${date(lastDay)}`);
  return { days, times: dates.times, problems: problems.map((problem) => problem.describe()) };
}

const good: [title: string, text: string, days: string[], times?: string[]][] = [
  ["one day", event("DTSTART;VALUE=DATE:20261225"), ["2026-12-25..2026-12-25"]],
  ["a date without VALUE", event("DTSTART:20261225"), ["2026-12-25..2026-12-25"]],
  [
    "an end is exclusive",
    event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"),
    ["2026-12-24..2026-12-26"],
  ],
  [
    "an end that equals the start",
    event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261224"),
    ["2026-12-24..2026-12-24"],
  ],
  ["a duration of weeks", event("DTSTART;VALUE=DATE:20261201", "DURATION:P2W"), ["2026-12-01..2026-12-14"]],
  [
    "a time in UTC",
    event("DTSTART:20261224T120000Z", "DTEND:20261224T180000Z"),
    [],
    ["2026-12-24T12:00:00Z..2026-12-24T17:59:59.999Z"],
  ],
  ["an instant", event("DTSTART:20261224T120000Z"), [], ["2026-12-24T12:00:00Z"]],
  [
    "a local time",
    event("DTSTART:20261224T120000", "DURATION:PT1H"),
    [],
    ["2026-12-24T12:00:00..2026-12-24T12:59:59.999"],
  ],
  [
    "a zone's day, an hour shorter in spring",
    event("DTSTART;TZID=Europe/Berlin:20260328T120000", "DURATION:P1D"),
    [],
    ["2026-03-28T11:00:00Z..2026-03-29T09:59:59.999Z"],
  ],
  [
    "a weekly rule keeps the zone's time",
    event("DTSTART;TZID=America/New_York:20260306T090000", "RRULE:FREQ=WEEKLY;COUNT=2"),
    [],
    ["2026-03-06T14:00:00Z", "2026-03-13T13:00:00Z"],
  ],
  [
    "a yearly rule with a date for its end, and exceptions",
    event("DTSTART;VALUE=DATE:20240501", "RRULE:FREQ=YEARLY;UNTIL=20270501", "EXDATE;VALUE=DATE:20250501,20260501"),
    ["2024-05-01..2024-05-01", "2027-05-01..2027-05-01"],
  ],
  [
    "more dates",
    event("DTSTART;VALUE=DATE:20260101", "RDATE;VALUE=DATE:20260106,20261224"),
    ["2026-01-01..2026-01-01", "2026-01-06..2026-01-06", "2026-12-24..2026-12-24"],
  ],
  [
    "folded lines, quotes, small letters",
    calendar("begin:vevent", "dtstart;TZID=", ' "Europe/Berlin"', "\t:20260701T09", " 0000", "end:vevent"),
    [],
    ["2026-07-01T07:00:00Z"],
  ],
  [
    "alarms, zones and to-dos hold no events",
    calendar(
      "BEGIN:VTIMEZONE",
      "TZID:Europe/Berlin",
      "BEGIN:STANDARD",
      "DTSTART:19701025T030000",
      "END:STANDARD",
      "END:VTIMEZONE",
      "BEGIN:VTODO",
      "DTSTART:20260101",
      "END:VTODO",
      "BEGIN:VEVENT",
      "DTSTART:20260102",
      "BEGIN:VALARM",
      "DURATION:PT5M",
      "END:VALARM",
      "END:VEVENT",
    ),
    ["2026-01-02..2026-01-02"],
  ],
  ["a cancelled event", event("DTSTART:20260101", "STATUS:CANCELLED"), []],
  [
    "one of a series moved, one cancelled",
    calendar(
      "BEGIN:VEVENT",
      "UID:a",
      "DTSTART:20260105",
      "RRULE:FREQ=WEEKLY;COUNT=3",
      "END:VEVENT",
      "BEGIN:VEVENT",
      "UID:a",
      "RECURRENCE-ID:20260112",
      "DTSTART:20260113",
      "END:VEVENT",
      "BEGIN:VEVENT",
      "UID:a",
      "RECURRENCE-ID:20260119",
      "DTSTART:20260119",
      "STATUS:CANCELLED",
      "END:VEVENT",
    ),
    ["2026-01-05..2026-01-05", "2026-01-13..2026-01-13"],
  ],
  [
    "what lies before 1970 and after 2100",
    event("DTSTART:19690101", "RDATE:20990101,21010101"),
    ["2099-01-01..2099-01-01"],
  ],
  ["no event", calendar(), []],
  [
    "two calendars",
    `${event("DTSTART:20260101")}${event("DTSTART:20260102")}`,
    ["2026-01-01..2026-01-01", "2026-01-02..2026-01-02"],
  ],
];

for (const [title, text, days, times = []] of good) {
  test(title, () => {
    assert.deepEqual(read(text), { days, times, problems: [] });
    assert.deepEqual(read(text.replaceAll("\r\n", "\n")), { days, times, problems: [] }, "with plain line ends");
  });
}

const bad: [title: string, text: string, ...problems: string[]][] = [
  ["nothing", "", "h.ics:1: this is not a calendar. An .ics file begins with BEGIN:VCALENDAR."],
  ["a web page", "<html>\n", 'h.ics:1: "<html>" is not a line of a calendar. Lines are like NAME:value.'],
  ["a card", "BEGIN:VCARD\nEND:VCARD\n", "h.ics:1: this is not a calendar. An .ics file begins with BEGIN:VCALENDAR."],
  ["an open event", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "h.ics:2: BEGIN:VEVENT is not ended. END:VEVENT is missing."],
  [
    "ends that cross",
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n",
    "h.ics:3: END:VCALENDAR ends what BEGIN:VEVENT in line 2 began. Write END:VEVENT.",
  ],
  [
    "a line that is none",
    event("DTSTART:20260101", "what is this"),
    'h.ics:5: "what is this" is not a line of a calendar. Lines are like NAME:value.',
  ],
  [
    "no start",
    event("SUMMARY:Christmas\\, Eve\\; late\\nor so"),
    'h.ics:3: the event "Christmas, Eve; late or so" has no DTSTART. Give it one.',
  ],
  [
    "a second start",
    event("DTSTART:20260101", "DTSTART:20260102"),
    "h.ics:5: an event without a SUMMARY has a second DTSTART. Keep one of them.",
  ],
  [
    "a start that is none",
    event("DTSTART:tomorrow"),
    'h.ics:4: DTSTART: "tomorrow" is not a date or a date-time. Write it like 20261225, or like 20261224T120000Z.',
  ],
  [
    "a day that is none",
    event("DTSTART:20260230"),
    'h.ics:4: DTSTART: "2026-02-30" has no such day. 2026-02 has 28 days.',
  ],
  [
    "a zone that is none",
    event("DTSTART;TZID=Europe/Berln:20260101T090000"),
    'h.ics:4: DTSTART: "Europe/Berln" is not a time zone. Did you mean "Europe/Berlin"?',
  ],
  [
    "an end before the start",
    event("SUMMARY:x", "DTSTART:20260102", "DTEND:20260101"),
    'h.ics:6: the event "x" ends before it starts. Write DTEND after DTSTART.',
  ],
  [
    "an end of another kind",
    event("DTSTART:20260102", "DTEND:20260102T120000Z"),
    "h.ics:5: DTEND is not written like the DTSTART of its event. Write both as dates, both in local time, or both with a zone.",
  ],
  [
    "both ends",
    event("DTSTART:20260102", "DTEND:20260103", "DURATION:P1D"),
    "h.ics:6: DURATION stands beside DTEND. Keep one of them.",
  ],
  [
    "hours of a day",
    event("DTSTART:20260102", "DURATION:PT1H"),
    'h.ics:5: "PT1H" is not the duration of an event. Write days or weeks, like P1D.',
  ],
  [
    "a duration that runs backwards",
    event("DTSTART:20260102T090000", "DURATION:-PT1H"),
    'h.ics:5: "-PT1H" is not the duration of an event. Write it like P1D or PT1H30M.',
  ],
  [
    "a rule that is none",
    event("DTSTART:20260102", "RRULE:FREQ=FORTNIGHTLY"),
    "h.ics:5: FREQ=FORTNIGHTLY is no frequency. Frequencies: YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY.",
  ],
  [
    "a rule without end",
    event("SUMMARY:tick", "DTSTART:20260102T000000Z", "RRULE:FREQ=SECONDLY"),
    'h.ics:3: the event "tick" brings the file over 10000 dates. Give rules an end (UNTIL), or leave events out.',
  ],
  [
    "whole days that recur by the hour",
    event("SUMMARY:tick", "DTSTART;VALUE=DATE:20260102", "RRULE:FREQ=HOURLY"),
    'h.ics:6: the event "tick" takes whole days, which do not recur within a day. Give DTSTART a time, or a rule of days.',
  ],
  [
    "periods",
    event("DTSTART:20260102T000000Z", "RDATE;VALUE=PERIOD:20260103T000000Z/PT1H"),
    "h.ics:5: RDATE with periods is not understood. Write dates or date-times.",
  ],
  [
    "this and the following",
    calendar(
      "BEGIN:VEVENT",
      "UID:a",
      "DTSTART:20260105",
      "RRULE:FREQ=WEEKLY;COUNT=3",
      "END:VEVENT",
      "BEGIN:VEVENT",
      "UID:a",
      "RECURRENCE-ID;RANGE=THISANDFUTURE:20260112",
      "DTSTART:20260113",
      "END:VEVENT",
    ),
    "h.ics:10: RANGE is not understood. Write the later events as a series of their own.",
  ],
];

for (const [title, text, ...problems] of bad) {
  test(`refused: ${title}`, () => assert.deepEqual(read(text).problems, problems));
}

test("one bad event hides no other", () => {
  const text = calendar(
    "BEGIN:VEVENT",
    "DTSTART:x",
    "END:VEVENT",
    "BEGIN:VEVENT",
    "DTSTART:20260101",
    "END:VEVENT",
    "BEGIN:VEVENT",
    "DTSTART:y",
    "END:VEVENT",
  );
  const { days, problems } = read(text);
  assert.deepEqual(days, ["2026-01-01..2026-01-01"]);
  assert.deepEqual(
    problems.map((problem) => problem.slice(0, 9)),
    ["h.ics:4: ", "h.ics:10:"],
  );
});

test("problems are at most a hundred, rules at most five hundred", () => {
  const many = (count: number, ...lines: string[]) =>
    calendar(...Array.from({ length: count }, () => ["BEGIN:VEVENT", ...lines, "END:VEVENT"]).flat());
  assert.equal(read(many(300, "DTSTART:x")).problems.length, 100);
  const { days, problems } = read(many(501, "DTSTART:20260101", "RRULE:FREQ=YEARLY;COUNT=2"));
  assert.equal(days.length, 1_000);
  assert.deepEqual(problems, ["h.ics:2005: the file holds more than 500 rules. Write some of them as dates."]);
});
