// The ledger of the store in memory: its rows, found by entry and fire time, by whether they are settled, and, for the retention, by
// when they were settled.

import { ById } from "../core/by-id.ts";
import type { Entry } from "../core/entry.ts";
import type { Claim, Settlement } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { MemoryRows, type RowChanges, type RowNumber } from "./memory-rows.ts";
import { byFireTime } from "./order.ts";

export class MemoryLedger {
  readonly rows: MemoryRows;
  /** By fire time, ascending. */
  readonly #byEntry = new ById<RowNumber[]>();
  /** Those that are not settled, in no order, and by row where it is among them. */
  readonly #open: RowNumber[] = [];
  readonly #places: number[] = [];
  /** Settled rows in the order in which they were, from `#oldest` on. */
  #settled: RowNumber[] = [];
  #oldest = 0;
  #settledCount = 0;
  /** The clock was put back, or a row was settled again: their order is to be found anew. */
  #isDisordered = false;

  constructor(storeId: string) {
    this.rows = new MemoryRows(storeId);
  }

  /** How many rows are settled. */
  get settledCount(): number {
    return this.#settledCount;
  }

  find(entryId: number, fireAt: Instant, manual: boolean): RowNumber | undefined {
    const rows = this.#byEntry.get(entryId);
    if (rows === undefined) return undefined;
    const key = keyOf(fireAt, manual);
    const found = rows[this.#placeOf(key, rows)];
    return found !== undefined && this.#keyOf(found) === key ? found : undefined;
  }

  /** Whether it has a row of this entry. */
  names(entryId: number): boolean {
    return this.#byEntry.has(entryId);
  }

  ofEntry(entryId: number): readonly RowNumber[] {
    return this.#byEntry.get(entryId) ?? [];
  }

  *all(): Generator<RowNumber> {
    for (const rows of this.#byEntry.values()) yield* rows;
  }

  inState(state: "claimed" | "running"): RowNumber[] {
    return this.#open.filter((row) => this.rows.stateOf(row) === state);
  }

  /** As MemoryRows.add(). */
  add(entry: Entry, due: Claim["due"][number], isManual: boolean, now: Instant, version: string | null): RowNumber {
    const row = this.rows.add(entry, due, isManual, now, version);
    const rows = this.#byEntry.get(entry.id);
    if (rows === undefined) this.#byEntry.set(entry.id, [row]);
    else {
      const place = this.#placeOf(this.#keyOf(row), rows);
      if (place === rows.length) rows.push(row);
      else rows.splice(place, 0, row);
    }
    this.#addOpen(row);
    return row;
  }

  delete(row: RowNumber): void {
    if (this.rows.isSettled(row)) {
      this.#settledCount--;
      this.#isDisordered = true;
    } else this.#deleteOpen(row);
    this.#forget(row);
  }

  update(row: RowNumber, changes: RowChanges): void {
    const wasSettled = this.rows.isSettled(row);
    this.rows.update(row, changes);
    this.#file(row, wasSettled);
  }

  settle(row: RowNumber, settlement: Settlement): void {
    const wasSettled = this.rows.isSettled(row);
    this.rows.settle(row, settlement);
    this.#file(row, wasSettled);
  }

  /** Puts a row that changed where it belongs now. */
  #file(row: RowNumber, wasSettled: boolean): void {
    const isSettled = this.rows.isSettled(row);
    if (wasSettled) {
      this.#settledCount--;
      this.#isDisordered = true;
      if (!isSettled) this.#addOpen(row);
    } else if (isSettled) this.#deleteOpen(row);
    if (isSettled) this.#addSettled(row);
  }

  /** Deletes what was settled before a time, the oldest first. Returns how many. */
  prune(before: Instant, limit: number): number {
    if (this.#isDisordered) this.#order();
    let count = 0;
    while (count < limit && this.#oldest < this.#settled.length) {
      const settledAt = this.rows.settledAtOf(this.#settled[this.#oldest]!);
      if (settledAt >= before) break;
      // What was settled in one millisecond goes by fire time.
      let end = this.#oldest;
      while (end < this.#settled.length && this.rows.settledAtOf(this.#settled[end]!) === settledAt) end++;
      const keys = this.#settled.slice(this.#oldest, end).map((row) => this.rows.keyOf(row));
      const together = keys.sort(byFireTime).map(({ row }) => row);
      const gone = together.splice(0, limit - count);
      for (const [index, row] of together.entries()) this.#settled[end - together.length + index] = row;
      for (const row of gone) this.#forget(row);
      this.#settledCount -= gone.length;
      this.#oldest += gone.length;
      count += gone.length;
    }
    if (this.#oldest * 2 > this.#settled.length) {
      this.#settled = this.#settled.slice(this.#oldest);
      this.#oldest = 0;
    }
    return count;
  }

  #forget(row: RowNumber): void {
    const entryId = this.rows.entryIdOf(row);
    const rows = this.#byEntry.get(entryId)!;
    const place = this.#placeOf(this.#keyOf(row), rows);
    // The oldest one goes at no cost.
    if (place === 0) rows.shift();
    else rows.splice(place, 1);
    if (rows.length === 0) this.#byEntry.delete(entryId);
    this.rows.drop(row);
  }

  #addOpen(row: RowNumber): void {
    this.#places[row] = this.#open.push(row) - 1;
  }

  #deleteOpen(row: RowNumber): void {
    const last = this.#open.pop()!;
    if (last === row) return;
    const place = this.#places[row]!;
    this.#open[place] = last;
    this.#places[last] = place;
  }

  #addSettled(row: RowNumber): void {
    const last = this.#settled.at(-1);
    if (last !== undefined && this.rows.settledAtOf(last) > this.rows.settledAtOf(row)) this.#isDisordered = true;
    this.#settled.push(row);
    this.#settledCount++;
  }

  #order(): void {
    this.#settled = [...this.all()].filter((row) => this.rows.isSettled(row));
    this.#settled.sort((a, b) => this.rows.settledAtOf(a) - this.rows.settledAtOf(b));
    this.#oldest = 0;
    this.#isDisordered = false;
  }

  /** Where the row of this key is, or would be. Mostly the last one is asked for, or one after it. */
  #placeOf(key: number, rows: readonly RowNumber[]): number {
    let high = rows.length;
    let low = 0;
    for (let middle = high - 1; low < high; middle = (low + high) >> 1) {
      if (this.#keyOf(rows[middle]!) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What tells the rows of an entry apart, and their order. */
  #keyOf(row: RowNumber): number {
    return keyOf(this.rows.fireAtOf(row), this.rows.isManual(row));
  }
}

function keyOf(fireAt: Instant, manual: boolean): number {
  return 2 * fireAt + (manual ? 1 : 0);
}
