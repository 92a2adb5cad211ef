// What kombu's client left in Redis, taken apart and published by Beat: the same lists hold the same envelopes, in order.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, suite, test } from "node:test";
import { systemClock } from "../../src/system-clock.ts";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { startRedis } from "../servers/redis.ts";
import { messageOf, untagged } from "./golden-envelope.ts";
import { available } from "./redis-opened.ts";

interface Case {
  readonly conf: {
    readonly broker_transport_options?: {
      readonly global_keyprefix?: string;
      readonly priority_steps?: readonly number[];
      readonly sep?: string;
    };
  };
  /** Envelopes by key, the newest first. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
}

const server = await startRedis();
after(() => server.stop());
const clock = { ...systemClock, now: () => 1_000 };

for (const version of ["5.2.7", "5.3.6", "5.4.0", "5.5.3", "5.6.x", "5.7.0"]) {
  suite(`Celery ${version}`, () => {
    const cases: Readonly<Record<string, Case>> = JSON.parse(
      readFileSync(new URL(`../golden/redis-celery-${version}.json`, import.meta.url), "utf8"),
    );
    const { exch_rk: lost, ...sent } = cases;
    test("through an exchange that nobody is bound to: the client's message was nowhere, and Beat refuses it", async () => {
      assert.deepEqual(lost!.lists, {});
      await using open = await available(server.url, { clock });
      const [outcome] = await publish(open.broker, [messageTo("q", { exchange: "e" })]);
      assert.equal(outcome!.result, "refused");
    });
    for (const [name, { conf, lists }] of Object.entries(sent)) {
      test(name, async () => {
        await server.client.flushall();
        const query = new URLSearchParams(
          Object.entries(conf.broker_transport_options ?? {})
            .filter(([option]) => ["global_keyprefix", "priority_steps", "sep"].includes(option))
            .map(([option, value]): [string, string] => [option, String(value)]),
        );
        await using open = await available(`${server.url}?${query}`, { clock });
        const messages = Object.values(lists).flatMap((list) =>
          list.toReversed().map((envelope) => messageOf(envelope, clock.now())),
        );
        for (const outcome of await publish(open.broker, messages)) assert.equal(outcome.result, "confirmed");
        assert.deepEqual((await server.client.keys("*")).toSorted(), Object.keys(lists).toSorted());
        for (const [key, envelopes] of Object.entries(lists)) {
          const published = await server.client.lrange(key, 0, -1);
          assert.deepEqual(published.map(untagged), envelopes.map(untagged));
        }
      });
    }
  });
}
