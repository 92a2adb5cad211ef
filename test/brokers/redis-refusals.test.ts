// Servers that answer and refuse: who must help, what is in doubt, and that nothing else is touched.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { startRedis } from "../servers/redis.ts";
import { heldTimer, refuses } from "./opened.ts";
import { available, opened, take } from "./redis-opened.ts";

const [server, guarded, cluster] = await Promise.all([
  startRedis(),
  startRedis({ settings: { requirepass: "right" }, password: "right" }),
  startRedis({ settings: { "cluster-enabled": "yes" } }),
]);
after(() => Promise.all([server, guarded, cluster].map((each) => each.stop())));

const set = (name: string, value: string) => server.client.config("SET", name, value);

suite("at the start", () => {
  const at = (port: number) => `127.0.0.1:${port}`;
  const cases: readonly [string, string, RegExp, boolean][] = [
    ["a wrong password", `redis://:s3cret@${at(guarded.port)}`, /refuses the user "default": wrong user name/, true],
    ["a wrong user", `redis://me:s3cret@${at(guarded.port)}`, /refuses the user "me": wrong user name or pass/, true],
    ["no password", `redis://${at(guarded.port)}`, /wants a password; write redis:\/\/:password@host$/, true],
    ["a password too many", `redis://:s3cret@${at(server.port)}`, /has no password set; leave it out/, true],
    ["a database that is not there", `redis://${at(server.port)}/99`, /has no database 99$/, true],
    ["a cluster without slots", `redis://${at(cluster.port)}`, /is part of a Redis Cluster that is down$/, false],
  ];
  for (const [name, url, reason, permanent] of cases) {
    test(`${name}: one sentence, and it is tried again`, async () => {
      await using open = await opened(url);
      await refuses(open.told, reason, permanent);
      const [outcome] = await publish(open.broker, [messageTo("celery")]);
      assert.ok(outcome?.result === "unavailable" && reason.test(outcome.reason));
      assert.doesNotMatch(JSON.stringify([open, open.broker.url, outcome]), /s3cret/);
    });
  }

  const replies: readonly [string, RegExp, boolean][] = [
    ["LOADING Redis is loading the dataset in memory", /is still loading its data$/, false],
    ["MISCONF Redis is configured to save RDB snapshots, but ...", /could not save to disk/, false],
    ["MASTERDOWN Link with MASTER is down", /has lost its master$/, false],
    ["BUSY Redis is busy running a script.", /is busy with a script$/, false],
    ["MOVED 866 10.0.0.2:6379", /is a node of a Redis Cluster, which Celery's workers cannot use/, true],
    ["ERR something new", /^Redis at 127\.0\.0\.1:\d+ answers: ERR something new$/, false],
  ];
  for (const [reply, reason, permanent] of replies) {
    test(reply, async () => {
      const fake = createServer((socket) =>
        socket.on("error", () => undefined).on("data", () => socket.write(`-${reply}\r\n`.repeat(2))),
      );
      await new Promise<void>((resolve) => fake.listen(0, "127.0.0.1", resolve));
      const open = await opened(`redis://127.0.0.1:${(fake.address() as { port: number }).port}`);
      await refuses(open.told, reason, permanent);
      await open.broker.close(0);
      fake.close();
    });
  }
});

test("a password may stand in a file, which is read at each connection", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "beat-redis-password-"));
  context.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "password");
  await using open = await opened(`redis://127.0.0.1:${guarded.port}?password_file=${encodeURIComponent(file)}`);
  assert.match((await open.told.trouble()).reason, /the file that password_file names cannot be read: ENOENT/);
  await writeFile(file, "right\n");
  await using again = await available(`redis://127.0.0.1:${guarded.port}?password_file=${encodeURIComponent(file)}`);
  assert.equal(again.told.isAvailable, true);
});

