// The watchdog: each alert is raised once, reminds once an hour, and says when it is over; a loop that stands still ends the term.

import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { Store } from "../../src/core/ports.ts";
import { type AlertName, findings, type Vitals } from "../../src/dispatch/alerts.ts";
import type { Alert } from "../../src/dispatch/watchdog.ts";
import { start, World } from "./world.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

const connected = {
  name: "default",
  url: "amqp://somewhere",
  available: true,
  reason: null,
  since: start,
  unconfirmed: 0,
  silentMs: 0,
  waiting: 0,
  queues: [],
};
const well: Vitals = {
  now: start,
  stalledMs: 0,
  overdueMs: 0,
  outbox: { count: 0, oldestDueAt: start },
  brokers: [connected],
  storeTrouble: undefined,
  terms: 1,
  clockNews: undefined,
  quarantined: 0,
  filesTrouble: undefined,
};

test("each finding has its limit", () => {
  const cases: readonly [AlertName, fine: Partial<Vitals>, bad: Partial<Vitals>, message: RegExp][] = [
    ["overdue", { overdueMs: 10_000 }, { overdueMs: 10_001 }, /due for 10s/],
    ["stalled", { stalledMs: 10_000 }, { stalledMs: 11_000 }, /stood still for 11s/],
    [
      "outbox",
      { outbox: { count: 3, oldestDueAt: start - 10_000 } },
      { outbox: { count: 3, oldestDueAt: start - 12_000 } },
      /3 due in the outbox, the oldest for 12s/,
    ],
    [
      "broker",
      { brokers: [{ ...connected, available: false, reason: "gone", since: start - 9_000 }] },
      { brokers: [{ ...connected, available: false, reason: "gone", since: start - 11_000 }] },
      /away for 11s: gone/,
    ],
    [
      "broker",
      { brokers: [{ ...connected, unconfirmed: 7, silentMs: 2_000 }] },
      { brokers: [{ ...connected, unconfirmed: 7, silentMs: 3_000 }] },
      /confirmed nothing for 3s; 7 messages/,
    ],
    [
      "store",
      { storeTrouble: { reason: "locked", forMs: 2_000 } },
      { storeTrouble: { reason: "locked", forMs: 4_000 } },
      /trouble for 4s: locked/,
    ],
    ["lease", { terms: 3 }, { terms: 4 }, /taken 4 times/],
    ["clock", {}, { clockNews: "the clock jumped" }, /the clock jumped/],
    ["quarantine", {}, { quarantined: 2 }, /2 entries are set aside/],
    ["files", {}, { filesTrouble: "nope.yaml: there is none" }, /nope\.yaml/],
  ];
  assert.deepEqual([...findings(well, 10_000)], []);
  for (const [name, fine, bad, message] of cases) {
    assert.deepEqual([...findings({ ...well, ...fine }, 10_000)], [], `${name}: fine`);
    const found = findings({ ...well, ...bad }, 10_000);
    assert.deepEqual([...found.keys()], [name]);
    assert.match(found.get(name)!, message);
  }
});

test("a broker that is away: one alert, one more each hour, one when it is over; not ready at once", async () => {
  const world = new World();
  const alerts: Alert[] = [];
  await world.add("ping", { every: "1m", task: "a.ping" });
  const engine = world.engine({ onAlert: (alert) => alerts.push(alert) });
  await engine.start();
  await world.clock.advance(5 * second);
  const { raised, ...now } = engine.report().alerts;
  assert.deepEqual(new Set(Object.values(raised)), new Set([0]));
  assert.deepEqual(now, { active: [], notReady: [] });
  world.broker.listener.unavailable("gone", false);
  await world.clock.advance(second);
  assert.match(engine.report().alerts.notReady.join(), /gone/);
  assert.equal(alerts.length, 0);
  // Each minute's run gives way to the next: that is one alert as well.
  await world.clock.advance(2 * hour + 50 * minute);
  const ofBroker = alerts.filter(({ alert }) => alert === "broker");
  assert.deepEqual(
    ofBroker.map(({ state }) => state),
    ["raised", "lasting", "lasting"],
  );
  assert.equal(alerts.filter(({ alert, state }) => alert === "outbox" && state === "raised").length, 1);
  assert.deepEqual(
    engine
      .report()
      .alerts.active.map(({ alert }) => alert)
      .sort(),
    ["broker", "outbox"],
  );
  world.broker.listener.available();
  await world.clock.advance(2 * second);
  assert.deepEqual(engine.report().alerts.notReady, []);
  await world.clock.advance(30 * second);
  assert.equal(alerts.filter(({ state }) => state === "resolved").length, 2);
  const over = engine.report().alerts;
  assert.deepEqual([over.raised.broker, over.raised.outbox, over.raised.clock], [1, 1, 0]);
  assert.deepEqual([over.active, over.notReady], [[], []]);
  await engine.stop(second);
  assert.equal(world.lines.filter((line) => /^error: Alert: scripted.* away/.test(line)).length, 3);
});

