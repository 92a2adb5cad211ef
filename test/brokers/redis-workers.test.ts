// Real Celery workers run what Beat leaves in Redis: with the arguments that were sent, the low priorities first, and
// nothing is left.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { prepareMessage } from "../../src/celery/message.ts";
import { publish } from "../contract/broker-contract.ts";
import { celeryVersions, receivedIn, startWorker, untilReceived } from "../servers/celery.ts";
import { startRedis } from "../servers/redis.ts";
import { available } from "./redis-opened.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-redis-workers-"));
const server = await startRedis();
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const fireAt = Date.now();
const args = ["hé中😀", 'it\'s "quoted"\n\\', 1.5, 2 ** 53 - 1, null, [1, ["a"]], { k: { deep: [{}] } }];
const kwargs = { attach: true, ключ: "значение" };

/** The next message to the queue, with the priority as its first argument. */
function message(queue: string, priority: number) {
  const target = {
    kind: "task",
    task: "sample.echo",
    args: [priority, ...args],
    kwargs,
    options: { queue, priority },
  } as const;
  const build = prepareMessage({ entryName: "täglich", target, defaultQueue: "celery", origin: "beat@test" });
  return build({ id: randomUUID(), fireAt, nextFireAt: null });
}

for (const version of celeryVersions) {
  suite(`Celery ${version}`, () => {
    test("runs it, and in the order of kombu's steps", async () => {
      await server.client.flushall();
      await using open = await available(server.url);
      // Two queues, of which one is given to Beat before any worker declared it.
      const messages = [9, 6, 7, 3, 5, 0, 2, 9].map((priority) => message("celery", priority));
      const other = message("emails", 0);
      const outcomes = await publish(open.broker, [...messages, other]);
      assert.ok(
        outcomes.every(({ result }) => result === "confirmed"),
        JSON.stringify(outcomes),
      );
      const file = join(folder, `received-${version}.jsonl`);
      const worker = await startWorker({
        version,
        brokerUrl: server.url,
        queues: ["celery", "emails"],
        env: { BEAT_RECEIVED: file, BEAT_ONE_AT_A_TIME: "1" },
      });
      try {
        const received = await untilReceived(file, messages.length + 1, worker);
        const ours = received.filter(({ id }) => id !== other.id);
        assert.deepEqual(
          ours.map(({ args: [priority] }) => priority),
          [0, 2, 3, 5, 6, 7, 9, 9],
        );
        // Of one step, as they were sent.
        assert.deepEqual(ours.map(({ id }) => id).slice(-2), [messages[0]!.id, messages[7]!.id]);
        for (const { args: seen, kwargs: named, headers, redelivered } of received) {
          assert.deepEqual([seen.slice(1), named, redelivered ?? false], [args, kwargs, false]);
          assert.equal(headers["periodic_task_name"], "täglich");
        }
        assert.equal(received.find(({ id }) => id === other.id)?.routing_key, "emails");
        assert.doesNotMatch(worker.log(), /CRITICAL|Unrecoverable/);
        assert.equal((await receivedIn(file)).length, messages.length + 1);
      } finally {
        await worker.stop();
      }
      const left = await server.client.keys("*");
      assert.deepEqual(
        left.filter((key) => !key.startsWith("_kombu.binding")),
        [],
      );
    });

    test("with a key prefix, another database and other steps", async () => {
      await server.client.flushall();
      const options = { global_keyprefix: "app:", priority_steps: [0, 5], sep: ":" };
      const url = server.url.replace(/0$/, "4");
      await using open = await available(`${url}?global_keyprefix=app:&priority_steps=0,5&sep=:`);
      const messages = [message("celery", 5), message("celery", 4)];
      await publish(open.broker, messages);
      const file = join(folder, `received-prefix-${version}.jsonl`);
      const worker = await startWorker({
        version,
        brokerUrl: url,
        env: {
          BEAT_RECEIVED: file,
          BEAT_ONE_AT_A_TIME: "1",
          BEAT_TRANSPORT_OPTIONS: JSON.stringify(options),
        },
      });
      try {
        const received = await untilReceived(file, messages.length, worker);
        assert.deepEqual(
          received.map(({ id }) => id),
          [messages[1]!.id, messages[0]!.id],
        );
      } finally {
        await worker.stop();
      }
    });
  });
}
