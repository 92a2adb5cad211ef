// What the text of a cron-like schedule says and its writer may not have meant: steps that do not come out even, and the
// rule that joins the day of the month with the day of the week. The values were checked before; here they are only read.

import type { Schedule } from "../core/triggers/schedule.ts";

export interface Remark {
  readonly rule: "uneven-step" | "day-and-weekday";
  readonly message: string;
  readonly remedy: string;
  /** The field that it is about. */
  readonly unit: Unit;
}

type Unit = "second" | "minute" | "hour" | "day" | "month" | "weekday" | "week";
type Fields = { readonly [Each in Unit]?: string };

const ranges: Readonly<Record<Unit, { readonly min: number; readonly max: number; readonly name: string }>> = {
  second: { min: 0, max: 59, name: "second" },
  minute: { min: 0, max: 59, name: "minute" },
  hour: { min: 0, max: 23, name: "hour" },
  day: { min: 1, max: 31, name: "day of the month" },
  month: { min: 1, max: 12, name: "month" },
  weekday: { min: 0, max: 6, name: "day of the week" },
  week: { min: 1, max: 53, name: "week" },
};
const units = Object.keys(ranges) as Unit[];

/** The remarks on a schedule and on the triggers within its `any`, `all` and `except`. */
export function* fieldRemarks(schedule: Schedule): Generator<Remark> {
  const { any = [], all = [], except = [] } = schedule;
  for (const nested of [...any, ...all, ...[except].flat()])
    if (typeof nested === "object") yield* fieldRemarks(nested as Schedule);
  const dialect = dialectOf(schedule);
  if (dialect === undefined) return;
  for (const unit of units) yield* unevenSteps(unit, dialect.fields[unit] ?? "*");
  yield* joinedDays(dialect);
}

interface Dialect {
  readonly key: "cron" | "crontab" | "apscheduler";
  readonly fields: Fields;
  /** Whether both day fields are restricted, and how they are joined then. */
  readonly joins: "AND" | "OR" | undefined;
}

function dialectOf({ cron, crontab, apscheduler }: Schedule): Dialect | undefined {
  if (cron !== undefined) return cronDialect(cron);
  if (crontab !== undefined) {
    const fields = typeof crontab === "string" ? crontabFields(crontab) : crontabMap(crontab);
    return { key: "crontab", fields, joins: areBothRestricted(fields) ? "AND" : undefined };
  }
  if (apscheduler === undefined) return undefined;
  const { second, minute, hour, day, month, day_of_week: weekday, week } = apscheduler;
  const fields = texts({ second, minute, hour, day, month, weekday, week });
  return { key: "apscheduler", fields, joins: areBothRestricted(fields) ? "AND" : undefined };
}

function cronDialect(text: string): Dialect | undefined {
  const parts = text.trim().split(/\s+/);
  if (parts.length < 5) return undefined;
  const [second, minute, hour, day, month, weekday] = parts.length === 5 ? ["0", ...parts] : parts;
  const fields = texts({ second, minute, hour, day, month, weekday });
  if (!areBothRestricted(fields)) return { key: "cron", fields, joins: undefined };
  // With five fields one that begins with `*` does not count as restricted, as in Debian's cron.
  const isStarred = parts.length === 5 && (day!.startsWith("*") || weekday!.startsWith("*"));
  return { key: "cron", fields, joins: isStarred ? "AND" : "OR" };
}

function crontabFields(text: string): Fields {
  const [minute, hour, day, month, weekday] = text.split(" ");
  return texts({ minute, hour, day, month, weekday });
}

function crontabMap(map: Exclude<NonNullable<Schedule["crontab"]>, string>): Fields {
  return texts({
    minute: map.minute,
    hour: map.hour,
    day: map.day_of_month,
    month: map.month_of_year,
    weekday: map.day_of_week,
  });
}

const texts = (values: { readonly [Each in Unit]?: unknown }): Fields =>
  Object.fromEntries(
    Object.entries(values).flatMap(([unit, value]) => (value === undefined ? [] : [[unit, `${value}`]])),
  );

