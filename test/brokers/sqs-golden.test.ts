// What kombu's client left in SQS, taken apart and put together by Beat: the same bodies, and the same attributes beside them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { sqsEntryOf } from "../../src/brokers/sqs-entry.ts";
import type { Message } from "../../src/core/ports.ts";

interface Capture {
  readonly raw: readonly {
    readonly Body: string;
    readonly Attributes: { readonly MessageGroupId?: string };
  }[];
}

function messageOf(envelope: string): Message {
  const { body, headers, properties, ...content } = JSON.parse(envelope);
  const { correlation_id: id, reply_to: replyTo, delivery_mode, delivery_info, priority, ...more } = properties;
  const { body_encoding: _, delivery_tag: __, ...own } = more;
  return {
    id,
    queue: delivery_info.routing_key,
    exchange: delivery_info.exchange,
    routingKey: delivery_info.routing_key,
    headers,
    body: Buffer.from(body, "base64"),
    contentType: content["content-type"],
    contentEncoding: content["content-encoding"],
    priority,
    persistent: delivery_mode === 2,
    replyTo,
    properties: own,
    expiresAt: null,
  };
}

/** Only the tag is Beat's own: it has to be new. */
function untagged(envelope: string): string {
  return envelope.replace(JSON.parse(envelope).properties.delivery_tag, "");
}

for (const version of ["5.2.7", "5.3.6", "5.4.0", "5.5.3", "5.6.x", "5.7.0"]) {
  const cases: Readonly<Record<string, Capture>> = JSON.parse(
    readFileSync(new URL(`../golden/sqs-celery-${version}.json`, import.meta.url), "utf8"),
  );
  suite(`Celery ${version}`, () => {
    for (const [name, { raw }] of Object.entries(cases)) {
      const isBase64 = name !== "b64off";
      for (const [index, { Body, Attributes }] of raw.entries()) {
        test(`${name} ${index}`, () => {
          const envelope = isBase64 ? Buffer.from(Body, "base64").toString() : Body;
          const message = messageOf(envelope);
          const entry = sqsEntryOf(message, isBase64, 0);
          assert.ok("MessageBody" in entry);
          const written = isBase64 ? Buffer.from(entry.MessageBody, "base64").toString() : entry.MessageBody;
          assert.equal(untagged(written), untagged(envelope));
          assert.equal(entry.MessageGroupId, Attributes.MessageGroupId);
          assert.equal(entry.MessageDeduplicationId, name === "fifo" ? message.id : undefined);
        });
      }
    }
  });
}
