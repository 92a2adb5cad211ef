// `cron`: the Unix dialect. Day of the month OR day of the week where both are restricted; a field that begins with `*` is
// not. 0 and 7 are Sunday; `5/15` means `5-59/15`; ranges do not wrap.
//
// The text is parsed here and not by cron-parser: that reads "" as every minute, takes `SUN6` and `JANFEB` for names, fills
// missing fields up, and tells no reader which field of a line is wrong.

import { z } from "zod";
import { DefinitionError } from "../errors.ts";
import type { CompileContext } from "./context.ts";
import { inQuotes } from "./date-time.ts";
import { type Grammar, monthNames, parseField, weekdayNames } from "./fields.ts";
import { nextMatch, wallPattern } from "./pattern.ts";
import { followsRealTime, namesFixedTimes, type WallClock } from "./wall-clock.ts";

const minute: Grammar = { name: "minute", min: 0, max: 59, openSteps: true };
const hour: Grammar = { name: "hour", min: 0, max: 23, openSteps: true };
const monthDay: Grammar = { name: "day of the month", min: 1, max: 31, openSteps: true };
const month: Grammar = { name: "month", min: 1, max: 12, openSteps: true, names: monthNames };
const weekday: Grammar = { name: "day of the week", min: 0, max: 7, openSteps: true, names: weekdayNames };

export const cronSchema = z.string();

export function compileCron(value: unknown, { zone, dst }: CompileContext): WallClock {
  const [minutes, hours, monthDays, months, weekdays] = splitText(value);
  const values = (text: string, grammar: Grammar): number[] => parseField({ field: "cron", grammar, text });
  const pattern = wallPattern({
    seconds: [0],
    minutes: values(minutes, minute),
    hours: values(hours, hour),
    monthDays: values(monthDays, monthDay),
    months: values(months, month),
    weekdays: values(weekdays, weekday),
    either: !monthDays.startsWith("*") && !weekdays.startsWith("*"),
  });
  if (nextMatch(pattern, 0) === null) {
    throw new DefinitionError(`${inQuotes(value)} never fires: none of its months has such a day`, {
      remedy: "Change the day of the month or the month.",
      place: { field: "cron" },
    });
  }
  const isWildcard = minutes.startsWith("*") || hours.startsWith("*");
  return { kind: "cron", pattern, zone, dst: { ...(isWildcard ? followsRealTime : namesFixedTimes), ...dst } };
}

function splitText(value: unknown): [string, string, string, string, string] {
  const fields = typeof value === "string" && value.length <= 5_000 ? value.trim().split(/\s+/) : [];
  if (fields.length !== 5) {
    throw new DefinitionError(`${inQuotes(value)} does not have five fields`, {
      remedy: 'Write minute, hour, day of the month, month and day of the week, e.g. "0 9 * * 1-5".',
      place: { field: "cron" },
    });
  }
  return fields as [string, string, string, string, string];
}
