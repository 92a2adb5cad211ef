import assert from "node:assert/strict";
import { test } from "node:test";
import { compileEntry } from "../../src/core/entry.ts";
import { DueQueue } from "../../src/dispatch/due-queue.ts";
import { Outbox } from "../../src/dispatch/outbox.ts";
import { start, World } from "./world.ts";

test("in an outage of days what gave way to newer ones does not pile up", async () => {
  const world = new World();
  const compiled = compileEntry(await world.add("ping", { every: "1s", task: "a.ping" }));
  const outbox = new Outbox(100_000);
  const due = new DueQueue({ clock: world.clock, outbox, onDue: () => {}, givesWay: () => false });
  let largest = 0;
  for (let index = 0; index < 20_000; index++) {
    const fireAt = start - 100_000 + index;
    const occurrence = { id: `id-${index}`, fireAt, dueAt: fireAt, manual: false, attempts: 0, reason: null };
    const held = outbox.add(compiled, occurrence, false);
    due.add(held);
    if (index % 1_000 !== 0) outbox.delete(held);
    largest = Math.max(largest, due.size);
  }
  assert.ok(largest <= 1_024 + 20, `${largest} of 20 that wait`);
  assert.equal(due.count(), 20);
  const taken = () => due.takeFresh() ?? due.takeLate();
  for (let left = 20; left > 0; left--) assert.equal(taken()?.fireAt, start - 100_000 + (20 - left) * 1_000);
  assert.equal(taken(), undefined);
});
