// What is valid and will surprise: times that the clocks skip or show twice, schedules that never fire again, steps that do
// not come out even. Pure: definitions and the present instant in, findings out. Each rule is a generator of its own.

import { defaultBroker } from "../core/broker-definition.ts";
import type { Definition } from "../core/definition.ts";
import { listed } from "../core/describe-pattern.ts";
import { firesAtStart, triggerOf } from "../core/entry.ts";
import { BeatError, nearest, type Place } from "../core/errors.ts";
import { secretParameters } from "../core/mask.ts";
import { dayMs, type Instant } from "../core/time.ts";
import { type ClockEffect, clockEffects } from "../core/triggers/clock-change.ts";
import { nextFireTime, previousFireTime, type Trigger } from "../core/triggers/trigger.ts";
import { type Zone, zoneOf } from "../core/zone.ts";
import { crowdedMinutes } from "./lint-crowd.ts";
import { fieldRemarks } from "./lint-fields.ts";
import { monthRemarks } from "./lint-months.ts";
import type { ParsedDefinition } from "./parse.ts";

export const lintRules = [
  "clock-gap",
  "clock-overlap",
  "never-fires",
  "rare",
  "uneven-step",
  "short-month",
  "day-and-weekday",
  "crowded-minute",
  "similar-names",
  "unknown-broker",
  "secret-in-url",
] as const;
export type LintRule = (typeof lintRules)[number];

export interface Finding {
  readonly rule: LintRule;
  readonly entry: string;
  /** Of the entry in its file. */
  readonly place: Place;
  /** What will happen, and why. */
  readonly message: string;
  readonly remedy: string;
}

type Remark = Pick<Finding, "rule" | "message" | "remedy">;

const horizonMs = 731 * dayMs;
/** A year, and the days by which a date like "the first Monday" moves. */
const yearMs = 380 * dayMs;
const crowdSize = 10;
const maxShown = 6;

/** `brokers`: those that the files name. The findings in the order of the entries, and for each entry in the order of the rules. */
export function lintDefinitions(
  definitions: readonly ParsedDefinition[],
  now: Instant,
  brokers: Iterable<string> = [],
): Finding[] {
  const compiled = definitions.map(({ name, definition }) => ({
    name,
    definition,
    trigger: triggerOf({ name, definition, anchorAt: now, lastFireAt: null }),
  }));
  const remarks = compiled.map((entry) => [...entryRemarks(entry, now)]);
  for (const [index, remark] of crowdRemarks(compiled, now)) remarks[index]!.push(remark);
  for (const [index, remark] of nameRemarks(definitions)) remarks[index]!.push(remark);
  for (const [index, remark] of brokerRemarks(definitions, [...brokers])) remarks[index]!.push(remark);
  for (const [index, { definition }] of definitions.entries()) remarks[index]!.push(...secretRemarks(definition));
  return definitions.flatMap(({ name, place }, index) =>
    remarks[index]!.map((remark) => ({ ...remark, entry: name, place: { ...place, entry: name } })),
  );
}

interface Compiled {
  readonly name: string;
  readonly definition: Definition;
  readonly trigger: Trigger;
}

function* entryRemarks({ definition, trigger }: Compiled, now: Instant): Generator<Remark> {
  if (firesAtStart(definition)) return;
  yield* clockRemarks(definition, trigger, now);
  yield* rarityRemarks(definition, trigger, now);
  const fields = [...fieldRemarks(definition)];
  for (const { rule, message, remedy } of fields) yield { rule, message, remedy };
  // A step over the days names the late ones by the way.
  if (!fields.some(({ rule, unit }) => rule === "uneven-step" && unit === "day"))
    for (const remark of monthRemarks(trigger, definition)) yield { rule: "short-month", ...remark };
}

// ------------------------------------------------------------------------------------------- changes of the clocks

/** What the user said about a change of the clocks does not surprise. */
function* clockRemarks(definition: Definition, trigger: Trigger, now: Instant): Generator<Remark> {
  const effects = effectsWithin(trigger, now);
  for (const kind of ["gap", "overlap"] as const) {
    if (saysOf(definition, kind)) continue;
    for (const outcome of ["moved", "skipped", "first", "both"] as const) {
      const some = effects.filter((effect) => effect.kind === kind && effect.outcome === outcome);
      if (some.length > 0) yield clockRemark(kind, some);
    }
  }
}

/** Triggers within `all` and `except` may be too hard to search: rarityRemarks tells. */
function effectsWithin(trigger: Trigger, now: Instant): ClockEffect[] {
  try {
    return [...clockEffects(trigger, now, now + horizonMs)];
  } catch (error) {
    if (error instanceof BeatError) return [];
    throw error;
  }
}

function saysOf(schedule: object, kind: "gap" | "overlap"): boolean {
  const { dst, any, all } = schedule as Record<string, unknown>;
  if (typeof dst === "object" && dst !== null && kind in dst) return true;
  return [any, all].some((list) => Array.isArray(list) && list.some((nested) => saysOf(nested, kind)));
}

const outcomes = {
  moved: "it runs at the end of the gap instead",
  skipped: "it does not run then",
  first: "it runs on the first pass only",
  both: "it runs on both passes",
} as const;

const clockRemedies = {
  gap: "Choose a time that the clock always shows, or say what is meant: dst: {gap: next} or dst: {gap: skip}.",
  overlap: "Choose a time that comes once, or say what is meant: dst: {overlap: first} or dst: {overlap: both}.",
} as const;

