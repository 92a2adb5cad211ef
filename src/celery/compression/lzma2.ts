// LZMA2: a text becomes literal bytes and repetitions of what came before (`matches`), and each bit of these is written in as little space as
// it is probable. The probabilities follow what was written, and the reader's follow in step.
//
// What to repeat is chosen greedily, with one look ahead: of texts that makes a few percent more than the best choice, in a fraction of its time.

import { farther, longestMatch, type Match, MatchFinder } from "./match-finder.ts";
import { even, RangeEncoder } from "./range-encoder.ts";

/** Three bits of the byte before choose a literal's probabilities, two bits of the position those of the rest: the usual. */
const properties = 93;
const positionMask = 3;
const chunkBytes = 0x1_0000;
const chunkTextBytes = 0x20_0000;
/** More than one symbol and the end of a chunk take. */
const spareBytes = 64;

/** Whole chunks and their end. */
export function lzma2(text: Uint8Array): Buffer {
  const encoder = new Encoder(text);
  const parts: Buffer[] = [];
  for (let from = 0; from < text.length; ) {
    const range = new RangeEncoder();
    const to = encoder.writeChunk(range);
    const packed = range.end();
    const size = to - from - 1;
    const sizes = [(size >> 8) & 0xff, size & 0xff, (packed.length - 1) >> 8, (packed.length - 1) & 0xff];
    // The first one begins anew with its properties; the others go on with what is known.
    const start = from === 0 ? [0xe0 | (size >> 16), ...sizes, properties] : [0x80 | (size >> 16), ...sizes];
    parts.push(Buffer.from(start), packed);
    from = to;
  }
  return Buffer.concat([...parts, Buffer.of(0)]);
}

/** The lengths of matches, from 2 on. */
class Lengths {
  readonly #choice = even(2);
  readonly #short = even(4 * 8);
  readonly #middle = even(4 * 8);
  readonly #long = even(256);

