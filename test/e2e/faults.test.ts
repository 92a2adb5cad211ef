// The daemon under the faults at which its peers lose runs or repeat them, with a real RabbitMQ.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Scheduler, silentLog, sqlite } from "../../src/index.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { type RabbitmqServer, startRabbitmq } from "../servers/rabbitmq.ts";
import { Daemon, folder } from "./beat.ts";
import { type Arrived, Collector } from "./queue.ts";

let rabbitmq: RabbitmqServer;
before(async () => {
  rabbitmq = await startRabbitmq();
});
after(() => rabbitmq?.stop());

/** Nothing under a second id, and no fire time twice but under the same id. Returns how many were sent again. */
function noneTwice(arrived: readonly Arrived[]): number {
  const idOf = new Map<string, string>();
  let again = 0;
  for (const { name, fireTime, id } of arrived) {
    const occurrence = `${name} ${fireTime}`;
    const known = idOf.get(occurrence);
    if (known !== undefined) {
      assert.equal(id, known, `${occurrence} came under a second id`);
      again++;
    }
    idOf.set(occurrence, id);
  }
  return again;
}

function notEarly(arrived: readonly Arrived[]): void {
  for (const { name, fireTime, at } of arrived)
    assert.ok(at >= Date.parse(fireTime), `${name} of ${fireTime} came at ${new Date(at).toISOString()}`);
}

test("kill -9 in the middle of a burst of 1,000: all of them arrive, none under a second id", async (t) => {
  const cwd = await folder(t);
  const db = join(cwd, "beat.sqlite");
  const queue = "killed";
  const due = new Date(Date.now() + 6_000).toISOString();
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    const names = Array.from({ length: 1_000 }, (_, n) => `burst-${n}`);
    await scheduler.addAll(
      names.map((name) => ({ name, definition: { at: due, task: "a.task", options: { queue } } })),
    );
  }
  const collector = await Collector.open(t, rabbitmq.url, queue);
  const args = ["--schedule-db", db, "--broker", rabbitmq.url];
  const first = new Daemon(t, args);
  await collector.ids(100);
  await first.kill();
  const whenKilled = collector.distinct();
  const second = new Daemon(t, args);
  await second.line(/^Connected to/);
  await collector.ids(1_000);
  await sleep(500);
  assert.equal(await second.stop(), 0);
  const again = noneTwice(collector.arrived);
  notEarly(collector.arrived);
  assert.equal(collector.distinct(), 1_000);
  t.diagnostic(`killed after ${whenKilled} of 1,000; ${again} sent again under the same id`);
  await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
  const ledger = await scheduler.history({ limit: 2_000 });
  assert.equal(ledger.filter(({ state }) => state === "published").length, 1_000);
});

test("two daemons on one database: one leads, the other takes over when it dies, nothing comes twice", async (t) => {
  const cwd = await folder(t);
  const db = join(cwd, "beat.sqlite");
  const queue = "two";
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    const names = Array.from({ length: 30 }, (_, n) => `each-second-${n}`);
    await scheduler.addAll(
      names.map((name) => ({ name, definition: { every: "1s", task: "a.task", coalesce: "all", options: { queue } } })),
    );
  }
  const collector = await Collector.open(t, rabbitmq.url, queue);
  const args = ["--schedule-db", db, "--broker", rabbitmq.url];
  const [first, second] = [new Daemon(t, args), new Daemon(t, args)];
  const leader = await Promise.race([
    first.line(/Standing by/).then(() => second),
    second.line(/Standing by/).then(() => first),
  ]);
  const standby = leader === first ? second : first;
  assert.match((await standby.line(/Standing by/)).message, new RegExp(`process ${leader.child.pid} `));
  const seconds = Number(process.env["BEAT_TEST_SECONDS"] ?? 60);
  await sleep(seconds * 500);
  await leader.kill();
  const killedAt = Date.now();
  await sleep(seconds * 500);
  assert.equal(await standby.stop(), 0);
  await sleep(200);
  assert.equal(noneTwice(collector.arrived), 0, "one leader killed between two seconds: not one in doubt");
  notEarly(collector.arrived);
  const firstAfter = Math.min(...collector.arrived.filter(({ at }) => at > killedAt + 50).map(({ at }) => at));
  assert.ok(firstAfter - killedAt < 5_000, `the standby took over after ${firstAfter - killedAt} ms`);
  const times = collector.arrived
    .filter(({ name }) => name === "each-second-0")
    .map(({ fireTime }) => Date.parse(fireTime));
  assert.deepEqual(
    times,
    Array.from({ length: times.length }, (_, n) => times[0]! + n * 1_000),
    "no second is missing",
  );
  assert.ok(times.length >= seconds - 3, `${times.length} of about ${seconds} runs of each entry`);
  t.diagnostic(
    `${collector.arrived.length} messages, none twice; the standby took over after ${firstAfter - killedAt} ms`,
  );
});

