// The timetable: a min-heap of (due time, entry id), four children a node, in typed arrays. It holds what falls due within
// the horizon; the store is the truth. An entry is in it at most once, so that a change of its time is one move.

import type { Instant } from "./time.ts";

export interface Due {
  readonly id: number;
  readonly dueAt: Instant;
}

const firstCapacity = 1_024;

export class Timetable {
  #size = 0;
  #due = new Float64Array(firstCapacity);
  #ids = new Float64Array(firstCapacity);
  readonly #slots = new Map<number, number>();

  get size(): number {
    return this.#size;
  }

  /** When the first entry falls due; undefined where the timetable is empty. */
  get nextDueAt(): Instant | undefined {
    return this.#size === 0 ? undefined : this.#due[0];
  }

  /** Adds an entry, or moves it to another time. */
  set(id: number, dueAt: Instant): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) {
      if (this.#size === this.#due.length) this.#grow();
      this.#place(this.#size, id, dueAt);
      this.#rise(this.#size++);
      return;
    }
    this.#due[slot] = dueAt;
    this.#rise(slot);
    this.#sink(this.#slots.get(id)!);
  }

  /** Nothing happens where the entry is not in it. */
  delete(id: number): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#slots.delete(id);
    const last = --this.#size;
    if (slot === last) return;
    const moved = this.#ids[last]!;
    this.#place(slot, moved, this.#due[last]!);
    this.#rise(slot);
    this.#sink(this.#slots.get(moved)!);
  }

  /** Takes out at most `limit` entries that are due at or before `until`, earliest first. */
  takeDue(until: Instant, limit: number): Due[] {
    const taken: Due[] = [];
    while (this.#size > 0 && this.#due[0]! <= until && taken.length < limit) {
      const id = this.#ids[0]!;
      taken.push({ id, dueAt: this.#due[0]! });
      this.delete(id);
    }
    return taken;
  }

  clear(): void {
    this.#size = 0;
    this.#slots.clear();
  }

  #place(slot: number, id: number, dueAt: Instant): void {
    this.#ids[slot] = id;
    this.#due[slot] = dueAt;
    this.#slots.set(id, slot);
  }

  #rise(start: number): void {
    const id = this.#ids[start]!;
    const dueAt = this.#due[start]!;
    let slot = start;
    while (slot > 0) {
      const parent = (slot - 1) >> 2;
      if (!this.#later(parent, dueAt, id)) break;
      this.#place(slot, this.#ids[parent]!, this.#due[parent]!);
      slot = parent;
    }
    if (slot !== start) this.#place(slot, id, dueAt);
  }

  #sink(start: number): void {
    const id = this.#ids[start]!;
    const dueAt = this.#due[start]!;
    let slot = start;
    for (;;) {
      const first = 4 * slot + 1;
      if (first >= this.#size) break;
      let least = first;
      for (let child = first + 1; child < Math.min(first + 4, this.#size); child++) {
        if (this.#later(least, this.#due[child]!, this.#ids[child]!)) least = child;
      }
      if (this.#later(least, dueAt, id)) break;
      this.#place(slot, this.#ids[least]!, this.#due[least]!);
      slot = least;
    }
    if (slot !== start) this.#place(slot, id, dueAt);
  }

  /** Whether the entry in `slot` comes after (dueAt, id). Equal times go by id, so that the order is the same everywhere. */
  #later(slot: number, dueAt: Instant, id: number): boolean {
    const other = this.#due[slot]!;
    return other > dueAt || (other === dueAt && this.#ids[slot]! > id);
  }

  #grow(): void {
    const due = new Float64Array(this.#due.length * 2);
    const ids = new Float64Array(this.#ids.length * 2);
    due.set(this.#due);
    ids.set(this.#ids);
    this.#due = due;
    this.#ids = ids;
  }
}
