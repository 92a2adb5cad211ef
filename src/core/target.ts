// What an entry does when it fires: the keys of a definition that say so, and the rules that join them. Options are those
// of Celery's apply_async, in its own words.

import { z } from "zod";
import { type Broken, unwritable } from "./broken-rule.ts";
import { DefinitionError } from "./errors.ts";
import { brokenHttpRules, type HttpTarget, httpSchema, httpTargetOf } from "./http-target.ts";
import type { ValuePath } from "./json-value.ts";
import { durationSchema, parseDuration } from "./time.ts";
import { endOf, parseDateTime, startOf } from "./triggers/date-time.ts";
import { zoneOf } from "./zone.ts";

/** What a date and a duration begin with tells them apart. */
const isDate = (value: unknown): value is string => typeof value === "string" && /^\d{4}-\d\d/.test(value);

/** A duration, or a date with or without a time: local to the entry's zone unless it carries an offset. */
const momentSchema = z.union([z.string(), z.number()]).superRefine((value, context) => {
  try {
    if (isDate(value)) parseDateTime(value, "");
    else parseDuration(value);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as { describe(): string }).describe() });
  }
});

/** Options of every task that is called, by Beat or by a worker that goes on with a chain. */
const callShape = {
  queue: z.string().min(1).optional(),
  exchange: z.string().optional(),
  routing_key: z.string().optional(),
  priority: z.int().min(0).max(255).optional(),
  countdown: durationSchema.optional(),
  time_limit: durationSchema.optional(),
  soft_time_limit: durationSchema.optional(),
  headers: z.record(z.string(), z.unknown()).optional(),
  ignore_result: z.boolean().optional(),
  shadow: z.string().optional(),
  delivery_mode: z.union([z.literal(1), z.literal(2)]).optional(),
  serializer: z.enum(["json", "yaml", "msgpack", "pickle", "auth"]).optional(),
  compression: z.string().min(1).optional(),
};
export const callOptions: readonly string[] = Object.keys(callShape);

const call = {
  task: z.string().min(1),
  args: z.array(z.unknown()).optional(),
  kwargs: z.record(z.string(), z.unknown()).optional(),
  options: z.strictObject({ ...callShape, expires: durationSchema.optional() }).optional(),
  /** Its arguments are all that it gets: not the result of the task before it. */
  immutable: z.boolean().optional(),
};
const callSchema = z.strictObject(call).meta({ id: "call" });
const signatureSchema = z.union([z.string().min(1), callSchema]);
const chainSchema = z.array(signatureSchema).min(1);
/** What a group is made of: tasks, and chains of them. */
const memberSchema = z.union([z.string().min(1), callSchema, z.strictObject({ chain: chainSchema })]);
const linkSchema = z.union([z.string().min(1), callSchema, chainSchema]);

const keptSchema = z.union([z.literal(-1), durationSchema]);

export const optionsSchema = z
  .strictObject({
    ...callShape,
    exchange_type: z.enum(["direct", "topic", "fanout", "headers"]).optional(),
    /** How the queue is made where Beat is to make it. */
    queue_arguments: z.record(z.string().min(1), z.unknown()).optional(),
    eta: momentSchema.optional(),
    expires: z.union([z.literal("next"), momentSchema]).optional(),
    reply_to: z.string().optional(),
    link: linkSchema.optional(),
    link_error: linkSchema.optional(),
    argsrepr: z.string().optional(),
    kwargsrepr: z.string().optional(),
    stamps: z.record(z.string().min(1), z.unknown()).optional(),
    task_protocol: z.union([z.literal(1), z.literal(2)]).optional(),
    /** SQS. */
    MessageGroupId: z.string().min(1).max(128).optional(),
    /** RQ: how long a result is kept, and a job that failed; -1: for ever. */
    result_ttl: keptSchema.optional(),
    failure_ttl: keptSchema.optional(),
    retry: z.boolean().optional(),
    retry_policy: z.strictObject({ max_retries: z.int().min(0).nullable().optional() }).optional(),
  })
  .meta({ id: "options" });

export const targetShape = {
  task: z.string().min(1).optional(),
  args: z.array(z.unknown()).optional(),
  kwargs: z.record(z.string(), z.unknown()).optional(),
  chain: chainSchema.optional(),
  group: z.array(memberSchema).min(1).optional(),
  chord: z.strictObject({ header: z.array(memberSchema).min(1), body: memberSchema }).optional(),
  options: optionsSchema.optional(),
  /** Where it is sent: a name in `brokers`. */
  broker: z.string().min(1).optional(),
  http: httpSchema.optional(),
  run: z.union([z.string().min(1), z.array(z.string()).min(1)]).optional(),
  cwd: z.string().min(1).optional(),
  env: z.record(z.string().min(1), z.string()).optional(),
  shell: z.string().min(1).optional(),
  job: z.string().min(1).optional(),
  params: z.unknown().optional(),
  in: z.enum(["process", "thread"]).optional(),
};

