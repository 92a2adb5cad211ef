// What the scheduler adds to its stages: who it says leads, how long it waits for its store, and how it ends.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type BrokerError, StoreError, StoreUnavailableError } from "../src/core/errors.ts";
import type { Log } from "../src/core/ports.ts";
import { memory, Scheduler } from "../src/index.ts";
import { silentLog } from "../src/log.ts";
import { MemoryStore } from "../src/store/memory.ts";
import { SimulatedClock } from "../src/testing/simulated-clock.ts";

const elsewhere = { ownerId: "someone", host: "elsewhere", pid: 1 };

test("a lease that was renewed in times to come is nobody's: the clock was put back, and its holder was not seen since", async () => {
  const clock = new SimulatedClock();
  const store = new MemoryStore();
  await using scheduler = new Scheduler({ store: async () => store, clock, log: silentLog });
  await store.acquireLease(elsewhere, 4_000, clock.now());
  assert.equal((await scheduler.status()).leader?.ownerId, "someone");
  clock.stepWall(-3_600_000);
  assert.equal((await scheduler.status()).leader, undefined);
});

test("a store that is away is waited for as long as it is asked for, said once; one that can't be used is not", async () => {
  const clock = new SimulatedClock();
  const lines: string[] = [];
  const log: Log = { ...silentLog, warn: (message) => void lines.push(message) };
  const away = new StoreUnavailableError("it is locked");
  let attempts = 0;
  const store = async () => {
    if (attempts++ < 5) throw away;
    return new MemoryStore();
  };
  const waiting = new Scheduler({ store, clock, log, wait: "10s" });
  const started = waiting.start();
  await clock.advance(6_000);
  await started;
  assert.equal(attempts, 6);
  assert.equal(lines.length, 1);
  assert.equal(waiting.health().state, "leading");
  await waiting.stop();

  for (const [error, wait] of [
    [away, "2s"],
    [away, 0],
    [new StoreError("it is damaged"), "1h"],
  ] as const) {
    const scheduler = new Scheduler({ store: () => Promise.reject(error), clock, log, wait });
    const refused = assert.rejects(scheduler.start(), error);
    await clock.advance(4_000);
    await refused;
    await scheduler.stop();
  }
});

test("a tolerance below the watchdog's own pace is refused", () => {
  assert.throws(() => new Scheduler({ overdueTolerance: "500ms" }), /less than a second/);
});

test("a stop tells what is left, and how it is", async () => {
  const clock = new SimulatedClock();
  const scheduler = new Scheduler({ clock, log: silentLog, broker: "amqp://127.0.0.1:9//" });
  assert.equal(scheduler.health().state, "starting");
  scheduler.every("1s", { task: "a.task" });
  await scheduler.start();
  await clock.advance(2_500);
  assert.deepEqual([scheduler.health().state, scheduler.health().alive], ["leading", true]);
  const stopped = scheduler.stop({ drain: 0 });
  await clock.advance(10_000);
  assert.deepEqual(await stopped, { finished: 0, aborted: 0, left: 1 });
  assert.equal(scheduler.health().state, "stopping");
});

test("what is wrong with one of a program's brokers is told with its name, and not what the URL keeps secret", async () => {
  const brokers = { mail: "redis://:s3cret@h?foo=1" };
  await using scheduler = new Scheduler({ store: async () => new MemoryStore(), log: silentLog, brokers });
  await assert.rejects(scheduler.start(), (error: BrokerError) => {
    assert.match(error.describe(), /^brokers\.mail: unknown parameter "foo" in redis:\/\/:\*\*\*@h/);
    return true;
  });
});

test("schedule files that can't be used as they are raise an alert until they are mended", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "beat-files-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "ping.yaml");
  const clock = new SimulatedClock();
  const scheduler = new Scheduler({ store: memory(), clock, log: silentLog, schedules: [file] });
  const alerts: string[] = [];
  scheduler.on("alert", ({ alert, state, message }) => void alerts.push(`${alert} ${state}: ${message}`));
  await scheduler.start();
  await clock.advance(2_000);
  assert.equal(alerts.length, 1);
  assert.match(alerts[0]!, /^files raised: .*ping\.yaml: the file can't be read: there is none of that name$/);
  assert.deepEqual(
    scheduler.health().alerts.map(({ alert }) => alert),
    ["files"],
  );
  await writeFile(file, "schedules: {ping: {every: 1h, task: a.ping}}\n");
  // The file system tells of the change in its own time.
  while (alerts.length === 1) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(500);
  }
  assert.match(alerts[1]!, /^files resolved/);
  await scheduler.stop();
});
