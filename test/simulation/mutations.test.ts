// Each bug that is planted is caught, and soon: the list is in mutations.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mutations } from "./mutations.ts";
import { simulate } from "./simulate.ts";

const seedsAtMost = 300;
const firstSeed = 1;

for (const [bug, plant] of Object.entries(mutations)) {
  test(`caught: ${bug}`, async (context) => {
    for (let seed = firstSeed; seed < firstSeed + seedsAtMost; seed++) {
      const { verdict } = await simulate(seed, { plant, sqliteShare: 0 });
      if (verdict.outcome !== "invalid") continue;
      const [first] = verdict.findings;
      context.diagnostic(`seed ${seed}: ${first!.kind}: ${first!.text}`);
      return;
    }
    assert.fail(`${seedsAtMost} seeds found nothing`);
  });
}
