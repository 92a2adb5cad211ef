// What a change of a definition, or of its being in force, does to an entry's progress. Pure.

import { type Definition, policyOf, scheduleOf } from "../core/definition.ts";
import { type Entry, triggerOf } from "../core/entry.ts";
import { BeatError } from "../core/errors.ts";
import type { EntryChange, PassedRange } from "../core/ports.ts";
import { type Instant, minuteMs } from "../core/time.ts";
import { parseDateTime, startOf } from "../core/triggers/date-time.ts";
import { fireTimesBetween, isElapsed, nextFireTime, type Trigger } from "../core/triggers/trigger.ts";
import { zoneOf } from "../core/zone.ts";

type Update = Extract<EntryChange, { change: "update" }>;

/** What an update does, beside saying which entry it is for. */
export type Effect = Pick<Update, "fields" | "withdraw" | "passed">;

/**
 * The progress of a definition that comes into force now. `nextFireAt` is null where it never fires. `max_runs` counts the runs
 * that Beat makes: times since a `start_at` in the past were none. Dates after `datesAfter` are decided on though they have passed.
 */
export function freshProgress(
  name: string,
  definition: Definition,
  now: Instant,
  datesAfter: Instant = now,
): Pick<Entry, "anchorAt" | "nextFireAt"> {
  const { start_at, at, timezone = "UTC" } = definition;
  const anchorAt =
    start_at === undefined || at !== undefined ? now : startOf(parseDateTime(start_at, "start_at"), zoneOf(timezone));
  const trigger = triggerOf({ name, definition, anchorAt, lastFireAt: null });
  return { anchorAt, nextFireAt: nextFireTime(trigger, at === undefined ? now : Math.min(datesAfter, now)) };
}

/** Before all dates that may be given. */
export const everyDate: Instant = -8e15;

/** Undefined where the new definition says what the old one said. */
export function changeOfDefinition(
  entry: Entry,
  definition: Definition,
  now: Instant,
  datesAfter?: Instant,
): Effect | undefined {
  if (JSON.stringify(entry.definition) === JSON.stringify(definition)) return undefined;
  if (entry.quarantine !== null || scheduleOf(entry.definition) !== scheduleOf(definition)) {
    const fields = {
      definition,
      ...freshProgress(entry.name, definition, now, datesAfter),
      lastFireAt: null,
      runCount: 0,
      quarantine: null,
    };
    return { fields, ...withdrawal(entry, now, "its schedule was changed") };
  }
  const effect = withLimit(entry, definition, now);
  const isEnabled = definition.enabled !== false;
  if (isEnabled === (entry.definition.enabled !== false)) return effect;
  if (!isEnabled) return { ...effect, withdraw: "it was disabled" };
  if (entry.pausedAt !== null || effect.fields.nextFireAt !== undefined) return effect;
  const { passed, ...progress } = goOn(entry, now, "it was disabled");
  return { fields: { ...effect.fields, ...progress }, passed };
}

/** `why` is what the ledger says of what was still to be sent or decided. */
export function removal(entry: Entry, now: Instant, why: string): EntryChange {
  const { id, revision } = entry;
  return { change: "remove", id, expectedRevision: revision, at: now, ...withdrawal(entry, now, why) };
}

/** Nothing of this schedule is sent any more. */
function withdrawal(
  entry: Entry,
  now: Instant,
  why: string,
): { readonly withdraw: string; readonly passed?: PassedRange[] } {
  const passed = entry.quarantine === null ? undecided(entry, now, why) : [];
  return { withdraw: why, ...(passed.length > 0 && { passed }) };
}

/** `max_runs` is not part of the schedule: raised, it lets a finished entry go on; lowered, it may end one. */
function withLimit(entry: Entry, definition: Definition, now: Instant): Effect {
  const { maxRuns } = policyOf(definition);
  if (maxRuns === policyOf(entry.definition).maxRuns) return { fields: { definition } };
  if (maxRuns !== null && entry.runCount >= maxRuns) return { fields: { definition, nextFireAt: null } };
  if (entry.nextFireAt !== null) return { fields: { definition } };
  return { fields: { definition, nextFireAt: nextFireTime(triggerOf({ ...entry, definition }), now) } };
}

/** The end of a pause. The fire times that passed in it go to the ledger as one range; from `missed`, the next claim decides on them. */
export function endOfPause(entry: Entry, now: Instant, from: "now" | "missed"): Effect {
  const fields = { pausedAt: null, pauseNote: null };
  if (from === "missed") return { fields };
  if (entry.quarantine !== null || entry.definition.enabled === false) return { fields };
  const { passed, ...progress } = goOn(
    entry,
    now,
    entry.pauseNote === null ? "it was paused" : `it was paused: ${entry.pauseNote}`,
  );
  return { fields: { ...fields, ...progress }, passed };
}

function isOff(entry: Entry): boolean {
  return entry.pausedAt !== null || entry.definition.enabled === false;
}

/** The fire times of a schedule that ends which have come and which nobody decided: they were off, or nobody led. */
function undecided(entry: Entry, now: Instant, why: string): PassedRange[] {
  if (isOff(entry)) return goOn(entry, now, `${why} while it stood still`).passed;
  const { passed } = goOn(entry, now, `${why} before this was decided`);
  return passed.map((range) => ({ ...range, state: "missed" }));
}

/** Goes on from now with an entry that stood still. */
function goOn(
  entry: Entry,
  now: Instant,
  reason: string,
): Partial<Pick<Entry, "nextFireAt" | "lastFireAt">> & { readonly passed: PassedRange[] } {
  const { nextFireAt: fromFireAt } = entry;
  const trigger = triggerIfValid(entry);
  if (trigger === undefined || fromFireAt === null) return { passed: [] };
  if (fromFireAt > now) return { ...returned(entry, trigger, now), passed: [] };
  const later = fireTimesBetween(trigger, fromFireAt + 1, now);
  const untilFireAt = later.last ?? fromFireAt;
  const passed: PassedRange = { fromFireAt, untilFireAt, count: 1 + later.count, state: "paused", reason };
  return { nextFireAt: nextFireTime(trigger, now), lastFireAt: untilFireAt, passed: [passed] };
}

/**
 * The clock had been wrong, far ahead, and was put back: what goes by the wall clock would wait until it gets there again, perhaps
 * for years. Whoever lets it go on says that it is right now. What was sent in between is in the ledger, and not sent again.
 */
function returned(
  { lastFireAt }: Entry,
  trigger: Trigger,
  now: Instant,
): Partial<Pick<Entry, "nextFireAt" | "lastFireAt">> {
  if (lastFireAt === null || lastFireAt <= now + minuteMs || isElapsed(trigger)) return {};
  return { nextFireAt: nextFireTime(trigger, now), lastFireAt: now };
}

/** A stored definition may have lost its meaning (a zone that is no more): who dispatches it will set it aside and say why. */
function triggerIfValid(entry: Entry): Trigger | undefined {
  try {
    return triggerOf(entry);
  } catch (error) {
    if (error instanceof BeatError) return undefined;
    throw error;
  }
}
