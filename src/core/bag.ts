// A set whose items know their own places in it: nothing is hashed, and nothing is copied as it fills and empties, thousands of
// times a second. (The tables that a Set leaves behind as it grows keep what they held from being collected for long.)

export interface Bagged {
  /** Where it is in its bag, which alone writes it; -1: in none. */
  place: number;
}

export class Bag<Item extends Bagged> {
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** In no order. Changes as they come and go. */
  get items(): readonly Item[] {
    return this.#items;
  }

  add(item: Item): void {
    if (item.place < 0) item.place = this.#items.push(item) - 1;
  }

  /** Nothing happens where it is not in it. */
  delete(item: Item): void {
    const { place } = item;
    if (place < 0) return;
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[place] = last;
      last.place = place;
    }
    item.place = -1;
  }
}
