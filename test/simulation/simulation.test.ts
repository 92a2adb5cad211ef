// The seeds that every continuous integration runs, always the same; `npm run simulate -- --first-seed` goes on from there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { reportOf } from "../checker/report.ts";
import { simulate } from "./simulate.ts";

const seeds = 3_100;

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

test("nothing is lost, early, forbidden, or sent under a second id, and the ledger does not lie", async (context) => {
  const totals = { seeds: 0, certain: 0, byPolicy: 0, uncertain: 0, delivered: 0, repeats: 0 };
  const failed: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const { verdict } = await simulate(seed);
    totals.seeds++;
    for (const key of ["certain", "byPolicy", "uncertain", "delivered", "repeats"] as const)
      totals[key] += verdict.counts[key];
    if (verdict.outcome !== "valid")
      failed.push(`${reportOf(verdict)}\n  npm run simulate -- --first-seed ${seed} --seeds 1 --lines`);
    if (failed.length === 5) break;
  }
  context.diagnostic(JSON.stringify(totals));
  assert.equal(failed.join("\n\n"), "");
  // A simulation in which hardly anything has to happen proves nothing.
  const judged = totals.certain + totals.byPolicy;
  assert.ok(totals.certain > 20 * totals.seeds && judged > 0.9 * (judged + totals.uncertain), JSON.stringify(totals));
});
