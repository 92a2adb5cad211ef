// Schedules with what they mean written beside them as sets, and instants where it matters, for property tests.

import assert from "node:assert/strict";
import fc from "fast-check";
import { compileSchedule, type Schedule } from "../../../src/core/triggers/schedule.ts";
import type { Trigger } from "../../../src/core/triggers/trigger.ts";
import { zoneOf } from "../../../src/core/zone.ts";
import type { Rule, Sets } from "./brute-force.ts";

export const dayMs = 86_400_000;
export const zoneNames: readonly string[] = ["UTC", ...Intl.supportedValuesOf("timeZone")];
const lastChange = Date.UTC(2100, 0);

/** Monrovia's offset had seconds until 1972, which a walk by minutes can't follow. */
const firstInstant = (zone: string): number => (zone === "Africa/Monrovia" ? Date.UTC(1973, 0) : Date.UTC(1970, 0, 3));

/** A whole minute from 1970 to 2100: mostly up to `aroundMs` before or a third of it after one of the zone's changes, where it has any. */
export function startIn(zone: string, aroundMs = 1.5 * dayMs): fc.Arbitrary<number> {
  const from = firstInstant(zone);
  const changes = zoneOf(zone).changesBetween(from, lastChange);
  const anywhere = fc.integer({ min: from, max: lastChange });
  const near = fc
    .tuple(fc.nat(), fc.integer({ min: -Math.floor(aroundMs / 3), max: Math.floor(aroundMs) }))
    .map(([index, before]) => changes[index % changes.length]!.at - before);
  const instant =
    changes.length === 0 ? anywhere : fc.oneof({ arbitrary: near, weight: 4 }, { arbitrary: anywhere, weight: 1 });
  return instant.map((each) => Math.max(from, Math.floor(each / 60_000) * 60_000));
}

const range = (min: number, max: number): number[] => Array.from({ length: max - min + 1 }, (_, index) => min + index);

interface Field {
  readonly text: string;
  readonly values: readonly number[];
}

/** `*`, `*\/n` or a list; text and set side by side. Fixed values are common, so that fixed times are. */
const field = (min: number, max: number): fc.Arbitrary<Field> =>
  fc.oneof(
    fc.constant({ text: "*", values: range(min, max) }),
    fc
      .integer({ min: 1, max: max - min })
      .map((step) => ({ text: `*/${step}`, values: range(min, max).filter((value) => (value - min) % step === 0) })),
    fc
      .uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 })
      .map((values) => ({ text: values.join(","), values })),
  );

const dst = fc.record({
  gap: fc.constantFrom("next" as const, "skip" as const),
  overlap: fc.constantFrom("first" as const, "both" as const),
});

export interface Meant {
  readonly value: Schedule;
  readonly sets: Sets;
  readonly rule: Rule;
}

const followsRealTime: Rule = { gap: "skip", overlap: "both" };
const startsWithStar = ({ text }: Field): boolean => text.startsWith("*");

/** `cron` with five fields, and `crontab`. */
export const byMinute: fc.Arbitrary<Meant> = fc
  .tuple(
    field(0, 59),
    field(0, 23),
    field(1, 31),
    field(1, 12),
    field(0, 6),
    fc.constantFrom("cron", "crontab"),
    fc.option(dst, { nil: undefined }),
  )
  .map(([minute, hour, monthDay, month, weekday, dialect, override]) => {
    const text = [minute, hour, monthDay, month, weekday].map((each) => each.text).join(" ");
    const sets: Sets = {
      seconds: [0],
      minutes: minute.values,
      hours: hour.values,
      monthDays: monthDay.values,
      months: month.values,
      weekdays: weekday.values,
      either: dialect === "cron" && !startsWithStar(monthDay) && !startsWithStar(weekday),
    };
    const isWildcard = startsWithStar(minute) || startsWithStar(hour);
    const rule = isWildcard ? followsRealTime : ({ gap: "next", overlap: "first" } as const);
    return {
      value: { [dialect]: text, ...(override && { dst: override }) } as Schedule,
      sets,
      rule: { ...rule, ...override },
    };
  });

/** `cron` with six fields, and `apscheduler`: on some day of the week, so that a short walk meets them. */
export const bySecond: fc.Arbitrary<Meant> = fc
  .tuple(
    field(0, 59),
    field(0, 59),
    field(0, 23),
    fc.oneof(fc.constant({ text: "*", values: range(0, 6) }), field(0, 6)),
    fc.constantFrom("cron", "apscheduler"),
    fc.option(dst, { nil: undefined }),
  )
  .map(([second, minute, hour, weekday, dialect, override]) => {
    const isCron = dialect === "cron";
    const fields = { second: second.text, minute: minute.text, hour: hour.text, day_of_week: weekday.text };
    const value = isCron
      ? { cron: `${second.text} ${minute.text} ${hour.text} * * ${weekday.text}` }
      : { apscheduler: fields };
    const sets: Sets = {
      seconds: second.values,
      minutes: minute.values,
      hours: hour.values,
      monthDays: range(1, 31),
      months: range(1, 12),
      weekdays: isCron ? weekday.values : weekday.values.map((day) => (day + 1) % 7),
      either: false,
    };
    const isWildcard = [second, minute, hour].some(startsWithStar);
    const rule = isWildcard
      ? followsRealTime
      : ({ gap: isCron ? "next-unless-day" : "next", overlap: "first" } as const);
    return { value: { ...value, ...(override && { dst: override }) }, sets, rule: { ...rule, ...override } };
  });

/** Undefined for a schedule that never fires (30 February). */
export function compileIn(zone: string, value: Schedule): Trigger | undefined {
  try {
    return compileSchedule({ ...value, timezone: zone }, { name: "any", anchorAt: 0 });
  } catch (error) {
    assert.match(String(error), /never fires/);
    return undefined;
  }
}