function clockRemark(kind: "gap" | "overlap", effects: readonly ClockEffect[]): Remark {
  const times = unique(effects.flatMap(({ walls }) => walls.map((wall) => new Date(wall).toISOString().slice(11, 16))));
  const days = unique(effects.map(({ walls }) => new Date(walls[0]!).toISOString().slice(0, 10)));
  const zones = unique(effects.map(({ zone }) => zone.name));
  const [plural, verb] = times.length > 1 ? ["", "do"] : ["s", "does"];
  const fate = kind === "gap" ? `${verb} not exist` : `come${plural} twice`;
  const outcome = outcomes[effects[0]!.outcome];
  const message = `${some(times, 4)} ${fate} on ${some(days, maxShown)} in ${some(zones, 2)}: ${outcome}`;
  return { rule: kind === "gap" ? "clock-gap" : "clock-overlap", message, remedy: clockRemedies[kind] };
}

// -------------------------------------------------------------------------------------------------- never, and seldom

function* rarityRemarks(definition: Definition, trigger: Trigger, now: Instant): Generator<Remark> {
  const zone = zoneOf(definition.timezone ?? "UTC");
  try {
    const next = nextFireTime(trigger, now);
    if (next === null) {
      const last = previousFireTime(trigger, now + 1);
      const message =
        last === null ? "it never fires" : `it never fires again: its last time was ${dayText(last, zone)}`;
      yield { rule: "never-fires", message, remedy: "Give it times to come, or remove it." };
      return;
    }
    if (definition.at !== undefined) return;
    const second = nextFireTime(trigger, next);
    const gapMs = Math.max(next - now, second === null ? 0 : second - next);
    if (gapMs < yearMs) return;
    const then = second === null ? "and never after that" : `and then on ${dayText(second, zone)}`;
    yield {
      rule: "rare",
      message: `more than a year goes by without it: it fires on ${dayText(next, zone)}, ${then}`,
      remedy: "Check the day, the month and the start; where a single date is meant, write it with at.",
    };
  } catch (error) {
    if (!(error instanceof BeatError)) throw error;
    yield { rule: "never-fires", message: error.message, remedy: error.remedy ?? "Choose times that come." };
  }
}

const dayText = (instant: Instant, zone: Zone): string => new Date(zone.wallAt(instant)).toISOString().slice(0, 10);

// ------------------------------------------------------------------------------------------------- entries together

function* crowdRemarks(compiled: readonly Compiled[], now: Instant): Generator<readonly [index: number, Remark]> {
  const indexes = [...compiled.keys()].filter((index) => {
    const { definition } = compiled[index]!;
    return definition.enabled !== false && definition.jitter === undefined && !firesAtStart(definition);
  });
  if (indexes.length < crowdSize) return;
  const triggers = indexes.map((index) => compiled[index]!.trigger);
  for (const { minuteAt, members } of crowdedMinutes(triggers, now, crowdSize)) {
    const names = members.map((member) => `"${compiled[indexes[member]!]!.name}"`);
    const minute = new Date(minuteAt).toISOString().slice(0, 16);
    yield [
      indexes[members[0]!]!,
      {
        rule: "crowded-minute",
        message: `${members.length} entries fire in one minute, ${minute}Z: ${some(names, 5)}`,
        remedy:
          "Spread them: ~ in place of the minute of a cron text chooses one by the entry's name, or give them a jitter.",
      },
    ];
  }
}

function* nameRemarks(definitions: readonly ParsedDefinition[]): Generator<readonly [index: number, Remark]> {
  const first = new Map<string, ParsedDefinition>();
  for (const [index, definition] of definitions.entries()) {
    const folded = definition.name.normalize("NFC").toLowerCase();
    const other = first.get(folded);
    if (other === undefined) {
      first.set(folded, definition);
      continue;
    }
    const { file, line, column } = other.place;
    const message = `its name differs in case only from "${other.name}" (${[file, line, column].join(":")})`;
    yield [
      index,
      { rule: "similar-names", message, remedy: "Rename one of them: they are two entries, and look like one." },
    ];
  }
}

function* brokerRemarks(
  definitions: readonly ParsedDefinition[],
  brokers: readonly string[],
): Generator<readonly [index: number, Remark]> {
  for (const [index, { definition }] of definitions.entries()) {
    const { broker } = definition;
    if (broker === undefined || broker === defaultBroker || brokers.includes(broker)) continue;
    const guess = nearest(broker, brokers);
    const message = `its broker "${broker}" stands in none of these files: unless a program names it, its tasks fail`;
    yield [
      index,
      { rule: "unknown-broker", message, remedy: guess ? `Did you mean "${guess}"?` : "Add it under the key brokers." },
    ];
  }
}

/** A name and a password in a URL are refused: a parameter may be harmless, so it is not. */
function* secretRemarks({ http }: Definition): Generator<Remark> {
  const names = typeof http?.url === "string" ? unique(secretParameters(http.url)) : [];
  if (names.length === 0) return;
  const shown = listed(names.map((name) => `?${name}=`));
  yield {
    rule: "secret-in-url",
    message: `the URL of its request seems to hold a secret (${shown}): it stands in the clear in this file, in the database and its backups, and for every program that reads the entry`,
    remedy:
      "Keep the URL elsewhere, url: {env: NAME} or {file: PATH}, or the secret alone as a header: headers: {Authorization: {file: PATH}}.",
  };
}

const unique = (texts: readonly string[]): string[] => [...new Set(texts)];

function some(texts: readonly string[], most: number): string {
  const more = texts.length - most;
  return more > 0 ? `${texts.slice(0, most).join(", ")} and ${more} more` : texts.join(", ");
}
