// bzip2, as every bunzip2 and Python's bz2 read it.
//
// A block of bytes takes five steps, each of which has a function below:
//   runs       after four equal bytes stands how many more there are
//   rotations  all rotations of the block are sorted, and the last byte of each is kept: what is followed by the same comes together
//   recency    a byte becomes its place in a list of bytes, those seen last in front: mostly zeros
//   zeros      a run of them becomes its length, in digits 1 and 2 of base 2, which are the symbols 0 and 1
//   Huffman    each fifty symbols are written by that table, out of two to six, that makes them shortest

import { codeLengths, codesOf } from "./huffman.ts";

/** Blocks of so many times 100,000 bytes, the smallest that there are: larger ones save nothing worth their time in bodies of 1 MiB. */
const level = 1;
const blockBytes = level * 100_000;
const blockMark = [0x314159, 0x265359] as const;
const endMark = [0x177245, 0x385090] as const;
const groupSize = 50;
const refinements = 4;

export function bzip2(bytes: Uint8Array): Buffer {
  const out = new BitWriter();
  for (const character of `BZh${level}`) out.write(character.charCodeAt(0), 8);
  let checksum = 0;
  for (let from = 0; from < bytes.length; ) {
    const { block, to } = withoutRuns(bytes, from);
    const crc = crcOf(bytes.subarray(from, to));
    checksum = ((checksum << 1) | (checksum >>> 31)) ^ crc;
    writeBlock(out, block, crc);
    from = to;
  }
  for (const half of endMark) out.write(half, 24);
  out.write32(checksum);
  return out.end();
}

/** The most significant bit first. */
class BitWriter {
  readonly #bytes: number[] = [];
  #held = 0;
  #heldBits = 0;

  /** At most 24 bits. */
  write(value: number, bits: number): void {
    this.#held = (this.#held << bits) | value;
    this.#heldBits += bits;
    while (this.#heldBits >= 8) {
      this.#heldBits -= 8;
      this.#bytes.push((this.#held >>> this.#heldBits) & 0xff);
    }
    this.#held &= 0xff;
  }

  write32(value: number): void {
    this.write(value >>> 16, 16);
    this.write(value & 0xffff, 16);
  }

