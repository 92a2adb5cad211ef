import assert from "node:assert/strict";
import { after, test } from "node:test";
import { systemClock } from "../../src/system-clock.ts";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { startRedis } from "../servers/redis.ts";
import { available } from "./redis-opened.ts";

const server = await startRedis();
after(() => server.stop());

/** A broker whose every look at the lists is ten seconds after the one before, and made when the test says so. */
async function watching(url: string) {
  let passedMs = 0;
  let looks = 0;
  let look = () => {};
  const clock = {
    ...systemClock,
    monotonic: () => systemClock.monotonic() + passedMs,
    setTimer(delayMs: number, callback: () => void) {
      if (delayMs !== 10_000) return systemClock.setTimer(delayMs, callback);
      looks++;
      look = callback;
      return () => undefined;
    },
  };
  const open = await available(url, { clock });
  return {
    ...open,
    async look() {
      const before = looks;
      passedMs += 10_000;
      look();
      while (looks === before) await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("messages that nobody takes are told of, and so is the worker that comes", async () => {
  await using open = await watching(`${server.url}?global_keyprefix=app:`);
  const { broker, told, look } = open;
  await publish(broker, [messageTo("celery"), messageTo("celery", { priority: 9 }), messageTo("emails")]);
  await look();
  assert.deepEqual(told.notices, []);
  await look();
  assert.deepEqual(told.notices, [
    `3 messages wait in "celery" (2), "emails" (1); no worker took one for 10s. Start one: celery -A <your app> -b ${server.url} worker -Q celery,emails`,
  ]);
  // A worker takes one of two, while another program sends as many.
  await server.client.rpop("app:celery");
  await server.client.lpush("app:celery", "{}");
  await look();
  assert.deepEqual(told.notices.slice(1), ['A worker takes messages from queue "celery".']);
});

test("a worker that takes them at once is seen", async () => {
  await using open = await watching(server.url);
  const { broker, told, look } = open;
  for (let round = 0; round < 4; round++) {
    await publish(broker, [messageTo("quick")]);
    await server.client.rpop("quick");
    await look();
  }
  await publish(broker, [messageTo("quick")]);
  // It was there a moment ago: it has a minute now.
  for (let round = 0; round < 6; round++) await look();
  assert.deepEqual(told.notices, []);
  await look();
  await look();
  assert.match(told.notices[0]!, /^1 message waits in queue "quick"; no worker took one for 1m/);
});

test("who may not look is told nothing, and sends all the same", async () => {
  await server.client.acl("SETUSER", "writer", "on", ">pw", "~*", "+lpush", "+lpushx", "+llen");
  await using open = await watching(`redis://writer:pw@127.0.0.1:${server.port}/0`);
  for (let round = 0; round < 4; round++) {
    assert.deepEqual(await publish(open.broker, [messageTo("written")]), [{ result: "confirmed" }]);
    await open.look();
  }
  assert.deepEqual([open.told.notices, open.told.unavailabilities], [[], []]);
});

test("a name that is no list hides no other", async () => {
  await server.client.set("text", "a text");
  await using open = await watching(server.url);
  await publish(open.broker, [messageTo("text"), messageTo("list")]);
  await open.look();
  await open.look();
  assert.match(open.told.notices[0]!, /^1 message waits in queue "list"/);
});
