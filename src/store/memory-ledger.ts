// The occurrences of the store in memory: found by entry and fire time, by whether they are settled, and, for the retention, by
// when they were settled. Rows change in place, since there may be many thousands a second; whoever is given one gets a copy.

import type { Occurrence } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { byFireTime } from "./order.ts";

export type Row = { -readonly [Key in keyof Occurrence]: Occurrence[Key] };

export class MemoryLedger {
  readonly #byEntry = new Map<number, Map<number, Row>>();
  readonly #open = new Set<Row>();
  /** Settled rows in the order in which they were, from `#oldest` on. */
  #settled: Row[] = [];
  #oldest = 0;
  #settledCount = 0;
  /** The clock was put back, or a row was settled again: their order is to be found anew. */
  #isDisordered = false;

  /** How many rows are settled. */
  get settledCount(): number {
    return this.#settledCount;
  }

  find(entryId: number, fireAt: Instant, manual: boolean): Row | undefined {
    return this.#byEntry.get(entryId)?.get(keyOf(fireAt, manual));
  }

  /** Whether it has a row of this entry. */
  names(entryId: number): boolean {
    return this.#byEntry.has(entryId);
  }

  ofEntry(entryId: number): Iterable<Row> {
    return this.#byEntry.get(entryId)?.values() ?? [];
  }

  *all(): Generator<Row> {
    for (const rows of this.#byEntry.values()) yield* rows.values();
  }

  inState(state: "claimed" | "running"): Row[] {
    const found: Row[] = [];
    for (const row of this.#open) if (row.state === state) found.push(row);
    return found;
  }

  add(row: Row): void {
    const key = keyOf(row.fireAt, row.manual);
    const rows = this.#byEntry.get(row.entryId);
    if (rows === undefined) this.#byEntry.set(row.entryId, new Map([[key, row]]));
    else rows.set(key, row);
    if (row.settledAt === null) this.#open.add(row);
    else this.#settle(row);
  }

  delete(row: Row): void {
    this.#forget(row);
    this.#open.delete(row);
    if (row.settledAt === null) return;
    this.#settledCount--;
    this.#isDisordered = true;
  }

  /** Whatever of it is not its key. */
  update(row: Row, changes: Partial<Occurrence>): void {
    const wasSettled = row.settledAt !== null;
    Object.assign(row, changes);
    if (wasSettled) {
      this.#settledCount--;
      this.#isDisordered = true;
    }
    if (row.settledAt === null) this.#open.add(row);
    else {
      this.#open.delete(row);
      this.#settle(row);
    }
  }

  /** Deletes what was settled before a time, the oldest first. Returns how many. */
  prune(before: Instant, limit: number): number {
    if (this.#isDisordered) this.#order();
    let count = 0;
    while (count < limit && this.#oldest < this.#settled.length) {
      const { settledAt } = this.#settled[this.#oldest]!;
      if (settledAt! >= before) break;
      // What was settled in one millisecond goes by fire time.
      let end = this.#oldest;
      while (this.#settled[end]?.settledAt === settledAt) end++;
      const together = this.#settled.slice(this.#oldest, end).sort(byFireTime);
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

  #forget({ entryId, fireAt, manual }: Row): void {
    const rows = this.#byEntry.get(entryId);
    rows?.delete(keyOf(fireAt, manual));
    if (rows?.size === 0) this.#byEntry.delete(entryId);
  }

  #settle(row: Row): void {
    const last = this.#settled.at(-1);
    if (last !== undefined && last.settledAt! > row.settledAt!) this.#isDisordered = true;
    this.#settled.push(row);
    this.#settledCount++;
  }

  #order(): void {
    this.#settled = [...this.all()].filter(({ settledAt }) => settledAt !== null);
    this.#settled.sort((a, b) => a.settledAt! - b.settledAt!);
    this.#oldest = 0;
    this.#isDisordered = false;
  }
}

function keyOf(fireAt: Instant, manual: boolean): number {
  return 2 * fireAt + (manual ? 1 : 0);
}
