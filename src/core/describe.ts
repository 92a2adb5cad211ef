// A schedule in one English sentence: "at 09:00 on weekdays, Europe/Berlin". The words come from what the schedule means
// once it is compiled, so that they are never nicer than the truth; where there is no common phrase, its values are listed.

import { clock, dateParts, listed, ordinal, patternPhrase, someOf, weekdayName } from "./describe-pattern.ts";
import { recurrencePhrase } from "./describe-recurrence.ts";
import { compileChecked, type FireTimesOptions } from "./fire-times.ts";
import { dayMs, hourMs, type Instant, minuteMs, parseDuration, secondMs } from "./time.ts";
import { type Dates, firstDate, lastDate, nextDate } from "./triggers/dates.ts";
import type { RecurrenceSet } from "./triggers/rrule.ts";
import { compileSchedule, type Schedule, triggerKeys } from "./triggers/schedule.ts";
import type { Trigger } from "./triggers/trigger.ts";
import { type WallTime, type Zone, zoneOf } from "./zone.ts";

/** A schedule in an entry may have a jitter beside it. */
type Written = Schedule & { readonly jitter?: string | number };
type TriggerKey = (typeof triggerKeys)[number];

/** What a trigger within another one takes over from it. */
interface Inherited {
  readonly name: string;
  readonly timezone: string;
  readonly startAt: string | undefined;
}

const maxLength = 2_000;

/**
 * One English sentence, without a full stop, of at most 2,000 characters. `schedule` is as for nextFireTimes; a calendar that
 * `except` names need not be given. Throws DefinitionError for a schedule that is not valid.
 */
export function describe(
  schedule: Schedule,
  { name = "", calendars = {} }: Pick<FireTimesOptions, "name" | "calendars"> = {},
): string {
  const named = Object.fromEntries(calendarNames(schedule).map((each) => [each, ["1900-01-01"]]));
  const compiled = compileChecked(schedule, 0, { name, calendars: { ...named, ...calendars }, startedAt: 0 });
  const { timezone = "UTC" } = schedule;
  const text = phraseOf(schedule, { name, timezone, startAt: undefined }, compiled);
  const sentence = schedule.timezone === undefined || !knowsZone(schedule) ? text : `${text}, ${timezone}`;
  return sentence.length <= maxLength ? sentence : `${sentence.slice(0, maxLength - 1)}…`;
}

/** The calendars that `except` names, at any depth; deeper than eight levels nothing is valid. */
function calendarNames(schedule: unknown, depth = 0): string[] {
  if (typeof schedule !== "object" || schedule === null || depth > 16) return [];
  const { except, any, all } = schedule as Record<string, unknown>;
  const items: readonly unknown[] = [except ?? []].flat();
  return items
    .concat(...[any, all].map((list) => (Array.isArray(list) ? list : [])))
    .flatMap((item) => (typeof item === "string" && !/^[0-9]/.test(item) ? [item] : calendarNames(item, depth + 1)));
}

/** Whether the zone has a say in when it fires. */
function knowsZone(schedule: Schedule): boolean {
  const { every, solar, any = [], all = [], start_at, end_at, except } = schedule;
  if ((start_at ?? end_at ?? except) !== undefined) return true;
  const nested = [...any, ...all];
  return nested.length > 0 ? nested.some(knowsZone) : every === undefined && solar === undefined;
}

/** `compiled`: the schedule, where that was done already. */
function phraseOf(schedule: Written, inherited: Inherited, compiled?: Trigger): string {
  const { timezone = inherited.timezone, start_at: startAt = inherited.startAt } = schedule;
  const key = triggerKeys.find((each) => schedule[each] !== undefined)!;
  const own = { name: inherited.name, timezone, startAt };
  const zone = timezone === inherited.timezone ? "" : ` (${timezone})`;
  return [`${triggerPhrase(key, schedule, own, compiled)}${zone}`, ...besides(schedule, key, own)].join(", ");
}

