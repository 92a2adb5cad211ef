// Real Celery workers run what Beat leaves in SQS: with the arguments that were sent, from queues of both kinds, no sooner than
// they may, and nothing is left.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { prepareMessage } from "../../src/celery/message.ts";
import type { TaskOptions } from "../../src/core/target.ts";
import { available, urlAt } from "../brokers/sqs-opened.ts";
import { publish } from "../contract/broker-contract.ts";
import { celeryVersions, receivedIn, startWorker, untilReceived } from "../servers/celery.ts";
import { startMoto } from "../servers/moto.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-sqs-workers-"));
const server = await startMoto();
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const args = ["hé中😀", 'it\'s "quoted"\n\\', 1.5, 2 ** 53 - 1, null, [1, ["a"]], { k: { deep: [{}] } }];
const kwargs = { attach: true, ключ: "значение" };

function message(options: TaskOptions) {
  const target = { kind: "task", task: "sample.echo", args, kwargs, options, broker: "default" } as const;
  const build = prepareMessage({ entryName: "täglich", target, defaultQueue: "celery", origin: "beat@test" });
  return build({ id: randomUUID(), fireAt: Date.now(), nextFireAt: null });
}

for (const version of celeryVersions) {
  suite(`Celery ${version}`, () => {
    const prefix = `v${version.replaceAll(".", "")}_`;
    const queues = ["reports.daily", "orders.fifo"];

    async function work(name: string) {
      const file = join(folder, `received-${version}-${name}.jsonl`);
      const options = { region: "us-east-1", queue_name_prefix: prefix, wait_time_seconds: 1, polling_interval: 0.1 };
      const worker = await startWorker({
        version,
        brokerUrl: urlAt(server.port),
        queues,
        env: { BEAT_RECEIVED: file, BEAT_TRANSPORT_OPTIONS: JSON.stringify(options) },
      });
      return { file, worker };
    }

    test("runs it, from a standard and from a FIFO queue, and each message that was sent twice once", async () => {
      const standard = await server.create(`${prefix}reports-daily`, { VisibilityTimeout: "1800" });
      await server.create(`${prefix}orders.fifo`, { VisibilityTimeout: "1800" });
      await using open = await available(urlAt(server.port, `queue_name_prefix=${prefix}`));
      const delayed = message({ queue: "reports.daily", countdown: 3 });
      const messages = [
        message({ queue: "reports.daily" }),
        message({ queue: "reports.daily", expires: "1h", priority: 3 }),
        delayed,
        ...Array.from({ length: 5 }, () => message({ queue: "orders.fifo", MessageGroupId: "shop" })),
      ];
      const sentAt = Date.now() / 1_000;
      const outcomes = await publish(open.broker, messages);
      assert.ok(
        outcomes.every(({ result }) => result === "confirmed"),
        JSON.stringify(outcomes),
      );
      const inOrder = messages.filter(({ queue }) => queue === "orders.fifo");
      assert.deepEqual(await publish(open.broker, inOrder.slice(0, 1)), [{ result: "confirmed" }]);
      assert.equal((await server.count(`${prefix}reports-daily`)).delayed, 1, standard);
      const { file, worker } = await work("kinds");
      try {
        const received = await untilReceived(file, messages.length, worker, 60_000);
        const ids = received.map(({ id }) => id);
        assert.deepEqual(ids.toSorted(), messages.map(({ id }) => id).toSorted());
        assert.deepEqual(
          ids.filter((id) => inOrder.some((one) => one.id === id)),
          inOrder.map(({ id }) => id),
        );
        for (const { args: seen, kwargs: named, headers } of received) {
          assert.deepEqual([seen, named], [args, kwargs]);
          assert.equal(headers["periodic_task_name"], "täglich");
        }
        assert.ok(received.find(({ id }) => id === delayed.id)!.at - sentAt >= 2.9);
        assert.doesNotMatch(worker.log(), /CRITICAL|Unrecoverable/);
        assert.equal((await receivedIn(file)).length, messages.length);
      } finally {
        await worker.stop();
      }
      for (const queue of ["reports-daily", "orders.fifo"])
        assert.deepEqual(await server.count(`${prefix}${queue}`), { ready: 0, delayed: 0, taken: 0 }, queue);
    });
  });
}
