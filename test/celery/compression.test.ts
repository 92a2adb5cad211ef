// What has no decompressor in Node: bzip2 and lzma, read by kombu with Python's own modules.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { codeLengths } from "../../src/celery/compression/huffman.ts";
import { compressionOf } from "../../src/celery/compression.ts";
import { kombuDecompress } from "./kombu-decompress.ts";

const megabyte = 1_048_576;

/** The same in every run. */
function random(size: number, values = 256): Buffer {
  let state = 1;
  return Buffer.from(
    Uint8Array.from({ length: size }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return (state >>> 16) % values;
    }),
  );
}

/** Rotations that are alike for as long as can be, and yet differ. */
function fibonacciWord(size: number): Buffer {
  let [word, next] = ["a", "ab"];
  while (word.length < size) [word, next] = [next, next + word];
  return Buffer.from(word.slice(0, size));
}

const json = Buffer.from(
  JSON.stringify(
    Array.from({ length: 8_000 }, (_, i) => ({
      id: i * 7_919,
      name: `user ${i}`,
      mail: `${i}@example.com`,
      tags: ["a"],
    })),
  ),
);
const cases: Record<string, Buffer> = {
  empty: Buffer.alloc(0),
  "a message": Buffer.from(
    '[[2, 3], {"attach": true}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
  ),
  "a megabyte of zeros": Buffer.alloc(megabyte),
  "a megabyte of two bytes in turn": Buffer.from("ab".repeat(megabyte / 2)),
  "a megabyte of random bytes": random(megabyte),
  "a megabyte of Fibonacci's word": fibonacciWord(megabyte),
  "every byte": Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte)),
  json,
};
for (const size of [1, 2, 3, 4, 5, 254, 255, 256, 258, 259, 260, 510, 511])
  cases[`a run of ${size}`] = Buffer.alloc(size, 7);
// Where a block ends.
for (let size = 99_993; size <= 100_003; size++) {
  cases[`${size} bytes without runs`] = random(size, 200);
  cases[`${size - 5} bytes and a run`] = Buffer.concat([random(size - 5, 200), Buffer.alloc(300, 7)]);
}

/** Runs of all lengths, of few bytes or of all. */
const bodies = fc
  .array(fc.tuple(fc.nat(255), fc.oneof(fc.constant(1), fc.nat(6), fc.nat(600))), { maxLength: 300 })
  .map((runs) => Buffer.concat(runs.map(([byte, length]) => Buffer.alloc(length, byte))));

test("a Huffman code is complete, and short enough however uneven the counts are", () => {
  const fibonacci = [1, 1];
  while (fibonacci.length < 40) fibonacci.push(fibonacci.at(-1)! + fibonacci.at(-2)!);
  for (const counts of [fibonacci, [0, 0, 900_000], Array(258).fill(0), [1, 2, 3]]) {
    const lengths = [...codeLengths(Uint32Array.from(counts))];
    assert.ok(Math.max(...lengths) <= 17);
    assert.equal(
      lengths.reduce((sum, length) => sum + 2 ** -length, 0),
      1,
    );
  }
});

for (const [name, python] of [
  ["bzip2", [103, 51_762]],
  ["lzma", [128, 26_992]],
] as const) {
  suite(`${name} is read by kombu`, () => {
    const { header, compress } = compressionOf(name, "options.compression");

    test("as it was", async () => {
      const read = await kombuDecompress(header, Object.values(cases).map(compress));
      const wrong = Object.keys(cases).filter((what, i) => !read[i]!.equals(cases[what]!));
      assert.deepEqual(wrong, []);
    });
    test("whatever it is", async () => {
      const samples = fc.sample(bodies, 200);
      assert.deepEqual(await kombuDecompress(header, samples.map(compress)), samples);
    });
    test("nearly as small as Python makes it", () => {
      const sizes = [cases["a message"]!, json].map((bytes) => compress(bytes).length);
      sizes.forEach((size, i) => {
        assert.ok(size < 1.35 * python[i]!, `${size} and ${python[i]}`);
      });
    });
  });
}
