import assert from "node:assert/strict";
import { test } from "node:test";
import { nextFireTimes } from "../../src/core/fire-times.ts";
import { Operations } from "../../src/definitions/operations.ts";
import { start, World } from "./world.ts";

const unavailable = { result: "unavailable", reason: "the connection broke" } as const;

test("an interval is sent at its times, never early, and the ledger says so", async () => {
  const world = new World();
  await world.add("ping", { every: "2s", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(7_000);
  await engine.stop(1_000);
  assert.deepEqual(
    world.sent.map(({ atSeconds, forSeconds }) => [forSeconds, atSeconds]),
    [
      [2, 2],
      [4, 4],
      [6, 6],
    ],
  );
  assert.deepEqual(await world.ledger(), [
    ["published", 2, 1, null],
    ["published", 4, 1, null],
    ["published", 6, 1, null],
  ]);
});

test("after ten minutes stopped, the latest runs, and one row says that 599 were coalesced", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  await world.clock.advance(600_500);
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(100);
  await engine.stop(1_000);
  assert.deepEqual(
    world.sent.map(({ forSeconds }) => forSeconds),
    [600],
  );
  assert.deepEqual(await world.ledger(), [
    ["coalesced", 1, 599, "the latest of them ran"],
    ["published", 600, 1, null],
  ]);
});

test("max_runs counts the runs that Beat makes: with a start_at in the past all are still to come, as nextFireTimes says", async () => {
  const world = new World();
  const definition = { every: "2s", start_at: new Date(start - 60_500).toISOString(), max_runs: 3, task: "a.ping" };
  await world.add("ping", definition);
  const told = nextFireTimes(definition, { after: new Date(start), count: 10 });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(20_000);
  await engine.stop(1_000);
  assert.deepEqual(
    world.sent.map(({ forSeconds }) => forSeconds),
    [1.5, 3.5, 5.5],
  );
  assert.deepEqual(
    told.map((time) => (time.getTime() - start) / 1_000),
    [1.5, 3.5, 5.5],
  );
});

test("a broker that is away holds up messages, not the timetable; newer ones supersede unsent ones", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  await world.add("each", { every: "1s", task: "a.each", coalesce: "all" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_100);
  world.broker.listener.unavailable("gone", false);
  await world.clock.advance(3_000);
  assert.equal(world.sent.length, 2);
  world.broker.listener.available();
  await world.clock.advance(500);
  await engine.stop(1_000);
  assert.deepEqual(
    (await world.ledger("ping")).map(([state, seconds]) => [state, seconds]),
    [
      ["published", 1],
      ["coalesced", 2],
      ["coalesced", 3],
      ["published", 4],
    ],
  );
  assert.deepEqual(
    (await world.ledger("each")).map(([state]) => state),
    ["published", "published", "published", "published"],
  );
  assert.ok(world.lines.some((line) => line.includes("gone")));
});

test("what was in doubt is sent again under the same id, and never gives way", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  world.broker.hold = true;
  world.broker.answer = () => unavailable;
  await world.clock.advance(1_100);
  world.broker.listener.unavailable("gone", false);
  world.broker.answerAll();
  await world.clock.advance(2_000);
  world.broker.hold = false;
  world.broker.answer = () => ({ result: "confirmed" });
  world.broker.listener.available();
  await world.clock.advance(300);
  await engine.stop(1_000);
  assert.deepEqual(
    world.sent.map(({ forSeconds }) => forSeconds),
    [1, 1, 3],
  );
  assert.equal(world.sent[0]!.id, world.sent[1]!.id);
  assert.deepEqual(
    (await world.ledger()).map(([state, seconds]) => [state, seconds]),
    [
      ["published", 1],
      ["coalesced", 2],
      ["published", 3],
    ],
  );
});