suite("a server that takes no writes any more counts as away until it does", () => {
  const cases: readonly [string, () => Promise<unknown>, () => Promise<unknown>, RegExp][] = [
    ["out of memory", () => set("maxmemory", "100kb"), () => set("maxmemory", "0"), /has no memory left \(maxmemory\)/],
    [
      "a replica now",
      () => server.client.replicaof("127.0.0.1", guarded.port),
      () => server.client.replicaof("NO", "ONE"),
      /is a read-only replica; Beat needs the master$/,
    ],
    [
      "without its replicas",
      () => set("min-replicas-to-write", "1"),
      () => set("min-replicas-to-write", "0"),
      /too few replicas follow it \(min-replicas-to-write\)$/,
    ],
  ];
  for (const [name, spoil, mend, reason] of cases) {
    test(name, async () => {
      await using open = await available(server.url);
      assert.deepEqual(await publish(open.broker, [messageTo("before")]), [{ result: "confirmed" }]);
      await spoil();
      const outcomes = await publish(
        open.broker,
        Array.from({ length: 300 }, () => messageTo("meanwhile")),
      );
      for (const outcome of outcomes) assert.ok(outcome.result === "unavailable" && reason.test(outcome.reason));
      await open.told.until(() => !open.told.isAvailable);
      assert.match(open.told.unavailabilities[0]!.reason, reason);
      assert.equal(open.told.unavailabilities[0]!.permanent, false);
      await open.told.until(() => open.told.unavailabilities.length >= 3);
      await mend();
      await open.told.until(() => open.told.isAvailable);
      assert.deepEqual(await take(server, "meanwhile"), []);
      assert.deepEqual(await publish(open.broker, [messageTo("after")]), [{ result: "confirmed" }]);
    });
  }

  test("found out without a message, too", async () => {
    const probe = heldTimer(10_000);
    await using open = await available(server.url, { clock: probe.clock });
    await set("min-replicas-to-write", "1");
    probe.fire();
    await open.told.until(() => !open.told.isAvailable);
    await set("min-replicas-to-write", "0");
    await open.told.until(() => open.told.isAvailable);
  });
});

suite("only the queue that is concerned", () => {
  test("has another program's value", async () => {
    await using open = await available(server.url);
    await server.client.set("taken", "a text");
    const messages = [messageTo("fine"), messageTo("taken"), messageTo("fine"), messageTo("taken")];
    const outcomes = await publish(open.broker, messages);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["confirmed", "no-queue", "confirmed", "no-queue"],
    );
    assert.match((outcomes[1] as { reason: string }).reason, /^queue "taken" is no list in Redis/);
    assert.deepEqual(await take(server, "fine"), [messages[0]!.id, messages[2]!.id]);
    await server.client.del("taken");
    assert.deepEqual(await publish(open.broker, [messageTo("taken")]), [{ result: "confirmed" }]);
  });

  test("is not this user's", async () => {
    await server.client.acl("SETUSER", "beat", "on", ">pw", "~mine", "+lpush", "+select");
    await using open = await available(`redis://beat:pw@127.0.0.1:${server.port}/0`);
    const outcomes = await publish(open.broker, [messageTo("mine"), messageTo("others")]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["confirmed", "no-queue"],
    );
    assert.match(
      (outcomes[1] as { reason: string }).reason,
      /^queue "others" may not be written to by this Redis user/,
    );
    assert.equal(open.told.unavailabilities.length, 0);
  });
});

test("exchanges are unknown to it, and what has expired is not sent", async () => {
  await using open = await available(server.url);
  const outcomes = await publish(open.broker, [
    messageTo("q", { exchange: "news" }),
    messageTo("q", { expiresAt: Date.now() - 1_000 }),
  ]);
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["refused", "refused"],
  );
  assert.match((outcomes[0] as { reason: string }).reason, /^Redis has no exchanges: give the task a queue/);
});

test("who lets it delete queues is told, once", async () => {
  await set("maxmemory-policy", "allkeys-lru");
  await set("maxmemory", "1gb");
  await using open = await available(server.url);
  await open.told.until(() => open.told.notices.length > 0);
  assert.match(open.told.notices[0]!, /deletes whole queues when its memory is full \(maxmemory-policy allkeys-lru\)/);
  await server.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await open.told.until(() => open.told.unavailabilities.length > 0 && open.told.isAvailable);
  assert.equal(open.told.notices.length, 1);
  await set("maxmemory", "0");
});
