// How many confirmed messages a second a broker takes, each beside its raw client with the same messages in the same run.
// Beat and the raw client take turns, and the best round of each counts: what else the machine does only slows down.
//
//   npm run bench:brokers                20,000 messages
//   npm run bench:brokers -- 5000        so many

import { randomUUID } from "node:crypto";
import { DeleteQueueCommand, SendMessageBatchCommand, SQSClient } from "@aws-sdk/client-sqs";
import { connect } from "amqplib";
import { Redis } from "ioredis";
import { connectBroker } from "../src/brokers/connect.ts";
import { rqJobOf } from "../src/brokers/rq-job.ts";
import { sqsEntryOf } from "../src/brokers/sqs-entry.ts";
import { encodeEnvelope } from "../src/celery/envelope.ts";
import { prepareMessage } from "../src/celery/message.ts";
import type { Message } from "../src/core/ports.ts";
import { silentLog } from "../src/index.ts";
import { systemClock } from "../src/system-clock.ts";
import { startMoto } from "../test/servers/moto.ts";
import { startPostgres } from "../test/servers/postgres.ts";
import { startRabbitmq } from "../test/servers/rabbitmq.ts";
import { startRedis } from "../test/servers/redis.ts";
import { benchFolder, rawFiles, rawPostgres } from "./brokers_embedded.ts";

const size = Number(process.argv[2] ?? 20_000);
const rounds = 3;
/** Messages that the raw clients have unconfirmed, and that go in one pipeline. */
const window = 2_500;
const pipelined = 256;
/** What a request to SQS takes, and how many requests are under way. The server is moto, in Python: it gets a tenth of the messages. */
const sqs = { batch: 10, requests: 16, share: 0.1 };
/** Files are slow to make, each being synced. */
const shareOfFiles = 0.2;
const target = {
  kind: "task",
  task: "reports.tasks.send_daily_report",
  args: ["weekly", 7],
  kwargs: { attach: true, to: "team" },
  options: {},
} as const;
const build = prepareMessage({ entryName: "bench", target, defaultQueue: "bench", origin: "beat@bench" });
const messages = Array.from({ length: size }, () => build({ id: randomUUID(), fireAt: 0, nextFireAt: null }));

const [rabbitmq, redis, moto, postgres, folder] = await Promise.all([
  startRabbitmq(),
  startRedis({ settings: { appendonly: "no", appendfsync: "no" } }),
  startMoto(),
  startPostgres({ settings: { fsync: "on" } }),
  benchFolder(),
]);
try {
  const connection = await connect(rabbitmq.url);
  const admin = await connection.createChannel();
  await admin.assertQueue("bench", { durable: true });
  await compare("RabbitMQ", rabbitmq.url, rawAmqp, () => admin.purgeQueue("bench"));
  await connection.close();
  await compare("Redis", redis.url, rawRedis, () => redis.client.flushall());
  const delivered = () => postgres.sql("TRUNCATE kombu_message");
  await compare("PostgreSQL", postgres.url, () => rawPostgres(postgres, messages), delivered);
  const files = messages.slice(0, Math.ceil(size * shareOfFiles));
  const url = `filesystem://?data_folder_out=${encodeURIComponent(folder.path)}`;
  await compare("Files", url, () => rawFiles(folder.path, files), folder.clear, files);
  await compare("RQ", `rq+${redis.url}`, rawRq, () => redis.client.flushall());
  const queueUrl = await moto.create("bench");
  const empty = async () => {
    await moto.client.send(new DeleteQueueCommand({ QueueUrl: queueUrl }));
    await moto.create("bench");
  };
  const few = messages.slice(0, Math.ceil(size * sqs.share));
  await compare("SQS (moto)", `sqs://key:secret@127.0.0.1:${moto.port}`, () => rawSqs(few, queueUrl), empty, few);
} finally {
  await Promise.all([rabbitmq.stop(), redis.stop(), moto.stop(), postgres.stop(), folder.remove()]);
}

async function compare(
  name: string,
  url: string,
  raw: () => Promise<void>,
  clear: () => Promise<unknown>,
  sent: readonly Message[] = messages,
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
    best.raw = Math.max(best.raw, await rate(raw, sent.length));
    await clear();
    best.beat = Math.max(best.beat, await rate(() => publishAll(broker, sent), sent.length));
    await clear();
  }
  await broker.close(0);
  console.log(
    `${name}: Beat ${Math.round(best.beat)}/s, raw client ${Math.round(best.raw)}/s, ${(best.beat / best.raw).toFixed(2)}`,
  );
}

async function rate(send: () => Promise<void>, count: number): Promise<number> {
  const begin = performance.now();
  await send();
  return count / ((performance.now() - begin) / 1_000);
}

/** As the publisher does: what a broker takes at once, and more as it confirms. */
function publishAll(broker: Awaited<ReturnType<typeof connectBroker>>, sent: readonly Message[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let unconfirmed = 0;
    const fill = () => {
      const batch = sent.slice(next, next + Math.min(500, broker.window - unconfirmed));
      next += batch.length;
      unconfirmed += batch.length;
      broker.publish(batch, (_, outcome) => {
        if (outcome.result !== "confirmed") reject(new Error(outcome.reason));
        if (--unconfirmed === 0 && next === sent.length) resolve();
        else if (next < sent.length && broker.window - unconfirmed >= 500) fill();
      });
    };
    while (next < sent.length && unconfirmed < broker.window) fill();
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

/** What RQ's client sends for many jobs at once, in one transaction. */
async function rawRq(): Promise<void> {
  const client = new Redis(redis.port, "127.0.0.1", { protocol: 2 });
  const underWay: Promise<unknown>[] = [];
  for (let next = 0; next < size; next += pipelined) {
    const pipeline = client.multi();
    for (const message of messages.slice(next, next + pipelined)) {
      const job = rqJobOf(message, 0);
      if ("refusal" in job) throw new Error(job.refusal);
      pipeline.sadd("rq:queues", "rq:queue:bench").hset(`rq:job:${job.id}`, ...job.fields.flat());
      pipeline.rpush("rq:queue:bench", job.id);
    }
    underWay.push(pipeline.exec());
    if (underWay.length * pipelined >= window) await underWay.shift();
  }
  await Promise.all(underWay);
  client.disconnect();
}

/** Full batches, several under way. */
async function rawSqs(sent: readonly Message[], QueueUrl: string): Promise<void> {
  const client = new SQSClient({
    region: "us-east-1",
    endpoint: `http://127.0.0.1:${moto.port}`,
    credentials: { accessKeyId: "key", secretAccessKey: "secret" },
  });
  let next = 0;
  const sender = async () => {
    while (next < sent.length) {
      const batch = sent.slice(next, next + sqs.batch);
      next += batch.length;
      const Entries = batch.map((message, index) => {
        const entry = sqsEntryOf(message, true, 0);
        if ("refusal" in entry) throw new Error(entry.refusal);
        return { Id: String(index), ...entry };
      });
      await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    }
  };
  await Promise.all(Array.from({ length: sqs.requests }, sender));
  client.destroy();
}
