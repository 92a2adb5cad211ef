// The seeds that every continuous integration runs, always the same; `npm run simulate -- --first-seed` goes on from there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Machine } from "./machine.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
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

test("a timer of a machine rings when the machine's own clock says that it is time, and not a rounding earlier", async () => {
  for (const drift of [-1e-4, 0, 1e-4]) {
    const startAt = Date.UTC(2027, 0, 4);
    const scheduler = new Scheduler(startAt, false);
    const traits = { name: "node", skewMs: 0, drift, slowShare: 0, slowMs: 0 };
    const { clock } = new Machine(traits, scheduler, new Random(1), { ms: 0 });
    let rung = 0;
    for (let each = 0; each < 200; each++) {
      const dueAt = clock.monotonic() + 100 + each * 7.77;
      clock.setTimer(dueAt - clock.monotonic(), () => {
        rung++;
        assert.ok(clock.monotonic() >= dueAt, `${dueAt - clock.monotonic()} ms early`);
      });
      await scheduler.run(scheduler.now + 33.3);
    }
    await scheduler.run(startAt + 60_000);
    assert.equal(rung, 200);
  }
});

proveSeeds(1, 3_000);
