// What a program schedules: its functions, and the entries that it adds. Functions are kept here alone; the entries go into
// the store and name them.

import { type Definition, parseDefinition } from "../core/definition.ts";
import type { Entry } from "../core/entry.ts";
import { BeatError, EntryNotFoundError, reasonOf } from "../core/errors.ts";
import { checkedParams } from "../core/json-params.ts";
import type { Log } from "../core/ports.ts";
import type { Conflict } from "../definitions/operations.ts";
import type { JobFunction, JobLimits } from "../runner/job.ts";
import { type EntryOptions, type Work, writtenOptions } from "../scheduler-options.ts";
import { EntryHandle, type EntryHost } from "./entry-handle.ts";
import { functionOf, Job, type JobDefinition, type JobHost } from "./job.ts";
import type { Run } from "./run.ts";

/** What it needs of its scheduler. */
export interface ProgramHost extends EntryHost {
  add(name: string, definition: unknown, options: { readonly conflict: Conflict }): Promise<Entry>;
}

export interface ProgramOptions {
  readonly host: ProgramHost;
  readonly log: Log;
  /** Of entries that name none. */
  readonly timezone: string;
  /** Jobs of this name can run here from now on. */
  readonly onRegistered: (job: string) => void;
}

/** An entry that never fires by itself: runs that a program asks of a job, of no entry of its own, are its runs. */
const neverByItself = { at: "1970-01-01T00:00:00Z", description: "runs that a program asked for" };

export class Program implements JobHost {
  readonly functions = new Map<string, JobFunction>();
  readonly limits = new Map<string, JobLimits>();
  readonly #options: ProgramOptions;
  readonly #names = new Set<string>();
  /** Entries on their way into the store. */
  readonly #added = new Set<Promise<Entry>>();
  readonly #onDemand = new Map<string, Promise<Entry>>();
  #started = false;

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  /** Adds an entry in the background. Throws at once where it can't be. */
  define(trigger: Record<string, unknown>, label: string, work: Work, options: EntryOptions): EntryHandle {
    const { name: wanted, conflict, ...rest } = options;
    const base = wanted ?? (typeof work === "function" && work.name !== "" ? work.name : label);
    const name = wanted === undefined ? this.#freeName(base) : wanted;
    if (conflict === undefined) this.#refuseSecond(name);
    if (typeof work === "function" && !this.#names.has(name)) this.#refuseJob(name);
    const target = typeof work === "function" ? { job: name } : work;
    const definition = this.#checked(name, { ...trigger, ...target, ...writtenOptions(rest) });
    if (typeof work === "function") this.#register(name, work, {});
    this.#names.add(name);
    const added = this.#options.host.add(name, definition, { conflict: conflict ?? "replace" });
    this.#watch(added);
    return new EntryHandle(this.#options.host, added, this.#provisional(name, definition));
  }

  job<Params, Result>(definition: JobDefinition<Params, Result>): Job<Params, Result> {
    const { name, options } = definition;
    this.#refuseJob(name);
    this.#register(name, functionOf(definition), options);
    return new Job(definition, this);
  }

  async addEntry<Params, Result>(
    { name: job, options: { maxInstances: _, retryIf: __, ...policies } }: JobDefinition<Params, Result>,
    trigger: Partial<Definition>,
    params: unknown,
    { name: wanted, conflict = "replace", ...own }: EntryOptions,
  ): Promise<EntryHandle<Params, Result>> {
    const [[key, value] = ["?", ""]] = Object.entries(trigger);
    const name =
      wanted ?? this.#freeName(`${job}: ${key} ${typeof value === "string" ? value : JSON.stringify(value)}`);
    const given = params === undefined ? {} : { params: checkedParams(params, { entry: name }) };
    const definition = this.#checked(name, { ...writtenOptions({ ...policies, ...own }), ...trigger, job, ...given });
    this.#names.add(name);
    const entry = await this.#options.host.add(name, definition, { conflict });
    return new EntryHandle(this.#options.host, Promise.resolve(entry), entry);
  }

  async triggerJob<Result>(definition: JobDefinition<never, Result>, params: unknown): Promise<Run<Result>> {
    const { host } = this.#options;
    const { name } = await this.#entryOnDemand(definition);
    try {
      return (await host.trigger(name, params)) as Run<Result>;
    } catch (error) {
      if (!(error instanceof EntryNotFoundError)) throw error;
      // Somebody removed it.
      this.#onDemand.delete(definition.name);
      return (await host.trigger((await this.#entryOnDemand(definition)).name, params)) as Run<Result>;
    }
  }

  #entryOnDemand<Result>({ name: job, options }: JobDefinition<never, Result>): Promise<Entry> {
    const known = this.#onDemand.get(job);
    if (known !== undefined) return known;
    const { maxInstances: _, retryIf: __, ...policies } = options;
    const name = `${job}: on demand`;
    const definition = this.#checked(name, { ...neverByItself, job, overlap: "allow", ...writtenOptions(policies) });
    const added = this.#options.host.add(name, definition, { conflict: "replace" });
    this.#onDemand.set(job, added);
    added.catch(() => this.#onDemand.delete(job));
    return added;
  }

  /** All that was added so far is in the store. Rejects where something of it can't be; from then on that goes to the log. */
  async start(): Promise<void> {
    await Promise.all(this.#added);
    this.#started = true;
  }

  /** Nothing is on its way into the store any more. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#added);
  }

  #register(name: string, work: JobFunction, { maxInstances, retryIf }: JobLimits): void {
    this.functions.set(name, work);
    this.limits.set(name, {
      ...(maxInstances !== undefined && { maxInstances }),
      ...(retryIf !== undefined && { retryIf }),
    });
    this.#options.onRegistered(name);
  }

  #checked(name: string, written: Record<string, unknown>): Definition {
    return parseDefinition({ timezone: this.#options.timezone, ...written }, { entry: name });
  }

  #provisional(name: string, definition: Definition) {
    return { name, definition, anchorAt: this.#options.host.now(), lastFireAt: null };
  }

  #watch(added: Promise<Entry>): void {
    this.#added.add(added);
    added.then(
      () => this.#added.delete(added),
      (error) => {
        if (this.#started && this.#added.delete(added)) this.#options.log.error(reasonOf(error));
      },
    );
  }

  #refuseJob(name: string): void {
    if (this.functions.has(name))
      throw new BeatError(`there is a job "${name}" already`, { remedy: "Give each job a name of its own." });
  }

  /** One function can't stand for two entries that are meant to be the same: that is a mistake, unless it is said. */
  #refuseSecond(name: string): void {
    if (this.#names.has(name))
      throw new BeatError(`there is an entry "${name}" already`, {
        remedy: 'Give each entry a name of its own, or say what becomes of it: { conflict: "replace" }.',
        place: { entry: name },
      });
  }

  #freeName(base: string): string {
    if (!this.#names.has(base)) return base;
    for (let number = 2; ; number++) if (!this.#names.has(`${base} ${number}`)) return `${base} ${number}`;
  }
}
