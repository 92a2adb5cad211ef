// Entries made ready for use, the most recently used ones. The store is the truth: whatever changed an entry drops it here.

import { ById } from "../core/by-id.ts";
import { type CompiledEntry, compileEntry, type Entry, isScheduled } from "../core/entry.ts";
import { reasonOf } from "../core/errors.ts";
import type { Store } from "../core/ports.ts";
import { isMessage } from "../core/target.ts";
import type { Parking } from "./parking.ts";
import type { Encode } from "./relay.ts";

export interface Loaded {
  /** In the order of their ids; undefined: it is gone, or can't be used. */
  readonly compiled: readonly (CompiledEntry | undefined)[];
  /** Entries that can't be used, and why. */
  readonly broken: readonly { readonly entry: Entry; readonly reason: string }[];
}

export class EntryCache {
  readonly #store: Store;
  readonly #capacity: number;
  /** What was used lately, and what was before that: each time the first is full, the second goes. */
  #recent = new ById<CompiledEntry>();
  #older = new ById<CompiledEntry>();

  readonly #encode: Encode;
  readonly #parking: Parking;

  constructor(store: Store, capacity: number, encode: Encode, parking: Parking) {
    this.#store = store;
    this.#capacity = capacity;
    this.#encode = encode;
    this.#parking = parking;
  }

  /** The entries of these ids. */
  async load(ids: readonly number[]): Promise<Loaded> {
    const compiled = ids.map((id) => this.#recent.get(id) ?? this.#older.get(id));
    const unknown = ids.filter((_, index) => compiled[index] === undefined);
    const broken: { entry: Entry; reason: string }[] = [];
    if (unknown.length === 0) return { compiled, broken };
    const fresh = new Map<number, CompiledEntry>();
    for (const entry of await this.#store.entriesById(unknown)) {
      try {
        const prepared = this.#prepared(entry);
        fresh.set(entry.id, prepared);
        if (isScheduled(entry)) this.keep(prepared);
      } catch (error) {
        broken.push({ entry, reason: entry.quarantine ?? reasonOf(error) });
      }
    }
    return { compiled: compiled.map((known, index) => known ?? fresh.get(ids[index]!)), broken };
  }

  /** An entry whose messages can't be built can't be used, and one whose job is missing waits: found once here, and not at every fire time. */
  #prepared(entry: Entry): CompiledEntry {
    const compiled = compileEntry(entry);
    const at = entry.nextFireAt ?? entry.createdAt;
    if (isMessage(compiled.target)) this.#encode(compiled, { id: "trial", fireAt: at, dueAt: at });
    this.#parking.look(compiled);
    return compiled;
  }

  /** Remembers an entry's latest progress. */
  keep(compiled: CompiledEntry): void {
    this.#recent.set(compiled.entry.id, compiled);
    if (this.#recent.size < this.#capacity) return;
    this.#older = this.#recent;
    this.#recent = new ById();
  }

  drop(id: number): void {
    this.#recent.delete(id);
    this.#older.delete(id);
  }

  clear(): void {
    this.#recent = new ById();
    this.#older = new ById();
  }
}
