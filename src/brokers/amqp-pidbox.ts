// Questions to workers over RabbitMQ: a fan-out exchange that every worker's own queue is bound to, and a queue for the answers.

import { randomUUID } from "node:crypto";
import type { Channel } from "amqplib";
import { type Answers, answersIn, pidboxExchange, pidboxQuestion, pidboxReplyExchange } from "../celery/pidbox.ts";
import { BrokerError } from "../core/errors.ts";
import { parseAmqpUrl } from "./amqp-address.ts";
import { connectTo } from "./amqp-connect.ts";
import { Failover, failureOf } from "./amqp-failover.ts";
import { channelFailure, codeOf } from "./amqp-failure.ts";
import type { AskOptions } from "./pidbox.ts";

export async function askByAmqp(url: string, method: string, { clock, waitMs }: AskOptions): Promise<Answers> {
  const address = parseAmqpUrl(url);
  const connection = await new Failover(address.hosts, undefined)
    .open(new AbortController(), (host, { signal }) => connectTo(address, host, signal))
    .catch((error) => {
      throw new BrokerError(failureOf(error).reason, { cause: error });
    });
  connection.on("error", () => undefined); // What is under way rejects with it.
  try {
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    const answers = new Map<string, unknown>();
    await ask(channel, method, answers);
    await new Promise<void>((resolve) => clock.setTimer(waitMs, resolve));
    return answers;
  } catch (error) {
    // No worker has ever run here.
    if (codeOf(error) === "404") return new Map();
    throw new BrokerError(`the workers can't be asked: ${channelFailure(error)}`, { cause: error });
  } finally {
    await connection.close().catch(() => undefined);
  }
}

async function ask(channel: Channel, method: string, answers: Map<string, unknown>): Promise<void> {
  const [ticket, address] = [randomUUID(), randomUUID()];
  await channel.checkExchange(pidboxExchange);
  await channel.assertExchange(pidboxReplyExchange, "direct", { durable: false });
  const queue = `${address}.${pidboxReplyExchange}`;
  await channel.assertQueue(queue, { durable: false, exclusive: true, autoDelete: true });
  await channel.bindQueue(queue, pidboxReplyExchange, address);
  await channel.consume(
    queue,
    (message) => {
      if (message?.properties.headers?.["ticket"] !== ticket) return;
      for (const [worker, answer] of answersIn(message.content.toString())) answers.set(worker, answer);
    },
    { noAck: true },
  );
  channel.publish(pidboxExchange, "", Buffer.from(JSON.stringify(pidboxQuestion(method, { ticket, address }))), {
    contentType: "application/json",
    contentEncoding: "utf-8",
    headers: { clock: 1, expires: 0 },
  });
}
