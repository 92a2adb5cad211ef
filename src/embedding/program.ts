// What a program schedules: its functions, and the entries that it adds. Functions are kept here alone; the entries go into
// the store and name them.

import { type Definition, parseDefinition } from "../core/definition.ts";
import { type Entry, firesAtStart } from "../core/entry.ts";
import { BeatError, DefinitionError, EntryNotFoundError, reasonOf } from "../core/errors.ts";
import { checkedParams } from "../core/json-params.ts";
import { isMap } from "../core/json-value.ts";
import type { Log } from "../core/ports.ts";
import { triggerKeys } from "../core/triggers/schedule.ts";
import type { Conflict } from "../definitions/addition.ts";
import type { JobFunction, JobLimits } from "../runner/job.ts";
import { type EntryOptions, type Work, writtenOptions } from "../scheduler-options.ts";
import { EntryHandle, type EntryHost } from "./entry-handle.ts";
import { functionOf, Job, type JobDefinition, type JobEntry, type JobHost } from "./job.ts";
import type { Run } from "./run.ts";

/** What it needs of its scheduler. */
export interface ProgramHost extends EntryHost {
  add(name: string, definition: unknown, options: { readonly conflict: Conflict }): Promise<Entry>;
  addAll(
    entries: readonly { readonly name: string; readonly definition: unknown }[],
    options: { readonly conflict: Conflict },
  ): Promise<Entry[]>;
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
const neverByItself = { cron: "@yearly", end_at: "1970-01-01", description: "runs that a program asked for" };

export class Program implements JobHost {
  readonly functions = new Map<string, JobFunction>();
  readonly limits = new Map<string, JobLimits>();
  readonly #options: ProgramOptions;
  readonly #names = new Set<string>();
  /** Entries on their way into the store. */
  readonly #added = new Set<Promise<Entry>>();
  readonly #onDemand = new Map<string, Promise<Entry>>();
  #started = false;
  #stopped = false;

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  /** Adds an entry in the background. Throws at once where it can't be. */
  define(trigger: Record<string, unknown>, label: string, work: Work, options: EntryOptions): EntryHandle {
    if (this.#stopped) throw new BeatError("this scheduler was stopped", { remedy: "Make a new one." });
    checkMap(options, "the options of an entry");
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
    job: JobDefinition<Params, Result>,
    entry: JobEntry<unknown>,
    conflict: Conflict,
  ): Promise<EntryHandle<Params, Result>> {
    const { name, definition } = this.#entryOf(job, entry);
    return this.#handleOf(await this.#options.host.add(name, definition, { conflict }));
  }

  async addEntries<Params, Result>(
    job: JobDefinition<Params, Result>,
    entries: readonly JobEntry<unknown>[],
    conflict: Conflict,
  ): Promise<EntryHandle<Params, Result>[]> {
    if (!Array.isArray(entries)) throw new DefinitionError("entries: must be a list");
    const wanted = entries.map((entry) => this.#entryOf(job, entry));
    const added = await this.#options.host.addAll(wanted, { conflict });
    return added.map((entry) => this.#handleOf(entry));
  }

  #entryOf<Params, Result>(
    { name: job, options: { maxInstances: _, retryIf: __, ...policies } }: JobDefinition<Params, Result>,
    entry: JobEntry<unknown>,
  ) {
    checkMap(entry, "an entry");
    const { name: wanted, params, ...own } = entry;
    const written = writtenOptions({ ...policies, ...own });
    const name = wanted ?? this.#freeName([job, ...labelOf(written)].join(": "));
    const given = params === undefined ? {} : { params: checkedParams(params, { entry: name }) };
    this.#names.add(name);
    // Checked by whoever writes it.
    return { name, definition: { timezone: this.#options.timezone, ...written, job, ...given } };
  }

  #handleOf<Params, Result>(entry: Entry): EntryHandle<Params, Result> {
    this.#tellIfOver(entry);
    return new EntryHandle(this.#options.host, Promise.resolve(entry), entry);
  }

  /** A schedule whose end has passed; dates that have are told of by whoever decides on them. */
  #tellIfOver({ name, nextFireAt, lastFireAt, definition }: Entry): void {
    if (nextFireAt !== null || lastFireAt !== null || firesAtStart(definition)) return;
    this.#options.log.warn(`${name} never fires: what is left of its schedule has passed.`, { entry: name });
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
    this.#stopped = true;
    await Promise.allSettled(this.#added);
  }

  #register(name: string, work: JobFunction, { maxInstances, retryIf }: JobLimits): void {
    this.functions.set(name, work);
    // Most jobs have none, and where no job has any, none is looked up.
    if (maxInstances === undefined && retryIf === undefined) this.limits.delete(name);
    else
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
      (entry) => {
        this.#added.delete(added);
        this.#tellIfOver(entry);
      },
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

/** `cron 0 9 * * *`: what an entry that was given no name is called after. */
function labelOf(written: Record<string, unknown>): string[] {
  const key = triggerKeys.find((each) => written[each] !== undefined);
  if (key === undefined) return [];
  const value = written[key];
  return [`${key} ${typeof value === "string" ? value : JSON.stringify(value)}`];
}

function checkMap(value: unknown, what: string): void {
  if (!isMap(value))
    throw new DefinitionError(`${what} must be a map`, { remedy: 'Write it like { name: "report" }.' });
}
