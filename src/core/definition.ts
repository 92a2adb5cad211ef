// What a user writes for one entry, checked. The zod schema here is the one description of it: the JSON Schema for
// editors, the "did you mean" suggestions and the types all come from it; rules that join several keys stand below it.
// Keys are Celery's and APScheduler's own words.

import { z } from "zod";
import type { Broken } from "./broken-rule.ts";
import { problemsOfShape } from "./definition-problems.ts";
import { BeatError, DefinitionError, type Place } from "./errors.ts";
import { defaultHttpRetries } from "./http-target.ts";
import { isMap, sizeOf, type ValuePath } from "./json-value.ts";
import { brokenTargetRules, isSent, isTask, maxAttemptsOf, targetKeys, targetShape } from "./target.ts";
import { durationSchema, parseDuration, secondMs } from "./time.ts";
import { compileSchedule, type ScheduleContext, scheduleShape, triggerKeys } from "./triggers/schedule.ts";
import { neverFires } from "./triggers/trigger.ts";

const policyShape = {
  enabled: z.boolean().optional(),
  jitter: durationSchema.optional(),
  misfire_grace_time: durationSchema.optional(),
  coalesce: z.enum(["latest", "earliest", "all"]).optional(),
  catch_up_limit: z.int().min(1).max(10_000).optional(),
  overlap: z.enum(["skip", "queue", "cancel", "allow"]).optional(),
  max_instances: z.int().min(1).optional(),
  timeout: durationSchema.optional(),
  retries: z.int().min(0).max(1_000).optional(),
  retry_delay: durationSchema.optional(),
  retry_abandoned: z.boolean().optional(),
  description: z.string().optional(),
  tags: z.array(z.string()).optional(),
};

export const definitionSchema = z.strictObject({ ...scheduleShape, ...targetShape, ...policyShape });

/** Every key that an entry may have, in the order in which people read them. */
export const definitionKeys: readonly string[] = Object.keys(definitionSchema.shape);

/** A definition as it was written and checked, with its time zone filled in. JSON; snake_case, like the files. */
export type Definition = z.infer<typeof definitionSchema>;

export const maxNameLength = 200;

/** What is wrong with the name of an entry; undefined: nothing. */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "an entry needs a name";
  if (name.length > maxNameLength)
    return `the name of an entry has at most ${maxNameLength} characters, and this one has ${name.length}`;
  if (/[\p{Cc}\u2028\u2029]/u.test(name) || !name.isWellFormed())
    return "the name of an entry must not hold control characters";
  return name.trim() === name ? undefined : "the name of an entry must not begin or end with a space";
}

/**
 * Checks what a user wrote. `place` (file, entry) goes into every problem. Throws one DefinitionError that holds all
 * problems; each names its field by path. The trigger is compiled once, so a schedule that can't work is refused here.
 * `calendars`: those that `except` may name.
 */
export function parseDefinition(
  value: unknown,
  place: Place = {},
  calendars: NonNullable<ScheduleContext["calendars"]> = {},
): Definition {
  const { definition, problems } = check(value, place, calendars);
  if (problems.length === 0) return definition!;
  if (problems.length === 1) throw problems[0]!;
  throw new DefinitionError(problems.map((problem) => problem.message).join("; "), { problems, place });
}

function check(
  value: unknown,
  place: Place,
  calendars: NonNullable<ScheduleContext["calendars"]>,
): { readonly definition?: Definition; readonly problems: readonly DefinitionError[] } {
  const problem = (message: string, remedy: string, path: ValuePath = []) =>
    new DefinitionError(message, { remedy, place: { ...place, ...(path.length > 0 && { field: path.join(".") }) } });
  if (sizeOf(value) === undefined) {
    return {
      problems: [
        problem(
          "takes more than 1 MiB, or nests deeper than 64 levels",
          "Keep large data elsewhere, and give a reference to it.",
        ),
      ],
    };
  }
  const parsed = definitionSchema.safeParse(value);
  const problems = parsed.success ? [] : problemsOfShape(parsed.error, value, place, definitionSchema);
  if (isMap(value)) {
    for (const { message, remedy, path } of brokenRules(value, problems.length > 0))
      problems.push(problem(message, remedy, path));
  }
  if (!parsed.success || problems.length > 0) return { problems };
  try {
    const trigger = compileSchedule(parsed.data, { name: place.entry ?? "", anchorAt: 0, startedAt: 0, calendars });
    if (!neverFires(trigger)) return { definition: parsed.data, problems };
    const [key] = triggerKeys.filter((each) => parsed.data[each] !== undefined);
    return { problems: [problem("never fires", "Choose times that come.", [key!])] };
  } catch (error) {
    if (!(error instanceof BeatError)) throw error;
    const { message, remedy } = error;
    return {
      problems: [
        new DefinitionError(message, { ...(remedy && { remedy }), cause: error, place: { ...place, ...error.place } }),
      ],
    };
  }
}

// -------------------------------------------------------------------------------------- rules that join several keys

type Written = { readonly [Key in keyof Definition]?: unknown };