test("a broker that is silent: not ready within 5 s, and the connection is left alone", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  world.broker.hold = true;
  await world.clock.advance(1_100);
  assert.deepEqual(engine.report().alerts.notReady, []);
  await world.clock.advance(4 * second);
  assert.match(engine.report().alerts.notReady.join(), /confirmed nothing for [34]s/);
  const { report } = (await world.store.currentLease())!;
  assert.match(JSON.stringify(report), /confirmed nothing for [34]s/);
  world.broker.hold = false;
  world.broker.answerAll();
  await world.clock.advance(2 * second);
  assert.deepEqual(engine.report().alerts.notReady, []);
  await engine.stop(second);
});

/** The store, whose methods of these names never answer once `isFrozen` says so. */
function frozen(store: Store, methods: readonly (keyof Store)[], isFrozen: () => boolean): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) =>
        isFrozen() && methods.includes(name as keyof Store) ? new Promise(() => {}) : value.apply(target, args);
    },
  });
}

for (const method of ["changedSince", "renewLease", "claim"] as const) {
  test(`a loop that waits for ${method} for ever: an alert, the lead goes to another node, and the engine says that it is over`, async () => {
    const world = new World();
    await world.add("ping", { every: "1s", task: "a.ping" });
    let isFrozen = false;
    const alerts: Alert[] = [];
    const stalled: string[] = [];
    const leader = world.engine({
      store: frozen(world.store, [method], () => isFrozen),
      onAlert: (alert) => alerts.push(alert),
      onStalled: (reason) => stalled.push(reason),
    });
    await leader.start();
    await world.clock.advance(3_500);
    isFrozen = true;
    await world.clock.advance(9 * second);
    assert.equal(leader.alive, true);
    await world.clock.advance(5 * second);
    assert.equal(leader.alive, false);
    assert.equal(alerts.filter(({ alert }) => alert === "stalled").length, 1);
    assert.deepEqual(stalled, []);
    const successor = world.engine();
    await successor.start();
    await world.clock.advance(25 * second);
    assert.equal(stalled.length, 1);
    assert.match(stalled[0]!, /stood still for 30s/);
    assert.deepEqual([leader.leading, successor.leading], [false, true]);
    const stopped = leader.stop(second);
    await world.clock.advance(15 * second);
    await stopped;
    await successor.stop(second);
    const ids = world.sent.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(world.sent.at(-1)!.forSeconds, Math.floor((world.clock.now() - start) / second));
  });
}

test("a process that stood still for a minute is not taken for a dead loop", async () => {
  const world = new World();
  const alerts: Alert[] = [];
  await world.add("ping", { every: "1s", task: "a.ping" });
  const engine = world.engine({ onAlert: (alert) => alerts.push(alert), onStalled: (reason) => assert.fail(reason) });
  await engine.start();
  await world.clock.advance(5 * second);
  await world.clock.sleepThrough(minute);
  await world.clock.advance(5 * second);
  assert.equal(engine.alive, true);
  assert.deepEqual(
    alerts.map(({ alert, state }) => [alert, state]),
    [["clock", "raised"]],
  );
  assert.deepEqual(engine.report().alerts.notReady, []);
  await world.clock.advance(2 * minute);
  assert.deepEqual(engine.report().alerts.active, []);
  await engine.stop(second);
});