test("the wall clock put back by an hour: nothing twice, intervals go on", async (t) => {
  const library = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
  ].find((path) => existsSync(path));
  assert.ok(library, "this test puts the clock back with libfaketime: apt-get install faketime");
  const cwd = await folder(t);
  const db = join(cwd, "beat.sqlite");
  const shift = join(cwd, "shift");
  const queue = "clock";
  await writeFile(shift, "+0\n");
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    for (let n = 0; n < 5; n++)
      await scheduler.add(`each-second-${n}`, { every: "1s", task: "a.task", options: { queue } });
  }
  const collector = await Collector.open(t, rabbitmq.url, queue);
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: shift,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  const daemon = new Daemon(t, ["--schedule-db", db, "--broker", rabbitmq.url], { env });
  await collector.ids(25);
  await writeFile(shift, "-3600\n");
  const steppedAt = Date.now();
  await daemon.line(/put back by 1h|put back by 59m59/);
  const before = collector.distinct();
  await collector.ids(before + 25);
  assert.ok(Date.now() - steppedAt < 12_000, "intervals went on");
  assert.equal(noneTwice(collector.arrived), 0);
  assert.equal(new Set(collector.arrived.map(({ id }) => id)).size, collector.arrived.length);
  // The new times are the new clock's.
  const last = collector.arrived.at(-1)!;
  assert.ok(Math.abs(Date.parse(last.fireTime) + 3_600_000 - last.at) < 2_000);
  assert.equal(await daemon.stop(), 0);
});

test("after ten minutes stopped, an entry of one second runs once, and one row says what became of the others", async (t) => {
  const db = join(await folder(t), "beat.sqlite");
  const createdAt = Date.now() - 600_000;
  const store = await openSqliteStore(db);
  await store.change([
    {
      change: "insert",
      name: "each-second",
      origin: "code",
      definition: { every: "1s", run: ["true"], timezone: "UTC" },
      createdAt,
      anchorAt: createdAt,
      nextFireAt: createdAt + 1_000,
      quarantine: null,
    },
  ]);
  await store.close();
  const daemon = new Daemon(t, ["--schedule-db", db]);
  await daemon.line(/ran each-second/);
  assert.equal(await daemon.stop(), 0);
  await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
  const rows = (await scheduler.history({ limit: 10_000 })).toReversed();
  assert.deepEqual([rows[0]!.state, rows[1]!.state], ["coalesced", "ran"]);
  assert.ok(rows[0]!.count >= 598 && rows[0]!.count <= 605, `one row stands for ${rows[0]!.count}`);
  assert.equal(rows[0]!.fireAt, createdAt + 1_000);
  assert.equal(rows[0]!.untilFireAt, rows[1]!.fireAt - 1_000);
  assert.ok(rows.length < 10);
});

test("a broker that is away at the start and in between: it waits, says so once, and goes on", async (t) => {
  const cwd = await folder(t);
  const db = join(cwd, "beat.sqlite");
  const server = await startRabbitmq();
  t.after(() => server.stop());
  await server.kill();
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    await scheduler.add("ping", { every: "1s", task: "a.task" });
  }
  const daemon = new Daemon(t, ["--schedule-db", db, "--broker", server.url, "--declare-queues"]);
  await daemon.line(/nothing listens/);
  await sleep(3_000);
  await server.start();
  const collector = await Collector.open(t, server.url);
  await collector.ids(3);
  assert.ok(daemon.lines.filter(({ level }) => level === "warn" || level === "error").length < 4, "it says so once");
  assert.equal(noneTwice(collector.arrived), 0);
  assert.equal(await daemon.stop(), 0);
});

test("a queue that is not there keeps its messages, and gets them when a worker creates it", async (t) => {
  const cwd = await folder(t);
  const db = join(cwd, "beat.sqlite");
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    await scheduler.add("early", { every: "1s", task: "a.task", coalesce: "all", options: { queue: "not-yet" } });
  }
  const daemon = new Daemon(t, ["--schedule-db", db, "--broker", rabbitmq.url]);
  await daemon.line(/not-yet/);
  await sleep(1_500);
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    const { report } = await scheduler.status();
    assert.equal(report!.broker!.queues[0]!.queue, "not-yet");
  }
  const collector = await Collector.open(t, rabbitmq.url, "not-yet");
  await collector.ids(4);
  const times = collector.arrived.map(({ fireTime }) => Date.parse(fireTime)).sort((a, b) => a - b);
  assert.deepEqual(
    times,
    times.map((_, n) => times[0]! + n * 1_000),
    "none of them was lost",
  );
  assert.equal(daemon.lines.filter(({ message }) => /not-yet.*wait in the outbox/.test(message)).length, 1);
  assert.equal(await daemon.stop(), 0);
});

test("a wrong password is said without it, and the daemon goes on trying", async (t) => {
  const cwd = await folder(t);
  const daemon = new Daemon(t, [
    "--schedule-db",
    join(cwd, "beat.sqlite"),
    "--broker",
    rabbitmq.url.replace("guest:guest", "guest:s3cret"),
  ]);
  await daemon.line(/on the command line/);
  await daemon.line(/Messages wait in the outbox; trying again/);
  assert.equal(daemon.child.exitCode, null);
  assert.equal(await daemon.stop(), 0);
  assert.ok(!JSON.stringify(daemon.lines).includes("s3cret"));
});
