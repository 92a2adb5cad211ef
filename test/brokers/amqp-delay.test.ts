// Where Celery's client sends what RabbitMQ holds, and where Beat does.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { delayedRoutingKey, delayOf, firstDelayExchange } from "../../src/brokers/amqp-delay.ts";
import type { Message } from "../../src/core/ports.ts";
import { golden } from "../celery/captures.ts";
import { messageTo } from "../contract/broker-contract.ts";

const now = Date.UTC(2027, 0, 1);
const at = (ms: number, more: Partial<Message> = {}) =>
  messageTo("q", { headers: { eta: new Date(now + ms).toISOString() }, ...more });

suite("messages of the Celery client, 5 s ahead", () => {
  for (const [version, { exchange, routing_key: key }] of Object.entries<{ exchange: string; routing_key: string }>(
    golden("amqp-delayed"),
  )) {
    test(version, () => {
      assert.equal(firstDelayExchange, exchange);
      assert.equal(delayedRoutingKey(5, "hg_qq"), key);
    });
  }
});

test("whole seconds wait there; less than one, and more than 28 digits, a worker holds", () => {
  const cases: readonly [number, number | undefined][] = [
    [-5_000, undefined],
    [999, undefined],
    [1_000, 1],
    [5_999, 5],
    [2 ** 28 * 1_000 - 1, 2 ** 28 - 1],
    [2 ** 28 * 1_000, undefined],
  ];
  for (const [ms, seconds] of cases) assert.equal(delayOf(at(ms), now), seconds, String(ms));
  assert.equal(delayOf(messageTo("q"), now), undefined);
});

test("through an exchange only where the digits mean something to it", () => {
  const through = (exchangeType: "direct" | "topic" | "fanout") => {
    const declaration = { queue: "q", arguments: {}, exchange: "e", exchangeType, routingKey: "k" };
    return delayOf(at(5_000, { exchange: "e", routingKey: "k", declaration }), now);
  };
  assert.deepEqual([through("direct"), through("topic"), through("fanout")], [undefined, 5, 5]);
  assert.equal(delayOf(at(5_000, { exchange: "e", routingKey: "k" }), now), undefined);
});
