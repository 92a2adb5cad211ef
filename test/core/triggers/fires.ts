import assert from "node:assert/strict";
import { DefinitionError } from "../../../src/core/errors.ts";
import { compileSchedule, type Schedule } from "../../../src/core/triggers/schedule.ts";
import { nextFireTime, previousFireTime, type Trigger } from "../../../src/core/triggers/trigger.ts";

/** `2024-03-10T07:00Z`: UTC. */
export const at = (text: string): number => Date.parse(text);

const iso = (instant: number): string => new Date(instant).toISOString().replace(/(:00)?\.000Z$/, "Z");

export const compile = (schedule: Schedule, anchorAt = 0): Trigger =>
  compileSchedule(schedule, { name: "test", anchorAt });

/** The next fire times after an instant, as short ISO texts; fewer where the schedule ends. */
export function firesAfter(schedule: Schedule, after: string, count: number): string[] {
  const trigger = compile(schedule, at(after));
  const fires: string[] = [];
  for (
    let next = nextFireTime(trigger, at(after));
    next !== null && fires.length < count;
    next = nextFireTime(trigger, next)
  )
    fires.push(iso(next));
  return fires;
}

/** The fire times before an instant, the latest one first. */
export function firesBefore(schedule: Schedule, before: string, count: number): string[] {
  const trigger = compile(schedule);
  const fires: string[] = [];
  for (
    let last = previousFireTime(trigger, at(before));
    last !== null && fires.length < count;
    last = previousFireTime(trigger, last)
  )
    fires.push(iso(last));
  return fires;
}

/** Refused with a place, a message and a remedy. `schedule` is what a user wrote, so of any shape. */
export function assertRefused(schedule: unknown, field: string, message: RegExp, remedy: RegExp = /./): void {
  assert.throws(
    () => compile(schedule as Schedule),
    (error) => {
      assert.ok(error instanceof DefinitionError, String(error));
      assert.equal(error.place?.field, field);
      assert.match(error.message, message);
      assert.match(error.remedy ?? "", remedy);
      assert.ok(error.describe().length < 500);
      return true;
    },
  );
}
