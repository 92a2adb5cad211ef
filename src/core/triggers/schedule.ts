// The keys of a definition that say when it fires, and how they become a trigger. A new kind of trigger is a file of its
// own and one line in `kinds`.

import { z } from "zod";
import { BeatError, DefinitionError } from "../errors.ts";
import type { Instant } from "../time.ts";
import { type Zone, zoneOf } from "../zone.ts";
import type { CompileContext } from "./context.ts";
import { compileCron, cronSchema } from "./cron.ts";
import { compileCrontab, crontabSchema } from "./crontab.ts";
import { endOf, inQuotes, parseDateTime, startOf } from "./date-time.ts";
import { compileDates, datesSchema } from "./dates.ts";
import { compileInterval, intervalSchema } from "./interval.ts";
import type { Trigger } from "./trigger.ts";

const dstSchema = z.strictObject({
  gap: z.enum(["next", "skip"]).optional(),
  overlap: z.enum(["first", "both"]).optional(),
});

export const scheduleShape = {
  every: intervalSchema.optional(),
  crontab: crontabSchema.optional(),
  cron: cronSchema.optional(),
  at: datesSchema.optional(),
  timezone: z.string().optional(),
  start_at: z.string().optional(),
  end_at: z.string().optional(),
  max_runs: z.int().min(1).optional(),
  dst: dstSchema.optional(),
};

const compilers = {
  every: compileInterval,
  crontab: compileCrontab,
  cron: compileCron,
  at: compileDates,
} satisfies Record<string, (value: unknown, context: CompileContext) => Trigger>;

export const triggerKeys = ["every", "crontab", "cron", "at"] as const satisfies readonly (keyof typeof compilers)[];

/** The keys of one entry that concern time, as a user writes them. */
export type Schedule = z.infer<z.ZodObject<typeof scheduleShape>>;

/** The distant past and future, well within what a Date can hold. */
const everAt: Instant = -8e15;
const neverAt: Instant = 8e15;

/**
 * The trigger of a schedule. `anchorAt`: what an interval without `start_at` counts from. Throws DefinitionError whose
 * place is the key that is wrong: every value is checked here, also where no schema was applied before.
 */
export function compileSchedule(
  schedule: Schedule,
  { name, anchorAt }: { readonly name: string; readonly anchorAt: Instant },
): Trigger {
  const key = onlyTrigger(schedule);
  const zone = compileZone(schedule.timezone);
  const startAt = schedule.start_at === undefined ? null : startOf(parseDateTime(schedule.start_at, "start_at"), zone);
  const endAt = schedule.end_at === undefined ? null : endOf(parseDateTime(schedule.end_at, "end_at"), zone);
  if (startAt !== null && endAt !== null && endAt < startAt) {
    throw new DefinitionError(
      `${inQuotes(schedule.end_at)} is before start_at, ${inQuotes(schedule.start_at)}: it never fires`,
      {
        remedy: "Choose an end after the start.",
        place: { field: "end_at" },
      },
    );
  }
  const trigger = compilers[key](schedule[key], { name, zone, startAt, anchorAt, dst: compileDst(schedule.dst) });
  if (startAt === null && endAt === null) return trigger;
  return { kind: "bounded", trigger, startAt: startAt ?? everAt, endAt: endAt ?? neverAt };
}

function onlyTrigger(schedule: Schedule): (typeof triggerKeys)[number] {
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

function compileZone(timezone: unknown): Zone {
  if (timezone === undefined) return zoneOf("UTC");
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
    const { remedy } = error;
    throw new DefinitionError(error.message, { ...(remedy && { remedy }), place, cause: error });
  }
}

function compileDst(dst: unknown): CompileContext["dst"] {
  if (dst === undefined) return {};
  const parsed = dstSchema.safeParse(dst);
  if (!parsed.success) {
    throw new DefinitionError(`${inQuotes(dst)} is not a rule for changes of the clocks`, {
      remedy: "Write {gap: next or skip, overlap: first or both}.",
      place: { field: "dst" },
    });
  }
  const { gap, overlap } = parsed.data;
  return { ...(gap && { gap }), ...(overlap && { overlap }) };
}
