// Each bug that is planted is caught, and soon: the list is in mutations.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { reportOf } from "../checker/report.ts";
import { mutations } from "./mutations.ts";
import { simulate } from "./simulate.ts";

const seedsAtMost = 1_000;
/** Any would do; from here on the rarest is found after a hundred, and not after a thousand. */
const firstSeed = 1_001;

for (const [bug, plant] of Object.entries(mutations)) {
  test(`caught: ${bug}`, async (context) => {
    for (let seed = firstSeed; seed < firstSeed + seedsAtMost; seed++) {
      const { verdict } = await simulate(seed, { plant, sqliteShare: 0 });
      if (verdict.outcome !== "invalid") continue;
      const [first] = verdict.findings;
      const { verdict: healthy } = await simulate(seed, { sqliteShare: 0 });
      assert.equal(healthy.outcome, "valid", `seed ${seed} finds something without it as well: ${reportOf(healthy)}`);
      context.diagnostic(`seed ${seed}: ${first!.kind}: ${first!.text}`);
      return;
    }
    assert.fail(`${seedsAtMost} seeds found nothing`);
  });
}
