// What the suite's tests are made of: a store, and short ways to fill it.

import type { Definition } from "../../../src/core/definition.ts";
import type { Entry } from "../../../src/core/entry.ts";
import type { Occurrence } from "../../../src/core/occurrence.ts";
import type { Claim, EntryChange, Lease, LeaseOwner, Store } from "../../../src/core/ports.ts";
import type { Instant } from "../../../src/core/time.ts";

/** A Friday noon; nothing in a store reads a clock. */
export const t0: Instant = Date.UTC(2027, 0, 1, 12);

export const pulse: Definition = { every: "30s", task: "a.b", timezone: "UTC" };
export const daily: Definition = { crontab: "0 3 * * *", task: "a.c", timezone: "Europe/Berlin" };

export type Insert = Extract<EntryChange, { change: "insert" }>;
export type Update = Extract<EntryChange, { change: "update" }>;
type Remove = Extract<EntryChange, { change: "remove" }>;

export function insertOf(name: string, fields: Partial<Insert> = {}): Insert {
  return {
    change: "insert",
    name,
    origin: "api",
    definition: pulse,
    createdAt: t0,
    anchorAt: t0,
    nextFireAt: t0 + 30_000,
    quarantine: null,
    ...fields,
  };
}

export function updateOf(entry: Entry, fields: Update["fields"], rest: Partial<Update> = {}): Update {
  return { change: "update", id: entry.id, expectedRevision: entry.revision, at: t0, fields, ...rest };
}

export function removeOf(entry: Entry, at: Instant = t0): Remove {
  return { change: "remove", id: entry.id, expectedRevision: entry.revision, at, withdraw: "removed" };
}

/** One occurrence at the entry's next fire time, the next one 30 s later. */
/** `advance`: in what else the entry is another one then. */
export function claimOf(
  entry: Entry,
  { advance, ...changes }: Partial<Claim> & { readonly advance?: Partial<Entry> } = {},
): Claim {
  const fireAt = entry.nextFireAt ?? t0;
  const byDefault = { nextFireAt: fireAt + 30_000, lastFireAt: fireAt, runCount: entry.runCount + 1 };
  return {
    entry,
    becomes: { ...entry, ...byDefault, ...advance },
    due: [{ fireAt, dueAt: fireAt }],
    passed: [],
    superseded: [],
    ...changes,
  };
}

export function ownerOf(ownerId: string): LeaseOwner {
  return { ownerId, host: "host", pid: 1 };
}

export function namesOf(entries: readonly Entry[]): string[] {
  return entries.map((entry) => entry.name);
}

/** Name, fire time after `t0`, state. */
export function keysOf(rows: readonly Occurrence[]): [string, number, string][] {
  return rows.map((row) => [row.entryName, row.fireAt - t0, row.state]);
}

/** One store, new for each test. */
export class Subject {
  readonly open: () => Promise<Store>;
  #store: Store | undefined;

  constructor(open: () => Promise<Store>) {
    this.open = open;
  }

  get store(): Store {
    if (!this.#store) throw new Error("a test has to begin first");
    return this.#store;
  }

  async begin(): Promise<void> {
    this.#store = await this.open();
  }

  async end(): Promise<void> {
    await this.store.close();
  }

  async add(...inserts: readonly (string | Insert)[]): Promise<Entry[]> {
    return this.store.change(inserts.map((insert) => (typeof insert === "string" ? insertOf(insert) : insert)));
  }

  async addOne(insert: string | Insert): Promise<Entry> {
    return (await this.add(insert))[0]!;
  }

  async lead(): Promise<Lease> {
    return this.store.acquireLease(ownerOf("leader"), 10_000, t0);
  }

  async again(entry: Entry): Promise<Entry> {
    return (await this.store.entriesById([entry.id]))[0]!;
  }
}
