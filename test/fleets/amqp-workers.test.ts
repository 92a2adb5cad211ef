// Queues that Beat makes before any worker runs are those that real workers declare under the same configuration, and are read
// as they are meant: by priority, of the type quorum, through exchanges, and with RabbitMQ holding what is not due.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildMessage } from "../../src/celery/message.ts";
import { type TaskDefaults, taskDefaultsSchema, withTaskDefaults } from "../../src/celery/task-defaults.ts";
import type { Message } from "../../src/core/ports.ts";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { available } from "../brokers/amqp-opened.ts";
import { publish } from "../contract/broker-contract.ts";
import { type CeleryVersion, celeryVersions, receivedIn, startWorker, untilReceived } from "../servers/celery.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-amqp-workers-"));
const rabbitmq = await startRabbitmq();
after(async () => {
  await rabbitmq.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A message of a schedule file with these defaults. */
function message(
  defaults: TaskDefaults,
  options: Readonly<Record<string, unknown>>,
  args: readonly unknown[] = [],
): Message {
  const written = withTaskDefaults({ task: "sample.echo", args, options }, taskDefaultsSchema.parse(defaults));
  const source = {
    entryName: "queues",
    target: targetOf(written) as TaskTarget,
    defaultQueue: "celery",
    origin: "beat@test",
  };
  return buildMessage({ ...source, id: randomUUID(), fireAt: Date.now(), nextFireAt: null });
}

async function send(url: string, messages: readonly Message[]): Promise<void> {
  await using open = await available(url);
  for (const outcome of await publish(open.broker, messages)) assert.deepEqual(outcome, { result: "confirmed" });
}

async function withWorker(version: CeleryVersion, conf: TaskDefaults, queues: readonly string[]) {
  const file = join(folder, `received-${randomUUID()}.jsonl`);
  const env = { BEAT_RECEIVED: file, BEAT_CONF: JSON.stringify(conf), BEAT_ONE_AT_A_TIME: "1" };
  return { file, worker: await startWorker({ version, brokerUrl: rabbitmq.url, queues, env }) };
}

for (const version of celeryVersions) {
  test(`a worker of ${version} runs the highest priority first`, async () => {
    const queue = `ranked-${version}`;
    const conf = { task_default_queue: queue, task_queue_max_priority: 10 };
    const priorities = [0, 9, 5, 3, 10, 1];
    await send(
      `${rabbitmq.url}?declare=create`,
      priorities.map((priority) => message(conf, { priority }, [priority])),
    );
    const { file, worker } = await withWorker(version, conf, [queue]);
    try {
      const received = await untilReceived(file, priorities.length, worker);
      assert.deepEqual(
        received.map(({ args }) => args[0]),
        [10, 9, 5, 3, 1, 0],
      );
    } finally {
      await worker.stop();
    }
  });
}

test("a worker of 5.7.0 reads quorum queues through a topic exchange, and RabbitMQ holds what is not due", async () => {
  const conf = {
    task_default_queue: "held",
    task_default_exchange: "holding",
    task_default_exchange_type: "topic",
    task_default_routing_key: "holding.held",
    task_default_queue_type: "quorum",
    task_queues: {
      held: { routing_key: "holding.held", queue_arguments: { "x-queue-type": "quorum" } },
      straight: {
        exchange: "straight",
        exchange_type: "direct",
        routing_key: "straight",
        queue_arguments: { "x-queue-type": "quorum", "x-delivery-limit": 9 },
      },
    },
  } as const;
  const [early, direct] = [message(conf, {}), message(conf, { queue: "straight" })];
  assert.deepEqual([early.exchange, direct.exchange], ["holding", ""]);
  await send(`${rabbitmq.url}?declare=create`, [early, direct]);
  const { file, worker } = await withWorker("5.7.0", conf, ["held", "straight"]);
  try {
    await untilReceived(file, 2, worker);
    const later = [message(conf, { countdown: 3 }), message(conf, { queue: "straight", countdown: 3 })];
    await send(`${rabbitmq.url}?native_delayed_delivery=true`, later);
    await untilReceived(file, 4, worker);
    const received = await receivedIn(file);
    assert.deepEqual(new Set(received.map(({ id }) => id)), new Set([early, direct, ...later].map(({ id }) => id)));
    for (const { id, routing_key: key, at, eta } of received) {
      const isLater = later.some((each) => each.id === id);
      assert.equal(/^([01][.]){28}/.test(key), isLater, `${key} is the way through the queues that hold messages`);
      if (isLater) assert.ok(at * 1_000 >= Date.parse(eta!), "not before its time");
    }
  } finally {
    await worker.stop();
  }
});
