// What of a text came before, within it.

export const longestMatch = 273;
const dictionaryBytes = 1 << 20;
/** A match that is so many times as far away takes a byte more to write. */
export const farther = 128;
const mostHashBits = 17;
const mostCandidates = 32;

export interface Match {
  readonly length: number;
  readonly distance: number;
}
const noMatch: Match = { length: 0, distance: 0 };

export class MatchFinder {
  readonly #text: Uint8Array;
  /** Positions + 1 by the hash of the three bytes there, and for each position the one before with the same hash. */
  readonly #newest: Uint32Array;
  readonly #older: Uint32Array;
  readonly #hashShift: number;
  #hashed = 0;

  constructor(text: Uint8Array) {
    this.#text = text;
    this.#hashShift = Math.max(32 - mostHashBits, Math.clz32(text.length | 0xff));
    this.#newest = new Uint32Array(2 ** (32 - this.#hashShift));
    this.#older = new Uint32Array(text.length);
  }

  sameBytes(at: number, distance: number): number {
    if (distance > at) return 0;
    const text = this.#text;
    const most = Math.min(longestMatch, text.length - at);
    let length = 0;
    while (length < most && text[at + length] === text[at + length - distance]) length++;
    return length;
  }

  /** Positions come in ascending order. */
  longestAt(at: number): Match {
    const text = this.#text;
    if (at + 3 > text.length) return noMatch;
    for (; this.#hashed < at; this.#hashed++) {
      const hash = this.#hashAt(this.#hashed);
      this.#older[this.#hashed] = this.#newest[hash]!;
      this.#newest[hash] = this.#hashed + 1;
    }
    let best = noMatch;
    let candidate = this.#newest[this.#hashAt(at)]!;
    for (let tried = 0; candidate > 0 && tried < mostCandidates && best.length < longestMatch; tried++) {
      const distance = at - candidate + 1;
      if (distance > dictionaryBytes) break;
      const length = this.sameBytes(at, distance);
      if (length > best.length + (distance > best.distance * farther ? 1 : 0)) best = { length, distance };
      candidate = this.#older[candidate - 1]!;
    }
    // What is short and far away takes more than its bytes do.
    return best.length < 3 || (best.length === 3 && best.distance > 0x1000) ? noMatch : best;
  }

  #hashAt(at: number): number {
    const text = this.#text;
    const bytes = (text[at]! << 16) | (text[at + 1]! << 8) | text[at + 2]!;
    return Math.imul(bytes, 0x9e37_79b1) >>> this.#hashShift;
  }
}
