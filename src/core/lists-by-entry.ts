// What goes on of each entry, found by the entry's id: mostly one thing or none, thousands of times a second. A list stays when it is
// empty, since it fills again at the next fire time.

import { ById } from "./by-id.ts";

/** Empty lists are dropped when there are so many lists, or four times as many as were left the last time. */
const tidyAt = 16_384;

export class ListsByEntry<Item> {
  readonly #lists = new ById<Item[]>();
  #size = 0;
  #tidyAt = tidyAt;

  /** How many items there are. */
  get size(): number {
    return this.#size;
  }

  /** How many lists there are, empty ones included. */
  get kept(): number {
    return this.#lists.size;
  }

  /** Those of an entry, the one added first comes first. Changes as they come and go. */
  of(entryId: number): readonly Item[] {
    return this.#lists.get(entryId) ?? none;
  }

  forEach(visit: (item: Item) => void): void {
    if (this.#size === 0) return;
    for (const list of this.#lists.values()) for (const item of list) visit(item);
  }

  /** Returns how many the entry has now. */
  add(entryId: number, item: Item): number {
    this.#size++;
    const list = this.#lists.get(entryId) ?? this.#newList(entryId);
    return list.push(item);
  }

  /** Never with its first item: what is stored in a new list, which stays, V8 would expect to stay, and put where it is collected last. */
  #newList(entryId: number): Item[] {
    if (this.#lists.size >= this.#tidyAt) this.#tidy();
    const list: Item[] = [];
    this.#lists.set(entryId, list);
    return list;
  }

  /** Whether it was there. */
  delete(entryId: number, item: Item): boolean {
    const list = this.#lists.get(entryId);
    if (list === undefined) return false;
    if (list.length === 1 && list[0] === item) list.pop();
    else {
      const place = list.indexOf(item);
      if (place < 0) return false;
      list.splice(place, 1);
    }
    this.#size--;
    return true;
  }

  #tidy(): void {
    for (const [entryId, { length }] of this.#lists.entries()) if (length === 0) this.#lists.delete(entryId);
    this.#tidyAt = Math.max(tidyAt, 4 * this.#lists.size);
  }
}

const none: readonly never[] = [];
