// What a user writes for one entry, checked. The zod schema here is the one description of it: the JSON Schema for
// editors, the "did you mean" suggestions and the types all come from it. Keys are Celery's and APScheduler's own words.

import { z } from "zod";
import { BeatError, DefinitionError, nearest, type Place } from "./errors.ts";
import { durationSchema, parseDuration } from "./time.ts";
import { compileSchedule, scheduleShape, triggerKeys } from "./triggers/schedule.ts";

const jsonValue: z.ZodType = z.lazy(() =>
  z.union([z.null(), z.boolean(), z.number(), z.string(), z.array(jsonValue), z.record(z.string(), jsonValue)]),
);

/** The options of apply_async that travel with a message. */
const optionsSchema = z.strictObject({
  queue: z.string().min(1).optional(),
  exchange: z.string().optional(),
  routing_key: z.string().optional(),
  priority: z.int().min(0).max(255).optional(),
  expires: z.union([z.literal("next"), durationSchema]).optional(),
  time_limit: durationSchema.optional(),
  soft_time_limit: durationSchema.optional(),
  headers: z.record(z.string(), jsonValue).optional(),
  ignore_result: z.boolean().optional(),
  shadow: z.string().optional(),
  reply_to: z.string().optional(),
  delivery_mode: z.union([z.literal(1), z.literal(2)]).optional(),
});

const targetShape = {
  task: z.string().min(1).optional(),
  args: z.array(jsonValue).optional(),
  kwargs: z.record(z.string(), jsonValue).optional(),
  options: optionsSchema.optional(),
  run: z.union([z.string().min(1), z.array(z.string()).min(1)]).optional(),
  job: z.string().min(1).optional(),
};

const policyShape = {
  enabled: z.boolean().optional(),
  misfire_grace_time: durationSchema.optional(),
  coalesce: z.enum(["latest", "earliest", "all"]).optional(),
  catch_up_limit: z.int().min(1).max(10_000).optional(),
  overlap: z.enum(["skip", "allow"]).optional(),
  timeout: durationSchema.optional(),
  description: z.string().optional(),
  tags: z.array(z.string()).optional(),
};

export const targetKeys = ["task", "run", "job"] as const;

const shape = { ...scheduleShape, ...targetShape, ...policyShape };

/** Every key that an entry may have, in the order in which people read them. */
export const definitionKeys: readonly string[] = Object.keys(shape);

const needsTask = ["args", "kwargs", "options"] as const;

export const definitionSchema = z.strictObject(shape).superRefine((value, context) => {
  const problem = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
  const triggers = triggerKeys.filter((key) => value[key] !== undefined);
  if (triggers.length === 0) problem([], `has no trigger. Give exactly one of: ${triggerKeys.join(", ")}`);
  if (triggers.length > 1) problem([triggers[1]!], `is a second trigger beside ${triggers[0]}. Keep exactly one of them`);
  const targets = targetKeys.filter((key) => value[key] !== undefined);
  if (targets.length === 0) problem([], `has no target. Give exactly one of: ${targetKeys.join(", ")}`);
  if (targets.length > 1) problem([targets[1]!], `is a second target beside ${targets[0]}. Keep exactly one of them`);
  if (targets.length === 1 && targets[0] !== "task") {
    for (const key of needsTask) {
      if (value[key] !== undefined) problem([key], `belongs to a task, and this entry has ${targets[0]}. Remove it`);
    }
  }
  if (targets[0] === "task") {
    if (value.timeout !== undefined) problem(["timeout"], "is for local runs. For a task write options: {time_limit: …}");
    if (value.overlap === "skip") {
      problem(["overlap"], "skip needs a target that runs here (run or job): Beat does not see when a Celery task ends. Remove it");
    }
    for (const path of poisonousValues([value.args ?? [], value.kwargs ?? {}])) {
      problem(
        [path[0] === 0 ? "args" : "kwargs", ...path.slice(1).map(String)],
        'is an object of only "__type__" and "__value__" with a type that kombu does not know; workers refuse it. Add a key or rename one',
      );
    }
  }
});

/** A definition as it was written and checked, with its time zone filled in. JSON; snake_case, like the files. */
export type Definition = z.infer<typeof definitionSchema>;

const kombuTypes = new Set(["datetime", "date", "time", "decimal", "uuid", "bytes", "base64"]);

