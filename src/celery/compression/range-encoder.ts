// Bits, each in as little space as it is probable.

/** Halves and narrows a range of numbers by each bit; the bytes are those of a number within. */
export class RangeEncoder {
  readonly #bytes: number[] = [];
  /** Below 2^33: a carry may still go into the bytes that are held. */
  #low = 0;
  #range = 0xffff_ffff;
  #held = 0;
  #heldBytes = 1;

  get size(): number {
    return this.#bytes.length + this.#heldBytes;
  }

  /** `probabilities[at]`: that the bit is 0, of 2048. */
  bit(probabilities: Uint16Array, at: number, bit: number): void {
    const probability = probabilities[at]!;
    const bound = (this.#range >>> 11) * probability;
    if (bit === 0) {
      this.#range = bound;
      probabilities[at] = probability + ((2_048 - probability) >> 5);
    } else {
      this.#low += bound;
      this.#range -= bound;
      probabilities[at] = probability - (probability >> 5);
    }
    this.#widen();
  }

  /** The highest bit first. */
  evenly(value: number, bits: number): void {
    for (let shift = bits - 1; shift >= 0; shift--) {
      this.#range >>>= 1;
      if ((value >>> shift) & 1) this.#low += this.#range;
      this.#widen();
    }
  }

  /** Each bit has its probability by those before it: the highest first. */
  tree(probabilities: Uint16Array, at: number, value: number, bits: number): void {
    for (let node = 1, shift = bits - 1; shift >= 0; shift--) {
      const bit = (value >>> shift) & 1;
      this.bit(probabilities, at + node, bit);
      node = (node << 1) | bit;
    }
  }

  /** The lowest first. */
  reverseTree(probabilities: Uint16Array, at: number, value: number, bits: number): void {
    for (let node = 1, shift = 0; shift < bits; shift++) {
      const bit = (value >>> shift) & 1;
      this.bit(probabilities, at + node, bit);
      node = (node << 1) | bit;
    }
  }

  end(): Buffer {
    for (let i = 0; i < 5; i++) this.#shift();
    return Buffer.from(this.#bytes);
  }

  #widen(): void {
    while (this.#range < 0x100_0000) {
      this.#range = (this.#range << 8) >>> 0;
      this.#shift();
    }
  }

  #shift(): void {
    if (this.#low < 0xff00_0000 || this.#low > 0xffff_ffff) {
      const carry = this.#low > 0xffff_ffff ? 1 : 0;
      for (; this.#heldBytes > 0; this.#heldBytes--) {
        this.#bytes.push((this.#held + carry) & 0xff);
        this.#held = 0xff;
      }
      this.#held = (this.#low >>> 24) & 0xff;
    }
    this.#heldBytes++;
    this.#low = (this.#low & 0xff_ffff) * 0x100;
  }
}

/** Where nothing is known yet. */
export const even = (size: number) => new Uint16Array(size).fill(1_024);