test("a queue that is not there holds up its own messages only, is said once, and is tried again", async () => {
  const world = new World();
  await world.add("lost", { every: "1s", task: "a.lost", options: { queue: "nowhere" }, coalesce: "all" });
  await world.add("fine", { every: "1s", task: "a.fine" });
  let there = false;
  world.broker.answer = ({ queue }) =>
    queue === "nowhere" && !there ? { result: "no-queue", reason: "there is no such queue" } : { result: "confirmed" };
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(5_500);
  assert.equal(world.sent.filter(({ name }) => name === "fine").length, 5);
  assert.partialDeepStrictEqual(engine.report().brokers[0]!.queues, [
    { queue: "nowhere", reason: 'queue "nowhere": there is no such queue' },
  ]);
  assert.deepEqual(
    (await world.store.outboxSummary()).filter(({ reason }) => reason !== null).map(({ reason }) => reason),
    ["there is no such queue"],
  );
  there = true;
  await world.clock.advance(2_100);
  await engine.stop(1_000);
  assert.deepEqual(linesOfQueues(world), [
    'warn: Queue "nowhere": there is no such queue. Its messages wait in the outbox.',
    'Queue "nowhere" takes messages again, and what waited follows (5).',
  ]);
  assert.deepEqual(
    (await world.ledger("lost")).map(([state]) => state),
    Array.from({ length: 7 }, () => "published"),
  );
});

test("trouble with a queue names it once, and what waited is told where something did", async () => {
  const world = new World();
  await world.add("lost", { at: "2027-01-01T12:00:01", task: "a.lost", options: { queue: "nowhere" } });
  const reason = 'queue "nowhere" does not exist';
  world.broker.answer = () => ({ result: "no-queue", reason });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(2_000);
  assert.partialDeepStrictEqual(engine.report().brokers[0]!.queues, [{ queue: "nowhere", reason }]);
  world.broker.answer = () => ({ result: "confirmed" });
  await world.clock.advance(2_000);
  await engine.stop(1_000);
  assert.deepEqual(linesOfQueues(world), [
    'warn: Queue "nowhere" does not exist. Its messages wait in the outbox.',
    'Queue "nowhere" takes messages again.',
  ]);
});

test("a message that the broker refuses fails alone, with the reason", async () => {
  const world = new World();
  await world.add("bad", { every: "1s", task: "a.bad" });
  await world.add("good", { every: "1s", task: "a.good" });
  world.broker.answer = ({ headers }) =>
    headers["task"] === "a.bad" ? { result: "refused", reason: "too large" } : { result: "confirmed" };
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_200);
  await engine.stop(1_000);
  assert.deepEqual(await world.ledger("bad"), [["failed", 1, 1, "too large"]]);
  assert.deepEqual(await world.ledger("good"), [["published", 1, 1, null]]);
});

test("messages that expire while they wait are recorded as missed", async () => {
  const world = new World();
  await world.add("short", { at: "2027-01-01T12:00:01", task: "a.short", options: { expires: "2s" } });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(500);
  await world.outage(5_000);
  await world.clock.advance(100);
  await engine.stop(1_000);
  assert.deepEqual(world.sent, []);
  assert.equal((await world.ledger())[0]![0], "missed");
});