  write(range: RangeEncoder, length: number, position: number): void {
    const value = length - 2;
    range.bit(this.#choice, 0, value < 8 ? 0 : 1);
    if (value >= 8) range.bit(this.#choice, 1, value < 16 ? 0 : 1);
    if (value < 8) range.tree(this.#short, position * 8, value, 3);
    else if (value < 16) range.tree(this.#middle, position * 8, value - 8, 3);
    else range.tree(this.#long, 0, value - 16, 8);
  }
}

class Encoder {
  readonly #text: Uint8Array;
  readonly #matches: MatchFinder;
  #at = 0;

  readonly #literals = even(8 * 0x300);
  readonly #isMatch = even(12 * 4);
  readonly #isRepeat = even(12);
  readonly #isRepeatOther = even(12);
  readonly #isRepeatOlder = even(12);
  readonly #isRepeatOldest = even(12);
  readonly #isRepeatLong = even(12 * 4);
  readonly #slots = even(4 * 64);
  readonly #nearBits = even(128);
  readonly #alignBits = even(16);
  readonly #lengths = new Lengths();
  readonly #repeatLengths = new Lengths();
  /** What the last symbols were, as the format numbers it: below 7 after a literal. */
  #state = 0;
  /** The last four, the newest first. */
  readonly #distances = [1, 1, 1, 1];
  /** Of the next position, where it was looked at already. */
  #ahead: Match | undefined;

  constructor(text: Uint8Array) {
    this.#text = text;
    this.#matches = new MatchFinder(text);
  }

  /** Returns the position that it came to. */
  writeChunk(range: RangeEncoder): number {
    const last = Math.min(this.#text.length, this.#at + chunkTextBytes - longestMatch);
    while (this.#at < last && range.size < chunkBytes - spareBytes) this.#writeNext(range);
    return this.#at;
  }

  #writeNext(range: RangeEncoder): void {
    const match = this.#ahead ?? this.#matches.longestAt(this.#at);
    this.#ahead = undefined;
    const repeats = this.#distances.map((distance) => this.#matches.sameBytes(this.#at, distance));
    const repeated = Math.max(...repeats);
    // A distance that is known takes as much less space as the other one is far.
    const saved = match.distance < 0x200 ? 1 : match.distance < 0x8000 ? 2 : 3;
    if (repeated >= 2 && repeated + saved >= match.length)
      this.#writeRepeat(range, repeats.indexOf(repeated), repeated);
    else if (match.length === 0 || this.#isBetterLater(match)) this.#writeByte(range, repeats[0]! > 0);
    else this.#writeMatch(range, match);
  }

  /** Whether it takes less to write one byte as it is, and then what can be repeated. */
  #isBetterLater(match: Match): boolean {
    const { length, distance } = match;
    if (length === longestMatch) return false;
    const ahead = this.#matches.longestAt(this.#at + 1);
    this.#ahead = ahead;
    return (
      ahead.length > length + 1 ||
      (ahead.length === length + 1 && ahead.distance <= distance * farther) ||
      (ahead.length === length && ahead.distance < distance) ||
      (ahead.length === length - 1 && ahead.length > 2 && ahead.distance * farther < distance) ||
      this.#distances.some((known) => this.#matches.sameBytes(this.#at + 1, known) >= Math.max(2, length - 1))
    );
  }

  get #position(): number {
    return this.#at & positionMask;
  }

  /** `isRepeated`: it is the byte at the last distance, which is shorter to say. */
  #writeByte(range: RangeEncoder, isRepeated: boolean): void {
    const state = this.#state;
    if (isRepeated) {
      range.bit(this.#isMatch, state * 4 + this.#position, 1);
      range.bit(this.#isRepeat, state, 1);
      range.bit(this.#isRepeatOther, state, 0);
      range.bit(this.#isRepeatLong, state * 4 + this.#position, 0);
      this.#state = state < 7 ? 9 : 11;
    } else {
      range.bit(this.#isMatch, state * 4 + this.#position, 0);
      this.#writeLiteral(range, this.#text[this.#at]!);
      this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
    }
    this.#at++;
  }

  /** After a match, the byte that would have been next in it chooses the probabilities as far as its bits agree. */
  #writeLiteral(range: RangeEncoder, byte: number): void {
    const context = ((this.#text[this.#at - 1] ?? 0) >> 5) * 0x300;
    if (this.#state < 7) {
      range.tree(this.#literals, context, byte, 8);
      return;
    }
    let expected = this.#text[this.#at - this.#distances[0]!]!;
    let agrees = 0x100;
    for (let node = 1, shift = 7; shift >= 0; shift--) {
      expected <<= 1;
      const bit = (byte >>> shift) & 1;
      range.bit(this.#literals, context + agrees + (expected & agrees) + node, bit);
      node = (node << 1) | bit;
      if (((expected >> 8) & 1) !== bit) agrees = 0;
    }
  }

  #writeMatch(range: RangeEncoder, { length, distance }: Match): void {
    const state = this.#state;
    range.bit(this.#isMatch, state * 4 + this.#position, 1);
    range.bit(this.#isRepeat, state, 0);
    this.#lengths.write(range, length, this.#position);
    this.#writeDistance(range, distance - 1, Math.min(length - 2, 3));
    this.#ahead = undefined;
    this.#distances.unshift(distance);
    this.#distances.pop();
    this.#state = state < 7 ? 7 : 10;
    this.#at += length;
  }

  /** Its two highest bits and their place are its slot; of the bits below, only those of near ones and the lowest four have probabilities. */
  #writeDistance(range: RangeEncoder, distance: number, lengthClass: number): void {
    const bits = 30 - Math.clz32(distance);
    const slot = distance < 4 ? distance : bits * 2 + 2 + ((distance >>> bits) & 1);
    range.tree(this.#slots, lengthClass * 64, slot, 6);
    if (slot < 4) return;
    const base = (distance >>> bits) << bits;
    const below = distance - base;
    if (slot < 14) {
      range.reverseTree(this.#nearBits, base - slot - 1, below, bits);
    } else {
      range.evenly(below >>> 4, bits - 4);
      range.reverseTree(this.#alignBits, 0, below & 15, 4);
    }
  }

  #writeRepeat(range: RangeEncoder, which: number, length: number): void {
    const state = this.#state;
    range.bit(this.#isMatch, state * 4 + this.#position, 1);
    range.bit(this.#isRepeat, state, 1);
    range.bit(this.#isRepeatOther, state, which === 0 ? 0 : 1);
    if (which === 0) range.bit(this.#isRepeatLong, state * 4 + this.#position, 1);
    else {
      range.bit(this.#isRepeatOlder, state, which === 1 ? 0 : 1);
      if (which > 1) range.bit(this.#isRepeatOldest, state, which - 2);
      this.#distances.unshift(...this.#distances.splice(which, 1));
    }
    this.#repeatLengths.write(range, length, this.#position);
    this.#state = state < 7 ? 8 : 11;
    this.#at += length;
  }
}
