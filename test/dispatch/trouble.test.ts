// Moments at which something goes wrong between two steps: each was seen to lose, repeat or misreport a run before it was mended.

import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { Clock, Store } from "../../src/core/ports.ts";
import { Operations } from "../../src/definitions/operations.ts";
import { ScriptedBroker, ScriptedRunner, World } from "./world.ts";

/** The world's store, whose methods of these names fail while `isLocked` says so. */
function lockable(store: Store, methods: readonly (keyof Store)[], isLocked: () => boolean): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        if (isLocked() && methods.includes(name as keyof Store)) throw new StoreUnavailableError("locked");
        return value.apply(target, args);
      };
    },
  });
}

const operationsOf = (world: World) => new Operations({ store: world.store, clock: world.clock });

test("a term that fails to begin is given up and begun again", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  let failures = 1;
  const engine = world.engine({ store: lockable(world.store, ["abandonRunning"], () => failures-- > 0) });
  await engine.start();
  await world.clock.advance(10_100);
  await engine.stop(1_000);
  assert.equal(world.sent.at(-1)!.forSeconds, 10);
});

test("a node that is stopping does not take the lead that another one gives back", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const slow = new ScriptedBroker(world.clock);
  slow.close = () => new Promise((resolve) => world.clock.setTimer(1_500, resolve));
  const leader = world.engine();
  const standby = world.engine({ broker: slow });
  await leader.start();
  await standby.start();
  await world.clock.advance(3_000);
  const stopped = Promise.all([standby.stop(30_000), leader.stop(30_000)]);
  await world.clock.advance(10_000);
  await stopped;
  assert.equal(slow.sent.length, 0);
  assert.equal(await world.store.currentLease(), undefined);
});

test("paused while its message was with the broker: the ledger tells that it was sent", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  world.broker.hold = true;
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_100);
  await operationsOf(world).pause("ping");
  world.broker.answerAll();
  await world.clock.advance(3_000);
  await engine.stop(1_000);
  assert.equal(world.sent.length, 1);
  assert.deepEqual(await world.ledger(), [["published", 1, 1, null]]);
});

test("removed during an outage: what was in doubt is not sent again", async () => {
  const world = new World();
  await world.add("ping", { every: "10m", task: "a.ping" });
  world.broker.answer = () => ({ result: "unavailable", reason: "connection lost" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(600_001);
  world.broker.listener.unavailable("gone", false);
  await world.clock.advance(5_000);
  const before = world.sent.length;
  await operationsOf(world).remove("ping");
  await world.clock.advance(60_000);
  world.broker.answer = () => ({ result: "confirmed" });
  world.broker.listener.available();
  await world.clock.advance(5_000);
  await engine.stop(1_000);
  assert.equal(world.sent.length, before);
  assert.deepEqual(await world.ledger(), [["cancelled", 600, 1, "it was removed; it may have been sent before"]]);
});

test("paused after a restart while the broker is away: nothing of it goes out", async () => {
  const world = new World();
  await world.add("ping", { every: "10m", task: "a.ping" });
  world.broker.open = async () => {};
  const first = world.engine();
  await first.start();
  await world.clock.advance(601_000);
  await first.stop(1_000);
  const broker = new ScriptedBroker(world.clock);
  const second = world.engine({ broker });
  await second.start();
  broker.listener.unavailable("away", false);
  await world.clock.settle();
  await operationsOf(world).pause("ping");
  await world.clock.advance(100);
  assert.equal(broker.sent.filter(({ at }) => at > world.clock.now() - 50).length, 0);
  await second.stop(1_000);
});

test("a leader that was stopped past its lease starts nothing on waking", async () => {
  const world = new World();
  await world.add("job", { at: "2027-01-01T12:00:10", run: ["true"] });
  const { clock, stopped } = stoppable(world);
  const runners = [new ScriptedRunner(world.clock), new ScriptedRunner(world.clock)] as const;
  const leader = world.engine({ clock, runner: runners[0] });
  const standby = world.engine({ runner: runners[1] });
  await leader.start();
  await standby.start();
  // Claimed a quarter of a second ahead; then the process stands still.
  await world.clock.advance(9_900);
  await stopped(() => world.clock.advance(20_000));
  await world.clock.advance(5_000);
  assert.deepEqual(
    runners.map(({ started }) => started.length),
    [0, 1],
  );
  await leader.stop(1_000);
  await standby.stop(1_000);
});

test("a leader that was stopped as it skipped a run does not say so of the one that another node began meanwhile", async () => {
  const world = new World();
  await world.add("job", { every: "10s", run: ["true"], max_runs: 2 });
  const { clock, stopped } = stoppable(world);
  const runners = [new ScriptedRunner(world.clock), new ScriptedRunner(world.clock)] as const;
  for (const runner of runners) runner.manual = true;
  const leader = world.engine({ clock, runner: runners[0] });
  const standby = world.engine({ runner: runners[1] });
  await leader.start();
  await standby.start();
  // The first run goes on, and what became of the second one is still to be written.
  await world.clock.advance(20_010);
  await stopped(() => world.clock.advance(10_000));
  await world.clock.advance(1_000);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["abandoned", "running"],
  );
  runners[1].finish(runners[1].started[0]!.id);
  await world.clock.advance(1_000);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["abandoned", "ran"],
  );
  await leader.stop(1_000);
  await standby.stop(1_000);
});

