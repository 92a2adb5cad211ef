// `cron`: the Unix dialect, with what is commonly added to it.
//
//   five fields   minute, hour, day of the month, month, day of the week; six with seconds first
//   5/15          5-59/15. Ranges do not wrap. 0 and 7 are Sunday
//   L, LW, 15W    the last day, the last working day, the working day nearest to the 15th
//   5L, 5#2       the last Friday, the second Friday; with six fields also MONL and 1-5L
//   ?             any day
//   ~, 0~29       one value, chosen by the entry's name: it never moves, and names spread; ~/15 chooses where steps begin
//   @daily        and @hourly, @weekly, @monthly, @yearly, @annually, @midnight; @reboot fires when the program starts
//
// Day of the month OR day of the week where both are restricted. With five fields one that begins with `*` is not (Debian's
// cron), with six one that is exactly `*` or `?`. With six fields a day that a zone skipped whole (Samoa's 30 December 2011)
// is not made up for. In both the libraries that read seconds agree against cron.
//
// The text is parsed here and not by cron-parser: that reads "" as every minute, takes `SUN6` and `JANFEB` for names, fills
// missing fields up, knows no `W`, and does not say which field of a line is wrong.

import { z } from "zod";
import { DefinitionError } from "../errors.ts";
import { chosenBy } from "./chosen.ts";
import type { CompileContext } from "./context.ts";
import { inQuotes } from "./date-time.ts";
import type { Dates } from "./dates.ts";
import { lastDay, lastOfWeekday, lastWorkday, nearestWorkday, nthWeekday } from "./day-rules.ts";
import {
  elementsOf,
  type Grammar,
  monthNames,
  type Position,
  parseElement,
  refuse,
  refuseElement,
  valueIn,
  weekdayNames,
} from "./fields.ts";
import { type DayRule, nextMatch, wallPattern } from "./pattern.ts";
import { followsRealTime, namesFixedTimes, type WallClock } from "./wall-clock.ts";

const second: Grammar = { name: "second", min: 0, max: 59, openSteps: true };
const minute: Grammar = { name: "minute", min: 0, max: 59, openSteps: true };
const hour: Grammar = { name: "hour", min: 0, max: 23, openSteps: true };
const monthDay: Grammar = { name: "day of the month", min: 1, max: 31, openSteps: true };
const month: Grammar = { name: "month", min: 1, max: 12, openSteps: true, names: monthNames };
const weekday: Grammar = { name: "day of the week", min: 0, max: 7, openSteps: true, names: weekdayNames };

const nicknames: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const reboot = "@reboot";

export const cronSchema = z.string();

export function compileCron(value: unknown, context: CompileContext): WallClock | Dates {
  if (value === reboot) return startOfProgram(context);
  const fields = splitText(value);
  const [seconds, minutes, hours, monthDays, months, weekdays] = fields.length === 5 ? ["0", ...fields] : fields;
  const parse = (text: string | undefined, grammar: Grammar): ParsedField =>
    parseCronField({ field: "cron", grammar, text: text ?? "" }, context.name, fields.length === 6);
  const days = parse(monthDays, monthDay);
  const week = parse(weekdays, weekday);
  const isFree =
    fields.length === 5
      ? (text = "") => text.startsWith("*") || text === "?"
      : (text = "") => text === "*" || text === "?";
  const pattern = wallPattern({
    seconds: parse(seconds, second).values,
    minutes: parse(minutes, minute).values,
    hours: parse(hours, hour).values,
    monthDays: days.values,
    months: parse(months, month).values,
    weekdays: week.values,
    monthDayRules: days.rules,
    weekdayRules: week.rules,
    either: !isFree(monthDays) && !isFree(weekdays),
  });
  if (nextMatch(pattern, 0) === null) {
    throw new DefinitionError(`${inQuotes(value)} never fires: none of its months has such a day`, {
      remedy: "Change the day of the month or the month.",
      place: { field: "cron" },
    });
  }
  const isWildcard = [seconds, minutes, hours].some((text) => text?.startsWith("*"));
  const fixedTimes = fields.length === 5 ? namesFixedTimes : ({ gap: "next-unless-day", overlap: "first" } as const);
  const { zone, dst } = context;
  return { kind: "cron", pattern, zone, dst: { ...(isWildcard ? followsRealTime : fixedTimes), ...dst } };
}

