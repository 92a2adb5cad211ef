// The keys of a definition that say when it fires, and how they become a trigger. A new kind of trigger is a file of its
// own, a line in `triggerShape` and a line in `compilers`.

import { z } from "zod";
import { BeatError, DefinitionError } from "../errors.ts";
import { isMap } from "../json-value.ts";
import type { Instant } from "../time.ts";
import { type WallTime, type Zone, zoneOf } from "../zone.ts";
import { apschedulerSchema, compileApscheduler } from "./apscheduler.ts";
import { calendarSchema, compileCalendar } from "./calendar.ts";
import { compileAll, compileAny } from "./combine.ts";
import { type Allowance, type CompileContext, newAllowance, takePart, takeZone } from "./context.ts";
import { compileCron, cronSchema } from "./cron.ts";
import { compileCrontab, crontabSchema } from "./crontab.ts";
import { endOf, inQuotes, parseDateTime, startOf } from "./date-time.ts";
import { compileDates, datesSchema } from "./dates.ts";
import { compileExcept, exceptSchema } from "./except.ts";
import { compileInterval, intervalSchema } from "./interval.ts";
import { checkedMap } from "./map.ts";
import { compileRrule, rruleSchema } from "./rrule.ts";
import { compileSolar, solarSchema } from "./solar.ts";
import { neverFires, type Trigger } from "./trigger.ts";

/** What is checked in full when it is compiled: triggers within triggers nest. */
const nested = z.array(z.record(z.string(), z.unknown())).min(1);
const dstSchema = z.strictObject({
  gap: z.enum(["next", "skip"]).optional(),
  overlap: z.enum(["first", "both"]).optional(),
});

const triggerShape = {
  every: intervalSchema.optional(),
  crontab: crontabSchema.optional(),
  cron: cronSchema.optional(),
  apscheduler: apschedulerSchema.optional(),
  at: datesSchema.optional(),
  calendar: calendarSchema.optional(),
  solar: solarSchema.optional(),
  rrule: rruleSchema.optional(),
  any: nested.optional(),
  all: nested.optional(),
};

/** What a trigger may say beside its own key, at the top and within another one. */
const besideShape = {
  timezone: z.string().optional(),
  start_at: z.string().optional(),
  end_at: z.string().optional(),
  dst: dstSchema.optional(),
  except: exceptSchema.optional(),
};

export const scheduleShape = { ...triggerShape, ...besideShape, max_runs: z.int().min(1).optional() };

const compilers: Record<TriggerKey, (value: unknown, context: CompileContext) => Trigger> = {
  every: compileInterval,
  crontab: compileCrontab,
  cron: compileCron,
  apscheduler: compileApscheduler,
  at: compileDates,
  calendar: compileCalendar,
  solar: compileSolar,
  rrule: compileRrule,
  any: compileAny,
  all: compileAll,
};

export const triggerKeys = [
  "every",
  "crontab",
  "cron",
  "apscheduler",
  "at",
  "calendar",
  "solar",
  "rrule",
  "any",
  "all",
] as const satisfies readonly (keyof typeof triggerShape)[];
type TriggerKey = (typeof triggerKeys)[number];

/** Every key that concerns time. */
export const scheduleKeys = Object.keys(scheduleShape) as (keyof typeof scheduleShape)[];

const nestedKeys = [...triggerKeys, ...(Object.keys(besideShape) as (keyof typeof besideShape)[])];

/** The keys of one entry that concern time, as a user writes them. */
export type Schedule = z.infer<z.ZodObject<typeof scheduleShape>>;

/** The distant past and future, well within what a Date can hold. */
const everAt: Instant = -8e15;
const neverAt: Instant = 8e15;
const maxDepth = 8;

export interface ScheduleContext {
  readonly name: string;
  /** What an interval without `start_at` counts from. */
  readonly anchorAt: Instant;
  /** When the program started: the one fire time of `@reboot`, which is refused where there is none. */
  readonly startedAt?: Instant;
  /** The calendars that `except` may name: dates (`2026-12-25`) and ranges of dates (`2026-12-24..2027-01-01`). */
  readonly calendars?: Readonly<Record<string, readonly string[]>>;
}

/** What a trigger within another one takes over from it. */
type Inherited = Omit<CompileContext, "compileNested">;

/**
 * The trigger of a schedule. Throws DefinitionError whose place is the key that is wrong: every value is checked here, also
 * where no schema was applied before.
 */
export function compileSchedule(schedule: Schedule, context: ScheduleContext): Trigger {
  const { name, anchorAt, startedAt = null, calendars = {} } = context;
  const inherited = {
    name,
    anchorAt,
    startedAt,
    calendars,
    zone: zoneOf("UTC"),
    startAt: null,
    startWall: null,
    dst: {},
    allowance: newAllowance(),
  };
  return compileWithin(schedule, inherited, 0);
}

