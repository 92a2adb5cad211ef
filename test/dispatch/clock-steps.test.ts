// What happens to the clocks: said once, counted, shown; nothing twice, intervals go on, the rest waits for the clock.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Operations } from "../../src/definitions/operations.ts";
import type { Engine } from "../../src/dispatch/engine.ts";
import { start, World } from "./world.ts";

const second = 1_000;
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

async function running(
  definitions: Record<string, Record<string, unknown>>,
): Promise<{ world: World; engine: Engine }> {
  const world = new World();
  for (const [name, definition] of Object.entries(definitions)) await world.add(name, definition);
  const engine = world.engine();
  await engine.start();
  return { world, engine };
}

const warnings = (world: World) =>
  world.lines.filter((line) => /clock|stood still/.test(line) && !/^error|^Over/.test(line));

function assertNothingTwice(world: World): void {
  const ids = world.sent.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, "nothing twice");
}

test("a clock that had been years ahead: who pauses and resumes what goes by it lets it go on now, and nothing is sent twice", async () => {
  const { world, engine } = await running({ wall: { cron: "0 * * * * *", task: "a.wall" } });
  const operations = new Operations({ store: world.store, clock: world.clock });
  await world.clock.advance(90 * second);
  world.clock.stepWall(4_000 * day);
  await world.clock.advance(90 * second);
  world.clock.stepWall(-4_000 * day);
  await world.clock.advance(90 * second);
  const before = world.sent.length;
  assert.ok((await operations.get("wall")).nextFireAt! > world.clock.now() + 3_999 * day);
  await operations.pause("wall");
  const { nextFireAt } = await operations.resume("wall");
  assert.equal(nextFireAt, Math.ceil(world.clock.now() / minute) * minute);
  await world.clock.advance(10 * minute);
  assert.equal(world.sent.length, before + 10);
  await engine.stop(second);
  assertNothingTwice(world);
});

for (const byMs of [5 * second, hour, 3 * day]) {
  test(`put forward by ${byMs / second} s: one run for the latest time, said once, counted`, async () => {
    const { world, engine } = await running({ ping: { every: "1s", task: "a.ping" } });
    await world.clock.advance(3_500);
    world.clock.stepWall(byMs);
    const steppedAt = world.clock.now();
    await world.clock.advance(2 * second);
    const { clock } = engine.report();
    assert.deepEqual([clock.steps, clock.lastStepMs, clock.stops, clock.waitingUntil], [1, byMs, 0, null]);
    assert.ok(Math.abs(clock.lastStepAt! - steppedAt) < second);
    assert.equal(warnings(world).length, 1);
    await engine.stop(second);
    assertNothingTwice(world);
    const gap = world.sent.findIndex(({ forSeconds }) => forSeconds > 3);
    assert.equal(world.sent[gap]!.forSeconds, (byMs + 3 * second) / second);
    const coalesced = (await world.ledger()).filter(([state]) => state === "coalesced");
    assert.deepEqual(
      coalesced.map(([, at, count]) => [at, count]),
      [[4, byMs / second - 1]],
    );
  });

  test(`put back by ${byMs / second} s: intervals go on, what goes by the wall clock waits, status knows until when`, async () => {
    const { world, engine } = await running({
      interval: { every: "2s", task: "a.interval" },
      wall: { cron: "* * * * * *", task: "a.wall" },
    });
    await world.clock.advance(4_500);
    const reached = world.clock.now();
    world.clock.stepWall(-byMs);
    await world.clock.advance(4_500);
    const { clock } = engine.report();
    assert.deepEqual([clock.steps, clock.lastStepMs], [1, -byMs]);
    assert.equal(clock.waitingUntil === null, byMs < 4_500);
    if (clock.waitingUntil !== null) assert.ok(Math.abs(clock.waitingUntil - reached) < second);
    assert.equal(warnings(world).filter((line) => line.includes("put back by")).length, 1);
    const sinceStep = (name: string) => world.sent.filter((sent) => sent.name === name).length;
    assert.equal(sinceStep("interval"), 4);
    assert.equal(sinceStep("wall"), 4);
    if (byMs > day) {
      await engine.stop(second);
      return;
    }
    await world.clock.advance(byMs);
    assert.equal(engine.report().clock.waitingUntil, null);
    assert.deepEqual(engine.report().alerts.notReady, []);
    await engine.stop(second);
    assertNothingTwice(world);
    assert.ok(sinceStep("wall") >= 7, "they go on when the clock got there");
  });
}

