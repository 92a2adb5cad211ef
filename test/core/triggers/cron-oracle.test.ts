// `cron` beside cron-parser, which shares no code with it, on every text that both read alike. They differ where Beat follows
// Debian's cron, its model, or where there is no answer to compare with:
//
//   - Elements that overlap (`1-5,3`): cron-parser refuses them as duplicates; to cron they are a set.
//   - A day that begins with `*` but is not `*` (`*/2`), with five fields, beside a restricted day of the other kind: cron asks for
//     both days, cron-parser for either. With six fields both libraries ask for either.
//   - `W`, `LW`, `~`: cron-parser does not know them. `H` and `?` in times, `@minutely`, `@weekdays`: Beat does not. Lists with
//     `L` or `#` in them are left out as well: which of their elements count is not said anywhere.
//   - A gap: cron-parser runs a time in it late by the length of the gap, so that 02:30 and 03:30 are one run and 02:30 comes
//     after 03:00. For cron it is due when the clock gets there. A wildcard within it (`*/30 2`) has no time then, and cron names
//     none; cron-parser moves it as well.
//   - An overlap: cron repeats what follows real time (`*/30 2`), cron-parser only where the hour is `*`.
//   - Half an hour (Lord Howe): near such a change cron-parser gives up ("loop limit exceeded"). An overlap that begins the day
//     (Havana): on such a day it leaves out the first pass.
//
// So near a change of the clocks they are compared where the hour is `*` and the change a whole hour; elsewhere always.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CronExpressionParser } from "cron-parser";
import fc from "fast-check";
import { nextFireTime, previousFireTime, type Trigger } from "../../../src/core/triggers/trigger.ts";
import { zoneOf } from "../../../src/core/zone.ts";
import { compile } from "./fires.ts";

const dayMs = 86_400_000;
const count = 6;
const zones = ["UTC", "America/New_York", "Europe/Berlin", "Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe"];

interface Shape {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
  /** Elements of this field that stand alone. */
  readonly own?: readonly string[];
}

const sixty: Shape = { min: 0, max: 59 };
const hours: Shape = { min: 0, max: 23 };
const monthDays: Shape = { min: 1, max: 31, own: ["L"] };
const months: Shape = { min: 1, max: 12, names: "jan feb mar apr may jun jul aug sep oct nov dec".split(" ") };
const weekdays: Shape = {
  min: 0,
  max: 6,
  names: "sun mon tue wed thu fri sat".split(" "),
  own: ["7", "0-7", "5-7", "1#1", "3#2", "0#5", "5L", "0L"],
};

function field({ min, max, names = [], own = [] }: Shape): fc.Arbitrary<string> {
  const value = fc.integer({ min, max });
  const step = fc.integer({ min: 1, max: max - min + 1 });
  const range = fc.tuple(value, value).map((ends) => ends.toSorted((a, b) => a - b).join("-"));
  return fc.oneof(
    { arbitrary: fc.constant("*"), weight: 3 },
    step.map((each) => `*/${each}`),
    range,
    fc.tuple(range, step).map((parts) => parts.join("/")),
    fc.tuple(value, step).map((parts) => parts.join("/")),
    fc.uniqueArray(value, { minLength: 1, maxLength: 5 }).map(String),
    ...[...names, ...own].slice(0, 1).map(() => fc.constantFrom(...names, ...own)),
  );
}

/** Whether cron asks for both days and cron-parser for either. */
const differsInDays = (monthDay: string, weekday: string): boolean =>
  monthDay !== "*" && weekday !== "*" && (monthDay.startsWith("*") || weekday.startsWith("*"));

const five = fc
  .tuple(field(sixty), field(hours), field(monthDays), field(months), field(weekdays))
  .filter(([, , monthDay, , weekday]) => !differsInDays(monthDay, weekday));
const six = fc.tuple(field(sixty), field(sixty), field(hours), field(monthDays), field(months), field(weekdays));

/** Half of the instants lie within two days before a change of the clocks. */
const anyStart = fc
  .tuple(fc.constantFrom(...zones), fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2060, 0) }), fc.boolean())
  .chain(([zone, instant, aimed]) => {
    const [change] = aimed ? zoneOf(zone).changesBetween(instant, instant + 400 * dayMs) : [];
    const latest = change?.at ?? instant;
    return fc.integer({ min: 0, max: 2 * dayMs }).map((before) => ({ zone, start: latest - before }));
  });

function isComparable(text: string, zone: string, from: number, until: number): boolean {
  const changes = zoneOf(zone).changesBetween(from - dayMs, until + dayMs);
  return changes.length === 0 || (text.split(" ").at(-4) === "*" && zone !== "Australia/Lord_Howe");
}

const iso = (instants: readonly number[]): string[] => instants.map((instant) => new Date(instant).toISOString());

/** Undefined for a text that never fires (30 February), by both. */
function triggerOf(text: string, zone: string): Trigger | undefined {
  try {
    return compile({ cron: text, timezone: zone });
  } catch (error) {
    assert.match(String(error), /never fires/);
    assert.throws(() => CronExpressionParser.parse(text, { tz: zone }).next(), text);
    return undefined;
  }
}

/** Six fire times in one direction, by both. */
function compare(text: string, zone: string, start: number, isForwards: boolean): boolean {
  const trigger = triggerOf(text, zone);
  if (trigger === undefined) return false;
  const step = isForwards ? nextFireTime : previousFireTime;
  const own: number[] = [];
  for (let at: number | null = step(trigger, start); at !== null && own.length < count; at = step(trigger, at))
    own.push(at);
  const ends = [start, own.at(-1) ?? start].toSorted((a, b) => a - b) as [number, number];
  if (!isComparable(text, zone, ...ends)) return false;
  // Past instants within a second: cron-parser takes the second of `currentDate` to be gone by.
  const currentDate = new Date(isForwards ? start : Math.ceil(start / 1_000) * 1_000);
  const expression = CronExpressionParser.parse(text, { tz: zone, currentDate });
  const theirs = own.map(() => (isForwards ? expression.next() : expression.prev()).getTime());
  assert.deepEqual(iso(own), iso(theirs), `${text} in ${zone} from ${new Date(start).toISOString()}`);
  return true;
}

for (const [name, fields] of [
  ["five fields", five],
  ["six fields", six],
] as const) {
  test(`${name}: the next and the previous fire times are those that cron-parser names`, () => {
    let compared = 0;
    fc.assert(
      fc.property(fields, anyStart, fc.boolean(), (parts, { zone, start }, isForwards) => {
        if (compare(parts.join(" "), zone, start, isForwards)) compared++;
      }),
      { numRuns: 2_000 },
    );
    assert.ok(compared > 600, `only ${compared} could be compared`);
  });
}
