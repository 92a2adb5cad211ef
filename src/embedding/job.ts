// Jobs: functions that have a name, so that what is stored can say which of them to run. A closure lives as long as its
// process; the name of a job, and the JSON that it is given, outlive it.

import { nameProblem, parseDefinition } from "../core/definition.ts";
import { DefinitionError } from "../core/errors.ts";
import type { Conflict } from "../definitions/addition.ts";
import type { JobContext, JobFunction, JobLimits } from "../runner/job.ts";
import { type EntryOptions, type Triggers, writtenOptions } from "../scheduler-options.ts";
import type { EntryHandle } from "./entry-handle.ts";
import type { Run } from "./run.ts";

/** What JSON can carry of a type: itself, or `never` where something of it can't be written. */
export type Jsonable<Value> = Value extends string | number | boolean | null | undefined
  ? Value
  : Value extends ((...parameters: never) => unknown) | symbol | bigint | Date | RegExp
    ? never
    : Value extends
          | ReadonlyMap<unknown, unknown>
          | ReadonlySet<unknown>
          | ArrayBufferView
          | ArrayBuffer
          | Promise<unknown>
      ? never
      : Value extends object
        ? { [Key in keyof Value]: Jsonable<Value[Key]> }
        : never;

/** Takes any work whose params JSON can carry, or may (`unknown`: that is found out when they are given), and none that it can't. */
export type OfJson<Params> = unknown extends Params
  ? unknown
  : [Params] extends [Jsonable<Params>]
    ? unknown
    : { readonly "params that JSON can't carry": never };

/** A job's work: what this run is given, and what there is to know about the run. Its result is what it returns. */
export type JobWork<Params, Result> = (params: Params, context: JobContext) => Result | PromiseLike<Result>;

type Policies =
  | "coalesce"
  | "catchUpLimit"
  | "jitter"
  | "misfireGraceTime"
  | "overlap"
  | "retries"
  | "retryAbandoned"
  | "retryDelay"
  | "timeout";

/** What holds for a job's entries that say nothing else, and for all runs of the job together. */
export interface JobOptions extends Pick<EntryOptions, Policies>, JobLimits {}

/** A job that is not bound to a scheduler: made once, in a module that those who schedule and those who run it share. */
export interface JobDefinition<Params, Result> {
  readonly name: string;
  readonly work: JobWork<Params, Result>;
  readonly options: JobOptions;
}

/** Throws DefinitionError for a name or options that can't be. */
export function defineJob<Params = undefined, Result = unknown>(
  name: string,
  work: JobWork<Params, Result> & OfJson<NoInfer<Params>>,
  options: JobOptions = {},
): JobDefinition<Params, Result> {
  const problem =
    typeof name === "string" ? nameProblem(name)?.replace("an entry", "a job") : "the name of a job must be a text";
  if (problem !== undefined) throw new DefinitionError(problem);
  const { maxInstances, retryIf, ...policies } = options;
  const place = { entry: name };
  if (/^\.{0,2}[/]/.test(name))
    throw new DefinitionError("the name of a job must not look like a file", { remedy: "Name what it does.", place });
  if (typeof work !== "function")
    throw new DefinitionError("a job needs a function", { remedy: "Give it as the second argument.", place });
  if (maxInstances !== undefined && !(Number.isInteger(maxInstances) && maxInstances >= 1))
    throw new DefinitionError(`maxInstances: ${maxInstances} is not a number of runs`, {
      remedy: "Give 1 or more.",
      place,
    });
  if (retryIf !== undefined && typeof retryIf !== "function")
    throw new DefinitionError("retryIf: it is not a function", { place });
  parseDefinition({ every: "1m", job: name, ...writtenOptions(policies) }, place);
  return { name, work, options };
}

/** As the runner calls it. */
export function functionOf<Params, Result>({ work }: JobDefinition<Params, Result>): JobFunction {
  return (context) => work(context.params as Params, context);
}

/** The params may be left out where the job takes none. */
export type Given<Params, Rest extends unknown[]> = undefined extends Params
  ? [params?: Params, ...rest: Rest]
  : [params: Params, ...rest: Rest];

/** One of many: its trigger, what its runs are given, and whatever else an entry may say. */
export type JobEntry<Params> = Partial<Triggers> &
  Omit<EntryOptions, "conflict" | "params"> &
  (undefined extends Params ? { readonly params?: Params } : { readonly params: Params });

/** What a job needs of its scheduler. */
export interface JobHost {
  addEntry<Params, Result>(
    job: JobDefinition<Params, Result>,
    entry: JobEntry<unknown>,
    conflict: Conflict,
  ): Promise<EntryHandle<Params, Result>>;
  addEntries<Params, Result>(
    job: JobDefinition<Params, Result>,
    entries: readonly JobEntry<unknown>[],
    conflict: Conflict,
  ): Promise<EntryHandle<Params, Result>[]>;
  triggerJob<Result>(job: JobDefinition<never, Result>, params: unknown): Promise<Run<Result>>;
}

/** A job of one scheduler. Each way to schedule it adds an entry, or changes the one of that `name`. */
export class Job<Params, Result> {
  readonly name: string;
  readonly #definition: JobDefinition<Params, Result>;
  readonly #host: JobHost;

  constructor(definition: JobDefinition<Params, Result>, host: JobHost) {
    this.name = definition.name;
    this.#definition = definition;
    this.#host = host;
  }

  /** Every so often: `30s`, `1h30m`, or seconds. */
  every(interval: Triggers["every"], ...given: Given<Params, [options?: EntryOptions]>) {
    return this.schedule({ every: interval }, ...given);
  }

  /** Unix cron: five fields, day-of-month OR day-of-week. */
  cron(expression: Triggers["cron"], ...given: Given<Params, [options?: EntryOptions]>) {
    return this.schedule({ cron: expression }, ...given);
  }

  /** Celery's crontab: five fields or its arguments, day-of-month AND day-of-week. */
  crontab(expression: Triggers["crontab"], ...given: Given<Params, [options?: EntryOptions]>) {
    return this.schedule({ crontab: expression }, ...given);
  }

  /** Once, or once at each of several times. */
  at(when: Triggers["at"], ...given: Given<Params, [options?: EntryOptions]>) {
    return this.schedule({ at: when }, ...given);
  }

  /** Any trigger that a schedule file may have: `{ calendar: … }`, `{ rrule: … }`, `{ any: […] }`. */
  schedule(
    trigger: Partial<Triggers>,
    ...[params, { conflict = "replace", ...options } = {}]: Given<Params, [options?: EntryOptions]>
  ): Promise<EntryHandle<Params, Result>> {
    return this.#host.addEntry(this.#definition, { ...options, ...trigger, params }, conflict);
  }

  /** Many entries in one transaction: all of them, or none. */
  addAll(
    entries: readonly JobEntry<Params>[],
    { conflict = "replace" }: { readonly conflict?: Conflict } = {},
  ): Promise<EntryHandle<Params, Result>[]> {
    return this.#host.addEntries(this.#definition, entries, conflict);
  }

  /** A run now, beside every schedule. */
  trigger(...[params]: Given<Params, []>): Promise<Run<Result>> {
    return this.#host.triggerJob(this.#definition as JobDefinition<never, Result>, params);
  }
}