const areBothRestricted = ({ day = "*", weekday = "*" }: Fields): boolean =>
  [day, weekday].every((text) => text !== "*" && text !== "?");

// ------------------------------------------------------------------------------------------------------------- steps

/** A step around the whole field that does not divide it: the last one is shorter. */
function* unevenSteps(unit: Unit, text: string): Generator<Remark> {
  const { min, max, name } = ranges[unit];
  const size = max - min + 1;
  for (const element of text.split(",")) {
    const match = /^\s*(?:[*~]|([0-9]+)(?:-([0-9]+))?)\/([0-9]+)\s*$/.exec(element);
    if (match === null) continue;
    const [first, last, step] = [Number(match[1] ?? min), Number(match[2] ?? max), Number(match[3])];
    const isWhole = first - min < step && last + step > max;
    const begins = anew[unit];
    if (!isWhole || step < 2 || (begins === undefined && size % step === 0)) continue;
    const values = Array.from({ length: Math.floor((max - first) / step) + 1 }, (_, index) => first + index * step);
    const written = `${name} ${element.trim()}`;
    const message =
      values.length === 1
        ? `${written} is ${first} alone: the step is longer than the field`
        : begins !== undefined
          ? `${written} begins anew ${begins}`
          : element.includes("~")
            ? `${written} begins anew before it comes out even: the last step is shorter or longer`
            : `${written} is ${shown(values)}, and then ${first} again: the last step is ${first + size - values.at(-1)!}, not ${step}`;
    yield { rule: "uneven-step", unit, message, remedy: stepRemedy(unit, step, size) };
  }
}

/** Months and years are not of one length: there no step comes out even. */
const anew: Partial<Record<Unit, string>> = {
  day: "in each month: the last step of a month is shorter",
  week: "in each year, which has 52 weeks or 53: the last step of a year is another one",
};

const shown = (values: readonly number[]): string =>
  values.length <= 4 ? values.join(", ") : `${values.slice(0, 3).join(", ")}, …, ${values.at(-1)}`;

function stepRemedy(unit: Unit, step: number, size: number): string {
  const even = { second: `every: ${step}s`, minute: `every: ${step}m`, hour: `every: ${step}h` } as const;
  const dates = {
    day: `calendar: {days: ${step}}`,
    week: `calendar: {weeks: ${step}}`,
    month: `calendar: {months: ${step}}`,
  } as const;
  const instead = { ...even, ...dates, weekday: undefined }[unit];
  const divisors = Array.from({ length: size / 2 }, (_, index) => index + 1).filter((each) => size % each === 0);
  const fitting =
    anew[unit] !== undefined || unit === "weekday" ? "" : ` Steps that come out even: ${divisors.join(", ")}.`;
  return instead === undefined ? "List the days that are meant." : `For even steps write ${instead}.${fitting}`;
}

// -------------------------------------------------------------------------------------------------------------- days

const joinRules = {
  cron: { AND: "a field that begins with * joins the days with AND", OR: "Unix cron joins them with OR" },
  crontab: { AND: "Celery's crontab joins them with AND", OR: "" },
  apscheduler: { AND: "APScheduler joins them with AND", OR: "" },
} as const;

function* joinedDays({ key, fields: { day, weekday }, joins }: Dialect): Generator<Remark> {
  if (joins === undefined) return;
  const both = `day of the month ${day} and day of the week ${weekday}`;
  const effect =
    joins === "OR" ? "it runs on the days that match either of them" : "it runs only on days that match both of them";
  yield {
    rule: "day-and-weekday",
    unit: "weekday",
    message: `${both}: ${joinRules[key][joins]}, so ${effect}`,
    remedy:
      joins === "OR"
        ? "If both must match, write it as crontab, which joins them with AND; if either may, write two triggers under any."
        : "If either may match, write two triggers under any; if both must, write them under all.",
  };
}
