// Days of the month that some months lack: a schedule that names the 29th, 30th or 31st says nothing of what is to happen there.

import type { Definition } from "../core/definition.ts";
import { listed } from "../core/describe-pattern.ts";
import { dayMs } from "../core/time.ts";
import { daysIn } from "../core/triggers/date-time.ts";
import type { DayRule } from "../core/triggers/pattern.ts";
import type { Recurrence } from "../core/triggers/recurrence.ts";
import type { Trigger } from "../core/triggers/trigger.ts";

export interface MonthRemark {
  readonly message: string;
  readonly remedy: string;
}

/** Of each trigger within a trigger. */
export function* monthRemarks(trigger: Trigger, definition: Definition): Generator<MonthRemark> {
  for (const leaf of leavesOf(trigger)) {
    for (const named of namedDays(leaf)) {
      const lacking = lateDays(named).filter(({ months }) => months > 0);
      if (lacking.length === 0) continue;
      const [first, ...others] = lacking;
      const message =
        others.length === 0
          ? `day ${first!.day} of the month is missing from ${first!.months} of its months: no run stands in for it`
          : `days ${listed(lacking.map(({ day }) => `${day}`))} of the month are missing from some of its months: no run stands in for them`;
      yield { message, remedy: lastDayRemedy(leaf, definition) };
    }
  }
}

function* leavesOf(trigger: Trigger): Generator<Trigger> {
  if (trigger.kind === "bounded" || trigger.kind === "except") yield* leavesOf(trigger.trigger);
  else if (trigger.kind === "any" || trigger.kind === "all") for (const each of trigger.triggers) yield* leavesOf(each);
  else yield trigger;
}

/** Months (1 to 12), and the days of them that are named: bit 0 is the 1st. */
interface NamedDays {
  readonly months: readonly number[];
  readonly days: number;
}

const everyDay = 0x7fff_ffff;
const lateMonthDays = [29, 30, 31];
const allMonths = Array.from({ length: 12 }, (_, index) => index + 1);
/** A year without a leap day. */
const plainYear = 2_027;

/** The 29th to 31st among them, and how many of the months lack each. 29 February alone is rare, and told as that. */
function lateDays({ months, days }: NamedDays): { readonly day: number; readonly months: number }[] {
  if (days === everyDay) return [];
  return lateMonthDays
    .filter((day) => (days >> (day - 1)) & 1)
    .map((day) => ({ day, months: months.filter((month) => daysIn(plainYear, month) < day).length }))
    .filter(({ months: lacking }) => lacking < months.length);
}

function* namedDays(leaf: Trigger): Generator<NamedDays> {
  if ("pattern" in leaf) {
    const { months, monthDays, monthDayRules } = leaf.pattern;
    const ruled = monthDayRules.reduce((days, rule) => days | lateDaysOf(rule), 0);
    yield { months: allMonths.filter((month) => (months >> month) & 1), days: monthDays | ruled };
  } else if (leaf.kind === "rrule") for (const rule of leaf.rules) yield daysOfRule(rule);
  else if (leaf.kind === "calendar" && !leaf.clamp && leaf.months > 0 && leaf.days === 0) {
    const first = new Date(leaf.firstDay * dayMs);
    yield { months: monthsReached(first, leaf.months), days: 1 << (first.getUTCDate() - 1) };
  }
}

/** The late days that a rule needs a month to have: `31W` names none in shorter ones, whatever weekday they begin with. */
function lateDaysOf(rule: DayRule): number {
  const weekdays = [0, 1, 2, 3, 4, 5, 6];
  return lateMonthDays
    .filter((day) => weekdays.every((first) => rule(first, day) !== 0 && rule(first, day - 1) === 0))
    .reduce((days, day) => days | (1 << (day - 1)), 0);
}

/** Who counts from the end of the month, or takes the last of several days, knows of its length. */
function daysOfRule({ frequency, interval, start, months, monthDays, positions }: Recurrence): NamedDays {
  if (positions.length > 0 || monthDays.some((day) => day < 0)) return { months: [], days: 0 };
  const reached = frequency === "MONTHLY" ? monthsReached(new Date(start), interval) : allMonths;
  return {
    months: reached.filter((month) => months.length === 0 || months.includes(month)),
    days: monthDays.reduce((days, day) => days | (1 << (day - 1)), 0),
  };
}

/** The months of the year that steps of so many months come to. */
function monthsReached(first: Date, step: number): number[] {
  const reached = allMonths.map((_, index) => (first.getUTCMonth() + index * step) % 12);
  return allMonths.filter((_, index) => reached.includes(index));
}

function lastDayRemedy(leaf: Trigger, { start_at }: Definition): string {
  switch (leaf.kind) {
    case "calendar":
      return `Write clamp: true for the last day of shorter months${start_at === undefined ? ", or a start_at" : ""}.`;
    case "apscheduler":
      return "If the last day is meant, write day: last.";
    case "cron":
      return "If the last day is meant, write L for the day of the month.";
    case "rrule":
      return "If the last day is meant, write BYMONTHDAY=-1.";
    default:
      return "If the last day is meant, write it as cron, with L for the day of the month.";
  }
}
