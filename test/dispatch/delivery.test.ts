// What goes out, in which order, how fast, and what does not any more.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/core/ports.ts";
import { World } from "./world.ts";

const unavailable = { result: "unavailable", reason: "the connection broke" } as const;

/** Sent times in seconds since the start, for each entry. */
function sentFor(world: World, name: string): number[] {
  return world.sent.filter((one) => one.name === name).map(({ forSeconds }) => forSeconds);
}

test("a machine that slept: what was claimed before it gives way to the latest", async () => {
  const world = new World();
  await world.add("ping", { every: "10s", task: "a.ping" });
  await world.add("local", { every: "10s", run: ["true"] });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(9_900);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["claimed", "claimed"],
  );
  await world.clock.sleepThrough(65_000);
  await world.clock.advance(2_000);
  await engine.stop(1_000);
  assert.deepEqual(sentFor(world, "ping"), [70]);
  assert.deepEqual(
    world.runner.started.map(({ fireAt }) => fireAt % 60_000),
    [10_000],
  );
  for (const name of ["ping", "local"]) {
    const fates = (await world.ledger(name)).map(([state, seconds, count]) => [state, seconds, count]);
    assert.deepEqual(fates.slice(0, 2), [
      ["coalesced", 10, 1],
      ["coalesced", 20, 5],
    ]);
  }
});

test("with coalesce: earliest, the first of an outage is sent after it, and stands for the others", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping", coalesce: "earliest" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_100);
  await world.outage(3_000);
  await world.clock.advance(100);
  await engine.stop(1_000);
  assert.deepEqual(sentFor(world, "ping"), [1, 2]);
  assert.deepEqual(
    (await world.ledger()).map(([state, seconds, , reason]) => [state, seconds, reason]),
    [
      ["published", 1, null],
      ["published", 2, null],
      ["coalesced", 3, "an earlier one is still to be sent"],
      ["coalesced", 4, "an earlier one is still to be sent"],
    ],
  );
});

test("with coalesce: all, an outage leaves no more than catch_up_limit in the outbox", async () => {
  const world = new World();
  await world.add("each", { every: "1s", task: "a.each", coalesce: "all", catch_up_limit: 3 });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(100);
  await world.outage(10_000);
  await world.clock.advance(100);
  await engine.stop(1_000);
  assert.deepEqual(sentFor(world, "each"), [8, 9, 10]);
});

