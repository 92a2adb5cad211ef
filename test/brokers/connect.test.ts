import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parseAmqpUrl } from "../../src/brokers/amqp-address.ts";
import { checkBrokerUrl, connectBroker } from "../../src/brokers/connect.ts";
import { listKey, parseRedisUrl } from "../../src/brokers/redis-address.ts";
import { BrokerError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { celeryVenv, celeryVersions } from "../servers/celery.ts";

const connect = (url: string) =>
  connectBroker(url, { clock: new SimulatedClock(), log: silentLog, declareQueues: false, defaultQueue: "celery" });

suite("a URL leads to its broker", () => {
  for (const url of [
    "amqp://h//",
    "AMQPS://h",
    "pyamqp://guest@localhost//",
    "librabbitmq://h;h2",
    "memory://",
    "redis://h/1",
    "rediss://h",
    "redis+socket:///tmp/redis.sock",
    "sentinel://a:26379;b:26379/?master_name=m",
    "sqla+postgresql://h/d",
    "db+postgresql+psycopg2://h/d",
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
      /Known: amqp:\/\/, .* redis:\/\/, .* sentinel:\/\/, sqla\+sqlite:\/\/, .*memory:\/\//,
    ],
    [
      "kafka://:s3cret@h/0",
      /there is no broker for kafka:\/\/ \(in kafka:\/\/:\*\*\*@h\/0\): Celery has one, and Beat does not/,
      /docs\/brokers\.md .*"Brokers that are not there"\. Known: amqp/,
    ],
    ["azureservicebus://p:s3cret@ns", /Celery has one/, /docs\/brokers\.md/],
    ["mongodb+srv://u:s3cret@h/db", /Celery has one/, /docs\/brokers\.md/],
    ["sqla+mysql://u:s3cret@h/db", /Celery has one/, /docs\/brokers\.md/],
    ["rq+redis://:s3cret@h?sep=x", /unknown parameter "sep"/, /RQ has no such thing/],
    ["filesystem:///tmp", /is not a filesystem URL|names no folder/, /data_folder_out/],
    ["sqla+postgresql://u:s3cret@h:0/d", /names several hosts, or no port/, /primary/],
    ["radis://:s3cret@h/0", /there is no broker for radis/, /Did you mean redis:\/\/\?/],
    ["amqp://u:s3cret@h:port//", /amqp:\/\/u:\*\*\*@h:port\/\/ is not an AMQP URL/, /amqp:\/\/user:password@host/],
    ["amqp://u:s3cret", /amqp:\/\/u:\*\*\* is not an AMQP URL/, /amqp:\/\/user:password@host/],
    ["redis://:s3cret/0", /redis:\/\/:\*\*\*\/0 is not a Redis URL/, /user:password@host/],
    ["sqs://K:s3cret?region=r", /sqs:\/\/K:\*\*\*\?region=r is not an SQS URL/, /sqs:\/\/key:secret@/],
    ["amqp://u:12#s3cret@h", /is not an AMQP URL/, /%23/],
    ["amqp://u:12/s3cret@h", /is not an AMQP URL/, /%2F/],
    ["amqp://u:12?s3cret@h", /is not an AMQP URL/, /%3F/],
    ["amqp://h/?hartbeat=3", /unknown parameter "hartbeat"/, /Did you mean "heartbeat"\?/],
    ["amqp://h/?task_queue_max_priority=9", /unknown parameter "task_queue_max_priority"/, /under `defaults`/],
    ["pyamqp://u:s3cret@h:port//", /pyamqp:\/\/u:\*\*\*@h:port\/\/ is not an AMQP URL/, /amqp:\/\/user:password@host/],
    ["amqp://h/?x=3", /unknown parameter "x"/, /heartbeat, connection_timeout/],
    ["amqp://h/?heartbeat=soon", /heartbeat=soon .* is not a number of seconds/, /whole number/],
    ["amqp://u:12;s3cret@h", /is not an AMQP URL|hosts .* not clear/, /%3B/],
    ["amqp://a//;u:s3cret@b", /the hosts of .* are not clear/, /host:port after the first/],
    ["amqp://a//;redis://b", /is not an AMQP URL/, /amqp:/],
    ["amqp://h/?ssl_ca_certs=x", /unknown parameter "ssl_ca_certs"/, /Known parameters: heartbeat/],
    ["amqp://h/?declare=crate", /declare=crate .* is not known/, /Did you mean create\?/],
    ["amqp://h/?native_delayed_delivery=1", /native_delayed_delivery=1 .* is not known/, /true, false/],
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
      for (const refused of [connect, checkBrokerUrl]) {
        await assert.rejects(refused(url), (error) => {
          assert.ok(error instanceof BrokerError);
          assert.match(error.message, message);
          assert.match(error.remedy ?? "", remedy);
          assert.doesNotMatch(error.describe(), /s3cret/);
          return true;
        });
      }
    });
  }
});

