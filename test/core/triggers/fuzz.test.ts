// Whatever is written, the answer is a result or a BeatError, soon; and fire times ascend. `npm run bench:fuzz` tries a million.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { attempt } from "../../fuzz/attempt.ts";
import { parsers } from "../../fuzz/parsers.ts";

const seed = 7;
const count = 100;
/** Generous: other work goes on beside the tests. */
const maxMs = 2_000;

for (const parser of parsers) {
  test(`${parser.name}: any input`, async () => {
    let read = 0;
    for (let index = 0; index < count; index++) {
      const { input, wasRead, tookMs, failure } = await attempt(parser, seed, index);
      const again = `seed ${seed}, input ${index}: ${inspect(input, { depth: 20 })}`;
      if (failure !== undefined) throw new Error(again, { cause: failure });
      assert.ok(tookMs < maxMs, `${Math.round(tookMs)} ms for ${again}`);
      if (wasRead) read++;
    }
    assert.ok(read > count / 10 && read < count, `${read} of ${count} were read: the inputs prove little`);
  });
}
