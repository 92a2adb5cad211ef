// What the engine counts: each occurrence by what became of it, each answer of the broker, and how late it all was.

import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { Store } from "../../src/core/ports.ts";
import { Operations } from "../../src/definitions/operations.ts";
import { World } from "./world.ts";

const second = 1_000;
const minute = 60 * second;

test("every occurrence is counted by what became of it", async () => {
  const world = new World();
  await world.add("ping", { every: "1m", task: "a.ping" });
  await world.add("job", { every: "1m", run: "true" });
  await world.add("weekdays", { every: "1m", task: "a.ping", except: ["2027-01-01"] });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(minute + second);
  let { occurrences } = engine.report().totals;
  assert.deepEqual([occurrences.published, occurrences.ran], [1, 1]);
  world.broker.answer = () => ({ result: "refused", reason: "too large" });
  await world.clock.advance(minute);
  assert.equal(engine.report().totals.occurrences.failed, 1);
  // Ten minutes pass at once: one of each runs.
  world.broker.answer = () => ({ result: "confirmed" });
  world.clock.stepWall(10 * minute);
  await world.clock.advance(minute);
  const ledger = await world.ledger();
  const inLedger = (state: string) =>
    ledger.filter(([is]) => is === state).reduce((sum, [, , count]) => sum + count, 0);
  await engine.stop(0);
  occurrences = engine.report().totals.occurrences;
  assert.ok(occurrences.coalesced >= 18);
  for (const [state, count] of Object.entries(occurrences)) assert.equal(count, inLedger(state), state);
});

test("what an operator withdraws from the outbox is counted as cancelled, what only changed is not", async () => {
  const world = new World();
  const operations = new Operations({ store: world.store, clock: world.clock });
  await world.add("gone", { every: "1m", task: "a.ping" });
  await world.add("stays", { every: "1m", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(second);
  world.broker.listener.unavailable("gone", false);
  await world.clock.advance(minute);
  await operations.pause("gone");
  await operations.add("stays", { every: "1m", task: "a.ping", description: "new" }, "code", { conflict: "replace" });
  await world.clock.advance(2 * second);
  assert.equal(engine.report().totals.occurrences.cancelled, 1);
  await engine.stop(0);
});

test("answers, connections, lateness", async () => {
  const world = new World();
  await world.add("ping", { every: "1m", task: "a.ping" });
  const engine = world.engine();
  await engine.start();
  world.broker.hold = true;
  await world.clock.advance(minute + 3 * second);
  world.broker.hold = false;
  world.broker.answerAll();
  world.broker.listener.unavailable("gone", false);
  world.broker.listener.available();
  await world.clock.advance(second);
  const { publishes, connections, lateness, terms } = engine.report().totals;
  assert.deepEqual(publishes, { confirmed: 1, "no-queue": 0, refused: 0, unavailable: 0 });
  assert.equal(connections, 2);
  assert.deepEqual(terms, { own: 1, others: 0 });
  const { boundsMs, counts, sumMs } = lateness.message;
  assert.equal(counts.length, boundsMs.length + 1);
  assert.equal(counts[boundsMs.indexOf(5_000)], 1);
  assert.equal(sumMs, 3_000);
  await engine.stop(0);
});

test("a store in trouble is counted by who needed it", async () => {
  const world = new World();
  let isAway = false;
  const away = ["changedSince", "renewLease", "settle"];
  const refused = () => Promise.reject(new StoreUnavailableError("locked"));
  const store = new Proxy(world.store, {
    get: (target, name: keyof Store) => {
      const value = target[name];
      if (typeof value !== "function") return value;
      return isAway && away.includes(name) ? refused : value.bind(target);
    },
  });
  await world.add("ping", { every: "1m", task: "a.ping" });
  const engine = world.engine({ store });
  await engine.start();
  await world.clock.advance(minute - 200);
  isAway = true;
  await world.clock.advance(2 * second);
  const { storeErrors } = engine.report().totals;
  for (const [work, count] of Object.entries(storeErrors)) assert.ok(count > 0, work);
  isAway = false;
  await engine.stop(0);
});
