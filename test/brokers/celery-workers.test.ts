// Real Celery workers execute what the brokers publish, with the arguments and headers that were sent.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { connectBroker } from "../../src/brokers/connect.ts";
import { prepareMessage } from "../../src/celery/message.ts";
import { pythonTime } from "../../src/celery/times.ts";
import type { Log } from "../../src/core/ports.ts";
import type { TaskTarget } from "../../src/core/target.ts";
import { systemClock } from "../../src/system-clock.ts";
import { publish, Told } from "../contract/broker-contract.ts";
import { celeryVersions, receivedIn, startWorker, untilReceived } from "../servers/celery.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-workers-"));
const rabbitmq = await startRabbitmq();
after(async () => {
  await rabbitmq.stop();
  await rm(folder, { recursive: true, force: true });
});
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

const fireAt = Math.floor(Date.now() / 1_000) * 1_000;
const args = ["hé中😀", 'it\'s "quoted"\n\\', 1.5, -7, 2 ** 53 - 1, true, null, [1, ["a"]], { k: { deep: [{}] } }];
const kwargs = { attach: true, ключ: "значение", empty: "", nested: { list: [] } };
const targets: readonly TaskTarget[] = [
  { kind: "task", task: "sample.echo", args, kwargs, options: {} },
  {
    kind: "task",
    task: "sample.echo",
    args: [],
    kwargs: {},
    options: {
      queue: "emails",
      priority: 5,
      expires: "1h",
      time_limit: 30,
      soft_time_limit: "20.5s",
      shadow: "shown",
      headers: { tenant: { name: "a", ids: [1, 70_000, 2 ** 40] } },
    },
  },
  {
    kind: "task",
    task: "sample.fail",
    args: ["x".repeat(5_000)],
    kwargs: {},
    options: { reply_to: "nowhere", ignore_result: false, delivery_mode: 1 },
  },
];

for (const version of celeryVersions) {
  suite(`Celery ${version}`, () => {
    test("over RabbitMQ", () => prove(version, rabbitmq.url));
    test("over the embedded database", () =>
      prove(version, `sqla+sqlite:///${join(folder, `broker-${version}.sqlite`)}`));
  });
}

async function prove(version: (typeof celeryVersions)[number], brokerUrl: string): Promise<void> {
  const broker = await connectBroker(brokerUrl, {
    clock: systemClock,
    log: silent,
    declareQueues: false,
    defaultQueue: "celery",
  });
  const told = new Told();
  await broker.open(told);
  await told.until(() => told.isAvailable);
  const file = join(folder, `received-${randomUUID()}.jsonl`);
  const worker = await startWorker({ version, brokerUrl, queues: ["celery", "emails"], env: { BEAT_RECEIVED: file } });
  try {
    const builders = targets.map((target) =>
      prepareMessage({ entryName: "täglich", target, defaultQueue: "celery", origin: "beat@test" }),
    );
    const messages = Array.from({ length: 30 }, (_, index) =>
      builders[index % builders.length]!({ id: randomUUID(), fireAt, nextFireAt: null }),
    );
    const outcomes = await publish(broker, messages);
    assert.ok(
      outcomes.every(({ result }) => result === "confirmed"),
      JSON.stringify(outcomes),
    );
    const received = await untilReceived(file, messages.length, worker);
    assert.deepEqual(received.map(({ id }) => id).toSorted(), messages.map(({ id }) => id).toSorted());
    for (const [index, { id, headers }] of messages.entries()) {
      const target = targets[index % targets.length]!;
      const { at: _, redelivered, ...run } = received.find((candidate) => candidate.id === id)!;
      assert.ok(!redelivered);
      assert.deepEqual(run, {
        task: target.task,
        id,
        args: target.args,
        kwargs: target.kwargs,
        headers: {
          celery_beat_task: true,
          periodic_task_name: "täglich",
          beat_fire_time: pythonTime(fireAt),
          tenant: target.options.headers?.["tenant"] ?? null,
        },
        expires: target.options.expires === undefined ? null : pythonTime(fireAt + 3_600_000),
        eta: null,
        timelimit: target.options.time_limit === undefined ? [null, null] : [30, 20.5],
        shadow: target.options.shadow ?? null,
        root_id: id,
        argsrepr: headers["argsrepr"],
        kwargsrepr: headers["kwargsrepr"],
        routing_key: target.options.queue ?? "celery",
      });
    }
    assert.doesNotMatch(worker.log(), /CRITICAL|Unrecoverable/);
    assert.equal((await receivedIn(file)).length, messages.length);
  } finally {
    await worker.stop();
    await broker.close(1_000);
  }
}
