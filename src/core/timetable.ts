// The timetable: a min-heap of (due time, entry id), four children a node, in typed arrays. It holds what falls due within
// the horizon; the store is the truth. An entry that moves is pushed again: `#current` says which of its nodes counts, and
// nodes that do not are dropped when they come up, or all at once when they are the greater part.

import type { Instant } from "./time.ts";

export interface Due {
  readonly id: number;
  readonly dueAt: Instant;
}

const firstCapacity = 1_024;

export class Timetable {
  #nodes = 0;
  #due = new Float64Array(firstCapacity);
  #ids = new Float64Array(firstCapacity);
  /** By id; NaN: not in it now. An array of numbers alone, unlike a Map, keeps them in place. */
  #current: number[] = [];
  #size = 0;
  /** How many ids have a place in `#current`. */
  #known = 0;

  /** How many entries are in it. */
  get size(): number {
    return this.#size;
  }

  /** When the first entry falls due; undefined where the timetable is empty. */
  get nextDueAt(): Instant | undefined {
    this.#dropStale();
    return this.#nodes === 0 ? undefined : this.#due[0];
  }

  /** When this entry falls due; undefined where it is not in it. */
  dueOf(id: number): Instant | undefined {
    const dueAt = this.#current[id];
    return dueAt === undefined || Number.isNaN(dueAt) ? undefined : dueAt;
  }

  /** Adds an entry, or moves it to another time. */
  set(id: number, dueAt: Instant): void {
    if (this.#current[id] === dueAt) return;
    if (this.#nodes === this.#due.length) this.#makeRoom();
    const before = this.#current[id];
    if (before === undefined) this.#known++;
    if (before === undefined || Number.isNaN(before)) this.#size++;
    this.#current[id] = dueAt;
    this.#rise(this.#nodes++, id, dueAt);
  }

  /** Nothing happens where the entry is not in it. */
  delete(id: number): void {
    if (this.dueOf(id) !== undefined) this.#takeOut(id);
  }

  /** Takes out at most `limit` entries that are due at or before `until`, earliest first. */
  takeDue(until: Instant, limit: number): Due[] {
    const taken: Due[] = [];
    while (taken.length < limit) {
      this.#dropStale();
      if (this.#nodes === 0 || this.#due[0]! > until) break;
      const due = { id: this.#ids[0]!, dueAt: this.#due[0]! };
      taken.push(due);
      this.#takeOut(due.id);
      this.#dropFirst();
    }
    if (this.#known > 2 * this.#size + firstCapacity) this.#forgetAbsent();
    return taken;
  }

  /** About how many fall due at or before `until`: an entry that moved may be counted at its old place too. */
  countDue(until: Instant): number {
    return this.#countBelow(0, until);
  }

  clear(): void {
    this.#nodes = 0;
    this.#current = [];
    this.#size = 0;
    this.#known = 0;
  }

  #takeOut(id: number): void {
    this.#current[id] = Number.NaN;
    this.#size--;
  }

  #countBelow(node: number, until: Instant): number {
    if (node >= this.#nodes || this.#due[node]! > until) return 0;
    let count = 1;
    for (let child = 4 * node + 1; child <= 4 * node + 4; child++) count += this.#countBelow(child, until);
    return count;
  }

  #dropStale(): void {
    while (this.#nodes > 0 && this.#current[this.#ids[0]!] !== this.#due[0]) this.#dropFirst();
  }

  #dropFirst(): void {
    const last = --this.#nodes;
    if (last > 0) this.#sink(this.#ids[last]!, this.#due[last]!);
  }

  #rise(from: number, id: number, dueAt: Instant): void {
    let node = from;
    while (node > 0) {
      const parent = (node - 1) >> 2;
      if (!this.#isLater(parent, id, dueAt)) break;
      this.#due[node] = this.#due[parent]!;
      this.#ids[node] = this.#ids[parent]!;
      node = parent;
    }
    this.#due[node] = dueAt;
    this.#ids[node] = id;
  }

  /** Puts (id, dueAt) in from the top. */
  #sink(id: number, dueAt: Instant): void {
    let node = 0;
    for (let first = 1; first < this.#nodes; first = 4 * node + 1) {
      let least = first;
      const end = Math.min(first + 4, this.#nodes);
      for (let child = first + 1; child < end; child++) {
        if (this.#isLater(least, this.#ids[child]!, this.#due[child]!)) least = child;
      }
      if (this.#isLater(least, id, dueAt)) break;
      this.#due[node] = this.#due[least]!;
      this.#ids[node] = this.#ids[least]!;
      node = least;
    }
    this.#due[node] = dueAt;
    this.#ids[node] = id;
  }

  /** Whether a node comes after (dueAt, id). Equal times go by id, so that the order is the same everywhere. */
  #isLater(node: number, id: number, dueAt: Instant): boolean {
    const other = this.#due[node]!;
    return other > dueAt || (other === dueAt && this.#ids[node]! > id);
  }

  /** Drops the stale nodes where they are the greater part, else doubles the arrays. */
  #makeRoom(): void {
    if (this.#size * 2 > this.#nodes) {
      const due = new Float64Array(this.#due.length * 2);
      const ids = new Float64Array(this.#ids.length * 2);
      due.set(this.#due);
      ids.set(this.#ids);
      this.#due = due;
      this.#ids = ids;
      return;
    }
    this.#nodes = 0;
    this.#forgetAbsent();
    for (const id in this.#current) this.#rise(this.#nodes++, Number(id), this.#current[id]!);
  }

  /** Ids that went for good would pile up. */
  #forgetAbsent(): void {
    const present: number[] = [];
    for (const id in this.#current) {
      const dueAt = this.#current[id]!;
      if (!Number.isNaN(dueAt)) present[Number(id)] = dueAt;
    }
    this.#current = present;
    this.#known = this.#size;
  }
}