function compileWithin(schedule: Schedule, inherited: Inherited, depth: number): Trigger {
  const key = onlyTrigger(schedule);
  const { allowance } = inherited;
  takePart(allowance, key);
  const zone = schedule.timezone === undefined ? inherited.zone : compileZone(schedule.timezone);
  takeZone(allowance, zone);
  const start = compileStart(schedule.start_at, zone);
  const endAt = compileEnd(schedule, key, zone);
  if (start !== undefined && endAt !== undefined && endAt < start.startAt) {
    throw new DefinitionError(
      `${inQuotes(schedule.end_at)} is before start_at, ${inQuotes(schedule.start_at)}: it never fires`,
      {
        remedy: "Choose an end after the start.",
        place: { field: "end_at" },
      },
    );
  }
  const own: Inherited = { ...inherited, zone, ...start, dst: { ...inherited.dst, ...compileDst(schedule.dst) } };
  const context: CompileContext = {
    ...own,
    compileNested: (value, field) => compileNested(value, field, own, depth + 1),
  };
  let trigger = compilers[key](schedule[key], context);
  if (key === "all")
    refuseNever(trigger, allowance, key, "its triggers have no time in common", "Choose triggers that meet.");
  if (schedule.except !== undefined) {
    trigger = compileExcept(schedule.except, trigger, context);
    refuseNever(trigger, allowance, "except", "everything is left out", "Leave out less.");
  }
  if (start === undefined && endAt === undefined) return trigger;
  if (trigger.kind === "interval" && endAt === undefined) return trigger;
  return { kind: "bounded", trigger, startAt: start?.startAt ?? everAt, endAt: endAt ?? neverAt };
}

/** A trigger within another one; its errors say where it stands. */
function compileNested(value: unknown, field: string, inherited: Inherited, depth: number): Trigger {
  try {
    if (depth > maxDepth) throw new DefinitionError("nests too deeply", { remedy: `Nest at most ${maxDepth} levels.` });
    const map = checkedMap(value, nestedKeys, undefined, {
      what: "a trigger",
      remedy: 'Write a map like {cron: "0 9 * * *"}.',
    });
    return compileWithin(map as Schedule, inherited, depth);
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    const inner = error.place?.field;
    // A calendar stands at the top of the file, not in the trigger.
    const place = inner?.startsWith("calendars.")
      ? { field: inner }
      : { field: inner === undefined ? field : `${field}.${inner}` };
    throw new DefinitionError(error.message, { ...(error.remedy && { remedy: error.remedy }), place, cause: error });
  }
}

function refuseNever(trigger: Trigger, allowance: Allowance, field: string, why: string, remedy: string): void {
  let reason: unknown;
  try {
    if (!neverFires(trigger, allowance)) return;
  } catch (error) {
    if (!(error instanceof BeatError)) throw error;
    reason = error;
  }
  const message = allowance.asksLeft > 0 ? `never fires: ${why}` : "takes too long to find out whether it fires";
  throw new DefinitionError(message, { remedy, place: { field }, cause: reason });
}

function onlyTrigger(schedule: Schedule): TriggerKey {
  const [key, second] = triggerKeys.filter((each) => schedule[each] !== undefined);
  if (key === undefined) {
    throw new DefinitionError("has no trigger", { remedy: `Give exactly one of: ${triggerKeys.join(", ")}.` });
  }
  if (second !== undefined) {
    throw new DefinitionError(`is a second trigger beside ${key}`, {
      remedy: "Keep exactly one of them.",
      place: { field: second },
    });
  }
  return key;
}

export function compileZone(timezone: unknown): Zone {
  const place = { field: "timezone" };
  if (typeof timezone !== "string") {
    throw new DefinitionError(`${inQuotes(timezone)} is not a time zone`, {
      remedy: 'Write a name like "Europe/Berlin".',
      place,
    });
  }
  try {
    return zoneOf(timezone);
  } catch (error) {
    if (!(error instanceof BeatError)) throw error;
    throw new DefinitionError(error.message, { ...(error.remedy && { remedy: error.remedy }), place, cause: error });
  }
}

function compileStart(value: unknown, zone: Zone): { startAt: Instant; startWall: WallTime } | undefined {
  if (value === undefined) return undefined;
  const written = parseDateTime(value, "start_at");
  const startAt = startOf(written, zone);
  return { startAt, startWall: written.offsetMinutes === null ? written.wall : zone.wallAt(startAt) };
}

/** A date alone ends with that day; beside `apscheduler` it ends as that day begins, which is what its end_date does. */
function compileEnd({ end_at: value }: Schedule, key: TriggerKey, zone: Zone): Instant | undefined {
  if (value === undefined) return undefined;
  const written = parseDateTime(value, "end_at");
  return key === "apscheduler" ? startOf(written, zone) : endOf(written, zone);
}

function compileDst(dst: unknown): CompileContext["dst"] {
  if (dst === undefined) return {};
  const parsed = dstSchema.safeParse(dst);
  // zod takes a Map for a map without keys.
  if (!parsed.success || !isMap(dst)) {
    throw new DefinitionError(`${inQuotes(dst)} is not a rule for changes of the clocks`, {
      remedy: "Write {gap: next or skip, overlap: first or both}.",
      place: { field: "dst" },
    });
  }
  const { gap, overlap } = parsed.data;
  return { ...(gap && { gap }), ...(overlap && { overlap }) };
}
