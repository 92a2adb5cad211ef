// Every parser that reads what a user wrote, with how its inputs are made. A parser gives the triggers that it read, which are
// asked for fire times then; what it has to refuse it throws, as a BeatError.

import assert from "node:assert/strict";
import { parseAmqpUrl } from "../../src/brokers/amqp-address.ts";
import { connectBroker } from "../../src/brokers/connect.ts";
import { parseDatabaseUrl } from "../../src/brokers/database-file.ts";
import { scheduleOfFlags } from "../../src/cli/trigger-flags.ts";
import { policyOf } from "../../src/core/definition.ts";
import { describe } from "../../src/core/describe.ts";
import { triggerOf } from "../../src/core/entry.ts";
import { DefinitionError } from "../../src/core/errors.ts";
import { compileChecked } from "../../src/core/fire-times.ts";
import { unfitForJson } from "../../src/core/json-value.ts";
import { targetOf } from "../../src/core/target.ts";
import { formatDuration, parseDuration } from "../../src/core/time.ts";
import { endOf, parseDateTime, startOf } from "../../src/core/triggers/date-time.ts";
import type { Schedule } from "../../src/core/triggers/schedule.ts";
import type { Trigger } from "../../src/core/triggers/trigger.ts";
import { zoneOf } from "../../src/core/zone.ts";
import { checkedDefinition } from "../../src/definitions/checked.ts";
import { parseIcalendar } from "../../src/definitions/icalendar.ts";
import { parseScheduleFile } from "../../src/definitions/parse.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import * as definitions from "./definitions.ts";
import { mutated, mutatedValue } from "./mutate.ts";
import type { Random } from "./random.ts";
import * as texts from "./texts.ts";

export interface FuzzParser {
  readonly name: string;
  /** Each of its errors says what to do. */
  readonly remedies?: true;
  input(random: Random): unknown;
  read(input: unknown): readonly Trigger[] | Promise<readonly Trigger[]>;
}

const calendars = { holidays: ["2026-12-25", "2027-01-01..2027-01-06"], works: ["2026-12-24T12:00..2026-12-26"] };

function ofText(
  name: string,
  make: (random: Random) => string,
  read: (text: string) => readonly Trigger[],
): FuzzParser {
  return { name, input: (random) => mutated(random, make(random)), read: (input) => read(input as string) };
}

/** What compiles can be described as well. */
function triggersOf(schedule: unknown): Trigger[] {
  const trigger = compileChecked(schedule, 0, { name: "fuzz", calendars, startedAt: 0 });
  const sentence = describe(schedule as Schedule, { name: "fuzz", calendars });
  assert.ok(sentence.length > 0 && sentence.length <= 2_000, sentence);
  return [trigger];
}

const schedules = Object.keys(definitions.triggerValues).map(
  (key): FuzzParser => ({
    name: key,
    remedies: true,
    input: (random) => mutatedValue(random, definitions.schedule(random, 2, key)),
    read: triggersOf,
  }),
);

/** Problems are told beside what was read: each says what is wrong, and where. They refuse the input where nothing was. */
function checkProblems(problems: readonly DefinitionError[], file: string, found: number): void {
  for (const problem of problems) {
    assert.ok(problem instanceof DefinitionError && problem.message !== "");
    assert.equal(problem.place?.file, file, problem.message);
  }
  if (found === 0 && problems.length > 0) throw problems[0];
}

function readDefinition(input: unknown): Trigger[] {
  const definition = checkedDefinition(input, { entry: "fuzz" }, calendars);
  policyOf(definition);
  targetOf(definition);
  // A key without a value is as good as none.
  const unfit = [...unfitForJson(definition)].filter(
    ({ path, what }) => what !== "undefined" || typeof path.at(-1) === "number",
  );
  assert.deepEqual(unfit, [], "it changes when it is stored");
  return [compileChecked(definition, 0, { name: "fuzz", calendars, startedAt: 0 })];
}

const ics = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "DTSTART;VALUE=DATE:20261225", "END:VEVENT", "END:VCALENDAR"].join(
  "\n",
);

function readFile(text: string): Trigger[] {
  const parsed = parseScheduleFile(text, "fuzz.yaml", "jobs", () => ({ text: ics, file: "works.ics" }));
  checkProblems(parsed.problems, "fuzz.yaml", parsed.definitions.length);
  // What was read is stored, and is understood without its file.
  return parsed.definitions.map(({ name, definition }) =>
    triggerOf({ name, definition, anchorAt: 0, lastFireAt: null }),
  );
}

function readCalendar(text: string): Trigger[] {
  const { dates, problems } = parseIcalendar(text, "fuzz.ics");
  checkProblems(problems, "fuzz.ics", dates.days.length + dates.times.length);
  for (const { firstDay, lastDay } of dates.days) assert.ok(firstDay <= lastDay);
  const times = dates.times.slice(0, 100);
  if (times.length === 0) return [];
  return [compileChecked({ cron: "*/15 * * * *", except: ["dates"] }, 0, { calendars: { dates: times } })];
}

const log = { debug() {}, info() {}, warn() {}, error() {} };
const broker = { clock: new SimulatedClock(0), log, declareQueues: false, defaultQueue: "celery" };

/** No broker is opened, and no file. */
async function readBrokerUrl(url: string): Promise<readonly Trigger[]> {
  if (/^amqps?:\/\//i.test(url)) parseAmqpUrl(url);
  else if (/^(?:sqla|sqlalchemy|db)\+sqlite/i.test(url)) parseDatabaseUrl(url);
  else await connectBroker(url, broker);
  return [];
}

/** What a command line can hold: texts, and lists of them. */
function onlyTexts(flags: unknown): object {
  const isText = (value: unknown): value is string => typeof value === "string";
  const entries = Object.entries(Object(flags) as object).map(
    ([key, value]) => [key, Array.isArray(value) ? value.filter(isText) : value] as const,
  );
  return Object.fromEntries(entries.filter(([, value]) => isText(value) || Array.isArray(value)));
}

export const parsers: readonly FuzzParser[] = [
  ofText("duration", texts.duration, (text) => {
    const ms = parseDuration(text);
    assert.equal(parseDuration(formatDuration(ms)), ms);
    return [];
  }),
  ofText("date-time", texts.dateOrTime, (text) => {
    const time = parseDateTime(text, "at");
    const [start, end] = [startOf(time, zoneOf("America/Havana")), endOf(time, zoneOf("America/Havana"))];
    assert.ok(Number.isSafeInteger(start) && start <= end);
    return [];
  }),
  ofText("zone", texts.zone, (text) => {
    assert.ok(Number.isSafeInteger(zoneOf(text).reach(0)));
    return [];
  }),
  ...schedules,
  {
    name: "except",
    remedies: true,
    input: (random) =>
      mutatedValue(random, { ...definitions.schedule(random, 1), except: definitions.exception(random, 2) }),
    read: triggersOf,
  },
  { name: "definition", input: (random) => mutatedValue(random, definitions.definition(random)), read: readDefinition },
  ofText("schedule file", definitions.scheduleFile, readFile),
  ofText("icalendar", texts.icalendar, readCalendar),
  {
    name: "broker URL",
    input: (random) => mutated(random, texts.brokerUrl(random)),
    read: (input) => readBrokerUrl(input as string),
  },
  {
    name: "flags",
    input: (random) => onlyTexts(mutatedValue(random, definitions.flags(random))),
    read: (input) => triggersOf(scheduleOfFlags(Object(input))),
  },
];