  /** Fills the last byte with zeros. */
  end(): Buffer {
    if (this.#heldBits > 0) this.write(0, 8 - this.#heldBits);
    return Buffer.from(this.#bytes);
  }
}

/** CRC-32 with the most significant bit first, unlike zlib's. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  return crc;
});

function crcOf(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ byte]!;
  return ~crc;
}

/** The block that begins at `from`, and where the next one does. */
function withoutRuns(bytes: Uint8Array, from: number): { readonly block: Uint8Array; readonly to: number } {
  const block = new Uint8Array(blockBytes);
  let length = 0;
  let at = from;
  while (at < bytes.length && length + 5 <= blockBytes) {
    const byte = bytes[at]!;
    let run = 1;
    while (run < 255 && bytes[at + run] === byte) run++;
    for (let i = 0; i < run && i < 4; i++) block[length++] = byte;
    if (run >= 4) block[length++] = run - 4;
    at += run;
  }
  return { block: block.subarray(0, length), to: at };
}

function writeBlock(out: BitWriter, block: Uint8Array, crc: number): void {
  const rotations = sortedRotations(block);
  const last = new Uint8Array(block.length);
  rotations.forEach((start, i) => {
    last[i] = block[start === 0 ? block.length - 1 : start - 1]!;
  });
  const used = [...new Set(block)].sort((a, b) => a - b);
  const symbols = symbolsOf(last, used);
  for (const half of blockMark) out.write(half, 24);
  out.write32(crc);
  out.write(0, 1);
  out.write(rotations.indexOf(0), 24);
  writeUsed(out, used);
  writeSymbols(out, symbols, used.length + 2);
}

/**
 * The starts of all rotations, sorted. Each pass doubles the length by which they are in order, so that no content takes more than
 * a few passes; rotations that are the same to the end stay beside each other.
 */
function sortedRotations(block: Uint8Array): Uint32Array {
  const size = block.length;
  const ends = new Uint32Array(Math.max(size, 256) + 1);
  const order = new Uint32Array(size);
  /** All rotations by what comes after the bytes that `ranks` is about. */
  const byRest = Uint32Array.from(order.keys());
  /** The same number for rotations that begin with the same `known` bytes. */
  let ranks = new Uint32Array(block);
  let nextRanks = new Uint32Array(size);
  let distinct = 0;
  for (let known = 0; ; known = known === 0 ? 1 : (known * 2) % size) {
    if (known > 0) for (let i = 0; i < size; i++) byRest[i] = (order[i]! + size - known) % size;
    ends.fill(0);
    for (let i = 0; i < size; i++) ends[ranks[i]! + 1]!++;
    for (let rank = 1; rank < ends.length; rank++) ends[rank]! += ends[rank - 1]!;
    for (let i = 0; i < size; i++) order[ends[ranks[byRest[i]!]!]!++] = byRest[i]!;

    let rank = 0;
    for (let i = 0; i < size; i++) {
      const start = order[i]!;
      const before = order[i - 1] ?? start;
      if (ranks[before] !== ranks[start] || ranks[(before + known) % size] !== ranks[(start + known) % size]) rank++;
      nextRanks[start] = rank;
    }
    [ranks, nextRanks] = [nextRanks, ranks];
    if (rank + 1 === size || rank + 1 === distinct) return order;
    distinct = rank + 1;
  }
}

/** Ends with the symbol for the end. */
function symbolsOf(last: Uint8Array, used: readonly number[]): Uint16Array {
  const recent = Uint8Array.from(used);
  const symbols: number[] = [];
  let zeros = 0;
  const endRun = () => {
    for (; zeros > 0; zeros = (zeros - 1) >> 1) symbols.push((zeros - 1) & 1);
  };
  for (const byte of last) {
    if (byte === recent[0]) {
      zeros++;
      continue;
    }
    endRun();
    const place = recent.indexOf(byte);
    recent.copyWithin(1, 0, place);
    recent[0] = byte;
    symbols.push(place + 1);
  }
  endRun();
  symbols.push(used.length + 1);
  return Uint16Array.from(symbols);
}

/** Two levels of sixteen bits: which sixteenths of all bytes occur, and which bytes of these. */
function writeUsed(out: BitWriter, used: readonly number[]): void {
  const sixteenths = new Uint16Array(16);
  for (const byte of used) sixteenths[byte >> 4]! |= 0x8000 >> (byte & 15);
  for (const bits of sixteenths) out.write(bits === 0 ? 0 : 1, 1);
  for (const bits of sixteenths) if (bits !== 0) out.write(bits, 16);
}

function writeSymbols(out: BitWriter, symbols: Uint16Array, alphabet: number): void {
  const { tables, choices } = tablesFor(symbols, alphabet);
  out.write(tables.length, 3);
  out.write(choices.length, 15);
  const recent = [...tables.keys()];
  for (const choice of choices) {
    const place = recent.indexOf(choice);
    recent.unshift(...recent.splice(place, 1));
    out.write((1 << (place + 1)) - 2, place + 1);
  }
  for (const lengths of tables) writeLengths(out, lengths);
  const codes = tables.map(codesOf);
  symbols.forEach((symbol, i) => {
    const choice = choices[Math.floor(i / groupSize)]!;
    out.write(codes[choice]![symbol]!, tables[choice]![symbol]!);
  });
}

/** Code lengths, and which table each group of symbols takes. */
function tablesFor(
  symbols: Uint16Array,
  alphabet: number,
): { readonly tables: readonly Uint8Array[]; readonly choices: Uint8Array } {
  const count = 2 + [200, 600, 1_200, 2_400].filter((least) => symbols.length >= least).length;
  const groups = Math.ceil(symbols.length / groupSize);
  // Neighbours are alike, since they come before the same text.
  const choices = Uint8Array.from({ length: groups }, (_, group) => Math.floor((group * count) / groups));
  const groupOf = (group: number) => symbols.subarray(group * groupSize, (group + 1) * groupSize);
  for (let refined = 0; ; refined++) {
    const counts = Array.from({ length: count }, () => new Uint32Array(alphabet));
    choices.forEach((choice, group) => {
      for (const symbol of groupOf(group)) counts[choice]![symbol]!++;
    });
    const tables = counts.map(codeLengths);
    if (refined === refinements) return { tables, choices };
    for (let group = 0; group < groups; group++) {
      const costs = tables.map((lengths) => groupOf(group).reduce((sum, symbol) => sum + lengths[symbol]!, 0));
      choices[group] = costs.indexOf(Math.min(...costs));
    }
  }
}

/** Each length as steps from the one before. */
function writeLengths(out: BitWriter, lengths: Uint8Array): void {
  let current = lengths[0]!;
  out.write(current, 5);
  for (const length of lengths) {
    for (; current < length; current++) out.write(0b10, 2);
    for (; current > length; current--) out.write(0b11, 2);
    out.write(0, 1);
  }
}
