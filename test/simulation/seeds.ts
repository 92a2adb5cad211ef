// A run of seeds, and what must hold for all of them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import type { SeedRange, SeedsOutcome } from "./seeds-thread.ts";

/** One test. Several files share the seeds of a continuous integration, since each of them has a processor of its own. */
export function proveSeeds(first: number, count: number): void {
  test(`nothing is lost, early, forbidden, or sent under a second id, and the ledger does not lie: seeds ${first} to ${first + count - 1}`, (t) =>
    prove(t, first, count));
}

async function prove(t: TestContext, first: number, count: number): Promise<void> {
  const range: SeedRange = { first, count };
  // Within a test each promise is followed to the test that it belongs to. They are millions here, and half of the work would be that.
  const thread = new Worker(new URL("seeds-thread.ts", import.meta.url), { workerData: range });
  const [{ totals, failed }] = (await once(thread, "message")) as [SeedsOutcome];
  t.diagnostic(JSON.stringify(totals));
  assert.equal(failed.join("\n\n"), "");
  assert.equal(totals.seeds, count);
  // A simulation in which hardly anything has to happen proves nothing.
  const judged = totals.certain + totals.byPolicy;
  assert.ok(totals.certain > 20 * totals.seeds && judged > 0.9 * (judged + totals.uncertain), JSON.stringify(totals));
}
