// Chance from a seed: the same text gives the same draws, on every machine.

/** sfc32 (https://pracrand.sourceforge.net), seeded by a text. */
export class Random {
  #a = 0x9e37_79b9;
  #b = 0x243f_6a88;
  #c = 0xb7e1_5162;
  #counter = 1;

  constructor(seed: string) {
    for (let index = 0; index < seed.length; index++) {
      this.#a ^= seed.charCodeAt(index);
      this.#next();
    }
    for (let round = 0; round < 12; round++) this.#next();
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** From 0 to below 1. */
  fraction(): number {
    return this.#next() / 4_294_967_296;
  }

  /** A whole number, both ends included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.int(0, items.length - 1)]!;
  }

  /** The answer of one of them. */
  any<Result>(...makers: readonly (() => Result)[]): Result {
    return this.pick(makers)();
  }

  times<Item>(min: number, max: number, make: () => Item): Item[] {
    return Array.from({ length: this.int(min, max) }, make);
  }

  /** One of them, each as likely as its weight says. */
  weighted<Item>(items: readonly (readonly [weight: number, item: Item])[]): Item {
    let left = this.fraction() * items.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, item] of items) {
      left -= weight;
      if (left < 0) return item;
    }
    return items.at(-1)![1];
  }
}
