// `beat start` with brokers that a schedule file names: RabbitMQ, Redis and one that is not there.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts } from "../servers/own-server.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { startRedis } from "../servers/redis.ts";
import { beat, Daemon, folder } from "./beat.ts";
import { Collector } from "./queue.ts";

test("each entry's tasks go where it says; one broker away harms no other; a broker may be added while it runs", async (t) => {
  const [rabbitmq, redis] = await Promise.all([startRabbitmq(), startRedis()]);
  t.after(() => Promise.all([rabbitmq.stop(), redis.stop()]));
  const [closed] = await freePorts(1);
  const cwd = await folder(t);
  const file = join(cwd, "app.yaml");
  const brokers = `brokers:
  default: ${rabbitmq.url}
  cache: {url_env: CACHE_BROKER, global_keyprefix: "app:", task_default_queue: cached}
  gone: amqp://guest:s3cret@127.0.0.1:${closed}//
`;
  const schedules = `schedules:
  to-rabbit: {every: 1s, task: sample.echo}
  to-redis: {every: 1s, task: sample.echo, broker: cache}
  to-nobody: {every: 1s, task: sample.echo, broker: gone}
  kept: {every: 1s, task: sample.echo, broker: gone, coalesce: all}
`;
  await writeFile(file, brokers + schedules);
  const collector = await Collector.open(t, rabbitmq.url);
  const daemon = new Daemon(t, ["--schedules", file], { cwd, env: { CACHE_BROKER: redis.url } });
  await collector.ids(3);
  await daemon.line(/nothing listens at/);
  assert.ok(collector.arrived.every(({ name }) => name === "to-rabbit"));
  const length = async (queue: string) => redis.client.llen(queue);
  assert.ok((await length("app:cached")) >= 2);
  const { report } = JSON.parse((await beat(["status", "--json"], { cwd })).stdout);
  assert.deepEqual(
    report.brokers.map(({ name, available }: { name: string; available: boolean }) => [name, available]),
    [
      ["default", true],
      ["cache", true],
      ["gone", false],
    ],
  );
  const shown = (await beat(["status"], { cwd })).stdout;
  assert.match(shown, /broker +gone amqp:\/\/guest:\*\*\*@127\.0\.0\.1:\d+\/\/: away/);
  assert.doesNotMatch(JSON.stringify(daemon.lines) + shown, /s3cret/);
  assert.match((await beat(["history", "to-nobody"], { cwd })).stdout, /coalesced/);

  const more = brokers.replace("cached}", "other}").concat(`  late: ${redis.url}\n`);
  await writeFile(
    file,
    `${more + schedules}  to-late: {every: 1s, task: sample.echo, broker: late, options: {queue: late}}\n`,
  );
  await daemon.line(/The broker "cache" was changed in .*app\.yaml: that counts from the next start/);
  await redis.client.blpop("late", 30);
  assert.equal(await length("app:other"), 0);
  assert.equal(await daemon.stop(), 6, "what is for the one that is away is left in the outbox");
});

test("what is wrong with a broker is told with its place, and stops no other", async (t) => {
  const cwd = await folder(t);
  const file = join(cwd, "app.yaml");
  await writeFile(
    file,
    `brokers:
  mail: {url_env: NOBODY_SET_THIS}
  carrier: pigeon://loft
  cache: {url: redis://cache, globl_keyprefix: x}
schedules:
  ping: {every: 1s, task: sample.echo}
  letter: {every: 1s, task: sample.echo, broker: mail}
`,
  );
  const daemon = new Daemon(t, ["--schedules", file], { cwd });
  await daemon.line(/app\.yaml:2:10: brokers\.mail\.url_env: NOBODY_SET_THIS is not set/);
  await daemon.line(/app\.yaml:3:3: brokers\.carrier: there is no broker for pigeon:\/\//);
  await daemon.line(/app\.yaml:4:3: brokers\.cache: unknown parameter "globl_keyprefix"/);
  const failed = await daemon.line(/letter.*no broker "mail" is known/);
  assert.equal(failed.level, "error");
  await daemon.line(/ping/);
  assert.equal(await daemon.stop(), 0);
});
