// Several brokers: each has its own connection, pace and trouble.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { NamedBroker } from "../../src/dispatch/engine.ts";
import { ScriptedBroker, start, World } from "./world.ts";

function twoBrokers(mail: Omit<NamedBroker, "name" | "broker"> = {}) {
  const world = new World();
  const other = new ScriptedBroker(world.clock);
  const brokers = [
    { name: "default", broker: world.broker },
    { name: "mail", broker: other, ...mail },
  ];
  return { world, other, brokers };
}

/** Seconds after the start. */
const sentAt = (broker: ScriptedBroker) => broker.sent.map(({ at }) => Math.round((at - start) / 1_000));

test("an entry's tasks go to the broker that it names, and to the default one where it names none", async () => {
  const { world, other, brokers } = twoBrokers();
  await world.add("ping", { every: "10s", task: "a.ping" });
  await world.add("letter", { every: "10s", task: "a.letter", broker: "mail" });
  const engine = world.engine({ brokers });
  await engine.start();
  await world.clock.advance(20_500);
  await engine.stop(1_000);
  const tasks = (broker: ScriptedBroker) => broker.sent.map(({ message }) => message.headers["task"]);
  assert.deepEqual(tasks(world.broker), ["a.ping", "a.ping"]);
  assert.deepEqual(tasks(other), ["a.letter", "a.letter"]);
});

test("one that is away holds up its own messages only, and is named where readiness is asked for", async () => {
  const { world, other, brokers } = twoBrokers();
  await world.add("ping", { every: "10s", task: "a.ping" });
  await world.add("letter", { every: "10s", task: "a.letter", broker: "mail" });
  const engine = world.engine({ brokers });
  await engine.start();
  await world.clock.advance(1_000);
  other.listener.unavailable("gone", false);
  await world.clock.advance(29_500);
  assert.deepEqual(sentAt(world.broker), [10, 20, 30]);
  assert.deepEqual(sentAt(other), []);
  const { brokers: reports, alerts } = engine.report();
  assert.deepEqual(
    reports.map(({ name, available, waiting }) => [name, available, waiting]),
    [
      ["default", true, 0],
      ["mail", false, 1],
    ],
  );
  assert.match(alerts.notReady.join(), /gone/);
  other.listener.available();
  await world.clock.advance(500);
  await engine.stop(1_000);
  assert.deepEqual(sentAt(other), [31], "the latest");
});

test("each has its own pace", async () => {
  const { world, other, brokers } = twoBrokers({ maxRate: 1 });
  for (const name of ["a", "b", "c", "d"]) await world.add(name, { every: "1h", task: "t", broker: "mail" });
  for (const name of ["e", "f"]) await world.add(name, { every: "1h", task: "t" });
  const engine = world.engine({ brokers });
  await engine.start();
  await world.clock.advance(1_000);
  for (const { listener } of [world.broker, other]) listener.unavailable("gone", false);
  await world.clock.advance(3_604_000);
  for (const { listener } of [world.broker, other]) listener.available();
  await world.clock.advance(10_000);
  await engine.stop(1_000);
  assert.equal(new Set(sentAt(world.broker)).size, 1);
  const [first, , , last] = sentAt(other);
  assert.ok(last! - first! >= 2, `from ${first} to ${last}`);
});

test("a broker that nobody knows is told on the row, until there is one", async () => {
  const world = new World();
  await world.add("letter", { every: "10s", task: "a.letter", broker: "mail" });
  const engine = world.engine();
  await engine.start();
  await world.clock.advance(10_500);
  assert.deepEqual(await world.ledger(), [
    ["failed", 10, 1, 'no broker "mail" is known: `brokers` of a schedule file names them'],
  ]);
  const other = new ScriptedBroker(world.clock);
  await engine.addBroker({ name: "mail", broker: other });
  await world.clock.advance(10_000);
  await engine.stop(1_000);
  assert.deepEqual(sentAt(other), [20]);
});