function triggerPhrase(key: TriggerKey, schedule: Schedule, own: Inherited, compiled?: Trigger): string {
  switch (key) {
    case "any": {
      const union = compiled && within(compiled);
      return `at each of these times: ${nestedList(schedule.any, own, union?.kind === "any" ? union.triggers : [])}`;
    }
    case "all":
      return `whenever these coincide: ${nestedList(schedule.all, own)}`;
    default: {
      const leaf = { [key]: schedule[key], timezone: own.timezone };
      const start = ["calendar", "rrule"].includes(key) && own.startAt !== undefined ? { start_at: own.startAt } : {};
      const dst = schedule.dst === undefined ? {} : { dst: schedule.dst };
      const context = { name: own.name, anchorAt: 0, startedAt: 0 };
      return leafPhrase(
        within(compiled ?? compileSchedule({ ...leaf, ...start, ...dst }, context)),
        key,
        schedule,
        own,
      );
    }
  }
}

/** What bounds and exceptions stand around. */
function within(trigger: Trigger): Trigger {
  return trigger.kind === "bounded" || trigger.kind === "except" ? within(trigger.trigger) : trigger;
}

/** A nested trigger that says more than one thing stands in brackets. */
function nestedList(
  triggers: readonly unknown[] | undefined,
  own: Inherited,
  compiled: readonly Trigger[] = [],
): string {
  const phrases = (triggers ?? []).slice(0, 6).map((each, index) => {
    const phrase = phraseOf(each as Schedule, own, compiled[index]);
    return phrase.includes(", ") || phrase.includes(": ") ? `(${phrase})` : phrase;
  });
  const more = (triggers ?? []).length - phrases.length;
  return [...phrases, ...(more > 0 ? [`${more} more`] : [])].join("; ");
}

function leafPhrase(trigger: Trigger, key: TriggerKey, schedule: Schedule, own: Inherited): string {
  switch (trigger.kind) {
    case "crontab":
    case "cron":
    case "apscheduler":
      return patternPhrase(trigger.pattern);
    case "interval":
      return intervalPhrase(trigger.everyMs);
    case "at":
      return schedule.cron === undefined
        ? datesPhrase(trigger, zoneOf(own.timezone))
        : "once when the scheduler starts";
    case "calendar":
      return calendarPhrase(trigger, own.startAt !== undefined);
    case "solar":
      return solarPhrase(trigger);
    case "rrule":
      return rrulePhrase(trigger, schedule.rrule ?? "", own.startAt !== undefined);
    default:
      return `by the ${key} ${quoted(schedule[key])}`;
  }
}

function rrulePhrase({ rules, exceptRules, dates, exceptDates }: RecurrenceSet, text: string, isAnchored: boolean) {
  const [rule] = rules;
  const isOne = rules.length === 1 && exceptRules.length + dates.length + exceptDates.size === 0;
  return (rule !== undefined && isOne && recurrencePhrase(rule, text, isAnchored)) || `by the rrule ${quoted(text)}`;
}

function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `"${text.replaceAll(/\s*\n\s*/g, "; ").slice(0, 300)}"`;
}

// ---------------------------------------------------------------------------------------------------------- each kind

const units = [
  [7 * dayMs, "week"],
  [dayMs, "day"],
  [hourMs, "hour"],
  [minuteMs, "minute"],
  [secondMs, "second"],
  [1, "millisecond"],
] as const;

const unitOf = (ms: number) => units.find(([unitMs]) => ms % unitMs === 0)!;

/** Elapsed time: a day of it is 24 hours, whatever the clocks do. */
function intervalPhrase(everyMs: number): string {
  if (everyMs === dayMs) return "every 24 hours";
  const [unitMs, name] = unitOf(everyMs);
  return `every ${counted(everyMs / unitMs, name)}`;
}

function durationPhrase(written: string | number): string {
  const ms = parseDuration(written);
  const [unitMs, name] = ms === 0 ? ([secondMs, "second"] as const) : unitOf(ms);
  return `${ms / unitMs} ${name}${ms === unitMs ? "" : "s"}`;
}

/** `hour`, `2 hours`. */
const counted = (amount: number, unit: string): string => (amount === 1 ? unit : `${amount} ${unit}s`);

const maxDatesListed = 4;

function datesPhrase(dates: Dates, zone: Zone): string {
  const text = (instant: Instant) => wallText(zone.wallAt(instant));
  const [first, last] = [firstDate(dates)!, lastDate(dates)!];
  const written = dates.instants.length + (dates.local?.pattern.length ?? 0);
  if (written > maxDatesListed) return `at ${written} times from ${text(first)} to ${text(last)}`;
  const texts = [];
  for (let next: Instant | null = first; next !== null; next = nextDate(dates, next)) texts.push(text(next));
  return texts.length === 1 ? `once at ${texts[0]}` : `at ${listed(texts)}`;
}

