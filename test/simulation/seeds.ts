// A run of seeds, and what must hold for all of them.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { reportOf } from "../checker/report.ts";
import { simulate } from "./simulate.ts";

const mostShown = 5;

/** One test. Several files share the seeds of a continuous integration, since each of them has a processor of its own. */
export function proveSeeds(first: number, count: number): void {
  test(`nothing is lost, early, forbidden, or sent under a second id, and the ledger does not lie: seeds ${first} to ${first + count - 1}`, (t) =>
    prove(t, first, count));
}

async function prove(t: TestContext, first: number, count: number): Promise<void> {
  const totals = { seeds: 0, certain: 0, byPolicy: 0, uncertain: 0, delivered: 0, repeats: 0 };
  const failed: string[] = [];
  for (let seed = first; seed < first + count && failed.length < mostShown; seed++) {
    const { verdict } = await simulate(seed);
    totals.seeds++;
    for (const key of ["certain", "byPolicy", "uncertain", "delivered", "repeats"] as const)
      totals[key] += verdict.counts[key];
    if (verdict.outcome !== "valid")
      failed.push(`${reportOf(verdict)}\n  npm run simulate -- --first-seed ${seed} --seeds 1 --lines`);
  }
  t.diagnostic(JSON.stringify(totals));
  assert.equal(failed.join("\n\n"), "");
  // A simulation in which hardly anything has to happen proves nothing.
  const judged = totals.certain + totals.byPolicy;
  assert.ok(totals.certain > 20 * totals.seeds && judged > 0.9 * (judged + totals.uncertain), JSON.stringify(totals));
}
