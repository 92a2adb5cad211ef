// The nominal times of a schedule, listed by brute force and with nothing of Beat's: intervals by arithmetic, cron texts by
// asking for every minute what the clock shows.

import { DateTime } from "luxon";
import { fireTimes, type Rule } from "../core/triggers/brute-force.ts";
import { cronSets } from "./cron-sets.ts";

export type Written = Readonly<Record<string, unknown>>;

const minuteMs = 60_000;
const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: minuteMs,
  h: 60 * minuteMs,
  d: 1_440 * minuteMs,
  w: 10_080 * minuteMs,
};

/** The keys that say when an entry fires: a change of one of them begins it anew. */
const scheduleKeys = ["every", "crontab", "cron", "at", "timezone", "start_at", "end_at", "dst"];
const unreadable = ["apscheduler", "calendar", "solar", "rrule", "any", "all", "except"];

export function scheduleText(definition: Written): string {
  for (const key of unreadable)
    if (definition[key] !== undefined) throw new Error(`the checker can't list the times of "${key}"`);
  return JSON.stringify(scheduleKeys.map((key) => definition[key] ?? null));
}

/** `30s`, `1h30m`, or a number of seconds. */
export function durationMs(written: unknown): number {
  if (typeof written === "number") return written * 1_000;
  let total = 0;
  const rest = String(written).replace(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g, (_, count, unit) => {
    total += Number(count) * unitsMs[unit]!;
    return "";
  });
  if (rest !== "" || written === undefined)
    throw new Error(`the checker can't read the duration ${JSON.stringify(written)}`);
  return total;
}

export function intervalMs(definition: Written): number | undefined {
  return definition["every"] === undefined ? undefined : durationMs(definition["every"]);
}

/** When `start_at` says that it begins, WALL time. */
export function startOf(definition: Written): number | undefined {
  return definition["start_at"] === undefined ? undefined : instantOf(definition["start_at"], definition);
}

/** Every nominal time in (after, until] of a schedule that names times of the wall clock, ascending. */
export function wallTimes(definition: Written, after: number, until: number): number[] {
  const first = startOf(definition) ?? Number.NEGATIVE_INFINITY;
  const last = endOf(definition);
  return listed(definition, after, until).filter(
    (time) => time > after && time <= until && time >= first && time <= last,
  );
}

/** Intervals: every `everyMs` from `anchor`, in (after, until]. `inclusive`: the anchor itself is the first. */
export function elapsedTimes(
  anchor: number,
  everyMs: number,
  inclusive: boolean,
  after: number,
  until: number,
): number[] {
  const times: number[] = [];
  const least = Math.max(inclusive ? 0 : 1, Math.floor((after - anchor) / everyMs));
  for (let time = anchor + least * everyMs; time <= until; time += everyMs) if (time > after) times.push(time);
  return times;
}

export function endOf(definition: Written): number {
  return definition["end_at"] === undefined ? Number.POSITIVE_INFINITY : instantOf(definition["end_at"], definition);
}

function listed(definition: Written, after: number, until: number): number[] {
  if (definition["at"] !== undefined) {
    const times = [definition["at"]].flat().map((text) => instantOf(text, definition));
    return [...new Set(times)].sort((a, b) => a - b);
  }
  const sets =
    definition["cron"] !== undefined
      ? cronSets(String(definition["cron"]), "or")
      : cronSets(crontabText(definition["crontab"]), "and");
  const gap = sets.wild ? "skip" : sets.fine ? "next-unless-day" : "next";
  const dst = { gap, overlap: sets.wild ? "both" : "first", ...(definition["dst"] as object) } as Rule;
  const whole = (time: number) => Math.floor(time / minuteMs) * minuteMs;
  const stepMs = sets.fine ? 1_000 : minuteMs;
  return fireTimes(sets, zoneOf(definition), dst, whole(after) - minuteMs, whole(until) + minuteMs, stepMs);
}

function crontabText(crontab: unknown): string {
  if (typeof crontab === "string") return crontab;
  const fields = crontab as Readonly<Record<string, unknown>> | undefined;
  if (fields === undefined) throw new Error("the checker finds no trigger that it can read");
  return ["minute", "hour", "day_of_month", "month_of_year", "day_of_week"]
    .map((key) => String(fields[key] ?? "*"))
    .join(" ");
}

function instantOf(written: unknown, definition: Written): number {
  const at = DateTime.fromISO(String(written), { zone: zoneOf(definition) });
  if (!at.isValid) throw new Error(`the checker can't read the time ${JSON.stringify(written)}`);
  return at.toMillis();
}

function zoneOf(definition: Written): string {
  return String(definition["timezone"] ?? "UTC");
}
