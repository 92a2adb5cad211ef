import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../../src/core/ports.ts";
import { Retention } from "../../src/dispatch/retention.ts";
import { silentLog } from "../../src/index.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";

const keptRows = 100_000;

/**
 * A ledger that grows by so many rows a second, in steps of `everyMs`, looked after for five minutes: how many rows it had too many at
 * most in the last of them, and how often it was counted in that.
 */
async function lookedAfter(rowsEachSecond: number, everyMs = 1) {
  const clock = new SimulatedClock();
  let pruned = 0;
  let counts = 0;
  const rows = () => {
    const grownMs = clock.monotonic() - (clock.monotonic() % everyMs);
    return keptRows + Math.floor((grownMs * rowsEachSecond) / 1_000) - pruned;
  };
  const store: Pick<Store, "prune" | "countSettled"> = {
    async prune(before, limit) {
      if (before !== Number.MAX_SAFE_INTEGER) return 0;
      pruned += limit;
      return limit;
    },
    async countSettled() {
      counts++;
      return rows();
    },
  };
  const retention = new Retention(clock, store as Store, silentLog, Number.MAX_SAFE_INTEGER, keptRows);
  retention.start();
  await clock.advance(240_000);
  counts = 0;
  let most = 0;
  for (let step = 0; step < 600; step++) {
    await clock.advance(100);
    most = Math.max(most, rows());
  }
  await retention.stop();
  return { excess: most - keptRows, counts };
}

test("a ledger that grows by thousands of rows a second is kept as short as it should be", async () => {
  const { excess } = await lookedAfter(10_000);
  assert.ok(excess <= 3_000, `${excess} rows too many`);
});

test("one to which they come all at once each second, too", async () => {
  const { excess } = await lookedAfter(10_000, 1_000);
  assert.ok(excess <= 20_000, `${excess} rows too many`);
});

test("one that grows slowly is seldom counted", async () => {
  const { excess, counts } = await lookedAfter(100);
  assert.ok(excess <= 2_000, `${excess} rows too many`);
  assert.ok(counts <= 30, `counted ${counts} times a minute`);
});
