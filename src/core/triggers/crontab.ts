// `crontab`: Celery's. Day of the month AND day of the week; Sunday is 0 and 7 does not exist; ranges wrap; steps belong to
// `*` and ranges. Celery's parser reads leniently (`mon#1` as Monday, `1-5x` as 1-5); here that is an error.

import { z } from "zod";
import { DefinitionError } from "../errors.ts";
import type { CompileContext } from "./context.ts";
import { inQuotes } from "./date-time.ts";
import { type Grammar, monthNames, parseField, rangeText, weekdayNames } from "./fields.ts";
import { checkedMap } from "./map.ts";
import { nextMatch, wallPattern } from "./pattern.ts";
import { followsRealTime, namesFixedTimes, type WallClock } from "./wall-clock.ts";

/** In the order of the text form; crontab()'s own order has day_of_week third. */
const grammars = {
  minute: { name: "minute", min: 0, max: 59, wraps: true },
  hour: { name: "hour", min: 0, max: 23, wraps: true },
  day_of_month: { name: "day of the month", min: 1, max: 31, wraps: true },
  month_of_year: { name: "month", min: 1, max: 12, wraps: true, names: monthNames, fullNames: true },
  day_of_week: { name: "day of the week", min: 0, max: 6, wraps: true, names: weekdayNames, fullNames: true },
} as const satisfies Record<string, Grammar>;

type Key = keyof typeof grammars;
const keys = Object.keys(grammars) as Key[];

const fieldSchema = z.union([z.string(), z.int(), z.array(z.int()).min(1)]).optional();

export const crontabSchema = z.union([
  z.string(),
  z.strictObject({
    minute: fieldSchema,
    hour: fieldSchema,
    day_of_week: fieldSchema,
    day_of_month: fieldSchema,
    month_of_year: fieldSchema,
  }),
]);

const notation = {
  what: "a crontab",
  remedy: `Write five fields like "0 15 * * mon-fri", or a map of ${keys.join(", ")}.`,
};

/** Reads `0 15 * * mon-fri` or `{minute: 0, hour: 15, day_of_week: mon-fri}`; what a map leaves out is `*`, as in Celery. */
export function compileCrontab(value: unknown, { zone, dst }: CompileContext): WallClock {
  const written = typeof value === "string" ? splitText(value) : checkedMap(value, keys, "crontab", notation);
  const place = (key: Key): string => (typeof value === "string" ? "crontab" : `crontab.${key}`);
  const values = (key: Key): number[] =>
    valuesOf(written[key] === undefined ? "*" : written[key], place(key), grammars[key]);
  const pattern = wallPattern({
    seconds: [0],
    minutes: values("minute"),
    hours: values("hour"),
    monthDays: values("day_of_month"),
    months: values("month_of_year"),
    weekdays: values("day_of_week"),
  });
  if (nextMatch(pattern, 0) === null) {
    throw new DefinitionError(`${inQuotes(value)} never fires: none of its months has such a day`, {
      remedy: "Change the day of the month, the month or the day of the week.",
      place: { field: "crontab" },
    });
  }
  const isWildcard = [written.minute ?? "*", written.hour ?? "*"].some(
    (field) => typeof field === "string" && field.startsWith("*"),
  );
  return { kind: "crontab", pattern, zone, dst: { ...(isWildcard ? followsRealTime : namesFixedTimes), ...dst } };
}

function splitText(text: string): Partial<Record<Key, string>> {
  const fields = text.length <= 5_000 ? text.split(" ") : [];
  if (fields.length !== keys.length || fields.some((field) => field === "" || /\s/.test(field))) {
    throw new DefinitionError(`${inQuotes(text)} does not have five fields separated by single spaces`, {
      remedy: `Write ${keys.join(" ")}, e.g. "0 15 * * mon-fri".`,
      place: { field: "crontab" },
    });
  }
  return Object.fromEntries(keys.map((key, index) => [key, fields[index]!]));
}

function valuesOf(value: unknown, field: string, grammar: Grammar): number[] {
  if (typeof value === "string") return parseField({ field, grammar, text: value });
  // A hole in a list is no number.
  const values: readonly unknown[] = Array.isArray(value) ? [...value] : [value];
  if (values.length === 0 || !values.every((each) => typeof each === "number" && Number.isInteger(each))) {
    throw new DefinitionError(`${grammar.name} ${inQuotes(value)} is neither text nor whole numbers`, {
      remedy: 'Write a number, a list of numbers, or a text like "*/5" or "1-5".',
      place: { field },
    });
  }
  const numbers = values as readonly number[];
  const outside = numbers.find((each) => each < grammar.min || each > grammar.max);
  if (outside !== undefined) {
    throw new DefinitionError(`${outside} is no ${grammar.name}`, { remedy: rangeText(grammar), place: { field } });
  }
  return [...new Set(numbers)];
}
