// `calendars` of a schedule file: dates by name, written there or in an .ics file beside it. Where an entry's `except` names
// one, its definition is stored with the dates themselves: it needs no file to be understood, and a changed calendar
// changes the entries that use it, and no others.

import { isUtf8 } from "node:buffer";
import { readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import type { Definition } from "../core/definition.ts";
import { BeatError, DefinitionError, type Place } from "../core/errors.ts";
import { sizeOf } from "../core/json-value.ts";
import { dayMs } from "../core/time.ts";
import { endOf, inQuotes, parseDateTime, startOf } from "../core/triggers/date-time.ts";
import { zoneOf } from "../core/zone.ts";
import { type CalendarDates, type DaySpan, parseIcalendar } from "./icalendar.ts";
import { systemReason } from "./system-reason.ts";
import type { YamlFile, YamlMember } from "./yaml-file.ts";

export interface Calendars {
  /** Dates, date-times and ranges of them, by the name of the calendar. */
  readonly dates: Readonly<Record<string, readonly string[]>>;
  /** Those that have a problem: their dates may be incomplete. */
  readonly broken: ReadonlySet<string>;
  /** The .ics files that they name. */
  readonly files: readonly string[];
}

/** Gives the text of an .ics file and how it is shown to people. Throws DefinitionError. */
export type ReadCalendar = (given: string) => { readonly text: string; readonly file: string };

const maxCalendars = 100;
const maxDates = 10_000;
const maxIcsBytes = 1_048_576;
const utc = zoneOf("UTC");
const remedy = "Write dates like 2026-12-25 and ranges like 2026-12-24..2026-12-26, or the name of an .ics file.";

/** The calendars of a file; what is wrong with them is added to `problems`. */
export function parseCalendars(yaml: YamlFile, read: ReadCalendar, problems: DefinitionError[]): Calendars {
  const dates: Record<string, readonly string[]> = {};
  const broken = new Set<string>();
  const files: string[] = [];
  for (const [index, member] of yaml.members("calendars").entries()) {
    const { key: name, value } = member;
    const found = index < maxCalendars ? datesOf(member, yaml, read) : [tooMany(member)];
    if (typeof value === "string") files.push(value);
    const own = found.filter((each) => each instanceof DefinitionError);
    problems.push(...own);
    if (own.length > 0 || member.problems.length > 0) broken.add(name);
    dates[name] = textsOf(found.filter((each): each is CalendarDates => !(each instanceof DefinitionError)));
  }
  return { dates, broken, files };
}

const tooMany = ({ place }: YamlMember): DefinitionError =>
  new DefinitionError(`more than ${maxCalendars} calendars are too many`, { remedy: "Join some of them.", place });

/** What a calendar holds, and what is wrong with it. */
function datesOf(member: YamlMember, yaml: YamlFile, read: ReadCalendar): (CalendarDates | DefinitionError)[] {
  const { key: name, value, place } = member;
  const problem = (message: string, remedy: string, at: Place = place, field = `calendars.${name}`) =>
    new DefinitionError(message, { remedy, place: { ...at, field } });
  if (name === "" || /^[0-9]/.test(name))
    return [problem("the name of a calendar must not begin with a digit", "A date does; choose another name.")];
  if (typeof value === "string") {
    if (!/\.ics$/i.test(value)) return [problem(`${inQuotes(value)} is not an .ics file`, remedy)];
    try {
      const { text, file } = read(value);
      const { dates, problems } = parseIcalendar(text, file);
      return [dates, ...problems];
    } catch (error) {
      if (!(error instanceof DefinitionError)) throw error;
      return [problem(error.message, error.remedy ?? remedy)];
    }
  }
  if (!Array.isArray(value)) return [problem("must be a list of dates, or the name of an .ics file", remedy)];
  if (value.length > maxDates)
    return [problem(`${value.length} dates are too many`, `Give at most ${maxDates}, or ranges.`)];
  return value.map((each, index) => {
    try {
      return itemOf(each);
    } catch (error) {
      if (!(error instanceof BeatError)) throw error;
      const at = yaml.locate(member, String(index));
      return problem(error.message, error.remedy ?? remedy, at, `calendars.${name}.${index}`);
    }
  });
}

/** `2026-12-25`, `2026-12-24..2026-12-26`, {from, to}; with times too. Throws DefinitionError. */
function itemOf(item: unknown): CalendarDates {
  const [first, last] = typeof item === "string" ? item.split(/ *(?:\.\.|\/) */) : endsOf(item);
  const [from, to] = [parseDateTime(first, ""), parseDateTime(last ?? first, "")];
  if (endOf(to, utc) < startOf(from, utc)) {
    throw new DefinitionError(`${inQuotes(last)} is before ${inQuotes(first)}`, {
      remedy: "Write the earlier date first.",
    });
  }
  if (from.dateOnly && to.dateOnly)
    return { days: [{ firstDay: from.wall / dayMs, lastDay: to.wall / dayMs }], times: [] };
  return { days: [], times: [last === undefined ? `${first}` : `${first}..${last}`] };
}

function endsOf(item: unknown): [unknown, unknown] {
  const { from, to, ...rest } = (typeof item === "object" ? (item ?? {}) : {}) as Record<string, unknown>;
  if (from !== undefined && to !== undefined && Object.keys(rest).length === 0) return [from, to];
  throw new DefinitionError(`${inQuotes(item)} is not a date`, { remedy });
}

/** Days that touch become ranges, so that what is stored stays small. */
function textsOf(found: readonly CalendarDates[]): string[] {
  const merged: DaySpan[] = [];
  for (const span of found.flatMap(({ days }) => days).toSorted((a, b) => a.firstDay - b.firstDay)) {
    const last = merged.at(-1);
    if (last !== undefined && span.firstDay <= last.lastDay + 1)
      merged[merged.length - 1] = { firstDay: last.firstDay, lastDay: Math.max(last.lastDay, span.lastDay) };
    else merged.push(span);
  }
  const date = (day: number) => new Date(day * dayMs).toISOString().slice(0, 10);
  const days = merged.map(({ firstDay, lastDay }) =>
    firstDay === lastDay ? date(firstDay) : `${date(firstDay)}..${date(lastDay)}`,
  );
  return [...days, ...new Set(found.flatMap(({ times }) => times).toSorted())];
}

// --------------------------------------------------------------------------------------------- where they are named

/**
 * The definition with the dates of each calendar in the place of its name, at any depth; undefined where it uses one that is
 * broken. It was compiled with the same calendars. Throws DefinitionError where that makes it too large.
 */
export function withDates(definition: Definition, { dates, broken }: Calendars): Definition | undefined {
  let isSound = true;
  const datesNamed = (name: string): readonly string[] => {
    isSound &&= !broken.has(name);
    return dates[name] ?? [];
  };
  const resolved = scheduleWithDates(definition, datesNamed, "") as Definition;
  if (!isSound) return undefined;
  if (sizeOf(resolved) !== undefined) return resolved;
  throw new DefinitionError("takes more than 1 MiB with the dates of its calendars", {
    remedy: "Name fewer of them.",
    place: { field: "except" },
  });
}

type Written = Readonly<Record<string, unknown>>;

function scheduleWithDates(schedule: Written, datesNamed: (name: string) => readonly string[], field: string): Written {
  const { except, any, all, ...rest } = schedule;
  const nested = (list: unknown, key: string) =>
    (list as readonly Written[]).map((each, index) => scheduleWithDates(each, datesNamed, `${field}${key}.${index}.`));
  const items = [except ?? []].flat().flatMap((item: unknown, index): unknown[] => {
    if (typeof item !== "string") return [scheduleWithDates(item as Written, datesNamed, `${field}except.${index}.`)];
    return /^[0-9]/.test(item) ? [item] : [...datesNamed(item)];
  });
  if (items.length > maxDates) {
    throw new DefinitionError(`its calendars make ${items.length} exceptions`, {
      remedy: `At most ${maxDates} are kept: name fewer calendars.`,
      place: { field: `${field}except` },
    });
  }
  return {
    ...rest,
    ...(any !== undefined && { any: nested(any, "any") }),
    ...(all !== undefined && { all: nested(all, "all") }),
    ...(items.length > 0 && { except: items.length === 1 ? items[0] : items }),
  };
}

// ------------------------------------------------------------------------------------------------------------- files

/** Where an .ics file that a schedule file names is; undefined: outside the folder of the schedule file. */
export function calendarPath(scheduleFile: string, given: string): string | undefined {
  const folder = path.resolve(path.dirname(scheduleFile));
  const file = path.resolve(folder, given);
  return isWithin(folder, file) ? file : undefined;
}

function isWithin(folder: string, file: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== "" && relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

/**
 * Reads the .ics files that a schedule file names: in its folder or below, also when links are followed. Synchronous: they
 * are small, and a schedule file is parsed in one go.
 */
export function calendarReader(scheduleFile: string): ReadCalendar {
  return (given) => {
    const refuse = (message: string, remedy: string, cause?: unknown): never => {
      throw new DefinitionError(message, { remedy, cause });
    };
    const outside = () =>
      refuse(
        `${inQuotes(given)} leads out of the folder of the schedule file`,
        "Keep calendar files in that folder or below it.",
      );
    const file = calendarPath(scheduleFile, given) ?? outside();
    let bytes: Buffer;
    try {
      const real = realpathSync(file);
      if (!isWithin(realpathSync(path.dirname(path.resolve(scheduleFile))), real)) return outside();
      const found = statSync(real);
      if (!found.isFile()) return refuse(`${inQuotes(given)} is not a file`, "Name an .ics file.");
      if (found.size > maxIcsBytes)
        return refuse(`${inQuotes(given)} has ${found.size} bytes, more than 1 MiB`, "Leave past events out.");
      bytes = readFileSync(real);
    } catch (error) {
      if (error instanceof DefinitionError) throw error;
      return refuse(
        `${inQuotes(given)} can't be read: ${systemReason(error)}`,
        "Calendar files are named relative to the schedule file.",
        error,
      );
    }
    if (!isUtf8(bytes)) return refuse(`${inQuotes(given)} is not text in UTF-8`, "Save it as UTF-8.");
    return { text: new TextDecoder().decode(bytes), file: path.join(path.dirname(scheduleFile), given) };
  };
}