test("the wall clock put back by an hour: nothing twice, intervals go on, wall-clock schedules wait", async () => {
  const world = new World();
  await world.add("interval", { every: "10s", task: "a.interval" });
  await world.add("daily", { cron: "0 13 * * *", task: "a.daily" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(3_605_000);
  world.clock.stepWall(-3_600_000);
  // The last fire time is met again exactly, and gives way by a millisecond.
  await world.clock.advance(3_605_010);
  await engine.stop(1_000);
  const intervals = world.sent.filter(({ name }) => name === "interval");
  assert.equal(intervals.length, 721);
  assert.equal(new Set(intervals.map(({ id }) => id)).size, 721);
  assert.equal(new Set(intervals.map(({ forSeconds }) => forSeconds)).size, 721);
  for (const { forSeconds, atSeconds } of intervals)
    assert.ok(atSeconds >= forSeconds && atSeconds < forSeconds + 1, `${forSeconds} at ${atSeconds}`);
  assert.equal(world.sent.filter(({ name }) => name === "daily").length, 1);
  assert.ok(world.lines.some((line) => line.includes("put back by 1h")));
});

test("the wall clock put back while nothing ran: intervals go on within one interval", async () => {
  const world = new World();
  await world.add("interval", { every: "10s", task: "a.interval" });
  const first = world.engine();
  await first.start();
  await world.clock.advance(25_000);
  await first.stop(1_000);
  world.clock.stepWall(-3_600_000);
  const second = world.engine();
  await second.start();
  await world.clock.advance(15_000);
  await second.stop(1_000);
  assert.equal(world.sent.length, 3);
});

test("the wall clock put forward, or a machine that slept: one run for the latest time", async () => {
  for (const jump of [
    (world: World) => world.clock.stepWall(3_600_000),
    (world: World) => world.clock.sleepThrough(3_600_000),
  ]) {
    const world = new World();
    await world.add("ping", { every: "10s", task: "a.ping" });
    const engine = world.engine();
    await engine.start();
    await world.clock.advance(15_000);
    await jump(world);
    await world.clock.advance(1_000);
    await engine.stop(1_000);
    assert.deepEqual(
      world.sent.map(({ forSeconds }) => forSeconds),
      [10, 3_610],
    );
    assert.deepEqual(
      (await world.ledger()).map(([state, , count]) => [state, count]),
      [
        ["published", 1],
        ["coalesced", 359],
        ["published", 1],
      ],
    );
  }
});

test("a second node stands by, says who leads, and takes over when the first ends or dies", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const nodes = [world.engine(), world.engine(), world.engine()] as const;
  for (const node of nodes) await node.start();
  await world.clock.advance(3_500);
  assert.deepEqual(
    nodes.map(({ leading }) => leading),
    [true, false, false],
  );
  assert.ok(world.lines.some((line) => line.includes("Standing by: process 1")));
  await nodes[0].stop(1_000);
  await world.clock.advance(3_000);
  const [second, third] = nodes[1].leading ? [nodes[1], nodes[2]] : [nodes[2], nodes[1]];
  assert.deepEqual([second.leading, third.leading], [true, false]);
  await world.clock.advance(3_000);
  await second.stop(1_000);
  await third.stop(1_000);
  const times = world.sent.map(({ forSeconds }) => forSeconds);
  assert.equal(new Set(times).size, times.length);
  assert.ok(times.length >= 8);
});

test("a leader that can't renew its lease steps down; the other goes on, and claims of the old one fail", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const [first, second] = [world.engine(), world.engine()];
  await first.start();
  await second.start();
  await world.clock.advance(2_500);
  const { store } = world;
  const { renewLease, acquireLease } = store;
  const cutOff = (owner: { readonly ownerId: string }) => {
    if (owner.ownerId === "node-1") throw new Error("cut off");
  };
  store.renewLease = async (lease, ...rest) => {
    cutOff(lease);
    return renewLease.call(store, lease, ...rest);
  };
  store.acquireLease = async (owner, ...rest) => {
    cutOff(owner);
    return acquireLease.call(store, owner, ...rest);
  };
  await world.clock.advance(12_000);
  assert.deepEqual([first.leading, second.leading], [false, true]);
  await first.stop(1_000);
  await second.stop(1_000);
  const times = world.sent.map(({ forSeconds }) => forSeconds);
  assert.equal(new Set(times).size, times.length, "nothing twice");
});

test("what a dead process left in the outbox goes out under the same id, and its runs are recorded as failed", async () => {
  const world = new World();
  await world.add("task", { every: "10s", task: "a.task" });
  await world.add("local", { every: "10s", run: ["true"] });
  world.broker.hold = true;
  world.runner.manual = true;
  const first = world.engine();
  await first.start();
  await world.clock.advance(10_100);
  assert.deepEqual((await world.store.outboxSummary()).map(({ state, count }) => [state, count]).sort(), [
    ["claimed", 1],
    ["running", 1],
  ]);
  // Killed: nothing of it goes on, and nobody gives the lease back.
  world.dead.add("node-1");
  const lease = await world.store.currentLease();
  await world.store.acquireLease({ ownerId: "nobody", host: "here", pid: 99 }, 1, world.clock.now(), lease!.token);
  world.dead.add("nobody");
  world.broker.hold = false;
  const sentBefore = world.sent.length;
  const second = world.engine();
  await second.start();
  await world.clock.advance(2_000);
  assert.deepEqual(
    world.sent.slice(sentBefore).map(({ id }) => id),
    [world.sent[0]!.id],
  );
  assert.ok(
    (await world.ledger("local")).some(
      ([state, , , reason]) => state === "abandoned" && reason!.includes("the process ended"),
    ),
  );
  await second.stop(1_000);
});

