// What was done to an entry, as the eras between two changes of its schedule.

import type { Change } from "./evidence.ts";
import { scheduleText, type Written } from "./nominal-times.ts";
import type { WallClock } from "./wall-clock.ts";

export interface Era {
  readonly definition: Written;
  readonly changes: readonly Change[];
  /** TRUE: the first moment at which it may, and the last at which it may still, have been in force. */
  readonly from: number;
  readonly until: number;
}

/** A nominal time of an era, as its rule lists it. */
export interface Listed {
  /** WALL, and TRUE when the clock showed it. */
  readonly fireAt: number;
  readonly arrivesAt: number;
  /** Of an interval: how often it had been anchored anew. */
  readonly phase: number;
  /** Nobody can say whether it was one. */
  readonly optional: boolean;
}

/** The longest time before its fire time at which an occurrence of a crowd is claimed. */
export const longestLeadMs = 6_000;

export function erasOf(changes: readonly Change[], endAt: number): Era[] {
  const eras: Era[] = [];
  for (let first = 0; first < changes.length; ) {
    const { definition, invokedAt } = changes[first]!;
    let next = first + 1;
    while (next < changes.length && textOf(changes[next]!) === textOf(changes[first]!)) next++;
    const until = next === changes.length ? endAt : (changes[next]!.acknowledgedAt ?? endAt);
    if (definition !== null) eras.push({ definition, changes: changes.slice(first, next), from: invokedAt, until });
    first = next;
  }
  return eras;
}

export function isOn(change: Change | undefined): boolean {
  return change?.definition != null && change.paused !== true && change.definition["enabled"] !== false;
}

/** The same for two changes that leave the schedule as it is. */
export function textOf({ definition }: Change): string | undefined {
  return definition === null ? undefined : scheduleText(definition);
}

/** An entry's first time lies after the moment at which it was written, which is only known to lie between two. */
export function isBeforeWritten(era: Era, clock: WallClock, fireAt: number): boolean {
  return fireAt <= clock.highest(era.from, era.changes[0]!.acknowledgedAt ?? era.until);
}