test("put back while the process stood still, its lease not trusted on waking: intervals go on all the same", async () => {
  const { world, engine } = await running({ ping: { every: "2s", task: "a.ping" } });
  await world.clock.advance(5_000);
  world.clock.stepWall(-hour);
  await world.clock.sleepThrough(3_500);
  await world.clock.advance(6_000);
  await engine.stop(second);
  assertNothingTwice(world);
  const { length } = world.sent;
  assert.ok(length >= 5, `${length} were sent`);
});

test("put back while nothing ran: the next start finds it in the ledger, says it once, and waits", async () => {
  const { world, engine } = await running({ wall: { cron: "* * * * * *", task: "a.wall" } });
  await world.clock.advance(10_500);
  await engine.stop(second);
  const last = start + 10 * second;
  world.clock.stepWall(-hour);
  const next = world.engine();
  await next.start();
  await world.clock.advance(5 * second);
  const { clock, alerts } = next.report();
  assert.equal(clock.steps, 1);
  assert.ok(
    clock.waitingUntil! >= last && clock.waitingUntil! < last + second,
    new Date(clock.waitingUntil!).toISOString(),
  );
  assert.deepEqual(
    alerts.active.map(({ alert }) => alert),
    ["clock"],
  );
  assert.deepEqual(alerts.notReady, []);
  assert.equal(warnings(world).length, 1);
  assert.match(warnings(world)[0]!, /waits until it is 2027-01-01T12:00:10\.\d{3}Z again/);
  const before = world.sent.length;
  await world.clock.advance(hour - 10 * second);
  assert.equal(world.sent.length, before);
  await world.clock.advance(10 * second);
  assert.ok(world.sent.length > before);
  await next.stop(second);
  assertNothingTwice(world);
});

test("what was claimed ahead by a leader that died is no sign of a clock that was put back", async () => {
  const world = new World();
  for (let n = 0; n < 5_000; n++) await world.add(`crowd-${n}`, { at: "2027-01-01T12:00:10", task: "a.crowd" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(9_500);
  const lease = (await world.store.currentLease())!;
  world.dead.add(lease.ownerId);
  const next = world.engine();
  await next.start();
  await world.clock.advance(2 * second);
  assert.deepEqual([next.report().clock.steps, warnings(world)], [0, []]);
  await next.stop(second);
  await engine.stop(second);
});

test("a machine that slept, its monotonic clock standing still: the wall clock went forward", async () => {
  const { world, engine } = await running({ ping: { every: "10s", task: "a.ping" } });
  await world.clock.advance(15 * second);
  world.clock.stepWall(8 * hour);
  await world.clock.advance(2 * second);
  assert.match(warnings(world).join(), /went forward by 8h: it was set, or the machine slept/);
  await engine.stop(second);
  assert.equal(world.sent.length, 2);
});

test("a process that was stopped, or whose event loop was blocked: said once, with how long; one run within 2 s", async () => {
  const { world, engine } = await running({ ping: { every: "1s", task: "a.ping" } });
  await world.clock.advance(2_500);
  await world.clock.sleepThrough(60 * second);
  await world.clock.advance(1_400);
  const { clock } = engine.report();
  assert.deepEqual([clock.steps, clock.stops], [0, 1]);
  assert.ok(clock.lastStopMs! >= 60 * second && clock.lastStopMs! < 62 * second);
  assert.equal(warnings(world).length, 1);
  await engine.stop(second);
  assert.deepEqual(
    world.sent.map(({ forSeconds }) => forSeconds),
    [1, 2, 62, 63],
  );
  assertNothingTwice(world);
});

test("steps of less than a second, and waits of a loop that is well, are no news", async () => {
  const { world, engine } = await running({ ping: { every: "1s", task: "a.ping" } });
  for (let turn = 0; turn < 20; turn++) {
    world.clock.stepWall(turn % 2 === 0 ? 900 : -900);
    await world.clock.advance(700);
  }
  const { clock } = engine.report();
  assert.deepEqual([clock.steps, clock.stops], [0, 0]);
  await engine.stop(second);
  assertNothingTwice(world);
});

test("a node that stands by watches the clocks too, and a long time of standing by is no standstill", async () => {
  const { world, engine } = await running({ ping: { every: "1s", task: "a.ping" } });
  const standby = world.engine();
  await standby.start();
  await world.clock.advance(30 * second);
  world.clock.stepWall(hour);
  await world.clock.advance(2 * second);
  assert.deepEqual([standby.report().clock.steps, standby.report().clock.stops], [1, 0]);
  await engine.stop(second);
  await world.clock.advance(3 * second);
  assert.equal(standby.leading, true);
  assert.equal(standby.report().clock.stops, 0);
  await standby.stop(second);
});
