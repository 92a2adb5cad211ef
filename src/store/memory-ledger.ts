// The occurrences of the store in memory: found by entry and fire time, by whether they are settled, and, for the retention, by
// when they were settled. Rows change in place, since there may be many thousands a second; whoever is given one gets a copy.

import { Bag, type Bagged } from "../core/bag.ts";
import type { Entry } from "../core/entry.ts";
import type { Occurrence } from "../core/occurrence.ts";
import type { Claim, Settlement } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { byFireTime } from "./order.ts";

type Changing = { -readonly [Key in keyof Occurrence]: Occurrence[Key] };

/** A row, which changes in place. Its id is that of the claim, and derived when it is asked for. */
export class Row implements Changing, Bagged {
  /** Among the open ones. */
  place = -1;
  readonly entryId: number;
  readonly entryName: string;
  readonly fireAt: Instant;
  untilFireAt: Instant;
  count = 1;
  readonly manual: boolean;
  dueAt: Instant;
  state: Occurrence["state"] = "claimed";
  reason: string | null = null;
  attempts = 0;
  missedCount: number;
  params: string | null;
  result: string | null = null;
  claimedAt: Instant;
  startedAt: Instant | null = null;
  settledAt: Instant | null = null;
  timeZoneData: string | null;
  readonly #due: { readonly id: string };

  constructor(
    { id, name }: Entry,
    due: Claim["due"][number] & { readonly params?: string },
    now: Instant,
    timeZoneData: string | null,
  ) {
    this.entryId = id;
    this.entryName = name;
    this.fireAt = due.fireAt;
    this.untilFireAt = due.fireAt;
    this.manual = due.manual;
    this.dueAt = due.dueAt;
    this.missedCount = due.missedCount ?? 0;
    this.params = due.params ?? null;
    this.claimedAt = now;
    this.timeZoneData = timeZoneData;
    this.#due = due;
  }

  get id(): string {
    return this.#due.id;
  }

  copy(): Occurrence {
    const { place: _, ...columns } = this;
    return { ...columns, id: this.id };
  }
}

export class MemoryLedger {
  /** By fire time, ascending. */
  readonly #byEntry = new Map<number, Row[]>();
  readonly #open = new Bag<Row>();
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
    const rows = this.#byEntry.get(entryId);
    if (rows === undefined) return undefined;
    const key = keyOf(fireAt, manual);
    const found = rows[placeOf(key, rows)];
    return found !== undefined && keyOf(found.fireAt, found.manual) === key ? found : undefined;
  }

  /** Whether it has a row of this entry. */
  names(entryId: number): boolean {
    return this.#byEntry.has(entryId);
  }

  ofEntry(entryId: number): readonly Row[] {
    return this.#byEntry.get(entryId) ?? [];
  }

  *all(): Generator<Row> {
    for (const rows of this.#byEntry.values()) yield* rows;
  }

  inState(state: "claimed" | "running"): Row[] {
    const found: Row[] = [];
    for (const row of this.#open.items) if (row.state === state) found.push(row);
    return found;
  }

  add(row: Row): void {
    const rows = this.#byEntry.get(row.entryId);
    if (rows === undefined) this.#byEntry.set(row.entryId, [row]);
    else {
      const place = placeOf(keyOf(row.fireAt, row.manual), rows);
      if (place === rows.length) rows.push(row);
      else rows.splice(place, 0, row);
    }
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
    this.#changed(row, wasSettled);
  }

  /** What became of it. */
  settle(row: Row, { state, reason, attempts, result = null, at }: Settlement): void {
    const wasSettled = row.settledAt !== null;
    row.state = state;
    row.reason = reason;
    row.attempts = attempts;
    if (state === "running") row.startedAt = at;
    if (state === "running" || state === "claimed") row.settledAt = null;
    else {
      row.settledAt = at;
      row.result = result;
    }
    this.#changed(row, wasSettled);
  }

  #changed(row: Row, wasSettled: boolean): void {
    if (wasSettled) {
      this.#settledCount--;
      this.#isDisordered = true;
      if (row.settledAt === null) this.#open.add(row);
    } else if (row.settledAt !== null) this.#open.delete(row);
    if (row.settledAt !== null) this.#settle(row);
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
    const rows = this.#byEntry.get(entryId)!;
    const place = placeOf(keyOf(fireAt, manual), rows);
    // The oldest one goes at no cost.
    if (place === 0) rows.shift();
    else rows.splice(place, 1);
    if (rows.length === 0) this.#byEntry.delete(entryId);
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

/** Where the row of this key is, or would be. Mostly the last one is asked for, or one after it. */
function placeOf(key: number, rows: readonly Row[]): number {
  let high = rows.length;
  let low = 0;
  for (let middle = high - 1; low < high; middle = (low + high) >> 1) {
    const { fireAt, manual } = rows[middle]!;
    if (keyOf(fireAt, manual) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function keyOf(fireAt: Instant, manual: boolean): number {
  return 2 * fireAt + (manual ? 1 : 0);
}
