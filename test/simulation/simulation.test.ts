// The seeds that every continuous integration runs, always the same; `npm run simulate -- --first-seed` goes on from there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proveSeeds } from "./seeds.ts";
import { simulate } from "./simulate.ts";

test("a seed is the same whenever it is repeated", async () => {
  for (const [seed, sqliteShare] of [
    [11, 0],
    [12, 0],
    [13, 1],
  ] as const) {
    const [first, second] = [
      await simulate(seed, { keepLines: true, sqliteShare }),
      await simulate(seed, { keepLines: true, sqliteShare }),
    ];
    assert.ok(first.lines.length > 100, "something happened");
    assert.deepEqual(first.lines, second.lines);
    assert.equal(first.fingerprint, second.fingerprint);
    const other = await simulate(seed + 100, { keepLines: true, sqliteShare });
    assert.notEqual(first.fingerprint, other.fingerprint);
  }
});

proveSeeds(1, 1_000);