const canvasKeys = ["chain", "group", "chord"] as const;
const taskKeys = ["task", ...canvasKeys] as const;
export const targetKeys = [...taskKeys, "http", "run", "job"] as const;

type WrittenTarget = z.infer<z.ZodObject<typeof targetShape>>;
export type TaskOptions = z.infer<typeof optionsSchema>;
export type Signature = Exclude<z.infer<typeof signatureSchema>, string>;
/** A task, or a chain of tasks. */
export type Member = Signature | { readonly chain: readonly Signature[] };

export type Canvas =
  /** The tasks after the first one, which is that of the message. */
  | { readonly chain: readonly Signature[] }
  | { readonly group: readonly Member[] }
  | { readonly chord: { readonly header: readonly Member[]; readonly body: Member } };

export interface TaskTarget {
  readonly kind: "task";
  /** What the message names; of a group and a chord, Celery's own task that makes them. */
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Dates carry an offset. */
  readonly options: TaskOptions;
  /** The name of the broker that it is sent to, where it is not the default one. */
  readonly broker?: string;
  readonly canvas?: Canvas;
}

export type Target =
  | TaskTarget
  | HttpTarget
  | CommandTarget
  | { readonly kind: "job"; readonly job: string; readonly in: "process" | "thread" };

export interface CommandTarget {
  readonly kind: "run";
  /** An array is started as it is; a text goes to the shell exactly as written. */
  readonly command: string | readonly string[];
  /** Default: Beat's own. */
  readonly cwd: string | undefined;
  /** Beside what it inherits. */
  readonly env: Readonly<Record<string, string>>;
  /** What a text is given to, with `-c`. */
  readonly shell: string;
}

/** Throws DefinitionError for a stored definition that has lost its target. */
export function targetOf(definition: WrittenTarget & { readonly timezone?: string | undefined }): Target {
  const { task, args = [], kwargs = {}, chain, group, chord, run, job, timezone = "UTC" } = definition;
  if (run !== undefined) {
    const { cwd, env = {}, shell = "/bin/sh" } = definition;
    return { kind: "run", command: run, cwd, env, shell };
  }
  if (definition.http !== undefined) return httpTargetOf(definition.http);
  if (job !== undefined) return { kind: "job", job, in: definition.in ?? "process" };
  const options = withOffsets(definition.options ?? {}, timezone);
  const sent = { kind: "task", options, ...(definition.broker && { broker: definition.broker }) } as const;
  if (task !== undefined) return { ...sent, task, args, kwargs };
  if (chain !== undefined) {
    const [first, ...rest] = chain.map(signatureOf);
    const { task: name, args: firstArgs = [], kwargs: firstKwargs = {}, options: own } = first!;
    const merged = { ...own, ...options };
    return { ...sent, task: name, args: firstArgs, kwargs: firstKwargs, options: merged, canvas: { chain: rest } };
  }
  const none = { ...sent, args: [], kwargs: {} } as const;
  if (group !== undefined) return { ...none, task: "celery.group", canvas: { group: group.map(memberOf) } };
  if (chord === undefined)
    throw new DefinitionError("has no target", { remedy: `Give one of: ${targetKeys.join(", ")}.` });
  const { header, body } = chord;
  return { ...none, task: "celery.chord", canvas: { chord: { header: header.map(memberOf), body: memberOf(body) } } };
}

export function signatureOf(written: z.infer<typeof signatureSchema>): Signature {
  return typeof written === "string" ? { task: written } : written;
}

function memberOf(written: z.infer<typeof memberSchema>): Member {
  return typeof written === "object" && "chain" in written
    ? { chain: written.chain.map(signatureOf) }
    : signatureOf(written);
}

/** A date alone means, as in `start_at` and `end_at`, that the task begins with that day, and expires with its end. */
function withOffsets(options: TaskOptions, timezone: string): TaskOptions {
  const { eta, expires } = options;
  const text = (instant: number) => new Date(instant).toISOString();
  return {
    ...options,
    ...(isDate(eta) && { eta: text(startOf(parseDateTime(eta, "eta"), zoneOf(timezone))) }),
    ...(isDate(expires) && { expires: text(endOf(parseDateTime(expires, "expires"), zoneOf(timezone))) }),
  };
}

export const isTask = (definition: Written): boolean => taskKeys.some((key) => definition[key] !== undefined);

/** Whether something is sent, and nothing runs here. */
export const isSent = (definition: Written): boolean => isTask(definition) || definition.http !== undefined;

