// The one place through which anybody but the dispatcher writes entries: the command line, programs, the API, files.

import { randomUUID } from "node:crypto";
import { nameProblem } from "../core/definition.ts";
import type { Entry } from "../core/entry.ts";
import { type BeatError, ConflictError, DefinitionError, EntryNotFoundError, nearest } from "../core/errors.ts";
import { checkedParams } from "../core/json-params.ts";
import { isMap } from "../core/json-value.ts";
import type { Occurrence } from "../core/occurrence.ts";
import type { Clock, EntryChange, Store } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { inQuotes } from "../core/triggers/date-time.ts";
import { triggerKeys } from "../core/triggers/schedule.ts";
import { type Addition, type Conflict, planAddition, type Wanted, type Writer } from "./addition.ts";
import { checkedDefinition } from "./checked.ts";
import type { LoadedFiles } from "./parse.ts";
import { type Effect, endOfPause, removal } from "./progress.ts";
import { type FilesPlan, fileOf, type PlannedChange, planReconcile } from "./reconcile.ts";

const maxAttempts = 10;
const pageSize = 1_000;
const maxNamesToGuess = 10_000;
const maxNoteLength = 1_000;
const maxNamesInSummary = 5;

export interface AppliedFiles {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly kept: number;
  /** What is wrong with the files, and names in them that belong to others. */
  readonly problems: readonly BeatError[];
  /** One sentence or two for people; empty where nothing changed. */
  readonly summary: string;
}

/** What was done to entries. Told once it is written. */
export type Told =
  | { readonly did: "added" | "changed" | "removed" | "paused"; readonly entry: Entry }
  | { readonly did: "resumed"; readonly entry: Entry; readonly from: "now" | "missed" };

export interface OperationsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly onChange?: ((told: Told) => void) | undefined;
}

export class Operations {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #tell: (told: Told) => void;

  constructor({ store, clock, onChange = () => {} }: OperationsOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#tell = onChange;
  }

  /**
   * Adds an entry, or with `replace` changes the one of that name; the owner stays the same then, and nothing is written
   * where nothing changed. Throws DefinitionError for what is wrong with the name or definition, for a name that is taken,
   * and, from the command line and the API, for an entry that would never fire.
   */
  async add(
    name: string,
    definition: unknown,
    origin: Writer,
    { conflict = "throw" }: { readonly conflict?: Conflict } = {},
  ): Promise<Entry> {
    const wanted = checked(name, definition);
    return this.#retrying(async () => {
      const existing = await this.#store.entryByName(name);
      const addition = planAddition(existing, wanted, { origin, conflict }, this.#clock.now());
      return addition === undefined ? existing! : (await this.#write([addition]))[0]!;
    });
  }

  /** Another trigger, in the keys of a schedule file; what an entry does, and how, stays. Throws as add() does, and EntryNotFoundError. */
  async reschedule(name: string, schedule: Readonly<Record<string, unknown>>, origin: Writer): Promise<Entry> {
    const { definition } = await this.get(name);
    const others = Object.entries(definition).filter(([key]) => !(triggerKeys as readonly string[]).includes(key));
    return this.add(name, { ...Object.fromEntries(others), ...schedule }, origin, { conflict: "replace" });
  }

  /**
   * Adds many entries in one transaction, all or none. One DefinitionError holds all problems. Returns the entries, as they are
   * then, in the same order.
   */
  async addAll(
    entries: readonly { readonly name: string; readonly definition: unknown }[],
    origin: Writer,
    { conflict = "throw" }: { readonly conflict?: Conflict } = {},
  ): Promise<Entry[]> {
    if (!Array.isArray(entries)) throw new DefinitionError("entries: must be a list");
    const names = new Set<string>();
    const wanted = withoutProblems<(typeof entries)[number], Wanted>(entries, (entry) => {
      if (!isMap(entry as unknown)) throw new DefinitionError("an entry must be a map: { name, definition }");
      const { name, definition } = entry;
      if (names.has(name)) throw new DefinitionError("there are two entries of that name", { place: { entry: name } });
      names.add(name);
      return checked(name, definition);
    });
    return this.#retrying(async () => {
      const existing: (Entry | undefined)[] = [];
      for (let start = 0; start < wanted.length; start += pageSize) {
        const page = wanted.slice(start, start + pageSize);
        existing.push(...(await Promise.all(page.map(({ name }) => this.#store.entryByName(name)))));
      }
      const now = this.#clock.now();
      const additions = withoutProblems(wanted, (one, index) =>
        planAddition(existing[index], one, { origin, conflict }, now),
      );
      const written = (await this.#write(additions.filter((one) => one !== undefined))).values();
      return additions.map((one, index) => (one === undefined ? existing[index]! : written.next().value!));
    });
  }

  async #write(additions: readonly Addition[]): Promise<Entry[]> {
    const entries = await this.#store.change(additions.map(({ change }) => change));
    for (const [index, { did }] of additions.entries()) this.#tell({ did, entry: entries[index]! });
    return entries;
  }

  /** Removes an entry and withdraws what it has in the outbox; the ledger stays, and tells what was still to be decided. Throws EntryNotFoundError, and DefinitionError for an entry of a file. */
  async remove(name: string): Promise<void> {
    await this.#retrying(async () => {
      const entry = await this.get(name);
      const file = fileOf(entry.origin);
      if (file !== undefined) {
        throw new DefinitionError(`it belongs to the schedule file ${file}`, {
          remedy: "Remove it there; or pause it here.",
          place: { entry: name },
        });
      }
      await this.#store.change([removal(entry, this.#clock.now(), "it was removed")]);
      this.#tell({ did: "removed", entry });
    });
  }

