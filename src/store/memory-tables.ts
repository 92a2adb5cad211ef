// What the store in memory keeps, and how a change of several rows is taken back. Rows are replaced and never altered,
// so what was handed out stays as it was.

import type { Entry } from "../core/entry.ts";
import type { Occurrence } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { MemoryLease } from "./memory-lease.ts";

export class MemoryTables {
  readonly entries = new Map<number, Entry>();
  readonly occurrences = new Map<string, Occurrence>();
  readonly lease = new MemoryLease();
  lastId = 0;
  revision = 0;
  timeZoneData: string | null = null;
  /** The ids of the present entries by name. */
  readonly #ids = new Map<string, number>();
  /** The keys of the occurrences that are not settled. */
  readonly #unsettled = new Set<string>();
  /** Within a transaction: how to take back what was done so far, in order. */
  #undo: (() => void)[] | undefined;

  /** Runs `work`; where it throws, all is as it was before. */
  transaction<T>(work: () => T): T {
    const { lastId, revision } = this;
    const undo: (() => void)[] = [];
    this.#undo = undo;
    try {
      return work();
    } catch (error) {
      this.#undo = undefined;
      for (const takeBack of undo.reverse()) takeBack();
      this.lastId = lastId;
      this.revision = revision;
      throw error;
    } finally {
      this.#undo = undefined;
    }
  }

  present(): Entry[] {
    return Array.from(this.#ids.values(), (id) => this.entries.get(id)!);
  }

  presentById(id: number): Entry | undefined {
    const entry = this.entries.get(id);
    return entry?.removedAt === null ? entry : undefined;
  }

  presentByName(name: string): Entry | undefined {
    const id = this.#ids.get(name);
    return id === undefined ? undefined : this.entries.get(id);
  }

  inState(state: "claimed" | "running"): Occurrence[] {
    const unsettled = Array.from(this.#unsettled, (key) => this.occurrences.get(key)!);
    return unsettled.filter((occurrence) => occurrence.state === state);
  }

  putEntry(entry: Entry): Entry {
    const old = this.entries.get(entry.id);
    this.#undo?.push(() => {
      this.entries.delete(entry.id);
      if (entry.removedAt === null) this.#ids.delete(entry.name);
      if (old) this.putEntry(old);
    });
    this.entries.set(entry.id, entry);
    if (entry.removedAt === null) this.#ids.set(entry.name, entry.id);
    else this.#ids.delete(entry.name);
    return entry;
  }

  putOccurrence(occurrence: Occurrence): void {
    const key = keyOf(occurrence.entryId, occurrence.fireAt, occurrence.manual);
    const old = this.occurrences.get(key);
    this.#undo?.push(() => {
      this.occurrences.delete(key);
      this.#unsettled.delete(key);
      if (old) this.putOccurrence(old);
    });
    this.occurrences.set(key, occurrence);
    if (occurrence.settledAt === null) this.#unsettled.add(key);
    else this.#unsettled.delete(key);
  }
}

export function keyOf(entryId: number, fireAt: Instant, manual: boolean): string {
  return `${entryId} ${fireAt} ${manual}`;
}
