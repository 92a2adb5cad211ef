// What kombu's client left in a broker, taken apart.

import assert from "node:assert/strict";
import type { Message } from "../../src/core/ports.ts";

/** `now`: the time at which it is published. */
export function messageOf(envelope: string, now: number): Message {
  const { body, headers, properties, ...content } = JSON.parse(envelope);
  return {
    id: properties.correlation_id,
    queue: properties.delivery_info.routing_key,
    exchange: properties.delivery_info.exchange,
    routingKey: properties.delivery_info.routing_key,
    headers,
    body: Buffer.from(body, "base64"),
    contentType: content["content-type"],
    contentEncoding: content["content-encoding"],
    priority: properties.priority,
    persistent: properties.delivery_mode === 2,
    replyTo: properties.reply_to,
    expiresAt: properties.expiration === undefined ? null : now + Number(properties.expiration),
  };
}

/** Only the tag is Beat's own: it has to be new. */
export function untagged(envelope: string): string {
  const { delivery_tag: tag } = JSON.parse(envelope).properties;
  assert.match(tag, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  return envelope.replace(tag, "");
}