test("a store that fails is told within 5 s, and said to be over", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(2 * second);
  const { renewLease, acquireLease, currentLease } = world.store;
  const fail = async () => {
    throw new StoreUnavailableError("the disk is full");
  };
  Object.assign(world.store, { renewLease: fail, acquireLease: fail, currentLease: fail });
  await world.clock.advance(5 * second);
  assert.match(engine.report().alerts.notReady.join(), /in trouble for [345]s: the disk is full/);
  assert.equal(
    world.lines.filter((line) => /lease could not be .*disk is full/.test(line)).length,
    1,
    "it is said once",
  );
  Object.assign(world.store, { renewLease, acquireLease, currentLease });
  await world.clock.advance(8 * second);
  assert.deepEqual(engine.report().alerts.notReady, []);
  assert.equal(engine.leading, true);
  await engine.stop(second);
});

test("a lease that flaps between nodes is told", async () => {
  const world = new World();
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(2 * second);
  for (let turn = 0; turn < 4; turn++) {
    const lease = (await world.store.currentLease())!;
    const thief = { ownerId: `thief-${turn}`, host: "there", pid: 9 };
    const stolen = await world.store.acquireLease(thief, 4_000, world.clock.now(), lease.token);
    await world.clock.advance(3 * second);
    await world.store.releaseLease(stolen);
    await world.clock.advance(3 * second);
  }
  assert.match(engine.report().alerts.notReady.join(), /the lead was taken \d times within a minute/);
  await world.clock.advance(2 * minute);
  assert.deepEqual(engine.report().alerts.notReady, []);
  await engine.stop(second);
});

test("an entry that is set aside is told, and does not make the node unready", async () => {
  const world = new World();
  const entry = await world.add("odd", { every: "1s", task: "a.odd" });
  const engine = world.engine();
  await engine.start();
  const change = (quarantine: string | null, expectedRevision: number) =>
    world.store.change([
      { change: "update", id: entry.id, expectedRevision, at: world.clock.now(), fields: { quarantine } },
    ]);
  const [odd] = await change("it has no meaning", entry.revision);
  await world.clock.advance(20 * second);
  const { active, notReady } = engine.report().alerts;
  assert.deepEqual([active.map(({ alert }) => alert), notReady], [["quarantine"], []]);
  await change(null, odd!.revision);
  await world.clock.advance(minute);
  assert.deepEqual(engine.report().alerts.active, []);
  await engine.stop(second);
});

test("a listener that throws harms nothing", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const engine = world.engine({
    onAlert: () => {
      throw new Error("of its own");
    },
  });
  await engine.start();
  await world.clock.advance(2 * second);
  await world.clock.sleepThrough(minute);
  await world.clock.advance(3_500);
  await engine.stop(second);
  assert.ok(world.lines.some((line) => line.includes("could not be passed on: of its own")));
  assert.equal(world.sent.at(-1)!.forSeconds, 65);
});

test("a stop tells how many due messages it leaves", async () => {
  const world = new World();
  for (let n = 0; n < 5; n++) await world.add(`e${n}`, { at: "2027-01-01T12:00:01", task: "a.task" });
  await world.add("later", { every: "1h", task: "a.later" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(500);
  world.broker.listener.unavailable("gone", false);
  await world.clock.advance(second);
  assert.equal((await engine.stop(second)).left, 5);
  const next = world.engine();
  await next.start();
  await world.clock.advance(second);
  assert.equal((await next.stop(second)).left, 0);
  assert.equal(world.sent.length, 5);
});

test("what was claimed ahead in place of a message that was due is left as much as that one was", async () => {
  const world = new World();
  await world.add("often", { every: "1s", task: "a.often" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(500);
  world.broker.listener.unavailable("gone", false);
  // The fire time of 4 s has taken the place of those before it, and is not due yet.
  await world.clock.advance(3_350);
  const claimed = (await world.store.history({ states: ["claimed"], limit: 9 })).map(({ fireAt }) => fireAt - start);
  assert.deepEqual(claimed, [4_000]);
  assert.equal((await engine.stop(0)).left, 1);
});