  /** Nothing of it runs until it is resumed; what waits in the outbox is withdrawn. Whoever owns it, files included, can't undo that. */
  async pause(name: string, note?: string): Promise<Entry> {
    if (note !== undefined && note.length > maxNoteLength) {
      throw new DefinitionError(`a note has at most ${maxNoteLength} characters`, { place: { entry: name } });
    }
    return this.#retrying(async () => {
      const entry = await this.get(name);
      const now = this.#clock.now();
      if (entry.pausedAt !== null && (note === undefined || note === entry.pauseNote)) return entry;
      const fields = { pausedAt: entry.pausedAt ?? now, pauseNote: note ?? null };
      return this.#update(entry, { fields, withdraw: "it was paused" }, now, "paused");
    });
  }

  /**
   * Goes on from now: the fire times of the pause are recorded as one range, and don't run. From `missed`, they count as after
   * a stop: the entry's `misfire_grace_time` and `coalesce` decide which run. Nothing happens to an entry that is not paused.
   */
  async resume(name: string, from: "now" | "missed" = "now"): Promise<Entry> {
    if (from !== "now" && from !== "missed")
      throw new DefinitionError(`from: ${inQuotes(from)} is neither now nor missed`, { place: { entry: name } });
    return this.#retrying(async () => {
      const entry = await this.get(name);
      if (entry.pausedAt === null) return entry;
      const now = this.#clock.now();
      const resumed = await this.#update(entry, endOfPause(entry, now, from), now);
      this.#tell({ did: "resumed", entry: resumed, from });
      return resumed;
    });
  }

  /**
   * Asks for a run now, beside the schedule; also of an entry that is paused, disabled or finished. `params`: what a job is
   * given instead of the entry's own. `id`: a UUID; default a new one. Returns the row.
   */
  async trigger(
    name: string,
    { params, id = randomUUID() }: { readonly params?: unknown; readonly id?: string } = {},
  ): Promise<Occurrence> {
    const entry = await this.get(name);
    const given = checkedParams(params, { entry: name });
    if (given !== undefined && entry.definition.job === undefined)
      throw new DefinitionError("only a job is given params", { remedy: "Leave them out.", place: { entry: name } });
    if (entry.quarantine !== null) {
      throw new DefinitionError(`it is set aside: ${entry.quarantine}`, {
        remedy: "Mend its definition first.",
        place: { entry: name },
      });
    }
    let attempt = 0;
    return this.#retrying(async () => {
      // Two requests in one millisecond get an instant each.
      const now = this.#clock.now();
      const fireAt = now + attempt++;
      const manual = { id, fireAt, ...(given !== undefined && { params: JSON.stringify(given) }) };
      await this.#store.enqueueManual(entry.id, manual, now);
      return asked(entry, manual, now);
    });
  }

  /**
   * Sends failed runs again, under their ids: one entry's or, without a name, everybody's, the newest first and at most
   * `limit`. Returns how many.
   */
  async retry(query: { readonly name?: string; readonly fireAt?: Instant; readonly limit: number }): Promise<number> {
    const { name, ...rest } = query;
    const entryId = name === undefined ? undefined : (await this.get(name)).id;
    return this.#store.requeueFailed({ ...rest, ...(entryId !== undefined && { entryId }) }, this.#clock.now());
  }

  /** Throws EntryNotFoundError, with the nearest name. */
  async get(name: string): Promise<Entry> {
    const entry = await this.#store.entryByName(name);
    if (entry !== undefined) return entry;
    const guess = nearest(name, await this.#someNames());
    throw new EntryNotFoundError(`there is no entry "${name}"`, {
      remedy: guess === undefined ? "`beat list` tells which there are." : `Did you mean "${guess}"?`,
      place: { entry: name },
    });
  }

  /** By name, ascending, from after `afterName`. */
  list(query: Parameters<Store["listEntries"]>[0]): Promise<Entry[]> {
    return this.#store.listEntries(query);
  }

  /** Makes the store's entries of files what the files say. Applying the same files twice changes nothing. */
  async applyFiles(loaded: LoadedFiles): Promise<AppliedFiles> {
    const done: PlannedChange[] = [];
    const plan = await this.#retrying(async () => {
      const plan = planReconcile(loaded, await this.#concerned(loaded), this.#clock.now());
      for (let start = 0; start < plan.changes.length; start += pageSize) {
        const page = plan.changes.slice(start, start + pageSize);
        const entries = await this.#store.change(page.map(({ change }) => change));
        for (const [index, { verb }] of page.entries()) this.#tell({ did: verb, entry: entries[index]! });
        done.push(...page);
      }
      return plan;
    });
    return applied(loaded, plan, done);
  }

  /** Every entry that came from a file, or has a name that the files use. */
  async #concerned(loaded: LoadedFiles): Promise<Entry[]> {
    const byName = new Map<string, Entry>();
    for await (const entry of this.#pages({ originPrefix: "file:" })) byName.set(entry.name, entry);
    for (const { name } of loaded.files.flatMap((file) => file.definitions)) {
      const entry = byName.has(name) ? undefined : await this.#store.entryByName(name);
      if (entry !== undefined) byName.set(name, entry);
    }
    return [...byName.values()];
  }

  async *#pages(query: { readonly originPrefix?: string }): AsyncGenerator<Entry> {
    let page = await this.#store.listEntries({ ...query, limit: pageSize });
    while (page.length > 0) {
      yield* page;
      page = await this.#store.listEntries({ ...query, afterName: page.at(-1)!.name, limit: pageSize });
    }
  }

  async #someNames(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.#pages({})) if (names.push(name) >= maxNamesToGuess) break;
    return names;
  }

  async #update(entry: Entry, effect: Effect, at: Instant, did?: "paused"): Promise<Entry> {
    const change: EntryChange = { change: "update", id: entry.id, expectedRevision: entry.revision, at, ...effect };
    const [changed] = await this.#store.change([change]);
    if (did !== undefined) this.#tell({ did, entry: changed! });
    return changed!;
  }

  /** Somebody else may write at the same time: then it is read and tried again, a bounded number of times. */
  async #retrying<Result>(attempt: () => Promise<Result>): Promise<Result> {
    for (let count = 1; ; count++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof ConflictError) || count === maxAttempts) throw error;
      }
    }
  }
}

