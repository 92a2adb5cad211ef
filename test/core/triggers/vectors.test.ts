// Every row of test/vectors that a schedule of Beat can express, forwards and backwards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DefinitionError } from "../../../src/core/errors.ts";
import { compileSchedule, type Schedule } from "../../../src/core/triggers/schedule.ts";
import { fireTimesBetween, nextFireTime, previousFireTime, type Trigger } from "../../../src/core/triggers/trigger.ts";
import { expected, schedule, toleranceSeconds } from "../../vectors/definitions.mjs";
import { type Row, rowsOf } from "../../vectors/rows.ts";

const compile = (value: Schedule, row: Row): Trigger =>
  compileSchedule(value, { name: row.id, anchorAt: Date.parse(row.after ?? "1970-01-01") });
const iso = (instants: readonly number[]): string[] =>
  instants.map((instant) => new Date(instant).toISOString().replace(".000Z", "Z"));

function firesAfter(trigger: Trigger, after: number, count: number): number[] {
  const fires: number[] = [];
  for (
    let next = nextFireTime(trigger, after);
    next !== null && fires.length < count;
    next = nextFireTime(trigger, next)
  )
    fires.push(next);
  return fires;
}

/** The rows of a file, with their schedules; `leftOut` says how many have none. */
function check(file: string, { leftOut = 0 } = {}): void {
  test(`${file}: every row`, () => {
    let without = 0;
    for (const row of rowsOf(file)) {
      const value = schedule(row);
      if (value === undefined) {
        without++;
        continue;
      }
      const label = `${row.id} ${JSON.stringify(value)} after ${row.after}`;
      const trigger = compile(value, row);
      const after = Date.parse(row.after);
      const want = expected(row);
      const fires = firesAfter(trigger, after, want.length + (row.exhausted ? 1 : 0));
      assertNear(fires, want, toleranceSeconds(row), label);
      if (fires.length > 0) checkBackwards(trigger, after, fires, label);
    }
    assert.equal(without, leftOut);
  });
}

function assertNear(fires: readonly number[], want: readonly string[], toleranceSeconds: number, label: string): void {
  if (toleranceSeconds === 0) assert.deepEqual(iso(fires), want, label);
  assert.equal(fires.length, want.length, label);
  for (const [index, text] of want.entries()) {
    assert.ok(Math.abs(fires[index]! - Date.parse(text)) <= toleranceSeconds * 1_000, `${label}: ${iso(fires)}`);
  }
}

function checkBackwards(trigger: Trigger, after: number, fires: readonly number[], label: string): void {
  const last = fires.at(-1)!;
  const backwards = [];
  for (let at = previousFireTime(trigger, last + 1); at !== null && at > after; at = previousFireTime(trigger, at))
    backwards.push(at);
  assert.deepEqual(iso(backwards.reverse()), iso(fires), `backwards: ${label}`);
  assert.deepEqual(fireTimesBetween(trigger, after + 1, last), { count: fires.length, last }, `between: ${label}`);
}

check("unix-cron");
check("quartz-like", { leftOut: 82 });
check("apscheduler-cron");
check("interval", { leftOut: 284 });
check("calendar-interval");
check("solar");
check("rrule");

/** Valid in Beat; Celery refuses it for its Python type only. */
const validHere = new Set(["5m"]);
const kinds = [
  "celery-crontab",
  "celery-crontab-string",
  "unix-cron",
  "quartz-like",
  "apscheduler-cron",
  "calendar-interval",
  "celery-interval",
  "celery-solar",
  "rrule",
  "apscheduler-interval",
  "timezone",
];

for (const kind of kinds) {
  test(`invalid ${kind}: every row is refused, with the key and what would be right`, () => {
    const rows = rowsOf("invalid").filter(
      (row) => row.for === kind && !validHere.has(String(row.spec["every_seconds"])),
    );
    assert.ok(rows.length > 0);
    for (const row of rows) {
      const value = schedule(row) ?? { cron: "* * * * *", timezone: row.spec["timezone"] as string };
      assert.throws(
        () => compile(value, row),
        (error) => error instanceof DefinitionError && Boolean(error.remedy) && Boolean(error.place?.field),
        `${row.id} ${JSON.stringify(value)}`,
      );
    }
  });
}
