import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseAmqpUrl } from "../../src/brokers/amqp-address.ts";
import { connectBroker } from "../../src/brokers/connect.ts";
import { listKey, parseRedisUrl } from "../../src/brokers/redis-address.ts";
import { BrokerError } from "../../src/core/errors.ts";
import type { Log } from "../../src/core/ports.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
const connect = (url: string) =>
  connectBroker(url, { clock: new SimulatedClock(), log: silent, declareQueues: false, defaultQueue: "celery" });

suite("a URL leads to its broker", () => {
  for (const url of [
    "amqp://h//",
    "AMQPS://h",
    "memory://",
    "redis://h/1",
    "rediss://h",
    "redis+socket:///tmp/redis.sock",
    "sentinel://a:26379;b:26379/?master_name=m",
  ]) {
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
    [
      "sqlite:///b.db",
      /there is no broker for sqlite/,
      /Known: amqp:\/\/, .* redis:\/\/, .* sentinel:\/\/, sqla\+sqlite:\/\/, memory:\/\//,
    ],
    ["kafka://:s3cret@h/0", /there is no broker for kafka/, /Known/],
    ["radis://:s3cret@h/0", /there is no broker for radis/, /Did you mean redis:\/\/\?/],
    ["amqp://u:s3cret@h:port//", /amqp:\/\/u:\*\*\*@h:port\/\/ is not an AMQP URL/, /amqp:\/\/user:password@host/],
    ["amqp://u:12#s3cret@h", /is not an AMQP URL/, /%23/],
    ["amqp://u:12/s3cret@h", /is not an AMQP URL/, /%2F/],
    ["amqp://u:12?s3cret@h", /is not an AMQP URL/, /%3F/],
    ["amqp://h/?hartbeat=3", /unknown parameter "hartbeat"/, /Did you mean "heartbeat"\?/],
    ["amqp://h/?x=3", /unknown parameter "x"/, /heartbeat, connection_timeout/],
    ["amqp://h/?heartbeat=soon", /heartbeat=soon .* is not a number of seconds/, /whole number/],
    ["redis://:12/s3cret@h", /is not a Redis URL/, /%2F/],
    ["redis://:12#s3cret@h", /is not a Redis URL/, /%23/],
    ["redis://:12?s3cret@h", /is not a Redis URL/, /%3F/],
    ["redis://:12;s3cret@h", /names several hosts/, /%3B/],
    ["redis://:x;s3cret@h", /is not a Redis URL/, /%3B/],
    ["redis://:s3cret@a;redis://b", /names several hosts/, /sentinel:\/\//],
    ["redis://:s3cret@h/x", /"x" in redis:\/\/:\*\*\*@h\/x is not the number of a Redis database/, /whole number/],
    ["redis://h/?globl_keyprefix=x", /unknown parameter "globl_keyprefix"/, /Did you mean "global_keyprefix"\?/],
    ["redis://h/?ssl_cert_reqs=none", /unknown parameter "ssl_cert_reqs"/, /Known parameters: global_keyprefix/],
    ["redis://h/?priority_steps=9,3", /priority_steps=9,3 .* not ascending/, /0,3,6,9/],
    ["redis://h/?priority_steps=,", /not ascending whole numbers/, /0,3,6,9/],
    ["redis://h/?socket_connect_timeout=soon", /is not a number of seconds/, /whole number/],
    ["rediss://h/?ssl_cert_reqs=yes", /ssl_cert_reqs=yes .* is not known/, /required/],
    ["sentinel://:s3cret@h", /does not say which master/, /\?master_name=mymaster/],
    ["sentinel://a;b/3?master_name=m", /do not agree/, /with the first one/],
    ["sentinel://a;redis://b?master_name=m", /do not agree/, /with the first one/],
    ["sentinel://:x@a;sentinel://:s3cret@b?master_name=m", /do not agree/, /with the first one/],
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

suite("Redis URLs are read like kombu reads them", () => {
  const targets: readonly [string, object][] = [
    ["redis://", { at: "127.0.0.1:6379", username: "", password: "", database: 0 }],
    ["redis://h", { at: "h:6379" }],
    ["redis://h/", { database: 0 }],
    ["redis://h/5", { database: 5 }],
    ["redis://h//5", { database: 5 }],
    ["redis://:p%40s@:6380/3", { at: "127.0.0.1:6380", username: "", password: "p@s", database: 3 }],
    ["redis://:p@s@h", { at: "h:6379", password: "p@s" }],
    ["redis://u:p@[::1]:7", { at: "[::1]:7", target: { host: "::1", port: 7 }, username: "u", password: "p" }],
    ["redis+socket:///run/redis.sock", { at: "/run/redis.sock", target: { path: "/run/redis.sock" }, database: 0 }],
    ["redis+socket://:p@/run/r%20s.sock?virtual_host=4", { at: "/run/r s.sock", password: "p", database: 4 }],
  ];
  for (const [url, parts] of targets) test(url, () => assert.partialDeepStrictEqual(parseRedisUrl(url), parts));

  for (const url of [
    "sentinel://u:p@a/2;b:7?master_name=m&sentinel_password=q",
    "sentinel://u:p@a:26379/2?master_name=m;sentinel://b:7/?sentinel_password=q",
    "sentinel://u:p@a/2;sentinel://u:p@b:7/2?master_name=m&sentinel_password=q",
  ]) {
    test(url, () => {
      const { target, username, password, database, tls } = parseRedisUrl(url);
      const sentinels = [
        { host: "a", port: 26379 },
        { host: "b", port: 7 },
      ];
      assert.deepEqual(target, { sentinels, masterName: "m", sentinelUsername: "", sentinelPassword: "q" });
      assert.deepEqual([username, password, database, tls], ["u", "p", 2, undefined]);
    });
  }

  test("TLS is verified unless the URL says otherwise", () => {
    assert.equal(parseRedisUrl("redis://h").tls, undefined);
    assert.deepEqual(parseRedisUrl("rediss://h").tls?.(), { rejectUnauthorized: true });
    assert.deepEqual(parseRedisUrl("rediss://h?ssl_cert_reqs=CERT_NONE").tls?.(), { rejectUnauthorized: false });
    assert.equal(typeof parseRedisUrl("rediss://h?ssl_check_hostname=false").tls?.().checkServerIdentity, "function");
    assert.ok(parseRedisUrl("sentinel://h?master_name=m&ssl_cert_reqs=required").tls);
    assert.throws(() => parseRedisUrl("rediss://h?ssl_ca_certs=/none/ca.pem").tls?.(), /ssl_ca_certs .*ENOENT/);
  });

  test("a priority chooses the list, the low ones first", () => {
    const usual = parseRedisUrl("redis://").keys;
    const key = (priority: number) => listKey(usual, "q", priority);
    assert.deepEqual([-1, 0, 2, 3, 5, 6, 8, 9, 10, 255].map(key), [
      "q",
      "q",
      "q",
      "q\x06\x163",
      "q\x06\x163",
      "q\x06\x166",
      "q\x06\x166",
      ...Array(3).fill("q\x06\x169"),
    ]);
    const { keys } = parseRedisUrl("redis://h?global_keyprefix=app:&sep=:&priority_steps=[2,%204]");
    assert.deepEqual(
      [1, 2, 3, 4].map((priority) => listKey(keys, "q", priority)),
      ["app:q:4", "app:q:2", "app:q:2", "app:q:4"],
    );
  });
});