function splitText(value: unknown): string[] {
  const text = typeof value === "string" && value.length <= 5_000 ? value.trim() : "";
  const fields = (text.startsWith("@") ? (nicknames[text.toLowerCase()] ?? "") : text).split(/\s+/);
  if (fields.length !== 5 && fields.length !== 6) {
    throw new DefinitionError(
      `${inQuotes(value)} ${text.startsWith("@") ? "is no nickname" : "does not have five or six fields"}`,
      {
        remedy: text.startsWith("@")
          ? `Nicknames: ${[...Object.keys(nicknames), reboot].join(", ")}.`
          : 'Write minute, hour, day of the month, month and day of the week, e.g. "0 9 * * 1-5", with seconds before them if you like.',
        place: { field: "cron" },
      },
    );
  }
  return fields;
}

/** One date: the start of the program, where a program starts; else nobody can tell. */
function startOfProgram({ startedAt }: CompileContext): Dates {
  if (startedAt !== null) return { kind: "at", instants: [startedAt] };
  throw new DefinitionError(`"${reboot}" fires when the program starts: it has no times that could be told before`, {
    remedy: "Let `beat start` run it, or choose a schedule with times of its own.",
    place: { field: "cron" },
  });
}

interface ParsedField {
  readonly values: readonly number[];
  readonly rules: readonly DayRule[];
}

function parseCronField(position: Position, entryName: string, named: boolean): ParsedField {
  const { grammar, text } = position;
  const isDate = grammar === monthDay || grammar === month || grammar === weekday;
  if (text === "?" && isDate) return { values: parseElement("*", position), rules: [] };
  const values: number[] = [];
  const rules: DayRule[] = [];
  for (const element of elementsOf(position)) {
    const special =
      grammar === monthDay
        ? monthDayRules(element, position)
        : grammar === weekday
          ? weekdayRules(element, position, named)
          : [];
    if (special.length > 0) rules.push(...special);
    else if (element.includes("~")) values.push(...chosenValues(element, position, entryName));
    else values.push(...parseElement(element, position));
  }
  return { values, rules };
}

function monthDayRules(element: string, position: Position): DayRule[] {
  if (/^L$/i.test(element)) return [lastDay];
  if (/^LW$/i.test(element)) return [lastWorkday];
  const nearest = /^([0-9]+)W$/i.exec(element);
  return nearest === null ? [] : [nearestWorkday(valueIn(nearest[1]!, position))];
}

/** `named`: names and ranges may carry an L too. */
function weekdayRules(element: string, position: Position, named: boolean): DayRule[] {
  const last = (named ? /^(.*[^*])L$/i : /^([0-9])L$/i).exec(element);
  if (last !== null) return parseElement(last[1]!, position).map((day) => lastOfWeekday(day % 7));
  const nth = /^([^#*]+)#([0-9])$/.exec(element);
  if (nth === null) return [];
  const count = Number(nth[2]);
  if (count < 1 || count > 5)
    return refuse(position, `asks for weekday number ${count} of a month`, "A month has 1 to 5 of a weekday.");
  return parseElement(nth[1]!, position).map((day) => nthWeekday(day % 7, count));
}

/** The 29th to 31st are not in every month, and Sunday is to be as likely as the others. */
const openEnd = (grammar: Grammar): number => (grammar === monthDay ? 28 : grammar === weekday ? 6 : grammar.max);

/** `~`, `a~b`, `a~`, `~b`: one value between them; with `/n` the first of the steps is chosen, and they go on to the end. */
function chosenValues(element: string, position: Position, entryName: string): number[] {
  const match = /^([a-z0-9]*)~([a-z0-9]*)(?:\/([0-9]{1,4}))?$/i.exec(element);
  if (match === null) return refuseElement(element, position);
  const low = match[1] ? valueIn(match[1], position) : position.grammar.min;
  const high = match[2] ? valueIn(match[2], position) : openEnd(position.grammar);
  if (high < low)
    return refuse(position, `has a choice that runs backwards: ${inQuotes(element)}`, "Write the smaller value first.");
  const step = match[3] === undefined ? undefined : Number(match[3]);
  if (step === 0) return refuse(position, `has a step of 0: ${inQuotes(element)}`, "A step is 1 or more.");
  const choices = Math.min(high - low + 1, step ?? Infinity);
  const values: number[] = [];
  const first = low + chosenBy(`${entryName}\n${position.grammar.name}\n${element}`, choices);
  for (let value = first; value <= high; value += step ?? Infinity) values.push(value);
  return values;
}