suite("kombu's transports are Beat's brokers, or docs/brokers.md says why not", async () => {
  const docs = await readFile(join(import.meta.dirname, "../../docs/brokers.md"), "utf8");
  for (const version of celeryVersions) {
    test(`Celery ${version}`, async () => {
      const program = "import kombu.transport as t; print(*t.TRANSPORT_ALIASES)";
      const { stdout, stderr } = spawnSync(await celeryVenv(version), ["-c", program], { encoding: "utf8" });
      const names = stdout.trim().split(" ");
      assert.ok(names.includes("amqp") && names.includes("mongodb"), stderr);
      for (const name of names.map((each) => each.toLowerCase()).filter((each) => !/^sqla/.test(each))) {
        const reason = await checkBrokerUrl(`${name}://h`).then(
          () => "",
          (error: BrokerError) => error.message,
        );
        assert.doesNotMatch(reason, /there is no broker(?!.*Celery has one)/, name);
        if (reason.includes("Celery has one")) assert.ok(docs.includes(`\`${name}://\``), name);
      }
    });
  }
});

test("a URL is checked without opening or creating anything", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "beat-checked-"));
  context.after(() => rm(folder, { recursive: true }));
  await checkBrokerUrl(`sqla+sqlite:///${folder}/broker.sqlite`);
  await checkBrokerUrl(`filesystem://?data_folder_out=${folder}/spool`);
  await checkBrokerUrl("amqps://h?ssl_ca_certs=/none/ca.pem");
  await checkBrokerUrl("memory://");
  assert.deepEqual(await readdir(folder), []);
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
    test(`${url}: virtual host ${vhost}`, () => assert.equal(parseAmqpUrl(url).hosts[0]!.vhost, vhost));

  const hostsOf = (url: string) =>
    parseAmqpUrl(url).hosts.map(({ password: _, ...host }) => Object.values(host).join(" "));

  test("with what is left out", () => {
    const { passwordOf, ...address } = parseAmqpUrl("amqp://");
    const host = {
      protocol: "amqp",
      hostname: "127.0.0.1",
      port: 5672,
      username: "guest",
      password: "guest",
      vhost: "/",
    };
    assert.deepEqual(address, {
      hosts: [host],
      failoverStrategy: "round-robin",
      loginMethod: "PLAIN",
      tls: undefined,
      heartbeat: 10,
      connectTimeoutMs: 5_000,
      declare: undefined,
      nativeDelayedDelivery: false,
    });
    assert.equal(passwordOf(address.hosts[0]!), "guest");
    assert.equal(parseAmqpUrl("amqps://h").hosts[0]!.port, 5671);
    assert.deepEqual(hostsOf("pyamqp://u:p@a/v;PYAMQP://b"), ["amqp a 5672 u v", "amqp b 5672 guest /"]);
    assert.equal(parseAmqpUrl("amqp://u@h").hosts[0]!.password, "guest");
    assert.equal(parseAmqpUrl("amqp://:p@h").hosts[0]!.username, "guest");
  });
  test("with all", () => {
    const query = "heartbeat=0&connection_timeout=2&login_method=EXTERNAL&declare=never&native_delayed_delivery=true";
    const { hosts, ...rest } = parseAmqpUrl(`amqps://me%40corp:p%40s%25:x@[::1]:5/v?${query}`);
    assert.deepEqual(hosts, [
      { protocol: "amqps", hostname: "::1", port: 5, username: "me@corp", password: "p@s%:x", vhost: "v" },
    ]);
    assert.partialDeepStrictEqual(rest, {
      heartbeat: 0,
      connectTimeoutMs: 2_000,
      loginMethod: "EXTERNAL",
      declare: "never",
      nativeDelayedDelivery: true,
    });
  });
  test("with several hosts", () => {
    assert.deepEqual(hostsOf("amqp://u:p@a/v;amqps://x:y@b:7//"), ["amqp a 5672 u v", "amqps b 7 x /"]);
    assert.deepEqual(hostsOf("amqp://u:p@a:1/v?heartbeat=5;b;c:7;"), [
      "amqp a 1 u v",
      "amqp b 5672 u v",
      "amqp c 7 u v",
    ]);
    const address = parseAmqpUrl("amqp://a//;amqp://b//?failover_strategy=shuffle");
    assert.deepEqual([address.failoverStrategy, address.hosts.length], ["shuffle", 2]);
  });
  test("a password from a file, read when it is wanted", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "beat-password-"));
    context.after(() => rm(folder, { recursive: true }));
    const file = join(folder, "password");
    const { hosts, passwordOf } = parseAmqpUrl(`amqp://u@h//?password_file=${encodeURIComponent(file)}`);
    assert.throws(() => passwordOf(hosts[0]!), /the file that password_file names cannot be read: ENOENT/);
    await writeFile(file, " s3 \n");
    assert.equal(passwordOf(hosts[0]!), " s3 ");
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

  test("options that concern workers alone change nothing", () => {
    const copied = parseRedisUrl("redis://h/1?visibility_timeout=3600&sep=.");
    assert.partialDeepStrictEqual(copied, { at: "h:6379", database: 1, keys: { separator: "." } });
    assert.throws(() => parseRedisUrl("redis://h?visibilty_timeout=1"), /unknown parameter "visibilty_timeout"/);
  });

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