test("local runs: recorded before they start, skipped while the last one goes on", async () => {
  const world = new World();
  await world.add("slow", { every: "1s", run: ["sleep", "9"] });
  world.runner.manual = true;
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_100);
  assert.equal((await world.ledger())[0]![0], "running");
  await world.clock.advance(2_000);
  world.runner.finish(world.runner.started[0]!.id, { result: "failed", reason: "exit code 1" });
  await world.clock.advance(1_000);
  world.runner.finish(world.runner.started[1]!.id);
  await world.clock.advance(100);
  await engine.stop(1_000);
  assert.deepEqual(
    (await world.ledger()).map(([state, seconds]) => [state, seconds]),
    [
      ["failed", 1],
      ["skipped", 2],
      ["skipped", 3],
      ["ran", 4],
    ],
  );
});

test("runs beyond the runner's limit wait for their turn", async () => {
  const world = new World();
  for (let n = 0; n < 5; n++) await world.add(`job-${n}`, { at: "2027-01-01T12:00:01", run: ["true"] });
  world.runner.limit = 2;
  world.runner.manual = true;
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_100);
  assert.equal(world.runner.going.size, 2);
  for (let n = 0; n < 5; n++) {
    world.runner.finish(world.runner.started[n]!.id);
    await world.clock.advance(50);
  }
  await engine.stop(1_000);
  assert.equal(world.runner.started.length, 5);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["ran", "ran", "ran", "ran", "ran"],
  );
});

test("changes of others are noticed within a second: added, paused, removed, triggered", async () => {
  const world = new World();
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(5_000);
  const entry = await world.add("new", { every: "1s", task: "a.new" });
  await world.clock.advance(1_100);
  assert.equal(world.sent.length, 1);
  const [paused] = await world.store.change([
    {
      change: "update",
      id: entry.id,
      expectedRevision: entry.revision,
      fields: { pausedAt: world.clock.now() },
      at: world.clock.now(),
      withdraw: "paused",
    },
  ]);
  await world.clock.advance(3_000);
  assert.ok(world.sent.length <= 2);
  const before = world.sent.length;
  await world.store.enqueueManual(
    entry.id,
    { id: "00000000-0000-4000-8000-000000000001", fireAt: world.clock.now() },
    world.clock.now(),
  );
  await world.clock.advance(1_000);
  assert.deepEqual(
    world.sent.slice(before).map(({ id }) => id),
    ["00000000-0000-4000-8000-000000000001"],
  );
  const current = await world.store.entryByName("new");
  await world.store.change([
    {
      change: "remove",
      id: paused!.id,
      expectedRevision: current!.revision,
      at: world.clock.now(),
      withdraw: "removed",
    },
  ]);
  await world.clock.advance(3_000);
  assert.equal(world.sent.length, before + 1);
  await engine.stop(1_000);
});

test("an entry that can't be scheduled is set aside, and all others are on time", async () => {
  const world = new World();
  const entry = await world.add("broken", { every: "1s", task: "a.broken" });
  await world.add("fine", { every: "1s", task: "a.fine" });
  await world.store.change([
    {
      change: "update",
      id: entry.id,
      expectedRevision: entry.revision,
      at: world.clock.now(),
      fields: { definition: { cron: "99 * * * *", task: "a.broken" } },
    },
  ]);
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(2_100);
  await engine.stop(1_000);
  assert.deepEqual(
    world.sent.map(({ name, atSeconds }) => [name, atSeconds]),
    [
      ["fine", 1],
      ["fine", 2],
    ],
  );
  assert.match((await world.store.entryByName("broken"))!.quarantine!, /99/);
  assert.equal(world.lines.filter((line) => line.startsWith("error: broken is set aside")).length, 1);
});

test("a store in trouble delays, and loses nothing", async () => {
  const world = new World();
  await world.add("each", { every: "1s", task: "a.each", coalesce: "all" });
  const engine = world.engine();
  await engine.start();
  const claim = world.store.claim.bind(world.store);
  world.store.claim = async () => {
    throw new Error("locked");
  };
  await world.clock.advance(3_000);
  assert.equal(world.sent.length, 0);
  world.store.claim = claim;
  await world.clock.advance(6_000);
  await engine.stop(1_000);
  assert.ok((await world.ledger()).length >= 8);
  assert.ok((await world.ledger()).every(([state]) => state === "published"));
  assert.equal(world.lines.filter((line) => line.includes("A tick failed")).length, 1);
});

