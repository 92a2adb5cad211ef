import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { encodeEnvelope, expirationOf } from "../../src/celery/envelope.ts";
import type { Message } from "../../src/core/ports.ts";

interface Envelope {
  readonly body: string;
  readonly headers: Record<string, unknown>;
  readonly properties: {
    readonly correlation_id: string;
    readonly reply_to: string;
    readonly delivery_mode: number;
    readonly delivery_info: { readonly exchange: string; readonly routing_key: string };
    readonly priority: number;
    readonly delivery_tag: string;
    readonly expiration?: string;
  };
}

const golden = (name: string) => JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), "utf8"));

/** Takes an envelope apart and writes it again. */
function rewritten(text: string): string {
  const { body, headers, properties } = JSON.parse(text) as Envelope;
  const now = 1_000;
  const message: Message = {
    id: properties.correlation_id,
    queue: properties.delivery_info.routing_key,
    exchange: properties.delivery_info.exchange,
    routingKey: properties.delivery_info.routing_key,
    headers,
    body: Buffer.from(body, "base64"),
    contentType: "application/json",
    contentEncoding: "utf-8",
    priority: properties.priority,
    persistent: properties.delivery_mode === 2,
    replyTo: properties.reply_to,
    expiresAt: properties.expiration === undefined ? null : now + Number(properties.expiration),
  };
  return encodeEnvelope(message, properties.delivery_tag, now);
}

suite("byte for byte what kombu writes", () => {
  for (const version of ["5.2.7", "5.3.6", "5.4.0", "5.5.3", "5.6.x", "5.7.0"]) {
    const rows = golden(`sqla-sqlite-celery-${version}`).messages as [number, number, null, string, number, number][];
    for (const row of rows) test(`${version}: row ${row[0]}`, () => assert.equal(rewritten(row[3]), row[3]));
  }
  test("with an expiry", () => {
    const { envelope } = golden("redis-countdown-celery-5.7.0");
    assert.match(envelope, /"expiration": "120500"/);
    assert.equal(rewritten(envelope), envelope);
  });
});

test("an expiration is whole, not negative and at most ten years", () => {
  assert.equal(expirationOf(1_500, 1_000), "500");
  assert.equal(expirationOf(1_000, 1_500), "0");
  assert.equal(expirationOf(1_000.6, 0), "1001");
  assert.equal(expirationOf(400_000_000_000_000, 0), "315360000000");
});
