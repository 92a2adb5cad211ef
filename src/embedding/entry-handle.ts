// An entry that a program added, in its hands. Everything that it does goes to the store; nothing is kept here but what the
// entry was when it was last read.

import { type Entry, triggerOf } from "../core/entry.ts";
import type { OccurrenceState } from "../core/occurrence.ts";
import type { Instant } from "../core/time.ts";
import { nextFireTime } from "../core/triggers/trigger.ts";
import type { Triggers } from "../scheduler-options.ts";
import type { Given } from "./job.ts";
import type { Run } from "./run.ts";

/** What a handle needs of its scheduler. */
export interface EntryHost {
  now(): Instant;
  get(name: string): Promise<Entry>;
  pause(name: string, note?: string): Promise<Entry>;
  resume(name: string, options?: { readonly from?: "now" | "missed" }): Promise<Entry>;
  reschedule(name: string, trigger: Partial<Triggers>): Promise<Entry>;
  remove(name: string): Promise<void>;
  trigger(name: string, params?: unknown): Promise<Run>;
  runs(query: { readonly entry: string; readonly state?: OccurrenceState; readonly limit?: number }): Promise<Run[]>;
}

/** What fire times are computed from. */
export type Timing = Pick<Entry, "definition" | "name" | "anchorAt" | "lastFireAt">;

export class EntryHandle<Params = unknown, Result = unknown> {
  readonly name: string;
  readonly #host: EntryHost;
  readonly #added: Promise<Entry>;
  #timing: Timing;

  /** `added`: resolves when the entry is in the store. `timing`: as it will be there, as far as that is known. */
  constructor(host: EntryHost, added: Promise<Entry>, timing: Timing) {
    this.name = timing.name;
    this.#host = host;
    this.#timing = timing;
    this.#added = added.then((entry) => this.#keep(entry));
    this.#added.catch(() => {});
  }

  /** The next `count` fire times after now, as its schedule names them. */
  next(count = 1): Date[] {
    return fireTimesAfter(this.#timing, this.#host.now(), count);
  }

  /** The entry as it is in the store. */
  async get(): Promise<Entry> {
    return this.#do(() => this.#host.get(this.name));
  }

  /** Nothing of it runs until it is resumed. The note is kept, and shown to whoever asks why. */
  async pause(note?: string): Promise<Entry> {
    return this.#do(() => this.#host.pause(this.name, note));
  }

  /** `missed`: the fire times of the pause count as after a stop; by default the latest of them runs. */
  async resume(options: { readonly from?: "now" | "missed" } = {}): Promise<Entry> {
    return this.#do(() => this.#host.resume(this.name, options));
  }

  /** Another trigger; everything else stays. Its progress begins anew. */
  async reschedule(trigger: Partial<Triggers>): Promise<Entry> {
    return this.#do(() => this.#host.reschedule(this.name, trigger));
  }

  /** The ledger stays. */
  async remove(): Promise<void> {
    await this.#added;
    await this.#host.remove(this.name);
  }

  /** A run now, beside the schedule and under the same limits; with the entry's own params where none are given. */
  async trigger(...[params]: Partial<Given<Params, []>>): Promise<Run<Result>> {
    await this.#added;
    return (await this.#host.trigger(this.name, params)) as Run<Result>;
  }

  /** Its runs, the newest first. */
  async runs(query: { readonly state?: OccurrenceState; readonly limit?: number } = {}): Promise<Run<Result>[]> {
    await this.#added;
    return (await this.#host.runs({ ...query, entry: this.name })) as Run<Result>[];
  }

  async #do(work: () => Promise<Entry>): Promise<Entry> {
    await this.#added;
    return this.#keep(await work());
  }

  #keep(entry: Entry): Entry {
    this.#timing = entry;
    return entry;
  }
}

export function fireTimesAfter(timing: Timing, now: Instant, count: number): Date[] {
  const trigger = triggerOf(timing);
  const times: Date[] = [];
  for (let at = nextFireTime(trigger, now); at !== null && times.length < count; at = nextFireTime(trigger, at))
    times.push(new Date(at));
  return times;
}
