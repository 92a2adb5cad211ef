// How many confirmed messages a second a broker takes, each beside its raw client with the same messages in the same run.
// Beat and the raw client take turns, and the best round of each counts: what else the machine does only slows down.
//
//   npm run bench:brokers                20,000 messages
//   npm run bench:brokers -- 5000        so many

import { randomUUID } from "node:crypto";
import { connect } from "amqplib";
import { Redis } from "ioredis";
import { connectBroker } from "../src/brokers/connect.ts";
import { encodeEnvelope } from "../src/celery/envelope.ts";
import { prepareMessage } from "../src/celery/message.ts";
import type { Message } from "../src/core/ports.ts";
import { silentLog } from "../src/index.ts";
import { systemClock } from "../src/system-clock.ts";
import { startRabbitmq } from "../test/servers/rabbitmq.ts";
import { startRedis } from "../test/servers/redis.ts";

const size = Number(process.argv[2] ?? 20_000);
const rounds = 3;
/** Messages that the raw clients have unconfirmed, and that go in one pipeline. */
const window = 2_500;
const pipelined = 256;
const target = {
  kind: "task",
  task: "reports.tasks.send_daily_report",
  args: ["weekly", 7],
  kwargs: { attach: true, to: "team" },
  options: {},
} as const;
const build = prepareMessage({ entryName: "bench", target, defaultQueue: "bench", origin: "beat@bench" });
const messages = Array.from({ length: size }, () => build({ id: randomUUID(), fireAt: 0, nextFireAt: null }));

const [rabbitmq, redis] = await Promise.all([
  startRabbitmq(),
  startRedis({ settings: { appendonly: "no", appendfsync: "no" } }),
]);
try {
  const connection = await connect(rabbitmq.url);
  const admin = await connection.createChannel();
  await admin.assertQueue("bench", { durable: true });
  await compare("RabbitMQ", rabbitmq.url, rawAmqp, () => admin.purgeQueue("bench"));
  await connection.close();
  await compare("Redis", redis.url, rawRedis, () => redis.client.flushall());
} finally {
  await Promise.all([rabbitmq.stop(), redis.stop()]);
}

async function compare(
  name: string,
  url: string,
  raw: () => Promise<void>,
  clear: () => Promise<unknown>,
): Promise<void> {
  const best = { beat: 0, raw: 0 };
  const broker = await connectBroker(url, {
    clock: systemClock,
    log: silentLog,
    declareQueues: false,
    defaultQueue: "bench",
  });
  await new Promise<void>((resolve, reject) => {
    void broker.open({ available: resolve, unavailable: (reason) => reject(new Error(reason)), notice() {} });
  });
  for (let round = 0; round < rounds; round++) {
    best.raw = Math.max(best.raw, await rate(raw));
    await clear();
    best.beat = Math.max(best.beat, await rate(() => publishAll(broker)));
    await clear();
  }
  await broker.close(0);
  console.log(
    `${name}: Beat ${Math.round(best.beat)}/s, raw client ${Math.round(best.raw)}/s, ${(best.beat / best.raw).toFixed(2)}`,
  );
}

async function rate(send: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await send();
  return size / ((performance.now() - begin) / 1_000);
}

/** As the publisher does: what a broker takes at once, and more as it confirms. */
function publishAll(broker: Awaited<ReturnType<typeof connectBroker>>): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let unconfirmed = 0;
    const fill = () => {
      const batch = messages.slice(next, next + Math.min(500, broker.window - unconfirmed));
      next += batch.length;
      unconfirmed += batch.length;
      broker.publish(batch, (_, outcome) => {
        if (outcome.result !== "confirmed") reject(new Error(outcome.reason));
        if (--unconfirmed === 0 && next === size) resolve();
        else if (next < size && broker.window - unconfirmed >= 500) fill();
      });
    };
    while (next < size && unconfirmed < broker.window) fill();
  });
}

async function rawAmqp(): Promise<void> {
  const connection = await connect(rabbitmq.url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  let unconfirmed = 0;
  let wake = () => {};
  for (const message of messages) {
    unconfirmed++;
    channel.publish("", "bench", message.body, propertiesOf(message), () => {
      unconfirmed--;
      wake();
    });
    while (unconfirmed >= window) await new Promise<void>((resolve) => (wake = resolve));
  }
  await channel.waitForConfirms();
  await connection.close();
}

function propertiesOf(message: Message) {
  return {
    headers: { ...message.headers },
    contentType: message.contentType,
    contentEncoding: message.contentEncoding,
    persistent: true,
    priority: 0,
    correlationId: message.id,
    replyTo: "",
    mandatory: true,
  };
}

/** One LPUSH for each message, many in a pipeline. */
async function rawRedis(): Promise<void> {
  const client = new Redis(redis.port, "127.0.0.1", { protocol: 2 });
  const underWay: Promise<unknown>[] = [];
  for (let next = 0; next < size; next += pipelined) {
    const pipeline = client.pipeline();
    for (const message of messages.slice(next, next + pipelined))
      pipeline.lpush("bench", encodeEnvelope(message, randomUUID(), 0));
    underWay.push(pipeline.exec());
    if (underWay.length * pipelined >= window) await underWay.shift();
  }
  await Promise.all(underWay);
  client.disconnect();
}