test("given up in doubt and then confirmed: the ledger tells that it was sent, and a retry does not send it again", async () => {
  const world = new World();
  await world.add("ping", { at: "2027-01-01T12:00:10", task: "a.ping", options: { expires: "3s" } });
  const { clock, stopped } = stoppable(world);
  const away = new ScriptedBroker(world.clock);
  world.broker.hold = true;
  const leader = world.engine({ clock });
  const standby = world.engine({ broker: away });
  await leader.start();
  await standby.start();
  await world.clock.advance(10_100);
  away.listener.unavailable("gone", false);
  await stopped(async () => {
    await world.clock.advance(10_000);
    away.listener.available();
    await world.clock.advance(1_000);
  });
  assert.match(String((await world.ledger())[0]), /^failed,.*in doubt: it may have been sent/);
  world.broker.answerAll();
  await world.clock.advance(1_000);
  assert.deepEqual(await world.ledger(), [["published", 10, 1, null]]);
  assert.equal(await operationsOf(world).retry({ name: "ping", limit: 9 }), 0);
  await leader.stop(1_000);
  await standby.stop(1_000);
  assert.deepEqual([world.sent.length, away.sent.length], [1, 0]);
});

test("a change that is noticed right after a confirmation does not send the message again", async () => {
  const world = new World();
  await world.add("once", { at: "2027-01-01T12:00:01", task: "a.once" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_000);
  await operationsOf(world).trigger("once");
  engine.wake();
  await world.clock.advance(5_000);
  await engine.stop(1_000);
  assert.equal(world.sent.length, 2);
  assert.equal(new Set(world.sent.map(({ id }) => id)).size, 2);
});

test("an outbox that could not be read for a moment is read again", async () => {
  const world = new World();
  const entry = await world.add("once", { at: "2027-01-01T12:00:01", task: "a.once" });
  let failures = 0;
  const engine = world.engine({ store: lockable(world.store, ["outbox"], () => failures-- > 0) });
  await engine.start();
  await world.clock.advance(500);
  world.broker.listener.unavailable("away", false);
  await world.clock.advance(1_500);
  failures = 1;
  const { revision } = (await world.store.entryByName("once"))!;
  await world.store.change([
    {
      change: "update",
      id: entry.id,
      expectedRevision: revision,
      at: world.clock.now(),
      fields: { pauseNote: "touched" },
    },
  ]);
  await world.clock.advance(3_000);
  world.broker.listener.available();
  await world.clock.advance(3_000);
  await engine.stop(1_000);
  assert.deepEqual(await world.ledger(), [["published", 1, 1, null]]);
});

test("nothing of it goes on after a stop: no timer fires any more", async () => {
  const world = new World();
  await world.add("lost", { every: "1s", task: "a.lost" });
  world.broker.answer = () => ({ result: "no-queue", reason: "there is no such queue" });
  let isLocked = false;
  const engine = world.engine({ store: lockable(world.store, ["settle"], () => isLocked) });
  await engine.start();
  await world.clock.advance(5_000);
  isLocked = true;
  await world.clock.advance(1_500);
  await Promise.all([engine.stop(1_000), world.clock.advance(5_000)]);
  let fired = 0;
  const setTimer = world.clock.setTimer.bind(world.clock);
  world.clock.setTimer = (delayMs, callback) => {
    fired++;
    return setTimer(delayMs, callback);
  };
  await world.clock.advance(60_000);
  assert.equal(fired, 0);
});

test("expired messages do not hold up the others of a queue that was missing", async () => {
  const world = new World();
  for (let n = 0; n < 300; n++) {
    await world.add(`old-${n}`, { at: "2027-01-01T12:00:01", task: "a.old", options: { queue: "q", expires: "60s" } });
  }
  await world.add("fresh", { every: "1m", task: "a.fresh", options: { queue: "q" } });
  let there = false;
  world.broker.answer = () => (there ? { result: "confirmed" } : { result: "no-queue", reason: "no queue" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(120_500);
  there = true;
  await world.clock.advance(5_000);
  await engine.stop(1_000);
  const states = (await world.ledger()).map(([state]) => state);
  assert.equal(states.filter((state) => state === "missed").length, 300);
  assert.equal((await world.ledger("fresh")).at(-1)![0], "published");
});

test("the wall clock put forward takes no lead from a leader that lives", async () => {
  const world = new World();
  const runners = [new ScriptedRunner(world.clock), new ScriptedRunner(world.clock)] as const;
  for (const runner of runners) runner.manual = true;
  await world.add("long", { at: "2027-01-01T12:00:05", run: ["true"] });
  const leader = world.engine({ runner: runners[0] });
  const standby = world.engine({ runner: runners[1] });
  await leader.start();
  await world.clock.advance(300);
  await standby.start();
  await world.clock.advance(7_900);
  world.clock.stepWall(3_600_000);
  await world.clock.advance(3_000);
  runners[0].finish(runners[0].started[0]!.id);
  await world.clock.advance(3_000);
  assert.deepEqual([leader.leading, standby.leading], [true, false]);
  assert.deepEqual(await world.ledger(), [["ran", 5, 1, null]]);
  await leader.stop(1_000);
  await standby.stop(1_000);
});

test("intervals go on although the store was locked when the clock went back; what has ended stays ended", async () => {
  const world = new World();
  await world.add("ping", { every: "5s", task: "a.ping" });
  await world.add("ended", { every: "10s", end_at: "2027-01-01T12:00:30Z", task: "a.ended" });
  let isLocked = false;
  const engine = world.engine({ store: lockable(world.store, ["claim"], () => isLocked) });
  await engine.start();
  await world.clock.advance(60_000);
  const before = world.sent.length;
  isLocked = true;
  world.clock.stepWall(-3_600_000);
  await world.clock.advance(1_000);
  isLocked = false;
  await world.clock.advance(600_000);
  await engine.stop(1_000);
  assert.ok(world.sent.length - before >= 119);
  assert.equal(world.sent.filter(({ name }) => name === "ended").length, 3);
});

test("a missing queue is said once, however often newer messages supersede older ones", async () => {
  const world = new World();
  await world.add("lost", { every: "1s", task: "a.lost" });
  world.broker.answer = () => ({ result: "no-queue", reason: "there is no such queue" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(60_000);
  await engine.stop(1_000);
  assert.equal(world.lines.filter((line) => line.includes("there is no such queue")).length, 1);
  assert.ok(world.sent.length < 40, `${world.sent.length} attempts`);
});

test("a connection that breaks is not taken for trouble with its queues", async () => {
  const world = new World();
  for (let n = 0; n < 3; n++) {
    await world.add(`to-${n}`, { every: "1s", task: "a.task", options: { queue: `q${n}` } });
  }
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_500);
  // As a client library does it: the messages fail first, then the connection.
  world.broker.hold = true;
  await world.clock.advance(600);
  world.broker.answer = () => ({ result: "unavailable", reason: "the connection was lost" });
  world.broker.answerAll();
  world.broker.listener.unavailable("the connection was lost", false);
  world.broker.hold = false;
  world.broker.answer = () => ({ result: "confirmed" });
  await world.clock.advance(300);
  world.broker.listener.available();
  const backAt = world.clock.now();
  await world.clock.advance(200);
  assert.equal(world.lines.filter((line) => line.includes("Queue ")).length, 0);
  assert.equal(world.broker.sent.filter(({ at }) => at >= backAt).length, 3);
  await engine.stop(1_000);
});

test("restarts while a queue is missing leave one message of each entry, not one of each restart", async () => {
  const world = new World();
  await world.add("lost", { every: "1s", task: "a.lost" });
  world.broker.answer = () => ({ result: "no-queue", reason: "there is no such queue" });
  for (let restart = 0; restart < 5; restart++) {
    const engine = world.engine();
    await engine.start();
    await world.clock.advance(3_500);
    await engine.stop(1_000);
  }
  const [waiting] = await world.store.outboxSummary();
  assert.ok(waiting!.count <= 2, `${waiting!.count} wait`);
});

test("@reboot is sent although the lease could not be taken at once", async () => {
  const world = new World();
  await world.add("boot", { cron: "@reboot", task: "a.boot" });
  let failures = 1;
  const engine = world.engine({ store: lockable(world.store, ["acquireLease"], () => failures-- > 0) });
  await engine.start();
  await world.clock.advance(5_000);
  await engine.stop(1_000);
  assert.equal(world.sent.length, 1);
});

test("a queue that is back is found, though its one message always gives way before the queue is tried again", async () => {
  const world = new World();
  let there = true;
  world.broker.answer = () => (there ? { result: "confirmed" } : { result: "no-queue", reason: "no queue" });
  await world.add("ping", { cron: "* * * * * *", task: "a.ping" });
  await world.add("first", { at: "2027-01-01T12:00:01.100Z", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(1_050);
  there = false;
  await world.clock.advance(100);
  // From now on the queue is tried at 950 ms of a second: the run of this second has given way, and the next is not due.
  await operationsOf(world).remove("first");
  await world.clock.advance(10_000);
  there = true;
  await world.clock.advance(3_500);
  await engine.stop(1_000);
  assert.deepEqual((await world.ledger("ping")).at(-1), ["published", 14, 1, null]);
});

test("a run that could not be recorded before the lead was lost is begun in the next term", async () => {
  const world = new World();
  await world.add("job", { at: "2027-01-01T12:00:02.000Z", job: "job" });
  let isLocked = false;
  const engine = world.engine({ store: lockable(world.store, ["settle", "renewLease", "claim"], () => isLocked) });
  await engine.start();
  await world.clock.advance(1_900);
  isLocked = true;
  await world.clock.advance(10_000);
  isLocked = false;
  await world.clock.advance(10_000);
  await engine.stop(1_000);
  assert.deepEqual(await world.ledger("job"), [["ran", 2, 1, null]]);
});

test("the wall clock put forward behind what waits for its jitter: nothing that follows is late", async () => {
  const world = new World();
  await world.add("spread", { at: "2027-01-01T12:00:02.000Z", jitter: "1h", task: "a.spread" });
  await world.add("ping", { every: "10s", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(3_000);
  world.clock.stepWall(2 * 3_600_000);
  await world.clock.advance(28_000);
  await engine.stop(1_000);
  const lateMs = world.sent.map(({ name, atSeconds, forSeconds }) => [name, Math.round(atSeconds - forSeconds)]);
  const inTime = lateMs.filter(([, late]) => late === 0).length;
  assert.deepEqual(
    [inTime, lateMs.find(([name]) => name === "spread") !== undefined],
    [3, true],
    JSON.stringify(lateMs),
  );
});

test("a run that was asked for does not wait for a clock that was put back", async () => {
  const world = new World();
  await world.add("ping", { cron: "0 0 * * *", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(5_000);
  await operationsOf(world).trigger("ping");
  world.clock.stepWall(-3_600_000);
  await world.clock.advance(1_000);
  await engine.stop(1_000);
  assert.deepEqual(await world.ledger("ping"), [["published", 5, 1, null]]);
});

test("what is confirmed while a slow store is read is not taken for unsent", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const slow = new Proxy(world.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "outbox" || typeof value !== "function")
        return typeof value === "function" ? value.bind(target) : value;
      return async (...args: unknown[]) => {
        const page: unknown = await value.apply(target, args);
        await new Promise<void>((resolve) => world.clock.setTimer(100, resolve));
        return page;
      };
    },
  });
  const engine = world.engine({ store: slow });
  await engine.start();
  world.broker.hold = true;
  await world.clock.advance(1_010);
  await operationsOf(world).add("ping", { every: "1s", task: "a.pong" }, "cli", { conflict: "replace" });
  engine.wake();
  await world.clock.advance(50);
  world.broker.hold = false;
  world.broker.answerAll();
  await world.clock.advance(800);
  await engine.stop(1_000);
  assert.equal(world.sent.filter(({ forSeconds }) => forSeconds === 1).length, 1);
});

/** The clock of a process that stands still while `stopped` works: its timers ring when it goes on. */
function stoppable(world: World): {
  readonly clock: Clock;
  readonly stopped: (work: () => Promise<void>) => Promise<void>;
} {
  let isStopped = false;
  const late: (() => void)[] = [];
  const clock: Clock = {
    now: () => world.clock.now(),
    monotonic: () => world.clock.monotonic(),
    setTimer(delayMs, callback) {
      let cancelled = false;
      const cancel = world.clock.setTimer(delayMs, () => {
        const run = () => (cancelled ? undefined : callback());
        if (isStopped) late.push(run);
        else run();
      });
      return () => {
        cancelled = true;
        cancel();
      };
    },
  };
  const stopped = async (work: () => Promise<void>) => {
    isStopped = true;
    await work();
    isStopped = false;
    for (const run of late.splice(0)) run();
  };
  return { clock, stopped };
}
