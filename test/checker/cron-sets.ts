// Cron texts as plain sets of numbers, for brute force. It reads the common language (* , - / and names) and refuses the
// rest: what the checker can't read must not look as if it were checked.

import type { Sets } from "../core/triggers/brute-force.ts";

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const months = ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

export interface CronSets extends Sets {
  /** With seconds: such a schedule does not make up for a day that a zone skipped as a whole. */
  readonly fine: boolean;
  /** Its second, minute or hour begins with `*`: it follows real time through changes of the clocks. */
  readonly wild: boolean;
}

/** `joined`: Unix joins a restricted day of the month and day of the week with OR; Celery with AND. */
export function cronSets(text: string, joined: "or" | "and"): CronSets {
  const fields = text.trim().split(/\s+/);
  const fine = fields.length === 6;
  if (fields.length === 5) fields.unshift("0");
  if (fields.length !== 6) throw new Error(`the checker can't read the cron text "${text}"`);
  const [second, minute, hour, monthDay, month, weekday] = fields as [string, string, string, string, string, string];
  const isFree = (field: string) => field.startsWith("*");
  return {
    seconds: numbers(second, 0, 59, []),
    minutes: numbers(minute, 0, 59, []),
    hours: numbers(hour, 0, 23, []),
    monthDays: numbers(monthDay, 1, 31, []),
    months: numbers(month, 1, 12, months),
    weekdays: numbers(weekday, 0, 7, days).map((day) => day % 7),
    either: joined === "or" && !isFree(monthDay) && !isFree(weekday),
    fine,
    wild: isFree(second) || isFree(minute) || isFree(hour),
  };
}

function numbers(field: string, least: number, most: number, names: readonly string[]): number[] {
  return field.split(",").flatMap((part) => {
    const [range, step = "1"] = part.split("/") as [string, string?];
    const [from, to] = range === "*" ? [String(least), String(least === 0 && most === 7 ? 6 : most)] : range.split("-");
    const first = numberOf(from!, names);
    const last = to === undefined ? (part.includes("/") ? most : first) : numberOf(to, names);
    if (![first, last, Number(step)].every(Number.isInteger) || first < least || last > most || Number(step) < 1)
      throw new Error(`the checker can't read "${field}"`);
    const cycle = names === days ? 7 : most - least + 1;
    const found: number[] = [];
    // A range that wraps: fri-mon.
    for (let value = first; value <= (last < first ? last + cycle : last); value += Number(step))
      found.push(value > most ? value - cycle : value);
    return found;
  });
}

function numberOf(text: string, names: readonly string[]): number {
  const named = names.indexOf(text.toLowerCase());
  return named >= 0 && text !== "" ? named : Number(text === "" ? Number.NaN : text);
}
