// Where a Redis can be: behind TLS, a Unix socket, Sentinels.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { freePorts } from "../servers/own-server.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { refuses } from "./opened.ts";
import { available, opened, take } from "./redis-opened.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-redis-places-"));
const servers: RedisServer[] = [];
after(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});
async function started(...options: Parameters<typeof startRedis>): Promise<RedisServer> {
  const server = await startRedis(...options);
  servers.push(server);
  return server;
}

async function proves(url: string, server: RedisServer): Promise<void> {
  await using open = await available(url);
  const message = messageTo("celery");
  assert.deepEqual(await publish(open.broker, [message]), [{ result: "confirmed" }]);
  assert.deepEqual(await take(server, "celery"), [message.id]);
}

suite("TLS", async () => {
  const [certificate, key] = [join(folder, "server.crt"), join(folder, "server.key")];
  execFileSync(
    "openssl",
    // A certificate that vouches for itself, for this name and address.
    `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${key} -out ${certificate}`.split(
      " ",
    ),
    { stdio: "ignore" },
  );
  const [tlsPort] = await freePorts(1);
  const server = await started({
    settings: {
      "tls-port": String(tlsPort),
      "tls-cert-file": certificate,
      "tls-key-file": key,
      "tls-ca-cert-file": certificate,
    },
  });
  const known = `ssl_ca_certs=${encodeURIComponent(certificate)}`;
  const own = `ssl_certfile=${encodeURIComponent(certificate)}&ssl_keyfile=${encodeURIComponent(key)}`;

  test("with a CA and a certificate of our own", () =>
    proves(`rediss://localhost:${tlsPort}/0?${known}&${own}`, server));
  test("by an address that is not in the certificate, where that is said", () =>
    proves(`rediss://127.0.0.1:${tlsPort}/0?${known}&${own}&ssl_check_hostname=false`, server));

  const refused: readonly [string, string, RegExp, boolean][] = [
    ["an unknown CA", `rediss://localhost:${tlsPort}`, /TLS certificate that cannot be verified: self-signed/, true],
    [
      "another name",
      `rediss://127.0.0.1:${tlsPort}?${known}`,
      /certificate that cannot be verified: Hostname\/IP does not match/,
      true,
    ],
    ["a file that is not there", "rediss://h?ssl_ca_certs=/none/ca.pem", /ssl_ca_certs names cannot be read/, true],
    ["no TLS to a TLS port", `redis://localhost:${tlsPort}`, /does not want TLS \(rediss:\/\/\)$/, false],
    [
      "TLS to a plain port",
      `rediss://localhost:${server.port}?${known}&socket_connect_timeout=1`,
      /no answer .* speaks TLS$/,
      false,
    ],
  ];
  for (const [name, url, reason, permanent] of refused) {
    test(name, async () => {
      await using open = await opened(url);
      await refuses(open.told, reason, permanent);
    });
  }
});

suite("a Unix socket", async () => {
  const path = join(folder, "redis.sock");
  const server = await started({ settings: { unixsocket: path } });
  test("is a place like another", () => proves(`redis+socket://${path}`, server));
  test("with a database", async () => {
    await using open = await available(`redis+socket://${path}?virtual_host=3`);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
    assert.deepEqual(await take(server, "celery"), []);
    await server.client.select(3);
    assert.equal((await take(server, "celery")).length, 1);
    await server.client.select(0);
  });
  test("that is not there is waited for", async () => {
    await using open = await opened(`redis+socket://${path}.none`);
    await open.told.until(() => open.told.unavailabilities.length > 1);
    assert.deepEqual(open.told.unavailabilities[0], { reason: `there is no socket ${path}.none`, permanent: false });
  });
});

suite("Sentinels", async () => {
  const first = await started({ settings: { requirepass: "pw", masterauth: "pw" }, password: "pw" });
  const second = await started({
    settings: { requirepass: "pw", masterauth: "pw", replicaof: `127.0.0.1 ${first.port}` },
    password: "pw",
  });
  const file = join(folder, "sentinel.conf");
  await writeFile(
    file,
    `sentinel monitor main 127.0.0.1 ${first.port} 1
sentinel auth-pass main pw
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 5000
`,
  );
  const sentinel = await started({ sentinelFile: file });
  const [nobody] = await freePorts(1);
  const url = (name: string) =>
    `sentinel://:pw@127.0.0.1:${nobody};sentinel://127.0.0.1:${sentinel.port}?master_name=${name}`;

  test("one of them is away", () => proves(url("main"), first));

  test("none knows the master", async () => {
    await using open = await opened(`sentinel://127.0.0.1:${sentinel.port}?master_name=other`);
    assert.deepEqual(await open.told.trouble(), {
      reason: 'no Sentinel knows a master named "other" (master_name)',
      permanent: true,
    });
  });

  test("none answers", async () => {
    await using open = await opened(`sentinel://127.0.0.1:${nobody}?master_name=main`);
    assert.match((await open.told.trouble()).reason, /^no Sentinel answers for master "main" \(Sentinel 127\.0\.0\.1/);
    assert.equal(open.told.unavailabilities[0]!.permanent, false);
  });

  test("the master dies: the next one takes over", async () => {
    await using open = await available(url("main"));
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
    await until(async () => (await second.client.llen("celery")) === 1);
    await until(async () => /slaves=1/.test(await sentinel.client.info("sentinel")));
    await first.kill();
    await open.told.until(() => open.told.unavailabilities.length > 0 && open.told.isAvailable);
    const message = messageTo("celery");
    assert.deepEqual(await publish(open.broker, [message]), [{ result: "confirmed" }]);
    assert.ok((await take(second, "celery")).includes(message.id));
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) assert.fail("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
