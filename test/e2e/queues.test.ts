// `beat queues` asks real workers, and what it prints is a schedule file by which Beat makes the same queues.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parse } from "yaml";
import { celeryVersions, startWorker } from "../servers/celery.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { startRedis } from "../servers/redis.ts";
import { beat, folder } from "./beat.ts";

const task_queues = {
  mails: { exchange: "post", routing_key: "mail", queue_arguments: { "x-max-priority": 9, "x-message-ttl": 60_000 } },
  news: { exchange: "media", exchange_type: "topic", routing_key: "media.#" },
};

for (const version of celeryVersions) {
  suite(`workers of ${version}`, () => {
    test("over RabbitMQ", async (t) => {
      const rabbitmq = await startRabbitmq();
      t.after(() => rabbitmq.stop());
      const cwd = await folder(t);
      const ask = (...args: string[]) => beat(["queues", "--broker", rabbitmq.url, ...args], { cwd });
      const nobody = await ask();
      assert.deepEqual([nobody.code, /No worker answered/.test(nobody.stdout)], [1, true]);
      const env = { BEAT_RECEIVED: join(cwd, "received"), BEAT_CONF: JSON.stringify({ task_queues }) };
      const queues = ["mails", "news", "plain"];
      const worker = await startWorker({ version, brokerUrl: rabbitmq.url, queues, env });
      t.after(() => worker.stop());
      const { code, stdout } = await ask("--timeout", "3s");
      assert.equal(code, 0, stdout);
      assert.deepEqual(parse(stdout), { defaults: { task_queues: { ...task_queues, plain: parse(plain) } } });
      const file = join(cwd, "learnt.yaml");
      await writeFile(file, `${stdout}\nschedules:\n  a: {every: 1s, task: t, options: {queue: mails}}\n`);
      assert.equal((await beat(["validate", file], { cwd })).code, 0);
      const json = JSON.parse((await ask("--json", "--timeout", "2s")).stdout);
      assert.equal(json.workers.length, 1);
      assert.deepEqual(
        json.queues.map(({ name, workers }: { name: string; workers: string[] }) => [name, workers]),
        queues.map((name) => [name, json.workers]),
      );
    });

    test("over Redis, with a prefix", async (t) => {
      const redis = await startRedis();
      t.after(() => redis.stop());
      const cwd = await folder(t);
      const options = { global_keyprefix: "app:" };
      const env = { BEAT_RECEIVED: join(cwd, "received"), BEAT_TRANSPORT_OPTIONS: JSON.stringify(options) };
      const worker = await startWorker({ version, brokerUrl: redis.url, queues: ["plain"], env });
      t.after(() => worker.stop());
      const { code, stdout } = await beat(
        ["queues", "--broker", `${redis.url}?global_keyprefix=app:`, "--timeout", "3s"],
        { cwd },
      );
      assert.equal(code, 0, stdout);
      assert.deepEqual(parse(stdout), { defaults: { task_queues: { plain: parse(plain) } } });
      assert.deepEqual(await redis.client.keys("*reply*"), [], "nothing is left");
    });
  });
}

const plain = "{exchange: plain}";

test("where workers can't be asked, that is said", async (t) => {
  const cwd = await folder(t);
  const cases: readonly [string[], number, RegExp][] = [
    [[], 2, /--broker is missing/],
    [["--broker", "memory://"], 4, /workers can't be asked over memory:\/\/.*amqp:\/\//],
    [["--broker", "amqp://u:s3cret@127.0.0.1:1//"], 4, /nothing listens at 127\.0\.0\.1:1/],
    [["--broker", "redis://:s3cret@127.0.0.1:1/0"], 4, /nothing listens at 127\.0\.0\.1:1/],
  ];
  for (const [args, expected, reason] of cases) {
    const { code, stderr } = await beat(["queues", ...args], { cwd });
    assert.equal(code, expected, stderr);
    assert.match(stderr, reason);
    assert.doesNotMatch(stderr, /s3cret/);
  }
});