/** Whether a message is sent, and nothing runs here. */
export const isMessage = (target: Target): target is TaskTarget | HttpTarget =>
  target.kind === "task" || target.kind === "http";

/** Whether a job is a module's function, `./file.ts#export`, and not one that a program registered. */
export const namesModule = (job: string): boolean => /^\.{0,2}[/]/.test(job);

/** How often a message is tried at most. */
export function maxAttemptsOf({ retry, retry_policy }: TaskOptions): number {
  const maxRetries = retry === false ? 0 : retry_policy?.max_retries;
  return typeof maxRetries === "number" ? 1 + maxRetries : Number.POSITIVE_INFINITY;
}

// -------------------------------------------------------------------------------------- rules that join several keys

type Written = { readonly [Key in keyof WrittenTarget]?: unknown };

export function* brokenTargetRules(written: Written): Generator<Broken> {
  const target = targetKeys.find((key) => written[key] !== undefined);
  const kind = target === undefined || target === "http" || target === "run" || target === "job" ? target : "task";
  for (const [owner, keys] of Object.entries(ownKeys)) {
    for (const key of keys) {
      if (kind === undefined || kind === owner || written[key] === undefined) continue;
      yield { message: `belongs to a ${owner}, and this entry has ${target}`, remedy: "Remove it.", path: [key] };
    }
  }
  for (const key of kind === "task" && target !== "task" ? (["args", "kwargs"] as const) : []) {
    if (written[key] === undefined) continue;
    const remedy = `Give ${key} to a task within it: {task: …, ${key}: …}.`;
    yield { message: `belongs to a task, and this entry has ${target}`, remedy, path: [key] };
  }
  if (written.params !== undefined) yield* unwritable(written.params, ["params"]);
  if (isTask(written)) yield* jsonRules(written);
  if (kind === "http") yield* brokenHttpRules(written.http);
  if (kind === "run") yield* commandRules(written);
  if (written.in === "thread" && typeof written.job === "string" && !namesModule(written.job)) {
    const remedy = "Name a module's: ./file.ts#export.";
    yield { message: "a function that a program registered can't run in a thread", remedy, path: ["in"] };
  }
}

/** Keys that say more of one kind of target. */
const ownKeys = {
  task: ["args", "kwargs", "options", "broker"],
  run: ["cwd", "env", "shell"],
  job: ["params", "in"],
} as const;

function* commandRules({ run, cwd, env, shell }: Written): Generator<Broken> {
  if (Array.isArray(run) && run[0] === "")
    yield { message: "the command is empty", remedy: "Its first item is the program.", path: ["run", 0] };
  if (Array.isArray(run) && shell !== undefined)
    yield { message: "is for a command that is a text", remedy: "A list is started without a shell.", path: ["shell"] };
  const variables = Object.entries(Object(env) as Record<string, unknown>);
  for (const name of variables.map(([name]) => name).filter((name) => name.includes("=")))
    yield {
      message: "is not the name of a variable",
      remedy: "Write it as a map: {NAME: value}.",
      path: ["env", name],
    };
  for (const [key, value] of Object.entries({ run, cwd, env: variables, shell })) {
    if (![value].flat(2).some((part) => typeof part === "string" && part.includes("\0"))) continue;
    yield { message: "must not hold a null character", remedy: "No command can take one.", path: [key] };
  }
}

function* jsonRules(written: Written): Generator<Broken> {
  const options = Object(written.options) as Record<string, unknown>;
  const values: readonly (readonly [ValuePath, unknown])[] = [
    ...(["args", "kwargs", ...canvasKeys] as const).map((key) => [[key], written[key]] as const),
    ...["headers", "stamps", "queue_arguments", "link", "link_error"].map(
      (key) => [["options", key], options[key]] as const,
    ),
  ];
  for (const [at, value] of values) {
    if (value === undefined) continue;
    yield* unwritable(value, at);
    for (const path of poisonousValues(value, at)) {
      yield {
        message:
          'is an object of only "__type__" and "__value__" with a type that kombu does not know; workers refuse it',
        remedy: "Add a key or rename one.",
        path,
      };
    }
  }
}

const kombuTypes = new Set(["datetime", "date", "time", "decimal", "uuid", "bytes", "base64"]);

/** Paths of values that kombu 5.3 and later can't decode: the worker would lose the message. */
function* poisonousValues(value: unknown, path: ValuePath): Generator<ValuePath> {
  if (typeof value !== "object" || value === null) return;
  const type = (value as Record<string, unknown>)["__type__"];
  const isTyped =
    Object.hasOwn(value, "__type__") && Object.hasOwn(value, "__value__") && Object.keys(value).length === 2;
  if (isTyped && !kombuTypes.has(String(type))) yield path;
  for (const [key, child] of Object.entries(value)) {
    yield* poisonousValues(child, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}
