// Requests over HTTP on their way out of the outbox: a host in trouble holds up its own, is asked again when it said so, and
// what gave way or was given up is told by the ledger.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message, PublishOutcome } from "../../src/core/ports.ts";
import { messageEncoder } from "../../src/message-encoder.ts";
import { ScriptedBroker, start, World } from "./world.ts";

const second = 1_000;
const minute = 60 * second;
const encode = messageEncoder({ defaultQueueOf: () => "celery", traced: false });

class RequestBroker extends ScriptedBroker {
  readonly mayBeSilent = true;
  readonly longestRetryMs = minute;
}

async function running(world: World) {
  const requests = new RequestBroker(world.clock);
  let made = 0;
  const engine = world.engine({
    encode,
    requests: () => {
      made++;
      return requests;
    },
  });
  await engine.start();
  const at = () => requests.sent.map(({ message, at: sentAt }) => [message.request!.url, (sentAt - start) / second]);
  return { engine, requests, at, made: () => made };
}

test("without an entry that sends requests there is nothing that could", async () => {
  const world = new World();
  await world.add("ping", { every: "1m", task: "a.ping" });
  const { engine, made } = await running(world);
  await world.clock.advance(2 * minute);
  assert.equal(made(), 0);
  assert.deepEqual(
    engine.report().brokers.map(({ name }) => name),
    ["default"],
  );
  await engine.stop(0);
});

test("what it is made of: templates, headers, the id as the idempotency key", async () => {
  const world = new World();
  await world.add("hook", {
    every: "1m",
    http: {
      url: "https://example.org/a?b=c",
      headers: { "X-Name": "{{ name }}", Authorization: { env: "TOKEN" } },
      body: { at: "{{ fire_time }}", before: "{{ previous_fire_time }}", n: 1 },
    },
    timeout: "5s",
  });
  await world.add("text", {
    every: "1m",
    http: { url: "https://example.org/", method: "PUT", body: "at {{ fire_time }}" },
  });
  const { engine, requests } = await running(world);
  await world.clock.advance(minute + second);
  const [message, text] = requests.sent.map((each) => each.message) as [Message, Message];
  const fireTime = "2027-01-01T12:01:00+00:00";
  assert.equal(message.queue, "https://example.org");
  assert.deepEqual(message.headers, {
    "user-agent": "beat",
    "content-type": "application/json",
    "X-Name": "hook",
    "idempotency-key": message.id,
    "beat-fire-time": fireTime,
  });
  assert.deepEqual(JSON.parse(message.body.toString()), { at: fireTime, before: null, n: 1 });
  assert.deepEqual(message.request, {
    url: "https://example.org/a?b=c",
    method: "POST",
    secretHeaders: { Authorization: { env: "TOKEN" } },
    secret: undefined,
    expect: ["2xx"],
    allowPrivate: false,
    timeoutMs: 5_000,
  });
  assert.equal(text.body.toString(), `at ${fireTime}`);
  assert.equal(text.headers["content-type"], "text/plain; charset=utf-8");
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["published", "published"],
  );
  await engine.stop(0);
});

test("a host that asks for patience is not asked before, and holds up nobody else; newer gives way to no older", async () => {
  const world = new World();
  const busy = "https://busy.example/";
  await world.add("busy", { every: "1m", http: { url: busy } });
  await world.add("fine", { every: "1m", http: { url: "https://fine.example/" } });
  await world.add("ping", { every: "1m", task: "a.ping" });
  const { engine, requests, at } = await running(world);
  let isBusy = true;
  requests.answer = ({ request }): PublishOutcome =>
    isBusy && request!.url === busy
      ? { result: "no-queue", reason: "answered with 429", retryAfterMs: 150 * second }
      : { result: "confirmed" };
  await world.clock.advance(3 * minute + second);
  const toBusy = () => at().filter(([url]) => url === busy);
  assert.deepEqual(toBusy(), [[busy, 60]]);
  assert.equal(at().length, 1 + 3);
  assert.equal(world.sent.length, 3, "tasks go on");
  isBusy = false;
  await world.clock.advance(minute - 2 * second);
  assert.deepEqual(
    toBusy(),
    [
      [busy, 60],
      [busy, 210],
    ],
    "the newest, when it may be asked again",
  );
  const states = (await world.ledger("busy")).map(([state, forSeconds]) => [state, forSeconds]);
  assert.deepEqual(states, [
    ["coalesced", 60],
    ["coalesced", 120],
    ["published", 180],
  ]);
  await engine.stop(0);
});

test("what may have arrived is sent again under its id, ever more rarely, until its retries are used up", async () => {
  const world = new World();
  await world.add("once", { at: "2027-01-01T12:01:00Z", http: { url: "https://example.org/" }, retries: 9 });
  const { engine, requests, at } = await running(world);
  requests.answer = () => ({ result: "unavailable", reason: "answered with 500: oops" });
  await world.clock.advance(20 * minute);
  assert.equal(requests.sent.length, 10);
  assert.equal(new Set(requests.sent.map(({ message }) => message.id)).size, 1);
  const times = at().map(([, seconds]) => Number(seconds));
  const gaps = times.slice(1).map((time, index) => time - times[index]!);
  assert.ok(gaps[0]! < 1, `${gaps}`);
  assert.ok(gaps.at(-1)! > 30 && gaps.at(-1)! < 61, `${gaps}`);
  const [[state, , , reason]] = (await world.ledger()) as [readonly [string, number, number, string]];
  assert.equal(state, "failed");
  assert.match(reason, /given up after it was tried 10 times.*answered with 500: oops/);
  await engine.stop(0);
});

test("a request that takes long is no sign of trouble", async () => {
  const world = new World();
  await world.add("slow", { every: "10m", http: { url: "https://example.org/" } });
  const { engine, requests } = await running(world);
  requests.hold = true;
  await world.clock.advance(10 * minute + 25 * second);
  assert.equal(requests.sent.length, 1);
  const { notReady, active } = engine.report().alerts;
  assert.deepEqual([notReady, active], [[], []]);
  requests.answerAll();
  await world.clock.advance(second);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["published"],
  );
  await engine.stop(0);
});