test("stopping sends what is claimed, waits for confirmations, and gives the lease back", async () => {
  const world = new World();
  for (let n = 0; n < 500; n++) await world.add(`e${n}`, { at: "2027-01-01T12:00:01", task: "a.task" });
  const engine = world.engine();
  await engine.start();
  world.broker.hold = true;
  await world.clock.advance(1_001);
  const stopped = engine.stop(5_000);
  world.broker.hold = false;
  for (let n = 0; n < 10; n++) {
    world.broker.answerAll();
    await world.clock.advance(10);
  }
  await stopped;
  assert.equal((await world.ledger()).filter(([state]) => state === "published").length, 500);
  assert.equal(world.sent.length, 500);
  const lease = await world.store.currentLease();
  assert.ok(lease === undefined || lease.expiresAt <= world.clock.now());
});

test("a crowd is claimed early enough to be ready when it is due, each of its entries once", async () => {
  const world = new World();
  Object.defineProperty(world.store, "claimMs", { value: 0.1 });
  const size = 20_000;
  for (let n = 0; n < size; n++) await world.add(`crowd-${n}`, { at: "2027-01-01T12:00:10Z", task: "a.crowd" });
  await world.add("often", { every: "1s", task: "a.often" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(9_700);
  const claimed = (await world.store.history({ states: ["claimed"], limit: 2 * size })).map(({ fireAt }) => fireAt);
  const atTen = claimed.filter((fireAt) => fireAt === start + 10_000).length;
  // What the usual lead has time for is left to it.
  assert.equal(atTen > size - 2_500, true, `${atTen} of ${size} were ready before the usual lead began`);
  assert.equal(claimed.length, atTen, "none is claimed twice ahead");
  assert.equal(world.sent.filter(({ name }) => name.startsWith("crowd")).length, 0, "none is early");
  await world.clock.advance(1_000);
  await engine.stop(1_000);
  assert.equal(new Set(world.sent.map(({ id }) => id)).size, size + 10);
  assert.deepEqual(
    world.sent.filter(({ name }) => name === "often").map(({ forSeconds, atSeconds }) => [forSeconds, atSeconds]),
    Array.from({ length: 10 }, (_, n) => [n + 1, n + 1]),
  );
});

test("an interval keeps its phase over a restart between its claim and its due time", async () => {
  const world = new World();
  await world.add("ping", { every: "10s", task: "a.ping" });
  const first = world.engine();
  await first.start();
  await world.clock.advance(9_900);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["claimed"],
  );
  await first.stop(0);
  const second = world.engine();
  await second.start();
  await world.clock.advance(20_500);
  await second.stop(1_000);
  assert.deepEqual(
    world.sent.map(({ forSeconds, atSeconds }) => [forSeconds, atSeconds]),
    [
      [10, 10],
      [20, 20],
      [30, 30],
    ],
  );
});

test("a pause between claim and due time is kept to", async () => {
  const world = new World();
  const entry = await world.add("ping", { every: "10s", task: "a.ping" });
  await world.add("local", { every: "10s", run: ["true"] });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(9_800);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["claimed", "claimed"],
  );
  for (const name of ["ping", "local"]) {
    const { id, revision } = (await world.store.entryByName(name))!;
    const at = world.clock.now();
    await world.store.change([
      { change: "update", id, expectedRevision: revision, fields: { pausedAt: at }, at, withdraw: "it was paused" },
    ]);
  }
  await world.clock.advance(5_000);
  await engine.stop(1_000);
  assert.equal(entry.name, "ping");
  assert.deepEqual(world.sent, []);
  assert.deepEqual(world.runner.started, []);
  assert.deepEqual(await world.ledger(), [
    ["cancelled", 10, 1, "it was paused"],
    ["cancelled", 10, 1, "it was paused"],
  ]);
});