/** `2027-01-01 09:00`; seconds and milliseconds only where there are any. */
function wallText(wall: WallTime): string {
  return new Date(wall)
    .toISOString()
    .replace("T", " ")
    .replace(/(:00)?\.000Z$|Z$/, "");
}

function calendarPhrase(calendar: Trigger & { kind: "calendar" }, isAnchored: boolean): string {
  const { months, days, firstDay, timeOfDayMs, clamp } = calendar;
  const amounts = [
    [Math.floor(months / 12), "year"],
    [months % 12, "month"],
    days % 7 === 0 ? ([days / 7, "week"] as const) : ([days, "day"] as const),
  ] as const;
  const every = listed(amounts.filter(([amount]) => amount > 0).map(([amount, unit]) => counted(amount, unit)));
  const second = timeOfDayMs / secondMs;
  const at = `at ${clock(Math.floor(second / 3_600), Math.floor(second / 60) % 60, second % 60)}`;
  if (!isAnchored) return `every ${every} ${at}, counted from the day on which it is added`;
  const { monthDay, weekday } = dateParts(firstDay);
  if (months > 0 && days > 0) return `every ${every} ${at}`;
  if (months === 0) return `every ${every}${days % 7 === 0 ? ` on ${weekdayName(weekday)}` : ""} ${at}`;
  const shorter =
    monthDay <= 28 ? "" : clamp ? " or the last day of shorter months" : ", leaving out months that have no such day";
  const ofMonth = months % 12 === 0 ? ` of ${monthNameOf(firstDay)}` : "";
  return `every ${every} ${at} on the ${ordinal(monthDay)}${ofMonth}${shorter}`;
}

const monthNameOf = (day: number): string =>
  new Intl.DateTimeFormat("en-US", { month: "long", timeZone: "UTC" }).format(day * dayMs);

function solarPhrase({ event, latitude, longitude }: Trigger & { kind: "solar" }): string {
  const [first = "", second] = event.split("_");
  const what = event === "solar_noon" ? "solar noon" : second === undefined ? first : `${second} ${first}`;
  const place = `${Math.abs(latitude)}° ${latitude < 0 ? "S" : "N"}, ${Math.abs(longitude)}° ${longitude < 0 ? "W" : "E"}`;
  return `at ${what} at ${place}`;
}

// ------------------------------------------------------------------------------------------- what stands beside them

function* besides(schedule: Written, key: TriggerKey, own: Inherited): Generator<string> {
  const { start_at, end_at, except, dst, max_runs, jitter } = schedule;
  if (except !== undefined) yield `except ${exceptPhrase([except].flat(), own)}`;
  if (start_at !== undefined) yield `from ${dateText(start_at)}`;
  if (end_at !== undefined) {
    const isMidnight = key === "apscheduler" && !/\d:\d/.test(end_at);
    yield `until ${dateText(end_at)}${isMidnight ? " 00:00" : ""}`;
  }
  if (max_runs !== undefined) yield max_runs === 1 ? "only once" : `at most ${max_runs} times`;
  if (dst?.gap === "next") yield "after the gap if the clock skips it";
  if (dst?.gap === "skip") yield "not at all if the clock skips it";
  if (dst?.overlap === "first") yield "once if the clock shows it twice";
  if (dst?.overlap === "both") yield "twice if the clock shows it twice";
  if (jitter !== undefined) yield `up to ${durationPhrase(jitter)} later`;
}

function exceptPhrase(items: readonly unknown[], own: Inherited): string {
  const phrases = items.slice(0, 6).map((item) => {
    if (typeof item === "string") return exceptText(item);
    const { from, to } = item as Record<string, unknown>;
    if (typeof from === "string" && typeof to === "string")
      return `${/\d:\d/.test(from) ? "at" : "on"} ${dateText(from)} to ${dateText(to)}`;
    return phraseOf(item as Schedule, own);
  });
  const more = items.length - phrases.length;
  return listed(someOf([...phrases, ...(more > 0 ? [`${more} more`] : [])], 10));
}

function exceptText(text: string): string {
  if (!/^[0-9]/.test(text)) return `on the days of "${text}"`;
  const parts = text.split(/ *(?:\.\.|\/) */).map(dateText);
  return `${/\d:\d/.test(text) ? "at" : "on"} ${parts.join(" to ")}`;
}

const dateText = (text: string): string => text.replace("T", " ");