/** `ill`: its shape is wrong already; then what seems to be missing may only be misspelt. */
function* brokenRules(written: Written, ill: boolean): Generator<Broken> {
  yield* exactlyOne(written, "trigger", triggerKeys, ill);
  yield* exactlyOne(written, "target", targetKeys, ill);
  yield* brokenTargetRules(written);
  if (isTask(written)) yield* taskRules(written);
  if (written.http !== undefined) yield* httpRules(written);
  if (!ill && written.timeout !== undefined && parseDuration(written.timeout as string) === 0) {
    yield { message: "must be longer than 0", remedy: "Leave it out where there is no limit.", path: ["timeout"] };
  }
}

function* exactlyOne(
  written: Written,
  what: string,
  keys: readonly (keyof Definition)[],
  ill: boolean,
): Generator<Broken> {
  const [first, ...others] = keys.filter((key) => written[key] !== undefined);
  if (first === undefined && !ill)
    yield { message: `has no ${what}`, remedy: `Give exactly one of: ${keys.join(", ")}.` };
  for (const key of others)
    yield { message: `is a second ${what} beside ${first}`, remedy: "Keep exactly one of them.", path: [key] };
}

function* taskRules(written: Written): Generator<Broken> {
  if (written.timeout !== undefined) {
    yield { message: "is for local runs", remedy: "For a task write options: {time_limit: …}.", path: ["timeout"] };
  }
  for (const key of ["retries", "retry_delay", "retry_abandoned"] as const) {
    if (written[key] === undefined) continue;
    yield {
      message: "is for local runs: a Celery task's own `max_retries` decides",
      remedy: "For how often a message is sent, write options: {retry_policy: {max_retries: …}}.",
      path: [key],
    };
  }
  yield* overlapRules(written, "Beat does not see when a Celery task ends");
}

function* httpRules(written: Written): Generator<Broken> {
  for (const key of ["retry_delay", "retry_abandoned"] as const) {
    if (written[key] === undefined) continue;
    yield {
      message: "is for local runs: a request is repeated until it was answered, first soon and then ever more rarely",
      remedy: "Remove it; `retries` says how often.",
      path: [key],
    };
  }
  yield* overlapRules(written, "requests of one entry don't wait for each other");
}

function* overlapRules(written: Written, why: string): Generator<Broken> {
  for (const key of ["overlap", "max_instances"] as const) {
    if (written[key] === undefined || written[key] === "allow") continue;
    yield { message: `needs a target that runs here (run or job): ${why}`, remedy: "Remove it.", path: [key] };
  }
}

// ------------------------------------------------------------------------------------- what the stages read from it

export interface Policy {
  /** An occurrence is due up to this long after its fire time. */
  readonly jitterMs: number;
  /** null: a misfire is never too late. */
  readonly misfireGraceMs: number | null;
  readonly coalesce: "latest" | "earliest" | "all";
  /** How many accumulated occurrences `coalesce: all` runs at most; the oldest beyond it are recorded as coalesced. */
  readonly catchUpLimit: number;
  /** What becomes of a run while `maxInstances` of its entry are going on. */
  readonly overlap: "skip" | "queue" | "cancel" | "allow";
  readonly maxInstances: number;
  readonly timeoutMs: number | null;
  readonly maxRuns: number | null;
  /** How often a message or a local run is tried before it has failed; Infinity: until the broker confirms it, or it expires. */
  readonly maxAttempts: number;
  /** How long after a failed local run the first retry begins; each further one waits twice as long, up to an hour. */
  readonly retryDelayMs: number;
  /** How often a run is tried whose process ended while it ran, all tries counted; 1: not again. */
  readonly maxAbandonedAttempts: number;
}

export function policyOf(definition: Definition): Policy {
  const isRequest = definition.http !== undefined;
  const { retries = isRequest ? defaultHttpRetries : 0, retry_abandoned: retryAbandoned = false } = definition;
  const ms = (value: string | number | undefined) => (value === undefined ? null : parseDuration(value));
  const overlap = definition.overlap ?? (isSent(definition) ? "allow" : "skip");
  return {
    jitterMs: ms(definition.jitter) ?? 0,
    misfireGraceMs: ms(definition.misfire_grace_time),
    coalesce: definition.coalesce ?? "latest",
    catchUpLimit: definition.catch_up_limit ?? 1_000,
    overlap,
    maxInstances: definition.max_instances ?? (overlap === "allow" ? Number.POSITIVE_INFINITY : 1),
    timeoutMs: ms(definition.timeout),
    maxRuns: definition.max_runs ?? null,
    maxAttempts: isTask(definition) ? maxAttemptsOf(definition.options ?? {}) : 1 + retries,
    retryDelayMs: ms(definition.retry_delay) ?? 10 * secondMs,
    maxAbandonedAttempts: retryAbandoned ? Math.max(2, 1 + retries) : 1,
  };
}

/** The part of a definition that decides when it fires: a change of it starts the progress anew. */
export function scheduleOf(definition: Definition): string {
  return JSON.stringify(
    Object.keys(scheduleShape)
      .map((key) => [key, definition[key as keyof Definition]])
      .filter(([key, value]) => key !== "max_runs" && value !== undefined),
  );
}