/** Paths of values that kombu >= 5.3 can't decode (celery-wire 6.2): the message would be lost. */
function* poisonousValues(value: unknown, path: (string | number)[] = []): Generator<(string | number)[]> {
  if (typeof value !== "object" || value === null) return;
  const keys = Object.keys(value);
  const type = (value as Record<string, unknown>)["__type__"];
  if (keys.length === 2 && "__type__" in value && "__value__" in value && !kombuTypes.has(String(type))) yield path;
  for (const [key, child] of Object.entries(value)) {
    yield* poisonousValues(child, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

/**
 * Checks what a user wrote. `place` (file, entry) goes into every problem. Throws one DefinitionError that holds all
 * problems; each names its field by path. The trigger is compiled once, so a schedule that can't work is refused here.
 */
export function parseDefinition(value: unknown, place: Place = {}): Definition {
  const parsed = definitionSchema.safeParse(value);
  const problems = parsed.success ? [] : problemsOf(parsed.error, place);
  if (parsed.success) {
    try {
      compileSchedule(parsed.data, { name: place.entry ?? "", anchorAt: 0 });
      return parsed.data;
    } catch (error) {
      if (!(error instanceof BeatError)) throw error;
      const { remedy } = error;
      problems.push(
        new DefinitionError(error.message, { ...(remedy && { remedy }), cause: error, place: { ...place, ...error.place } }),
      );
    }
  }
  throw new DefinitionError(problems.map((problem) => problem.message).join("; "), { problems, place });
}

function problemsOf(error: z.ZodError, place: Place): BeatError[] {
  return error.issues.flatMap((issue) => {
    const field = issue.path.join(".");
    if (issue.code === "unrecognized_keys") {
      const known = field === "" ? definitionKeys : keysAt(issue.path);
      return issue.keys.map((key) => {
        const guess = nearest(key, known);
        return new DefinitionError(`unknown key "${key}"`, {
          remedy: guess ? `Did you mean "${guess}"?` : `Known keys: ${known.join(", ")}.`,
          place: { ...place, field: [...issue.path, key].join(".") },
        });
      });
    }
    return [new DefinitionError(issueText(issue), { place: { ...place, ...(field && { field }) } })];
  });
}

function keysAt(path: readonly PropertyKey[]): string[] {
  return path[0] === "options" ? Object.keys(optionsSchema.shape) : [];
}

/** zod reports a union by what each branch said; the branch that came furthest says it best. */
function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code !== "invalid_union") return issue.message;
  const branches = issue.errors.filter((errors) => errors.length > 0);
  const deepest = branches.toSorted((a, b) => (b[0]?.path.length ?? 0) - (a[0]?.path.length ?? 0))[0]?.[0];
  const messages = new Set(branches.map((errors) => errors[0]!.message));
  return deepest && deepest.path.length > 0 ? `${deepest.path.join(".")}: ${deepest.message}` : [...messages].join(", or ");
}

// ------------------------------------------------------------------------------------- what the stages read from it

export type Target =
  | { readonly kind: "task"; readonly task: string; readonly args: readonly unknown[]; readonly kwargs: Readonly<Record<string, unknown>>; readonly options: TaskOptions }
  | { readonly kind: "run"; readonly command: string | readonly string[] }
  | { readonly kind: "job"; readonly job: string };

export type TaskOptions = z.infer<typeof optionsSchema>;

export interface Policy {
  /** null: a misfire is never too late. */
  readonly misfireGraceMs: number | null;
  readonly coalesce: "latest" | "earliest" | "all";
  /** How many accumulated occurrences `coalesce: all` runs at most; the oldest beyond it are recorded as coalesced. */
  readonly catchUpLimit: number;
  readonly overlap: "skip" | "allow";
  readonly timeoutMs: number | null;
  readonly maxRuns: number | null;
}

export function targetOf(definition: Definition): Target {
  if (definition.task !== undefined) {
    const { task, args = [], kwargs = {}, options = {} } = definition;
    return { kind: "task", task, args, kwargs, options };
  }
  if (definition.run !== undefined) return { kind: "run", command: definition.run };
  return { kind: "job", job: definition.job! };
}

export function policyOf(definition: Definition): Policy {
  const ms = (value: string | number | undefined) => (value === undefined ? null : parseDuration(value));
  return {
    misfireGraceMs: ms(definition.misfire_grace_time),
    coalesce: definition.coalesce ?? "latest",
    catchUpLimit: definition.catch_up_limit ?? 1_000,
    overlap: definition.overlap ?? (definition.task === undefined ? "skip" : "allow"),
    timeoutMs: ms(definition.timeout),
    maxRuns: definition.max_runs ?? null,
  };
}

/** The part of a definition that decides when it fires: a change of it starts the progress anew. */
export function scheduleOf(definition: Definition): string {
  return JSON.stringify(Object.keys(scheduleShape).map((key) => [key, definition[key as keyof Definition]]).filter(([key, value]) => key !== "max_runs" && value !== undefined));
}
