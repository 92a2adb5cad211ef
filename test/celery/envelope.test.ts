import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { encodeEnvelope, expirationOf } from "../../src/celery/envelope.ts";
import { messageOf } from "../brokers/golden-envelope.ts";

const golden = (name: string) => JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), "utf8"));

/** Takes an envelope apart and writes it again. */
function rewritten(text: string): string {
  const now = 1_000;
  return encodeEnvelope(messageOf(text, now), JSON.parse(text).properties.delivery_tag, now);
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
