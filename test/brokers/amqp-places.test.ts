// Where RabbitMQ can be: on one of several hosts, behind TLS.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { makeCa } from "../servers/certificates.ts";
import { freePorts } from "../servers/own-server.ts";
import { TcpProxy } from "../servers/proxy.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { available, opened } from "./amqp-opened.ts";
import { refuses } from "./opened.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-amqp-places-"));
const [ca, stranger] = await Promise.all([makeCa(folder), makeCa(folder, "stranger")]);
const [host, client, foreign] = await Promise.all([ca.sign("localhost"), ca.sign("beat"), stranger.sign("other")]);
const [tlsPort, nobody] = await freePorts(2);
const server = await startRabbitmq({
  configuration: `
listeners.ssl.1 = 127.0.0.1:${tlsPort}
ssl_options.cacertfile = ${ca.certificate}
ssl_options.certfile = ${host.certificate}
ssl_options.keyfile = ${host.key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = AMQPLAIN
auth_mechanisms.3 = EXTERNAL
ssl_cert_login_from = common_name
`,
  plugins: ["rabbitmq_auth_mechanism_ssl"],
});
await server.rabbitmqctl("add_user", "beat", "unused");
await server.rabbitmqctl("set_permissions", "beat", ".*", ".*", ".*");
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function proves(url: string): Promise<void> {
  await using open = await available(url, { declareQueues: true });
  assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
}

suite("several hosts", () => {
  test("one that is away costs no waiting", async () => {
    await using open = await available(`amqp://127.0.0.1:${nobody}//;amqp://127.0.0.1:${server.port}//`);
    assert.deepEqual(open.told.unavailabilities, []);
    assert.deepEqual(await publish(open.broker, [messageTo("none")]).then(([outcome]) => outcome?.result), "no-queue");
  });

  test("the connection moves on when its host is gone, and back when the other one is", async () => {
    const [first, second] = [await TcpProxy.to(server.port), await TcpProxy.to(server.port)];
    await second.cut();
    await using open = await available(`amqp://127.0.0.1:${first.port}//;127.0.0.1:${second.port}`);
    for (const [gone, there] of [
      [first, second],
      [second, first],
    ] as const) {
      const losses = open.told.unavailabilities.length;
      await there.restore();
      await gone.cut();
      await open.told.until(() => open.told.unavailabilities.length > losses && open.told.isAvailable);
      const [outcome] = await publish(open.broker, [messageTo("none")]);
      assert.equal(outcome?.result, "no-queue", "it answers");
    }
    await open.broker.close(0);
    await first.cut();
  });

  test("where none answers, each one's reason is told, and only a human can help if all say so", async () => {
    const wrong = `amqp://guest:s3cret@127.0.0.1:${server.port}//`;
    await using open = await opened(`${wrong};amqp://127.0.0.1:${nobody}//`);
    const { reason, permanent } = await open.told.trouble();
    assert.match(reason, /refuses the user "guest": wrong user name or password; nothing listens at 127\.0\.0\.1:\d+$/);
    assert.equal(permanent, false);
    await using both = await opened(`${wrong};${wrong}`);
    await both.told.until(() => both.told.unavailabilities.length > 0);
    assert.equal(both.told.unavailabilities[0]!.permanent, true);
  });

  test("in any order, where that is asked for", async () => {
    const url = `amqp://127.0.0.1:${nobody}//;amqp://127.0.0.1:${server.port}//?failover_strategy=shuffle`;
    for (const random of [() => 0, Math.random]) {
      await using open = await opened(url, { random });
      await open.told.until(() => open.told.isAvailable);
    }
  });
});

suite("TLS", () => {
  const known = `ssl_ca_certs=${encodeURIComponent(ca.certificate)}`;
  const own = `ssl_certfile=${encodeURIComponent(client.certificate)}&ssl_keyfile=${encodeURIComponent(client.key)}`;
  const at = (user: string, query: string, name = "localhost") => `amqps://${user}@${name}:${tlsPort}//?${query}`;

  test("with a CA and a certificate of our own", () => proves(at("guest:guest", `${known}&${own}`)));
  test("by an address, with the name that the certificate has", () =>
    proves(at("guest:guest", `${known}&${own}&ssl_server_hostname=localhost`, "127.0.0.1")));
  test("by an address that is not in the certificate, where that is said", () =>
    proves(at("guest:guest", `${known}&${own}&ssl_check_hostname=false`, "127.0.0.1")));
  test("the certificate names the user", () => proves(at("whoever:", `${known}&${own}&login_method=EXTERNAL`)));
  test("AMQPLAIN", () => proves(at("guest:guest", `${known}&${own}&login_method=AMQPLAIN`)));
  test("a password from a file", async () => {
    const file = join(folder, "password");
    await writeFile(file, "guest\n");
    await proves(at("guest", `${known}&${own}&password_file=${encodeURIComponent(file)}`));
  });

  const wrongKey = `ssl_certfile=${encodeURIComponent(foreign.certificate)}&ssl_keyfile=${encodeURIComponent(foreign.key)}`;
  const refused: readonly [string, string, RegExp, boolean][] = [
    ["an unknown CA", at("guest:guest", own), /localhost:\d+ shows a TLS certificate that cannot be verified: /, true],
    ["another name", at("guest:guest", `${known}&${own}`, "127.0.0.1"), /cannot be verified: Hostname\/IP does/, true],
    ["no certificate of our own", at("guest:guest", known), /does not accept this client's .*ssl_certfile/, true],
    [
      "one that the server does not know",
      at("guest:guest", `${known}&${wrongKey}`),
      /does not accept this client/,
      true,
    ],
    [
      "a file that is not there",
      at("guest:guest", "ssl_ca_certs=/none/ca.pem"),
      /ssl_ca_certs names cannot be rea/,
      true,
    ],
    [
      "no TLS to a TLS port",
      `amqp://localhost:${tlsPort}//`,
      /an AMQP broker listens there and does not want TLS$/,
      false,
    ],
    [
      "TLS to a plain port",
      `amqps://localhost:${server.port}//?connection_timeout=1`,
      /speaks TLS$|no answer from/,
      false,
    ],
  ];
  for (const [name, url, reason, permanent] of refused) {
    test(name, async () => {
      await using open = await opened(url);
      await refuses(open.told, reason, permanent);
      const [outcome] = await publish(open.broker, [messageTo("celery")]);
      assert.equal(outcome?.result, "unavailable");
    });
  }
});
