// Entries made ready for use, the most recently used ones. The store is the truth: whatever changed an entry drops it here.

import { type CompiledEntry, compileEntry, type Entry, isScheduled } from "../core/entry.ts";
import { reasonOf } from "../core/errors.ts";
import type { Store } from "../core/ports.ts";
import { isMessage } from "../core/target.ts";
import type { Encode } from "./relay.ts";

export interface Loaded {
  readonly compiled: Map<number, CompiledEntry>;
  /** Entries that can't be used, and why. */
  readonly broken: readonly { readonly entry: Entry; readonly reason: string }[];
}

export class EntryCache {
  readonly #store: Store;
  readonly #capacity: number;
  readonly #entries = new Map<number, CompiledEntry>();

  readonly #encode: Encode;

  constructor(store: Store, capacity: number, encode: Encode) {
    this.#store = store;
    this.#capacity = capacity;
    this.#encode = encode;
  }

  /** The entries of these ids; removed ones are left out. */
  async load(ids: readonly number[]): Promise<Loaded> {
    const compiled = new Map<number, CompiledEntry>();
    const unknown: number[] = [];
    for (const id of ids) {
      const known = this.#entries.get(id);
      if (known === undefined) unknown.push(id);
      else compiled.set(id, known);
    }
    const broken: { entry: Entry; reason: string }[] = [];
    if (unknown.length === 0) return { compiled, broken };
    for (const entry of await this.#store.entriesById(unknown)) {
      try {
        const fresh = this.#prepared(entry);
        compiled.set(entry.id, fresh);
        if (isScheduled(entry)) this.keep(fresh);
      } catch (error) {
        broken.push({ entry, reason: entry.quarantine ?? reasonOf(error) });
      }
    }
    return { compiled, broken };
  }

  /** An entry whose messages can't be built can't be used: found once here, and not at every fire time. */
  #prepared(entry: Entry): CompiledEntry {
    const compiled = compileEntry(entry);
    const at = entry.nextFireAt ?? entry.createdAt;
    if (isMessage(compiled.target)) this.#encode(compiled, { id: "trial", fireAt: at, dueAt: at });
    return compiled;
  }

  /** Remembers an entry's latest progress. */
  keep(compiled: CompiledEntry): void {
    const { id } = compiled.entry;
    // Their order matters where some have to go.
    if (this.#entries.size > this.#capacity / 2) this.#entries.delete(id);
    this.#entries.set(id, compiled);
    if (this.#entries.size > this.#capacity) this.#entries.delete(this.#entries.keys().next().value!);
  }

  drop(id: number): void {
    this.#entries.delete(id);
  }

  clear(): void {
    this.#entries.clear();
  }
}
