// Jobs for RQ: the contract, what RQ's own client writes, what is refused, and real workers.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { inflateSync } from "node:zlib";
import { connectBroker } from "../../src/brokers/connect.ts";
import { parseRedisUrl } from "../../src/brokers/redis-address.ts";
import { replyFailure } from "../../src/brokers/redis-failure.ts";
import { RqBroker } from "../../src/brokers/rq.ts";
import { rqJobOf } from "../../src/brokers/rq-job.ts";
import { prepareMessage } from "../../src/celery/message.ts";
import type { Message } from "../../src/core/ports.ts";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { silentLog } from "../../src/index.ts";
import { systemClock } from "../../src/system-clock.ts";
import { type BrokerFixture, brokerContract, publish, Told } from "../contract/broker-contract.ts";
import { TcpProxy } from "../servers/proxy.ts";
import { startRedis } from "../servers/redis.ts";
import { startRqWorker } from "../servers/rq.ts";
import { heldTimer, openings } from "./opened.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-rq-"));
const server = await startRedis();
const proxy = await TcpProxy.to(server.port);
after(async () => {
  await proxy.cut();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const listOf = (queue: string) => `rq:queue:${queue}`;

const { available } = openings(
  (options: Partial<ConstructorParameters<typeof RqBroker>[1]> = {}) =>
    new RqBroker(`rq+${server.url}`, { clock: systemClock, log: silentLog, ...options }),
);

/** The message of an entry as it is written. */
function message(definition: Parameters<typeof targetOf>[0], id: string = randomUUID(), fireAt = Date.now()): Message {
  const target = targetOf(definition) as TaskTarget;
  const build = prepareMessage({ entryName: "täglich", target, defaultQueue: "default", origin: "beat@test" });
  return build({ id, fireAt, nextFireAt: null });
}

brokerContract("rq", async (): Promise<BrokerFixture> => {
  return {
    queue: "contract",
    missing: undefined,
    connect: async () => new RqBroker(`rq+redis://127.0.0.1:${proxy.port}/0`, { clock: systemClock, log: silentLog }),
    async received(queue) {
      const ids = await server.client.lrange(listOf(queue), 0, -1);
      await server.client.del(listOf(queue));
      return ids;
    },
    poison: (message) => ({ ...message, headers: { ...message.headers, big: 1n } }),
    cut: () => proxy.cut(),
    restore: () => proxy.restore(),
    dispose: async () => undefined,
  };
});

test("a job is what RQ's own client writes", async () => {
  interface Captured {
    readonly value: Readonly<Record<string, string | { readonly inflated: string; readonly hex: string }>> & string[];
  }
  const captures: Readonly<Record<string, Readonly<Record<string, Captured>>>> = JSON.parse(
    readFileSync(new URL("../golden/rq.json", import.meta.url), "utf8"),
  );
  assert.ok(Object.keys(captures).length > 1);
  const ours = new Set(["periodic_task_name", "beat_fire_time"]);
  for (const [version, keys] of Object.entries(captures)) {
    await server.client.flushall();
    await using open = await available();
    for (const [key, { value }] of Object.entries(keys).filter(([key]) => key.startsWith("rq:job:"))) {
      const isScheduled = value["status"] === "scheduled";
      const call = isScheduled ? { args: [3] } : { args: [1, 2], kwargs: { x: "y" } };
      const countdown = isScheduled ? { countdown: "1h" } : {};
      const one = message({ task: "hgrq.add", ...call, options: { queue: "hg_rq", ...countdown } }, key.slice(7));
      const headers = Object.fromEntries(Object.entries(one.headers).filter(([name]) => !ours.has(name)));
      assert.deepEqual(await publish(open.broker, [{ ...one, headers }]), [{ result: "confirmed" }]);
      const { data, ...written } = await server.client.hgetall(key);
      const { data: captured, ...expected } = value;
      assert.equal(
        inflateSync((await server.client.hgetBuffer(key, "data"))!).toString(),
        (captured as { inflated: string }).inflated,
        version,
      );
      for (const time of ["created_at", "enqueued_at"]) {
        assert.equal(time in written, time in expected, time);
        if (time in written) assert.match(written[time]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      }
      const times = { created_at: "", enqueued_at: "" };
      // What a version of RQ does not know yet it does not look at.
      assert.partialDeepStrictEqual({ ...written, ...times }, { ...expected, ...times }, `${version} ${data}`);
      assert.equal(await server.client.ttl(key), -1);
    }
    assert.deepEqual((await server.client.keys("*")).toSorted(), Object.keys(keys).toSorted(), version);
    for (const key of ["rq:queues", "rq:queue:hg_rq"]) {
      const written = key === "rq:queues" ? await server.client.smembers(key) : await server.client.lrange(key, 0, -1);
      assert.deepEqual(written, keys[key]!.value, version);
    }
  }
});

suite("what RQ has no place for is refused, and that alone", () => {
  const cases: readonly [string, Parameters<typeof targetOf>[0], RegExp][] = [
    ["a chain", { chain: ["a.b", "a.c"] }, /no chain, group, chord/],
    ["a group", { group: ["a.b", "a.c"] }, /no chain, group, chord/],
    ["a link", { task: "a.b", options: { link: "a.c" } }, /no chain, group, chord, link/],
    ["another serializer", { task: "a.b", options: { serializer: "yaml" } }, /neither other serializers/],
    ["a compression", { task: "a.b", options: { compression: "zlib" } }, /neither other serializers nor compressions/],
    ["protocol 1", { task: "a.b", options: { task_protocol: 1 } }, /leave task_protocol out/],
    ["an exchange", { task: "a.b", options: { exchange: "x", routing_key: "y" } }, /RQ has no exchanges/],
    ["a task without a module", { task: "send" }, /needs a function's dotted path, like reports\.send, and not "send"/],
  ];
  for (const [name, definition, reason] of cases) {
    test(name, () => {
      const job = rqJobOf(message(definition), Date.now());
      assert.ok("refusal" in job);
      assert.match(job.refusal, reason);
    });
  }
  test("what has expired", () => {
    const job = rqJobOf(message({ task: "a.b", options: { expires: 5 } }, "1", 0), 60_000);
    assert.ok("refusal" in job && /^it expired at 1970/.test(job.refusal));
  });
});

test("a second send changes nothing", async () => {
  await server.client.flushall();
  await using open = await available();
  const one = message({ task: "a.b", args: [1], options: { queue: "twice" } });
  await publish(open.broker, [one, { ...one }]);
  await publish(open.broker, [{ ...one, body: Buffer.from('[[2], {}, {"chain": null}]') }]);
  assert.deepEqual(await server.client.lrange(listOf("twice"), 0, -1), [one.id]);
  const data = await server.client.hgetBuffer(`rq:job:${one.id}`, "data");
  assert.equal(inflateSync(data!).toString(), '["a.b", null, [1], {}]');
});

test("a queue's name that is taken by something else holds up its own jobs, and leaves none half written", async () => {
  await server.client.flushall();
  await server.client.set(listOf("taken"), "x");
  await using open = await available();
  const [bad, good] = [
    message({ task: "a.b", options: { queue: "taken" } }),
    message({ task: "a.b", options: { queue: "free" } }),
  ];
  const outcomes = await publish(open.broker, [bad, good]);
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["no-queue", "confirmed"],
  );
  assert.match((outcomes[0] as { reason: string }).reason, /queue "taken" is no list in Redis/);
  assert.equal(await server.client.exists(`rq:job:${bad.id}`), 0);
  await server.client.del(listOf("taken"));
  assert.deepEqual(await publish(open.broker, [bad]), [{ result: "confirmed" }]);
  assert.deepEqual(await server.client.lrange(listOf("taken"), 0, -1), [bad.id]);
});

test("a user with the rights that the documents name", async () => {
  const rights = "~rq:* ~beat.probe +eval +exists +sadd +rpush +zadd +hset +expire +lpushx +select";
  assert.ok(readFileSync(new URL("../../docs/brokers.md", import.meta.url), "utf8").includes(rights));
  await server.client.call("ACL", "SETUSER", "beatd", "on", ">pw", ...rights.split(" "));
  const broker = new RqBroker(`rq+redis://beatd:pw@127.0.0.1:${server.port}/1`, { clock: systemClock, log: silentLog });
  const told = new Told();
  await broker.open(told);
  await told.until(() => told.isAvailable);
  const options = { queue: "q", expires: "1h" };
  const jobs = [message({ task: "a.b", options }), message({ task: "a.b", options: { ...options, countdown: 60 } })];
  for (const outcome of await publish(broker, jobs)) assert.deepEqual(outcome, { result: "confirmed" });
  await broker.close(0);
});

test("an error within the script is the queue's, in Redis 6 too", () => {
  const told =
    "ERR Error running script (call to f_0123abcd): @user_script:8: @user_script: 8: WRONGTYPE Operation against a key holding the wrong kind of value";
  const { concerns, reason } = replyFailure(new Error(told), "q", parseRedisUrl("redis://h"));
  assert.deepEqual([concerns, reason.slice(0, 30)], ["list", 'queue "q" is no list in Redis:']);
});

test("jobs that nobody takes are told of, with a worker's command", async () => {
  await server.client.flushall();
  const probe = heldTimer(10_000);
  let nowMs = 0;
  await using open = await available({ clock: { ...probe.clock, monotonic: () => nowMs } });
  await publish(open.broker, [message({ task: "a.b", options: { queue: "alone" } })]);
  for (const before = probe.fire; probe.fire === before; ) {
    probe.fire();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  nowMs += 60_000;
  probe.fire();
  await open.told.until(() => open.told.notices.length > 0);
  assert.match(
    open.told.notices[0]!,
    /^1 message waits in queue "alone"; .* Start one: rq worker -u redis:\/\/127\.0\.0\.1:\d+\/0 -S rq\.serializers\.JSONSerializer alone$/,
  );
});

test("URLs: RQ's own, without kombu's parameters", async () => {
  const connect = (url: string) =>
    connectBroker(url, { clock: systemClock, log: silentLog, declareQueues: false, defaultQueue: "default" });
  for (const url of ["rq+redis://h/1", "rq+rediss://h", "rq+redis+socket:///s", "rq+sentinel://h?master_name=m"])
    assert.equal((await connect(url)).url, url);
  assert.equal((await connect("RQ+redis://:s3cret@h")).url, "rq+redis://:***@h");
  await assert.rejects(
    connect("rq+redis://:s3cret@h?global_keyprefix=x"),
    /unknown parameter "global_keyprefix" in rq\+redis:\/\/:\*\*\*@h/,
  );
});

test("real workers run the functions, with their arguments and options", async () => {
  await server.client.flushall();
  await using open = await available();
  const task = "rq_functions.echo";
  const args = ["hé中😀", 'it\'s "quoted"\n', 1.5, 2 ** 53 - 1, null, [1, ["a"]], { k: { deep: [{}] } }];
  const kwargs = { attach: true, ключ: "значение" };
  const messages = [
    message({ task, args, kwargs, options: { queue: "reports", headers: { tenant: "t1" } } }),
    message({
      task,
      options: {
        queue: "reports",
        time_limit: "10m",
        result_ttl: "1h",
        failure_ttl: -1,
        expires: "2h",
        shadow: "the report",
      },
    }),
    message({ task: "rq_functions.none", options: { queue: "reports", failure_ttl: 60 } }),
    message({ task, options: { queue: "reports", result_ttl: 0 } }),
    message({ task, args: ["later"], options: { queue: "reports", countdown: 2 } }),
  ];
  const sentAt = Date.now() / 1_000;
  const outcomes = await publish(open.broker, messages);
  assert.ok(
    outcomes.every(({ result }) => result === "confirmed"),
    JSON.stringify(outcomes),
  );
  const ttl = await server.client.ttl(`rq:job:${messages[1]!.id}`);
  assert.ok(ttl > 7_000 && ttl <= 7_200, String(ttl));
  const worker = await startRqWorker(server.url, ["reports"], join(folder, "received.jsonl"));
  try {
    const received = await worker.received(4);
    assert.deepEqual(
      received.map(({ id }) => id),
      [messages[0]!.id, messages[1]!.id, messages[3]!.id, messages[4]!.id],
    );
    const [first, second, , later] = received;
    assert.deepEqual([first!.args, first!.kwargs, first!.origin, first!.timeout], [args, kwargs, "reports", 180]);
    assert.equal(first!.meta["tenant"], "t1");
    assert.equal(first!.meta["periodic_task_name"], "täglich");
    assert.equal(first!.meta["beat_fire_time"], messages[0]!.headers["beat_fire_time"]);
    assert.deepEqual(
      [second!.description, second!.timeout, second!.result_ttl, second!.failure_ttl, second!.ttl],
      ["the report", 600, 3_600, -1, 7_200],
    );
    assert.ok(later!.at - sentAt >= 2);
    const { client } = server;
    const status = (index: number) => client.hget(`rq:job:${messages[index]!.id}`, "status");
    for (let look = 0; look < 100 && (await client.zcard("rq:finished:reports")) < 3; look++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(await status(0), "finished");
    assert.equal(await status(2), "failed");
    assert.ok(await client.zscore("rq:failed:reports", messages[2]!.id));
    assert.deepEqual(await client.lrange(listOf("reports"), 0, -1), []);
    assert.equal(await client.llen("rq:queue:reports:intermediate"), 0);
    // What was sent, and ran, is not sent again.
    assert.deepEqual(await publish(open.broker, [messages[0]!]), [{ result: "confirmed" }]);
    assert.deepEqual(await client.lrange(listOf("reports"), 0, -1), []);
  } finally {
    await worker.stop();
  }
});
