// `apscheduler`: the fields of APScheduler's CronTrigger. Every field must match; Monday is 0; a day may be `last`, `2nd fri`
// or `last sun`; weeks are those of ISO 8601. A field less significant than all that are given takes its minimum, others are
// `*`. As in APScheduler, fields that no day can satisfy together make a trigger without fire times: neverFires tells.
// APScheduler's parser ignores what it does not understand (`mon-fri/2`, `lastly`); here that is an error.

import { z } from "zod";
import { DefinitionError } from "../errors.ts";
import type { CompileContext } from "./context.ts";
import { inQuotes } from "./date-time.ts";
import { lastDay, lastOfWeekday, nthWeekday } from "./day-rules.ts";
import {
  elementsOf,
  type Grammar,
  monthNames,
  type Position,
  parseElement,
  parseStretch,
  rangeText,
  weekdayNames,
} from "./fields.ts";
import { checkedMap } from "./map.ts";
import { type DayRule, wallPattern } from "./pattern.ts";
import { followsRealTime, namesFixedTimes, type WallClock } from "./wall-clock.ts";

const fromMonday = [...weekdayNames.slice(1), weekdayNames[0]];
const common = { openSteps: true, stepsFit: true } as const;

/** From the most to the least significant; `byDefault` is what a field takes that is less significant than all that are given. */
const grammars = {
  year: { name: "year", min: 1970, max: 9999, byDefault: "*", ...common },
  month: { name: "month", min: 1, max: 12, names: monthNames, byDefault: "1", ...common },
  day: { name: "day", min: 1, max: 31, byDefault: "1", ...common },
  week: { name: "week", min: 1, max: 53, byDefault: "*", ...common },
  day_of_week: { name: "day of the week", min: 0, max: 6, names: fromMonday, byDefault: "*", ...common },
  hour: { name: "hour", min: 0, max: 23, byDefault: "0", ...common },
  minute: { name: "minute", min: 0, max: 59, byDefault: "0", ...common },
  second: { name: "second", min: 0, max: 59, byDefault: "0", ...common },
} as const satisfies Record<string, Grammar & { byDefault: string }>;

type Key = keyof typeof grammars;
const keys = Object.keys(grammars) as Key[];

const fieldSchema = z.union([z.string(), z.int()]).optional();

export const apschedulerSchema = z.strictObject({
  year: fieldSchema,
  month: fieldSchema,
  day: fieldSchema,
  week: fieldSchema,
  day_of_week: fieldSchema,
  hour: fieldSchema,
  minute: fieldSchema,
  second: fieldSchema,
});

export function compileApscheduler(value: unknown, { zone, dst }: CompileContext): WallClock {
  const texts = textsOf(value);
  const position = (key: Key): Position => ({ field: `apscheduler.${key}`, grammar: grammars[key], text: texts[key] });
  const values = (key: Key): number[] =>
    elementsOf(position(key)).flatMap((element) => parseElement(element, position(key)));
  const days = parseDays(position("day"));
  const pattern = wallPattern({
    years: texts.year === "*" ? null : parseYears(position("year")),
    months: values("month"),
    monthDays: days.values,
    monthDayRules: days.rules,
    weeks: texts.week === "*" ? null : values("week"),
    weekdays: values("day_of_week").map((day) => day + 1),
    hours: values("hour"),
    minutes: values("minute"),
    seconds: values("second"),
  });
  const isWildcard = [texts.hour, texts.minute, texts.second].some((text) => text.startsWith("*"));
  return { kind: "apscheduler", pattern, zone, dst: { ...(isWildcard ? followsRealTime : namesFixedTimes), ...dst } };
}

/** Ascending. There are thousands of years, so they are marked and not listed, however often a text names them. */
function parseYears(position: Position): number[] {
  const { min, max } = position.grammar;
  const isNamed = new Uint8Array(max - min + 1);
  for (const element of elementsOf(position)) {
    const { first, span, step } = parseStretch(element, position);
    const from = first - min;
    if (step === 1) isNamed.fill(1, from, from + span + 1);
    else for (let along = 0; along <= span; along += step) isNamed[from + along] = 1;
  }
  const years: number[] = [];
  for (let year = min; year <= max; year++) if (isNamed[year - min]) years.push(year);
  return years;
}

/** The text of every field, defaults filled in. */
function textsOf(value: unknown): Record<Key, string> {
  const written = checkedMap(value, keys, "apscheduler", { remedy: `Write a map of ${keys.join(", ")}.` });
  const lastGiven = keys.findLastIndex((key) => written[key] !== undefined);
  const text = (key: Key, index: number): string => {
    if (written[key] !== undefined) return textOf(written[key], key);
    return lastGiven >= 0 && index > lastGiven ? grammars[key].byDefault : "*";
  };
  return Object.fromEntries(keys.map((key, index) => [key, text(key, index)])) as Record<Key, string>;
}

function textOf(value: unknown, key: Key): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" && Number.isInteger(value)) return String(value);
  throw new DefinitionError(`${inQuotes(value)} is no ${grammars[key].name}`, {
    remedy: rangeText(grammars[key]),
    place: { field: `apscheduler.${key}` },
  });
}

const ordinals = ["1st", "2nd", "3rd", "4th", "5th", "last"];

function parseDays(position: Position): { values: number[]; rules: DayRule[] } {
  const values: number[] = [];
  const rules: DayRule[] = [];
  for (const element of elementsOf(position)) {
    const [, ordinal, name] = /^(1st|2nd|3rd|4th|5th|last) +([a-z]{3})$/i.exec(element.toLowerCase()) ?? [];
    const weekday = weekdayNames.findIndex((each) => each.slice(0, 3) === name);
    if (element.toLowerCase() === "last") rules.push(lastDay);
    else if (ordinal === undefined || weekday < 0) values.push(...parseElement(element, position));
    else rules.push(ordinal === "last" ? lastOfWeekday(weekday) : nthWeekday(weekday, ordinals.indexOf(ordinal) + 1));
  }
  return { values, rules };
}
