// kombu's JSON envelope: how a message travels over transports that know nothing of headers and properties (databases,
// files, Redis, SQS). Byte for byte what kombu writes.

import type { Message } from "../core/ports.ts";
import { pythonJson } from "./python.ts";

/** `deliveryTag`: unique among all messages that a worker holds; kombu uses a version 4 UUID. `now` turns the expiry into a time to live. */
export function encodeEnvelope(message: Message, deliveryTag: string, now: number): string {
  const properties = {
    correlation_id: message.id,
    reply_to: message.replyTo,
    ...message.properties,
    delivery_mode: message.persistent ? 2 : 1,
    ...(message.expiresAt !== null && { expiration: expirationOf(message.expiresAt, now) }),
    delivery_info: { exchange: message.exchange, routing_key: message.routingKey },
    priority: message.priority,
    body_encoding: "base64",
    delivery_tag: deliveryTag,
  };
  return pythonJson({
    body: message.body.toString("base64"),
    "content-encoding": message.contentEncoding,
    "content-type": message.contentType,
    headers: message.headers,
    properties,
  });
}

/** Ten years: RabbitMQ closes the channel of whoever asks for more. Workers look at the `expires` header in any case. */
const maxExpirationMs = 315_360_000_000;

/** The property `expiration`: whole milliseconds from `now`, as a text. */
export function expirationOf(expiresAt: number, now: number): string {
  return String(Math.min(Math.max(0, Math.round(expiresAt - now)), maxExpirationMs));
}
