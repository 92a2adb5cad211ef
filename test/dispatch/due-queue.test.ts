import assert from "node:assert/strict";
import { test } from "node:test";
import { compileEntry } from "../../src/core/entry.ts";
import { DueQueue } from "../../src/dispatch/due-queue.ts";
import { Outbox } from "../../src/dispatch/outbox.ts";
import { start, World } from "./world.ts";

test("in an outage of days what gave way to newer ones does not pile up", async () => {
  const world = new World();
  const compiled = compileEntry(await world.add("ping", { every: "1s", task: "a.ping" }));
  const outbox = new Outbox(world.store.id, 100_000);
  const due = new DueQueue({ clock: world.clock, outbox, onDue: () => {}, givesWay: () => false });
  let largest = 0;
  for (let index = 0; index < 20_000; index++) {
    const fireAt = start - 100_000 + index;
    const held = outbox.add(compiled, { fireAt, dueAt: fireAt }, false);
    due.add(held, world.clock.now());
    if (index % 1_000 !== 0) outbox.delete(held);
    largest = Math.max(largest, due.size);
  }
  assert.ok(largest <= 1_024 + 20, `${largest} of 20 that wait`);
  assert.equal(due.count(), 20);
  const taken = () => due.takeFresh(world.clock.now()) ?? due.takeLate(world.clock.now());
  for (let left = 20; left > 0; left--) assert.equal(taken()?.fireAt, start - 100_000 + (20 - left) * 1_000);
  assert.equal(taken(), undefined);
});

test("what became late just now goes before what an outage left, and an entry's older ones before its newer ones", async () => {
  const world = new World();
  const outbox = new Outbox(world.store.id, 100_000);
  const due = new DueQueue({ clock: world.clock, outbox, onDue: () => {}, givesWay: () => false });
  const add = async (name: string, lateMs: number) => {
    const compiled = compiledBy.get(name) ?? compileEntry(await world.add(name, { every: "1s", task: "a.ping" }));
    compiledBy.set(name, compiled);
    const fireAt = start - lateMs;
    due.add(outbox.add(compiled, { fireAt, dueAt: fireAt }, false), world.clock.now());
  };
  const compiledBy = new Map<string, ReturnType<typeof compileEntry>>();
  for (let index = 0; index < 3; index++) await add(`pile-${index}`, 60_000);
  await add("piled-up", 50_000);
  await add("slow", 1_500);
  await add("slow", 500);
  await add("piled-up", 400);
  await add("fresh", 0);
  const order: string[] = [];
  for (let held = take(); held !== undefined; held = take()) {
    order.push(`${held.entry.name} ${start - held.fireAt}`);
    held.state = "in-flight";
  }
  assert.deepEqual(order, [
    "fresh 0",
    "slow 1500",
    "slow 500",
    "pile-0 60000",
    "pile-1 60000",
    "pile-2 60000",
    "piled-up 50000",
    "piled-up 400",
  ]);

  function take() {
    return due.takeFresh(world.clock.now()) ?? due.takeLate(world.clock.now());
  }
});
