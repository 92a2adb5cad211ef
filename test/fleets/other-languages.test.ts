// Messages are Celery's own, not Python's: celery-node's worker runs them, over RabbitMQ and over Redis.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { connectBroker } from "../../src/brokers/connect.ts";
import { buildMessage } from "../../src/celery/message.ts";
import { silentLog } from "../../src/log.ts";
import { systemClock } from "../../src/system-clock.ts";
import { publish, Told } from "../contract/broker-contract.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { startRedis } from "../servers/redis.ts";

const script = join(import.meta.dirname, "../servers/node_worker.cjs");
const queue = "nodes";
const args = ["hé中😀", 1.5, null, [1, { deep: [true] }]];
const kwargs = { attach: true, ключ: "значение" };

for (const [name, start] of [
  ["RabbitMQ", startRabbitmq],
  ["Redis", startRedis],
] as const) {
  test(`celery-node runs what Beat sends over ${name}`, async () => {
    const server = await start();
    const worker = spawn(process.execPath, [script, server.url, server.url, queue], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let complaints = "";
    worker.stderr.on("data", (text) => (complaints += text));
    const lines = createInterface({ input: worker.stdout })[Symbol.asyncIterator]();
    const options = { clock: systemClock, log: silentLog, declareQueues: false, defaultQueue: queue };
    const broker = await connectBroker(server.url, options);
    try {
      assert.equal((await lines.next()).value, "ready", complaints);
      const told = new Told();
      await broker.open(told);
      await told.until(() => told.isAvailable);
      const messages = ([2, 1] as const).map((protocol) =>
        buildMessage({
          entryName: "täglich",
          target: {
            kind: "task",
            task: "sample.echo",
            args: [protocol, ...args],
            kwargs,
            options: { task_protocol: protocol, expires: "1h" },
            broker: "default",
          },
          defaultQueue: queue,
          origin: "beat@test",
          id: randomUUID(),
          fireAt: Date.now(),
          nextFireAt: null,
        }),
      );
      for (const outcome of await publish(broker, messages)) assert.deepEqual(outcome, { result: "confirmed" });
      // Protocol 2's headers name the task; protocol 1's body does.
      for (const protocol of [2, 1])
        assert.deepEqual(JSON.parse((await lines.next()).value ?? complaints), [protocol, ...args, kwargs]);
    } finally {
      worker.kill();
      await broker.close(1_000);
      await server.stop();
    }
  });
}
