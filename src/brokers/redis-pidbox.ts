// Questions to workers over Redis: published on a channel that every worker listens to, and answered into a list.

import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { encodeEnvelope } from "../celery/envelope.ts";
import { type Answers, answersIn, pidboxExchange, pidboxQuestion, pidboxReplyExchange } from "../celery/pidbox.ts";
import { BrokerError } from "../core/errors.ts";
import type { AskOptions } from "./pidbox.ts";
import { parseRedisUrl, type RedisAddress } from "./redis-address.ts";
import { connectRedis } from "./redis-client.ts";
import { connectFailure } from "./redis-failure.ts";

const lookEveryMs = 100;
/** kombu's, between the parts of what binds a queue to an exchange. */
const separator = "\x06\x16";

export async function askByRedis(url: string, method: string, { clock, waitMs }: AskOptions): Promise<Answers> {
  const address = parseRedisUrl(url);
  const { prefix } = address.keys;
  const refuse = (error: unknown) => {
    throw new BrokerError(connectFailure(error, address).reason, { cause: error });
  };
  const redis = await connectRedis(address, new AbortController().signal, clock).catch(refuse);
  const question = { ticket: randomUUID(), address: randomUUID() };
  const queue = `${question.address}.${pidboxReplyExchange}`;
  const bindings = `${prefix}_kombu.binding.${pidboxReplyExchange}`;
  const binding = [question.address, "", queue].join(separator);
  try {
    await redis.sadd(bindings, binding);
    const envelope = questionEnvelope(method, question, clock.now());
    for (const channel of channelsOf(address)) await redis.publish(channel, envelope);
    const answers = new Map<string, unknown>();
    for (let waitedMs = 0; waitedMs < waitMs; waitedMs += lookEveryMs) {
      await new Promise<void>((resolve) => clock.setTimer(lookEveryMs, resolve));
      for (const [worker, answer] of await takeAnswers(redis, prefix + queue)) answers.set(worker, answer);
    }
    return answers;
  } catch (error) {
    return refuse(error);
  } finally {
    await Promise.allSettled([redis.srem(bindings, binding), redis.del(prefix + queue)]);
    redis.disconnect();
  }
}

/** Behind Sentinels, kombu up to 5.3 listens where the database's number was never filled in. */
export function channelsOf({ database, target, keys: { prefix } }: RedisAddress): string[] {
  const names = "masterName" in target ? [String(database), "{db}"] : [String(database)];
  return names.map((name) => `${prefix}/${name}.${pidboxExchange}`);
}

function questionEnvelope(method: string, question: Parameters<typeof pidboxQuestion>[1], now: number): string {
  const message = {
    id: question.ticket,
    queue: "",
    exchange: pidboxExchange,
    routingKey: "",
    headers: { clock: 1, expires: 0 },
    body: Buffer.from(JSON.stringify(pidboxQuestion(method, question))),
    contentType: "application/json",
    contentEncoding: "utf-8",
    priority: 0,
    persistent: false,
    replyTo: "",
    expiresAt: null,
  };
  return encodeEnvelope(message, randomUUID(), now);
}

async function takeAnswers(redis: Redis, list: string): Promise<[string, unknown][]> {
  const found: [string, unknown][] = [];
  for (let envelope = await redis.rpop(list); envelope !== null; envelope = await redis.rpop(list)) {
    const { body } = JSON.parse(envelope) as { readonly body: string };
    found.push(...answersIn(Buffer.from(body, "base64").toString()));
  }
  return found;
}
