// How an engine stops: what it waits for, when it gives the lease back, and that it ends whatever stands still.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedBroker, ScriptedRunner, World } from "./world.ts";

const second = 1_000;

/** Whether the promise is settled. */
function watched(promise: Promise<unknown>): { readonly isDone: boolean } {
  const state = { isDone: false };
  void promise.then(() => {
    state.isDone = true;
  });
  return state;
}

test("the lease is kept while a local run goes on, and is given back at once when it has ended", async () => {
  const world = new World();
  await world.add("slow", { every: "10s", run: ["sleep", "20"] });
  world.runner.manual = true;
  const leader = world.engine();
  const standby = world.engine({ runner: new ScriptedRunner(world.clock) });
  await leader.start();
  await standby.start();
  await world.clock.advance(10_500);
  // The scripted runner's close ends its runs; this one waits for them, as the real one does.
  world.runner.close = async () => {
    while (world.runner.running > 0) await new Promise<void>((resolve) => world.clock.setTimer(100, resolve));
    return { finished: 1, aborted: 0 };
  };
  const stopped = leader.stop(30 * second);
  const state = watched(stopped);
  await world.clock.advance(5 * second);
  assert.deepEqual([state.isDone, standby.leading], [false, false]);
  world.runner.finish(world.runner.started[0]!.id);
  await world.clock.advance(2 * second);
  assert.deepEqual([state.isDone, standby.leading], [true, true]);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["ran"],
    "nobody took it for abandoned",
  );
  await standby.stop(second);
});

test("a broker that is away holds no lease: a standby leads at once", async () => {
  const world = new World();
  await world.add("ping", { every: "1s", task: "a.ping" });
  const leader = world.engine();
  const standby = world.engine({ broker: new ScriptedBroker(world.clock) });
  await leader.start();
  await standby.start();
  await world.clock.advance(2 * second);
  world.broker.listener.unavailable("gone", false);
  await world.clock.advance(5_500);
  const stopped = leader.stop(30 * second);
  await world.clock.advance(1_500);
  assert.deepEqual(await stopped, { finished: 0, aborted: 0, left: 1 });
  assert.equal(standby.leading, true);
  await standby.stop(second);
});

for (const [what, stick] of [
  ["never ends", () => new Promise<never>(() => {})],
  ["fails", () => Promise.reject(new Error("of its own"))],
] as const) {
  test(`a close that ${what} does not keep a stop from its end, nor the lease from the next`, async () => {
    const world = new World();
    const engine = world.engine();
    await engine.start();
    await world.clock.advance(second);
    world.runner.close = stick;
    const stopped = engine.stop(2 * second);
    await world.clock.advance(9 * second);
    await stopped;
    assert.equal(await world.store.currentLease(), undefined);
    assert.ok(
      world.lines.some((line) => /did not end within 8s|of its own/.test(line)),
      world.lines.join("\n"),
    );
  });
}