/** The row of a run that was asked for just now. */
function asked(
  { id: entryId, name: entryName }: Entry,
  { id, fireAt, params }: { readonly id: string; readonly fireAt: Instant; readonly params?: string },
  now: Instant,
): Occurrence {
  const nothingYet = { reason: null, result: null, attempts: 0, missedCount: 0, startedAt: null, settledAt: null };
  const when = { fireAt, untilFireAt: fireAt, dueAt: fireAt, claimedAt: now, count: 1, timeZoneData: null };
  return { ...nothingYet, ...when, id, entryId, entryName, manual: true, params: params ?? null, state: "claimed" };
}

/** Each one's result. One DefinitionError holds what is wrong with any. */
function withoutProblems<One, Result>(each: readonly One[], work: (one: One, index: number) => Result): Result[] {
  const problems: BeatError[] = [];
  const results = each.flatMap((one, index) => {
    try {
      return [work(one, index)];
    } catch (error) {
      if (!(error instanceof DefinitionError)) throw error;
      problems.push(...error.problems);
      return [];
    }
  });
  if (problems.length > 0)
    throw new DefinitionError(
      `nothing was added: ${problems.length} of ${each.length} can't be: ${problems[0]!.describe()}`,
      {
        problems,
      },
    );
  return results;
}

function checked(name: string, definition: unknown): Wanted {
  const wrong = nameProblem(name);
  if (wrong !== undefined) throw new DefinitionError(wrong);
  return { name, definition: checkedDefinition(withZone(definition), { entry: name }) };
}

function withZone(definition: unknown): unknown {
  const isMap = typeof definition === "object" && definition !== null && !Array.isArray(definition);
  return isMap ? { timezone: "UTC", ...definition } : definition;
}

function applied(
  loaded: LoadedFiles,
  { kept, problems, neverFiring }: FilesPlan,
  done: readonly PlannedChange[],
): AppliedFiles {
  const names = (verb: PlannedChange["verb"]) => done.filter((one) => one.verb === verb).map(({ name }) => name);
  const [added, changed, removed] = [names("added"), names("changed"), names("removed")];
  const counted = (verb: string, which: readonly string[]) =>
    which.length === 0 ? [] : [`${which.length} ${verb} (${someOf(which)})`];
  const parts = [...counted("added", added), ...counted("changed", changed), ...counted("removed", removed)];
  const never = neverFiring.length === 0 ? "" : ` Nothing is left to fire of: ${someOf(neverFiring)}.`;
  const summary = parts.length === 0 ? "" : `Schedule files: ${[...parts, `${kept} as before`].join(", ")}.${never}`;
  return { added, changed, removed, kept, problems: [...loaded.problems, ...problems], summary };
}

function someOf(names: readonly string[]): string {
  const more = names.length - maxNamesInSummary;
  return [...names.slice(0, maxNamesInSummary), ...(more > 0 ? [`${more} more`] : [])].join(", ");
}
