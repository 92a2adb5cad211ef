// `any` and `all`: the union of several triggers, and the times that they have in common.

import { BeatError, DefinitionError } from "../errors.ts";
import { dayMs, type Instant } from "../time.ts";
import type { CompileContext } from "./context.ts";
import { inQuotes } from "./date-time.ts";
import { commonInterval, type Interval } from "./interval.ts";
import type { Ask, Trigger } from "./trigger.ts";
import { apart, type WallClock } from "./wall-clock.ts";

export interface Union {
  readonly kind: "any";
  readonly triggers: readonly Trigger[];
}

export interface Coincidence {
  readonly kind: "all";
  readonly triggers: readonly Trigger[];
}

const maxTriggers = 100;

export const compileAny = (value: unknown, context: CompileContext): Union => ({
  kind: "any",
  triggers: compileList(value, "any", context),
});

/** Intervals among them become one, by arithmetic. That they have a time in common at all is for the caller to find out. */
export function compileAll(value: unknown, context: CompileContext): Coincidence {
  const triggers = compileList(value, "all", context);
  const intervals = triggers.filter((trigger) => trigger.kind === "interval");
  const [first, ...rest] = intervals;
  if (first === undefined) return { kind: "all", triggers };
  const common = rest.reduce((left: typeof first | undefined, right) => left && commonInterval(left, right), first);
  if (common === undefined) {
    throw new DefinitionError("never fires: its intervals have no time in common", {
      remedy: "Give them starts that meet.",
      place: { field: "all" },
    });
  }
  return { kind: "all", triggers: [common, ...triggers.filter((trigger) => trigger.kind !== "interval")] };
}

function compileList(value: unknown, field: string, context: CompileContext): Trigger[] {
  const place = { field };
  if (!Array.isArray(value) || value.length === 0) {
    throw new DefinitionError(`${inQuotes(value)} is not a list of triggers`, {
      remedy: 'Write a list like [{every: 1h}, {cron: "0 9 * * *"}].',
      place,
    });
  }
  if (value.length > maxTriggers) {
    throw new DefinitionError(`${value.length} triggers are too many`, {
      remedy: `Give at most ${maxTriggers}.`,
      place,
    });
  }
  return Array.from(value, (each, index) => context.compileNested(each, `${field}.${index}`));
}

export function nextAny({ triggers }: Union, after: Instant, next: Ask): Instant | null {
  return triggers.reduce((earliest: Instant | null, trigger) => {
    const found = next(trigger, after);
    return earliest === null || (found !== null && found < earliest) ? found : earliest;
  }, null);
}

export function previousAny({ triggers }: Union, before: Instant, previous: Ask): Instant | null {
  return triggers.reduce((latest: Instant | null, trigger) => {
    const found = previous(trigger, before);
    return latest === null || (found !== null && found > latest) ? found : latest;
  }, null);
}

/**
 * Triggers that have no time in common in so many years are given up: the sooner, the more often they were asked in vain.
 * What comes every few years, like leap days on a Monday, is looked for through centuries.
 */
const [patientYears, patience] = [20, 3_000];
const yearMs = 365.25 * dayMs;
/** How often two triggers miss each other before it is found out whether they can meet at all for a while. */
const misses = 16;

/** Each trigger is asked for its first time from the latest one that any named, until all name the same. */
export function nextAll({ triggers }: Coincidence, after: Instant, next: Ask): Instant | null {
  return meet(triggers, after + 1, 1, (trigger, wanted) => next(trigger, wanted - 1));
}

export function previousAll({ triggers }: Coincidence, before: Instant, previous: Ask): Instant | null {
  return meet(triggers, before - 1, -1, (trigger, wanted) => previous(trigger, wanted + 1));
}

/** The first time that all name, from `start` on or (-1) back. `ask` names a trigger's own from `wanted`, inclusive. */
function meet(triggers: readonly Trigger[], start: Instant, direction: 1 | -1, ask: Ask): Instant | null {
  let wanted = start;
  let missedSince = start;
  let order = triggers;
  for (let asked = 0, turn = 0, agreed = 0; agreed < order.length; asked++) {
    const [last, trigger] = [order.at(turn - 1)!, order[turn]!];
    turn = (turn + 1) % order.length;
    const found = ask(trigger, wanted);
    if (found === null) return null;
    agreed = found === wanted ? agreed + 1 : 1;
    wanted = found;
    // What begins late has not been missing its times until then.
    if (asked <= misses) missedSince = wanted;
    if (asked < misses || agreed > 1) continue;
    const years = ((wanted - missedSince) * direction) / yearMs;
    if (years > patientYears && years * asked > patience) giveUp(years);
    const span = isStepped(last) && isStepped(trigger) ? apart(last, trigger, wanted) : undefined;
    if (span === undefined) continue;
    wanted = direction === 1 ? span.until : span.from;
    if (!Number.isFinite(wanted)) return null;
    // These two decide: the others need not be asked for as long as they are apart.
    order = [last, trigger, ...triggers.filter((each) => each !== last && each !== trigger)];
    [turn, agreed] = [0, 0];
  }
  return wanted;
}

const isStepped = (trigger: Trigger): trigger is WallClock | Interval =>
  "pattern" in trigger || trigger.kind === "interval";

function giveUp(years: number): never {
  throw new BeatError(`the triggers have no time in common in ${Math.floor(years)} years`, {
    remedy: "Choose triggers that meet more often.",
  });
}