test("a run that is made in the place of others has the delay that it would have had alone", async () => {
  const world = new World();
  await world.add("first", { every: "10s", task: "a.task", jitter: "1m", coalesce: "earliest" });
  await world.add("last", { every: "10s", task: "a.task", jitter: "1m", max_runs: 1 });
  await world.clock.advance(95_000);
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_000);
  await engine.stop(1_000);
  const rows = (await world.store.history({ limit: 10 })).filter(({ id }) => id !== "");
  const made = rows.map(({ entryName, fireAt, dueAt }) => [
    entryName,
    (fireAt - start) / 1_000,
    dueAt < fireAt + 10_000,
  ]);
  assert.deepEqual(made, [
    ["last", 90, true],
    ["first", 10, true],
  ]);
});

test("jitter delays each run by its own time, before the next one, and supersedes nothing", async () => {
  const world = new World();
  await world.add("spread", { every: "10s", task: "a.task", jitter: "1m" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(200_000);
  await engine.stop(1_000);
  const lates = world.sent.map(({ atSeconds, forSeconds }) => atSeconds - forSeconds);
  assert.ok(lates.length >= 18);
  assert.ok(lates.every((late) => late >= 0 && late <= 10));
  assert.ok(new Set(lates).size > 10);
  assert.ok((await world.ledger()).every(([state]) => state === "published" || state === "claimed"));
});

test("what jitter keeps until the next one is claimed goes out, also where its entry is changed just then", async () => {
  const world = new World();
  await world.add("spread", { every: "1s", task: "a.task", jitter: "1m" });
  const operations = new Operations({ store: world.store, clock: world.clock });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(800);
  for (let second = 0; second < 60; second++) {
    // The next one is claimed by now, and every fifth is due between.
    await operations.trigger("spread");
    await world.clock.advance(1_000);
  }
  await world.clock.advance(1_000);
  await engine.stop(1_000);
  const states = (await world.ledger()).map(([state]) => state);
  assert.ok(states.length >= 120);
  assert.deepEqual([...new Set(states)].toSorted(), ["claimed", "published"]);
});

test("new time-zone data moves the next fire times that it puts elsewhere, and says which", async () => {
  const world = new World();
  await world.store.setTimeZoneData("2026z");
  const moved = await world.add("moved", { cron: "0 15 * * *", timezone: "Europe/Berlin", task: "a.task" });
  await world.add("same", { cron: "0 15 * * *", task: "a.task" });
  await world.add("elapsed", { every: "3h", task: "a.task" });
  // As the old rules had it: an hour earlier.
  await world.store.change([
    {
      change: "update",
      id: moved.id,
      expectedRevision: moved.revision,
      at: world.clock.now(),
      fields: { nextFireAt: moved.nextFireAt! - 3_600_000 },
    },
  ]);
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(10 * 60_000);
  assert.equal((await world.store.entryByName("moved"))!.nextFireAt, moved.nextFireAt);
  assert.deepEqual(
    world.lines.filter((line) => line.includes("Time-zone data")),
    ["Time-zone data 2026z became 2027a: moved from 2027-01-01T13:00:00.000Z to 2027-01-01T14:00:00.000Z."],
  );
  await world.clock.advance(3 * 3_600_000);
  await engine.stop(1_000);
  assert.deepEqual(
    world.sent.map(({ name, forSeconds }) => [name, forSeconds / 3_600]),
    [
      ["moved", 2],
      ["same", 3],
      ["elapsed", 3],
    ],
  );
  assert.deepEqual(
    new Set((await world.store.history({ limit: 10 })).map(({ timeZoneData }) => timeZoneData)),
    new Set(["2027a"]),
  );
});

test("@reboot fires once at each start, and not when a standby takes over", async () => {
  const world = new World();
  await world.add("boot", { cron: "@reboot", task: "a.boot" });
  const first = world.engine();
  const standby = world.engine();
  await first.start();
  await standby.start();
  await world.clock.advance(3_000);
  assert.deepEqual(
    world.sent.map(({ forSeconds }) => forSeconds),
    [0],
  );
  await first.stop(1_000);
  await world.clock.advance(5_000);
  assert.equal(standby.leading, true);
  assert.equal(world.sent.length, 1);
  await standby.stop(1_000);
  const again = world.engine();
  await again.start();
  await world.clock.advance(1_000);
  await again.stop(1_000);
  assert.equal(world.sent.length, 2);
  assert.equal(new Set(world.sent.map(({ id }) => id)).size, 2);
});

const linesOfQueues = ({ lines }: World) => lines.filter((line) => /Queue "/.test(line));
