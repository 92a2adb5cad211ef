// What the store in memory keeps, and how a change of several rows is taken back. Entries are replaced and never altered, so what
// was handed out stays as it was.

import { ById } from "../core/by-id.ts";
import type { Entry } from "../core/entry.ts";
import type { Claim } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { MemoryLease } from "./memory-lease.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import type { RowChanges, RowNumber } from "./memory-rows.ts";

export class MemoryTables {
  readonly entries = new ById<Entry>();
  readonly ledger: MemoryLedger;
  readonly lease = new MemoryLease();
  lastId = 0;
  revision = 0;
  timeZoneData: string | null = null;
  /** The ids of those that were removed. */
  readonly removed = new Set<number>();
  /** The ids of the present entries by name. */
  readonly #ids = new Map<string, number>();
  /** Within a transaction: how to take back what was done so far, in order. */
  #undo: (() => void)[] | undefined;

  constructor(storeId: string) {
    this.ledger = new MemoryLedger(storeId);
  }

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

  /** Of the entry of that name, and of those that had it. */
  idsOfName(name: string): number[] {
    return this.entries.values().flatMap((entry) => (entry.name === name ? [entry.id] : []));
  }

  putEntry(entry: Entry): Entry {
    const old = this.entries.get(entry.id);
    if (this.#undo !== undefined) this.#undoEntry(entry, old);
    this.entries.set(entry.id, entry);
    if (entry.removedAt !== null) {
      this.#ids.delete(entry.name);
      this.removed.add(entry.id);
    } else if (old?.removedAt !== null) this.#ids.set(entry.name, entry.id);
    return entry;
  }

  /** As putEntry(), of one that is present and goes on under its name; never within a transaction. */
  advanceEntry(entry: Entry): void {
    this.entries.set(entry.id, entry);
  }

  /** It was removed, and nothing names it any more. */
  forgetEntry(id: number): void {
    this.entries.delete(id);
    this.removed.delete(id);
  }

  #undoEntry(entry: Entry, old: Entry | undefined): void {
    this.#undo!.push(() => {
      this.forgetEntry(entry.id);
      if (entry.removedAt === null) this.#ids.delete(entry.name);
      if (old) this.putEntry(old);
    });
  }

  /** A fire time that has just been claimed, or a run that was asked for. */
  addRow(entry: Entry, due: Claim["due"][number], isManual: boolean, now: Instant): RowNumber {
    const row = this.ledger.add(entry, due, isManual, now, this.timeZoneData);
    if (this.#undo !== undefined) this.#undoAddition(row);
    return row;
  }

  #undoAddition(row: RowNumber): void {
    this.#undo!.push(() => this.ledger.delete(row));
  }

  updateRow(row: RowNumber, changes: RowChanges): void {
    if (this.#undo !== undefined) this.#undoUpdate(row);
    this.ledger.update(row, changes);
  }

  #undoUpdate(row: RowNumber): void {
    const before = this.ledger.rows.read(row);
    this.#undo!.push(() => this.ledger.update(row, before));
  }
}
