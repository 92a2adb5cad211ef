// What `except` left out of a schedule: the fire times that there would be without it.

import type { Instant } from "../time.ts";
import { fireTimesBetween, nextFireTime, previousFireTime, type Trigger } from "./trigger.ts";

/** The same schedule without its `except`; undefined where it has none. */
export function withoutExcept(trigger: Trigger): Trigger | undefined {
  if (trigger.kind === "except") return trigger.trigger;
  if (trigger.kind !== "bounded") return undefined;
  const inner = withoutExcept(trigger.trigger);
  return inner && { ...trigger, trigger: inner };
}

/** How far the first and the last of them are sought among those that are kept. */
const maxSteps = 10_000;

/**
 * The fire times later than `after` and up to `until` that `except` leaves out, `kept` being how many it does not. Undefined
 * where there are none, or they lie too thin to be found.
 */
export function leftOutBetween(
  trigger: Trigger,
  after: Instant,
  until: Instant,
  kept: number,
): { readonly fromFireAt: Instant; readonly untilFireAt: Instant; readonly count: number } | undefined {
  const whole = withoutExcept(trigger);
  if (whole === undefined) return undefined;
  const { count, last } = fireTimesBetween(whole, after + 1, until);
  if (last === null || count <= kept) return undefined;
  let [from, next] = [nextFireTime(whole, after), nextFireTime(trigger, after)];
  for (let step = 0; from !== null && from === next; step++) {
    if (step === maxSteps) return undefined;
    [from, next] = [nextFireTime(whole, from), nextFireTime(trigger, from)];
  }
  let [to, previous] = [last as Instant | null, previousFireTime(trigger, last + 1)];
  for (let step = 0; to !== null && to === previous && step < maxSteps; step++) {
    [to, previous] = [previousFireTime(whole, to), previousFireTime(trigger, to)];
  }
  if (from === null || to === null || to < from) return undefined;
  return { fromFireAt: from, untilFireAt: to, count: count - kept };
}
