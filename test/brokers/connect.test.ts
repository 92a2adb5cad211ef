import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseAmqpUrl } from "../../src/brokers/amqp-address.ts";
import { connectBroker } from "../../src/brokers/connect.ts";
import { BrokerError } from "../../src/core/errors.ts";
import type { Log } from "../../src/core/ports.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
const connect = (url: string) =>
  connectBroker(url, { clock: new SimulatedClock(), log: silent, declareQueues: false, defaultQueue: "celery" });

suite("a URL leads to its broker", () => {
  for (const url of ["amqp://h//", "AMQPS://h", "memory://"]) {
    test(url, async () => assert.equal((await connect(url)).url, url));
  }
  test("with its password masked", async () => {
    const broker = await connect("amqp://u:p%40ss@h:1/v");
    assert.equal(broker.url, "amqp://u:***@h:1/v");
    assert.doesNotMatch(JSON.stringify(broker), /p%40ss|p@ss/);
  });
});

suite("a URL that leads nowhere is refused, without its password", () => {
  const cases: readonly [string, RegExp, RegExp][] = [
    ["", /is not a broker URL/, /Known: amqp:\/\//],
    ["beat.sqlite", /"beat.sqlite" is not a broker URL/, /sqla\+sqlite:\/\//],
    ["amqp:/u:s3cret@h", /is not a broker URL/, /amqp:\/\//],
    ["u:s3cret@h", /is not a broker URL/, /amqp:\/\//],
    ["ampq://u:s3cret@h", /there is no broker for ampq:\/\/ \(in ampq:\/\/u:\*\*\*@h\)/, /Did you mean amqp:\/\/\?/],
    ["sqlite:///b.db", /there is no broker for sqlite/, /Known: amqp:\/\/, amqps:\/\/, sqla\+sqlite:\/\/, memory:\/\//],
    ["redis://:s3cret@h/0", /there is no broker for redis/, /Known/],
    ["amqp://u:s3cret@h:port//", /amqp:\/\/u:\*\*\*@h:port\/\/ is not an AMQP URL/, /amqp:\/\/user:password@host/],
    ["amqp://u:12#s3cret@h", /is not an AMQP URL/, /%23/],
    ["amqp://u:12/s3cret@h", /is not an AMQP URL/, /%2F/],
    ["amqp://u:12?s3cret@h", /is not an AMQP URL/, /%3F/],
    ["amqp://h/?hartbeat=3", /unknown parameter "hartbeat"/, /Did you mean "heartbeat"\?/],
    ["amqp://h/?x=3", /unknown parameter "x"/, /heartbeat, connection_timeout/],
    ["amqp://h/?heartbeat=soon", /heartbeat=soon .* is not a number of seconds/, /whole number/],
    ["sqla+sqlite://", /names no database file/, /four slashes/],
  ];
  for (const [url, message, remedy] of cases) {
    test(url || "empty", async () => {
      await assert.rejects(connect(url), (error) => {
        assert.ok(error instanceof BrokerError);
        assert.match(error.message, message);
        assert.match(error.remedy ?? "", remedy);
        assert.doesNotMatch(error.describe(), /s3cret/);
        return true;
      });
    });
  }
});

suite("AMQP URLs are read like kombu reads them", () => {
  const vhosts: readonly [string, string][] = [
    ["amqp://h", "/"],
    ["amqp://h/", "/"],
    ["amqp://h//", "/"],
    ["amqp://h/%2F", "/"],
    ["amqp://h/%2f", "/"],
    ["amqp://h/shop", "shop"],
    ["amqp://h//shop", "/shop"],
    ["amqp://h/a%2Fb", "a/b"],
    ["amqp://h/100%", "100%"],
    ["amqp://h/caf%C3%A9", "café"],
  ];
  for (const [url, vhost] of vhosts)
    test(`${url}: virtual host ${vhost}`, () => assert.equal(parseAmqpUrl(url).vhost, vhost));

  test("with what is left out", () => {
    assert.deepEqual(parseAmqpUrl("amqp://"), {
      protocol: "amqp",
      hostname: "127.0.0.1",
      port: 5672,
      username: "guest",
      password: "guest",
      vhost: "/",
      heartbeat: 10,
      connectTimeoutMs: 5_000,
    });
    assert.equal(parseAmqpUrl("amqps://h").port, 5671);
    assert.equal(parseAmqpUrl("amqp://u@h").password, "");
  });
  test("with all", () => {
    const address = parseAmqpUrl("amqps://me%40corp:p%40s%25:x@[::1]:5/v?heartbeat=0&connection_timeout=2");
    assert.deepEqual(address, {
      protocol: "amqps",
      hostname: "::1",
      port: 5,
      username: "me@corp",
      password: "p@s%:x",
      vhost: "v",
      heartbeat: 0,
      connectTimeoutMs: 2_000,
    });
  });
});
