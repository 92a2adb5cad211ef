// One Beat, many brokers and queues, of which each is bad in its own way: each is told in one sentence, what it concerns stays in
// the outbox or fails as its entry says, and everything else goes out.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "amqplib";
import type { EngineReport } from "../../src/dispatch/engine.ts";
import { memory, Scheduler, silentLog } from "../../src/index.ts";
import { makeCa } from "../servers/certificates.ts";
import { freePorts } from "../servers/own-server.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { startRedis } from "../servers/redis.ts";

const directory = await mkdtemp(join(tmpdir(), "beat-bad-worlds-"));
const host = await (await makeCa(directory)).sign("localhost");
const [tlsPort] = await freePorts(1);
const [rabbitmq, good, full, replica] = await Promise.all([
  startRabbitmq({
    configuration: `
listeners.ssl.1 = 127.0.0.1:${tlsPort}
ssl_options.certfile = ${host.certificate}
ssl_options.keyfile = ${host.key}
`,
  }),
  startRedis(),
  startRedis({ settings: { maxmemory: "100kb", "maxmemory-policy": "noeviction" } }),
  startRedis(),
]);
await replica.client.replicaof("127.0.0.1", good.port);
const observer = await connect(rabbitmq.url);
const channel = await observer.createChannel();
after(async () => {
  await observer.close();
  await Promise.all([rabbitmq, good, full, replica].map((server) => server.stop()));
  await rm(directory, { recursive: true, force: true });
});

const at = (user: string, rest = "/") => `amqp://${user}@127.0.0.1:${rabbitmq.port}/${rest}`;

/** By the broker's name: its URL and why it is away. */
const away = {
  password: [at("guest:s3cret1", "none"), /refuses the user "guest"/],
  lost: [
    at("guest:guest", "none"),
    /refuses the virtual host "none": it does not exist, or user "guest" may not use it$/,
  ],
  unknown: [
    `amqps://guest:guest@localhost:${tlsPort}//`,
    /TLS certificate that cannot be verified: .*; name the CA that signed it by ssl_ca_certs$/,
  ],
  memory: [full.url, /has no memory left \(maxmemory\)/],
  reader: [replica.url, /is a read-only replica; Beat needs the master$/],
} as const;

/** By the queue's name: the broker that it is for, and why its messages wait. */
const held = {
  missing: ["default", /queue "missing" does not exist/],
  full: ["default", /did not take it into queue "full": the queue is full/],
  unmade: ["maker", /queue "unmade" cannot be used: ACCESS_REFUSED.*give the user "poor" the right to/],
  taken: ["owner", /queue "taken" cannot be used: PRECONDITION_FAILED - inequivalent arg 'type'.*beat queues/],
  forbidden: ["reader-only", /ACCESS_REFUSED - (write )?access to exchange 'amq\.default'/],
} as const;

test("each is told, and nothing else is touched", async () => {
  await rabbitmq.rabbitmqctl("add_user", "poor", "pw");
  await rabbitmq.rabbitmqctl("set_permissions", "poor", "^$", ".*", ".*");
  await rabbitmq.rabbitmqctl("add_user", "mute", "pw");
  await rabbitmq.rabbitmqctl("set_permissions", "mute", "^$", "^$", ".*");
  for (const queue of ["good", "forbidden"]) await channel.assertQueue(queue);
  await channel.assertQueue("full", { maxLength: 1, arguments: { "x-overflow": "reject-publish" } });
  channel.sendToQueue("full", Buffer.from("in the way"));
  await channel.assertExchange("taken", "topic");
  await using scheduler = new Scheduler({
    store: memory(),
    log: silentLog,
    broker: rabbitmq.url,
    brokers: {
      ...Object.fromEntries(Object.entries(away).map(([name, [url]]) => [name, url])),
      cache: good.url,
      maker: `${at("poor:pw")}?declare=create`,
      owner: `${at("guest:guest")}?declare=create`,
      "reader-only": at("mute:pw"),
    },
  });
  const entry = (name: string, broker: string, options: object) =>
    scheduler.add(name, { every: "1h", task: "sample.echo", broker, options });
  for (const broker of Object.keys(away)) await entry(broker, broker, { queue: "any" });
  for (const [queue, [broker]] of Object.entries(held)) await entry(queue, broker, { queue });
  await entry("strict", "default", { queue: "full", retry_policy: { max_retries: 0 } });
  await entry("good", "default", { queue: "good" });
  await entry("cached", "cache", { queue: "good" });
  await scheduler.start();

  const names = [...Object.keys(away), ...Object.keys(held), "strict"];
  for (const name of names) await scheduler.trigger(name);
  const report = await until(async () => {
    const { report } = await scheduler.status();
    return isTold(report) ? report : undefined;
  });
  for (const [name, [, reason]] of Object.entries(away)) assert.match(brokerOf(report, name).reason!, reason);
  for (const [queue, [broker, reason]] of Object.entries(held)) {
    const { available, queues } = brokerOf(report, broker);
    assert.ok(available, broker);
    assert.match(queues.find(({ queue: name }) => name === queue)!.reason, reason);
  }
  assert.doesNotMatch(JSON.stringify(report), /s3cret/);

  // Beside all that, what is good goes out.
  for (const name of ["good", "cached", "good", "cached"]) await scheduler.trigger(name);
  const states = async (name: string) => (await scheduler.history({ name })).map(({ state }) => state);
  for (const name of ["good", "cached"])
    await until(async () => ((await states(name)).join() === "published,published" ? true : undefined));
  assert.deepEqual(await states("strict"), ["failed"]);
  assert.match((await scheduler.history({ name: "strict" }))[0]!.reason!, /given up after it was tried once/);
  for (const name of names.slice(0, -1)) assert.deepEqual(await states(name), ["claimed"], name);

  // What was bad becomes good. What only a human can mend is not tried again so soon.
  await rabbitmq.rabbitmqctl("set_permissions", "poor", ".*", ".*", ".*");
  await channel.assertQueue("missing");
  await channel.purgeQueue("full");
  await channel.deleteExchange("taken");
  await full.client.config("SET", "maxmemory", "0");
  await replica.client.replicaof("NO", "ONE");
  for (const name of ["missing", "full", "unmade", "taken", "memory", "reader"])
    await until(async () => ((await states(name))[0] === "published" ? true : undefined), name);
  for (const name of ["password", "lost", "unknown", "forbidden"])
    assert.deepEqual(await states(name), ["claimed"], name);
});

const brokerOf = (report: EngineReport, name: string) => report.brokers.find((broker) => broker.name === name)!;

function isTold(report: EngineReport | null): report is EngineReport {
  if (report === null) return false;
  const isAway = Object.keys(away).every(
    (name) => !["not connected yet", null].includes(brokerOf(report, name).reason),
  );
  const isHeld = Object.entries(held).every(([queue, [broker]]) =>
    brokerOf(report, broker).queues.some(({ queue: name }) => name === queue),
  );
  return isAway && isHeld;
}

async function until<Found>(look: () => Promise<Found | undefined>, what = "all is told"): Promise<Found> {
  const giveUpAt = performance.now() + 60_000;
  while (performance.now() < giveUpAt) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited in vain until ${what}`);
}