test("an outage longer than misfire_grace_time: missed, and said why", async () => {
  const world = new World();
  await world.add("hourly", { every: "1h", task: "a.hourly", misfire_grace_time: "5s" });
  await world.add("patient", { every: "1h", task: "a.patient" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(3_590_000);
  await world.outage(20_000);
  await world.clock.advance(100);
  await engine.stop(1_000);
  assert.deepEqual(
    world.sent.map(({ name }) => name),
    ["patient"],
  );
  assert.deepEqual(await world.ledger("hourly"), [["missed", 3_600, 1, "found more than 5s late"]]);
});

test("what expired while it was in doubt is not told as never sent", async () => {
  const world = new World();
  await world.add("ping", { every: "1h", task: "a.ping", options: { expires: "10s" } });
  const engine = world.engine();
  await engine.start();
  world.broker.hold = true;
  world.broker.answer = () => unavailable;
  await world.clock.advance(3_600_100);
  world.broker.listener.unavailable("gone", false);
  world.broker.answerAll();
  await world.clock.advance(20_000);
  world.broker.listener.available();
  await world.clock.advance(100);
  await engine.stop(1_000);
  const [[state, , , reason] = []] = await world.ledger();
  assert.equal(state, "failed");
  assert.match(String(reason), /in doubt: it may have been sent/);
});

test("a pile of late messages holds up nothing that has just fallen due", async () => {
  const world = new World();
  for (let n = 0; n < 500; n++) await world.add(`pile-${n}`, { at: "2027-01-01T12:00:01Z", task: "a.pile" });
  await world.add("fresh", { at: "2027-01-01T12:00:10Z", task: "a.fresh" });
  const engine = world.engine({ maxRate: 20 });
  await engine.start();
  await world.clock.advance(100);
  await world.outage(5_000);
  await world.clock.advance(5_900);
  const [fresh] = world.sent.filter(({ name }) => name === "fresh");
  assert.equal(fresh?.atSeconds, 10);
  const pile = () => world.sent.filter(({ name }) => name.startsWith("pile"));
  const inSecond = Map.groupBy(pile(), ({ atSeconds }) => Math.floor(atSeconds));
  for (const second of [6, 7, 8, 9]) assert.equal(Math.abs(inSecond.get(second)!.length - 20) <= 1, true);
  await world.clock.advance(30_000);
  await engine.stop(1_000);
  assert.equal(new Set(pile().map(({ id }) => id)).size, 500);
});

test("a message that may be tried once is given up after it, and the ledger says so", async () => {
  const world = new World();
  await world.add("once", { every: "10s", task: "a.once", options: { retry: false } });
  await world.add("thrice", { every: "10s", task: "a.thrice", options: { retry_policy: { max_retries: 2 } } });
  const engine = world.engine();
  await engine.start();
  world.broker.answer = () => unavailable;
  await world.clock.advance(19_000);
  await engine.stop(1_000);
  assert.deepEqual([sentFor(world, "once").length, sentFor(world, "thrice").length], [1, 3]);
  assert.deepEqual((await world.ledger()).map(([state, , , reason]) => [state, reason]).sort(), [
    ["failed", "given up after it was tried 3 times; it may have been sent: the connection broke"],
    ["failed", "given up after it was tried once; it may have been sent: the connection broke"],
  ]);
});

test("what was surely not sent before a stop gives way after it; what may have been sent does not", async () => {
  for (const clean of [true, false]) {
    const world = new World();
    await world.add("ping", { every: "10s", task: "a.ping" });
    let alive = true;
    const setTimer: Clock["setTimer"] = (delayMs, callback) => world.clock.setTimer(delayMs, () => alive && callback());
    const clock = { now: () => world.clock.now(), monotonic: () => world.clock.monotonic(), setTimer };
    const first = world.engine({ clock });
    await first.start();
    await world.clock.advance(100);
    world.broker.listener.unavailable("gone", false);
    await world.clock.advance(10_000);
    if (clean) await first.stop(0);
    else {
      world.dead.add("node-1");
      alive = false;
    }
    await world.clock.advance(60_000);
    const second = world.engine();
    await second.start();
    await world.clock.advance(5_000);
    await second.stop(1_000);
    assert.deepEqual(sentFor(world, "ping"), clean ? [70] : [10, 70]);
  }
});

test("before a message is sent of which the store says that it was not, the store is told otherwise", async () => {
  const world = new World();
  await world.add("ping", { every: "10s", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  world.broker.answer = () => ({ result: "no-queue", reason: "there is no such queue" });
  await world.clock.advance(10_100);
  assert.deepEqual(await world.ledger(), [["claimed", 10, 1, "there is no such queue"]]);
  world.broker.answer = () => ({ result: "confirmed" });
  world.broker.hold = true;
  await world.clock.advance(3_000);
  assert.equal(world.sent.length, 2);
  assert.deepEqual(await world.ledger(), [["claimed", 10, 1, null]]);
  world.broker.hold = false;
  world.broker.answerAll();
  await engine.stop(1_000);
});

test("a failed message that is sent again has the id of old, and newer ones do not take its place", async () => {
  const world = new World();
  const entry = await world.add("ping", { every: "10s", task: "a.ping", options: { expires: "5s" } });
  const engine = world.engine();
  await engine.start();
  world.broker.answer = () => ({ result: "refused", reason: "too large" });
  await world.clock.advance(10_100);
  world.broker.answer = () => ({ result: "confirmed" });
  await world.clock.advance(8_000);
  world.broker.listener.unavailable("gone", false);
  assert.equal(await world.store.requeueFailed({ entryId: entry.id, limit: 9 }, world.clock.now()), 1);
  await world.clock.advance(3_000);
  world.broker.listener.available();
  await world.clock.advance(1_000);
  await engine.stop(1_000);
  assert.deepEqual(sentFor(world, "ping"), [10, 10, 20]);
  assert.equal(world.sent[0]!.id, world.sent[1]!.id);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["published", "published"],
  );
});

test("what is refused after a doubtful attempt may have been sent, and the ledger says so", async () => {
  const world = new World();
  await world.add("ping", { every: "1m", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  world.broker.answer = () => unavailable;
  await world.clock.advance(60_020);
  world.broker.answer = () => ({ result: "refused", reason: "too large" });
  await world.clock.advance(10_000);
  await engine.stop(1_000);
  assert.deepEqual(sentFor(world, "ping"), [60, 60]);
  assert.deepEqual(await world.ledger(), [["failed", 60, 1, "too large; it may have been sent before"]]);
});

test("what is withdrawn before it was confirmed may have been sent, and the ledger says so", async () => {
  const world = new World();
  const { id } = await world.add("ping", { every: "10s", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  world.broker.hold = true;
  await world.clock.advance(10_100);
  assert.deepEqual(await world.ledger(), [["claimed", 10, 1, null]]);
  const revision = (await world.store.entriesById([id]))[0]!.revision;
  const at = world.clock.now();
  await world.store.change([
    { change: "update", id, expectedRevision: revision, fields: { pausedAt: at }, at, withdraw: "it was paused" },
  ]);
  assert.deepEqual(await world.ledger(), [["cancelled", 10, 1, "it was paused; it may have been sent before"]]);
  world.broker.hold = false;
  world.broker.answerAll();
  await world.clock.advance(1_000);
  await engine.stop(1_000);
  assert.deepEqual(await world.ledger(), [["published", 10, 1, null]], "unless its confirmation comes after all");
});

test("resumed from what it missed in a pause, the latest of it runs", async () => {
  const world = new World();
  const { id, revision } = await world.add("ping", { every: "10s", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  const change = async (expectedRevision: number, pausedAt: number | null) => {
    const at = world.clock.now();
    await world.store.change([
      { change: "update", id, expectedRevision, fields: { pausedAt }, at, withdraw: "paused" },
    ]);
  };
  await change(revision, world.clock.now());
  await world.clock.advance(65_000);
  assert.deepEqual(world.sent, []);
  await change((await world.store.entryByName("ping"))!.revision, null);
  await world.clock.advance(2_000);
  await engine.stop(1_000);
  assert.deepEqual(sentFor(world, "ping"), [60]);
  assert.deepEqual(await world.ledger(), [
    ["coalesced", 10, 5, "the latest of them ran"],
    ["published", 60, 1, null],
  ]);
});

test("what `except` leaves out is in the ledger, as one row for each stretch of it", async () => {
  const world = new World();
  await world.add("ping", { every: "10s", task: "a.ping", except: [{ cron: "30-59 * * * * *" }] });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(125_000);
  await engine.stop(1_000);
  const reason = "left out by its `except`";
  assert.deepEqual(await world.ledger(), [
    ["published", 10, 1, null],
    ["published", 20, 1, null],
    ["excluded", 30, 3, reason],
    ["published", 60, 1, null],
    ["published", 70, 1, null],
    ["published", 80, 1, null],
    ["excluded", 90, 3, reason],
    ["published", 120, 1, null],
  ]);
});

test("what `except` leaves out while nothing ran is counted beside what was coalesced", async () => {
  const world = new World();
  await world.add("ping", { every: "10s", task: "a.ping", except: [{ cron: "30-59 * * * * *" }] });
  await world.clock.advance(605_000);
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(100);
  await engine.stop(1_000);
  assert.deepEqual(await world.ledger(), [
    ["coalesced", 10, 29, "the latest of them ran"],
    ["excluded", 30, 30, "left out by its `except`"],
    ["published", 600, 1, null],
  ]);
});

test("the ledger keeps no more rows than it is told to, the newest ones", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const engine = world.engine({ retentionRows: 100 });
  await engine.start();
  await world.clock.advance(600_500);
  const rows = await world.ledger();
  assert.equal(rows.length <= 160, true, `${rows.length} rows are kept`);
  assert.equal(rows.at(-1)![1], 600);
  await engine.stop(1_000);
});
