// What kombu's client left in SQS, taken apart and put together by Beat: the same bodies, and the same attributes beside them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { parseSqsUrl, sqsNameOf } from "../../src/brokers/sqs-address.ts";
import { sqsEntryOf } from "../../src/brokers/sqs-entry.ts";
import type { Message } from "../../src/core/ports.ts";
import { messageTo } from "../contract/broker-contract.ts";

interface Capture {
  readonly raw: readonly {
    readonly Body: string;
    readonly Attributes: { readonly MessageGroupId?: string };
  }[];
}

type Attributes = Readonly<Record<string, string>>;
type Captures = Readonly<Record<string, Capture>> & {
  readonly queues: Readonly<Record<string, Attributes>>;
  readonly dotname: readonly string[];
  readonly prove: Readonly<Record<string, boolean>>;
};

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
  const { queues, dotname, prove, ...cases }: Captures = JSON.parse(
    readFileSync(new URL(`../golden/sqs-celery-${version}.json`, import.meta.url), "utf8"),
  );
  suite(`Celery ${version}`, () => {
    test("queues, by kombu's names and with its timeout", () => {
      const { visibilityTimeout } = parseSqsUrl("sqs://");
      for (const [name, { VisibilityTimeout }] of Object.entries(queues))
        assert.equal(visibilityTimeout, Number(VisibilityTimeout), name);
      // Without a deduplication id of its own a second send would be a second message.
      assert.equal(queues["q.fifo"]!["ContentBasedDeduplication"], "false");
      const names = ["celery", "q.fifo", "a.b:c"].map((queue) => sqsNameOf(queue, { queueNamePrefix: "hg-" }));
      assert.deepEqual(
        names,
        dotname.map((url) => url.split("/").at(-1)),
      );
    });
    test("workers ran what was sent in either form, to either kind of queue, and nothing without an envelope", () => {
      const { "bare v1 dict, no envelope": bare, ...sent } = prove;
      assert.ok(Object.values(sent).every(Boolean) && !bare);
      for (const isBase64 of [true, false]) {
        const entry = sqsEntryOf(messageTo("q.fifo"), isBase64, 0);
        assert.ok("MessageBody" in entry && entry.MessageGroupId === "default" && entry.MessageDeduplicationId);
        assert.equal(entry.MessageBody.startsWith("{"), !isBase64);
      }
    });
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
