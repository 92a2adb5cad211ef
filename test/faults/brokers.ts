// The brokers that faults are tried with: what a row may do to one, and how a plain consumer takes everything from a queue.

import { connect } from "amqplib";
import { Redis } from "ioredis";
import type { Delivery } from "../checker/evidence.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { startRedis } from "../servers/redis.ts";

/** Calls `take` for each message, and `ended` once when it can go on no longer. Resolves, when it has begun, with what ends it. */
export type Tap = (
  queue: string,
  take: (delivery: Delivery) => void,
  ended: () => void,
) => Promise<() => Promise<void>>;

export interface FaultyBroker {
  readonly name: "RabbitMQ" | "Redis";
  readonly url: string;
  readonly port: number;
  readonly tap: Tap;
  /** What Beat says of it while it is `blocked`. */
  readonly blockedText: RegExp;
  /** Like a power cut: what it confirmed is there after a `start`. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** It has no memory left, and takes nothing. */
  block(): Promise<unknown>;
  unblock(): Promise<unknown>;
  stop(): Promise<void>;
}

export async function faultyRabbitmq(): Promise<FaultyBroker> {
  const server = await startRabbitmq();
  const memory = (share: string) => server.rabbitmqctl("set_vm_memory_high_watermark", share);
  return {
    ...server,
    name: "RabbitMQ",
    tap: rabbitmqTap(server.url),
    blockedText: /takes no messages now/,
    block: () => memory("0.0000001"),
    unblock: () => memory("0.6"),
  };
}

export async function faultyRedis(): Promise<FaultyBroker> {
  const server = await startRedis();
  const memory = (bytes: number) => server.client.config("SET", "maxmemory", bytes);
  return {
    ...server,
    name: "Redis",
    tap: redisTap(server.url),
    blockedText: /has no memory left/,
    block: () => memory(1),
    unblock: () => memory(0),
  };
}

/** Declares the queue, as a worker would. */
export function rabbitmqTap(url: string): Tap {
  return async (queue, take, ended) => {
    const connection = await connect(url);
    const close = () => connection.close().catch(() => undefined);
    connection.on("error", () => undefined);
    connection.on("close", ended);
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    channel.on("close", close);
    await channel.assertQueue(queue, { durable: true });
    await channel.prefetch(1_000);
    await channel.consume(queue, (message) => {
      // A queue that is deleted ends its consumers.
      if (message === null) return void close();
      take(deliveryOf(message.properties.headers as Headers, message.fields.redelivered));
      channel.ack(message);
    });
    return close;
  };
}

/**
 * Reads kombu's envelopes from the list. What it takes is kept in a list beside it until it has been written down, so that
 * nothing is lost between the two when the server dies.
 */
function redisTap(url: string): Tap {
  return async (queue, take, ended) => {
    const held = `${queue}.held`;
    const redis = new Redis(url, { protocol: 2, lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
    redis.on("error", () => undefined);
    await redis.connect();
    const write = (payloads: readonly string[], redelivered: boolean) => {
      for (const payload of payloads) take(deliveryOf(JSON.parse(payload).headers, redelivered));
    };
    write((await redis.lrange(held, 0, -1)).reverse(), true);
    await redis.del(held);
    const read = async () => {
      for (;;) {
        const first = await redis.blmove(queue, held, "RIGHT", "LEFT", 0);
        const more = redis.pipeline();
        for (let left = Math.min(1_000, await redis.llen(queue)); left > 0; left--)
          more.lmove(queue, held, "RIGHT", "LEFT");
        const moved = ((await more.exec()) ?? []).flatMap(([, payload]) =>
          typeof payload === "string" ? [payload] : [],
        );
        write([first!, ...moved], false);
        await redis.del(held);
      }
    };
    read()
      .catch(() => redis.disconnect())
      .finally(ended);
    return async () => redis.disconnect();
  };
}

type Headers = Readonly<Record<string, string | undefined>>;

function deliveryOf(headers: Headers, redelivered: boolean): Delivery {
  return {
    // Celery's own beat says neither which entry it was nor for which time.
    entry: headers["periodic_task_name"] ?? headers["task"]!,
    fireAt: headers["beat_fire_time"] === undefined ? null : Date.parse(headers["beat_fire_time"]),
    id: headers["id"]!,
    redelivered,
    at: Date.now(),
  };
}
