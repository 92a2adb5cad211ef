// How many runs go on, how they are tried again, and how everything ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memory, Scheduler, type SchedulerOptions, silentLog, sqlite } from "../../src/index.ts";
import { retentionRowsOf } from "../../src/scheduler-options.ts";
import { SimulatedClock } from "../../src/testing/index.ts";
import { temporaryFolder } from "../store/temporary-folder.ts";

const start = Date.UTC(2027, 0, 1, 12);
const pathOf = temporaryFolder();

function setUp(options: SchedulerOptions = {}) {
  const clock = new SimulatedClock(start);
  const scheduler = new Scheduler({ clock, log: silentLog, ...options });
  let going = 0;
  let most = 0;
  const order: string[] = [];
  /** A job's work that takes its time, and is counted. */
  const lasting = (ms: number) => async (name: string) => {
    order.push(name);
    most = Math.max(most, ++going);
    await new Promise<void>((resolve) => clock.setTimer(ms, resolve));
    going--;
  };
  const stop = async (drain: number) => {
    const stopped = scheduler.stop({ drain });
    await clock.advance(60_000);
    return stopped;
  };
  return { clock, scheduler, lasting, stop, order, most: () => most };
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);

test("maxInstances of a job: so many of all its entries at once, the others wait in their order and hold up nobody", async () => {
  const { clock, scheduler, lasting, stop, order, most } = setUp();
  const job = scheduler.job("work", lasting(1_000), { maxInstances: 3 });
  for (const name of names(10)) await job.at(new Date(start + 10_000), name, { name });
  let other = 0;
  const note = () => {
    other = clock.now();
  };
  scheduler.at(new Date(start + 10_000), note, { name: "zz" });
  await scheduler.start();
  await clock.advance(10_500);
  assert.equal(other, start + 10_000);
  await clock.advance(9_500);
  assert.equal(most(), 3);
  assert.deepEqual(order, names(10));
  const runs = await scheduler.runs();
  assert.deepEqual([runs.length, new Set(runs.map(({ state }) => state))], [11, new Set(["ran"])]);
  const began = runs.filter(({ entry }) => entry !== "zz").map(({ startedAt }) => startedAt!.getTime() - start);
  assert.ok(Math.max(...began) >= 13_000 && Math.max(...began) < 13_500, "no place stays empty");
  await stop(0);
});

test("one that waits for its job may be withdrawn or become too late, and those behind it go on", async () => {
  const { clock, scheduler, lasting, stop, order } = setUp();
  const job = scheduler.job("work", lasting(5_000), { maxInstances: 1 });
  for (const name of names(4)) {
    const late = name === "n2" ? { misfireGraceTime: "1s" } : {};
    await job.at(new Date(start + 10_000), name, { name, ...late });
  }
  await scheduler.start();
  await clock.advance(12_000);
  await scheduler.pause("n1");
  await clock.advance(20_000);
  assert.deepEqual(order, ["n0", "n3"]);
  assert.deepEqual((await scheduler.runs()).map(({ entry, state }) => `${entry} ${state}`).toSorted(), [
    "n0 ran",
    "n1 cancelled",
    "n2 missed",
    "n3 ran",
  ]);
  await stop(0);
});

test("what gives way while its line stands still takes no memory", async () => {
  for (const [overlap, coalesce, entries] of [
    ["allow", "latest", 2],
    ["queue", "latest", 1],
    ["queue", "earliest", 1],
  ] as const) {
    const { clock, scheduler, lasting, stop } = setUp();
    const job = scheduler.job("work", lasting(3_600_000), { maxInstances: 1 });
    for (const name of names(entries)) await job.every("1s", name, { name, overlap, coalesce });
    await scheduler.start();
    await clock.advance(400_000);
    const { report } = await scheduler.status();
    assert.ok(report!.runsWaiting < 130, `${report!.runsWaiting} wait, and ${entries} would do`);
    await stop(0);
  }
});

test("a number of runs that is none is refused", () => {
  for (const maxConcurrentRuns of [0, -1, 1.5])
    assert.throws(() => new Scheduler({ maxConcurrentRuns }), /max-concurrent-runs: .* is not a number of runs/);
});

test("the ledger in memory is smaller by default than one in a file, and a number of rows that is none is refused", async () => {
  assert.equal(retentionRowsOf({}, await memory()()), 100_000);
  const file = await sqlite(pathOf("ledger"))();
  assert.equal(retentionRowsOf({}, file), 1_000_000);
  assert.equal(retentionRowsOf({ retentionRows: 7 }, file), 7);
  await file.close();
  for (const retentionRows of [-1, Number.NaN])
    assert.throws(() => new Scheduler({ retentionRows }), /retention-rows: /);
});

test("maxConcurrentRuns: so many of all jobs at once, and none is lost in a crowd", async () => {
  const { clock, scheduler, lasting, stop, order, most } = setUp({ maxConcurrentRuns: 7 });
  const job = scheduler.job("work", lasting(100));
  for (const name of names(500)) await job.at(new Date(start + 10_000), name, { name });
  await scheduler.start();
  await clock.advance(30_000);
  assert.deepEqual([most(), order.length, new Set(order).size], [7, 500, 500]);
  await stop(0);
});

test("retryIf decides which failures are worth another try", async () => {
  const { clock, scheduler, stop } = setUp();
  const attempts: string[] = [];
  const asked: unknown[] = [];
  const job = scheduler.job(
    "work",
    (kind: string, { attempt }) => {
      attempts.push(`${kind} ${attempt}`);
      throw kind === "passing" ? new TypeError(kind) : new RangeError(kind);
    },
    {
      retries: 2,
      retryDelay: "1s",
      retryIf: (error, attempt) => {
        asked.push((error as Error).message, attempt);
        if ((error as Error).message === "throwing") throw new Error("of its own");
        return error instanceof TypeError;
      },
    },
  );
  await scheduler.start();
  for (const kind of ["passing", "lasting", "throwing"]) await job.trigger(kind);
  await clock.advance(20_000);
  assert.deepEqual(attempts.toSorted(), ["lasting 1", "passing 1", "passing 2", "passing 3", "throwing 1"]);
  assert.deepEqual(asked.slice(0, 2), ["passing", 1]);
  const reasons = (await scheduler.runs()).map(({ reason }) => reason).toSorted();
  assert.deepEqual(reasons, ["lasting", "passing", "throwing; and its retryIf threw: of its own"]);
  await stop(0);
});

test("stop() waits for what goes on, then aborts it, and says how many did which", async () => {
  const { clock, scheduler, lasting } = setUp();
  const short = scheduler.job("short", lasting(3_000));
  const long = scheduler.job("long", lasting(3_600_000));
  await scheduler.start();
  await short.trigger("short");
  const run = await long.trigger("long");
  const result = assert.rejects(run.result(), /^JobError: stopped: Beat ended while it was going on$/);
  await clock.advance(1_000);
  const stopped = scheduler.stop({ drain: "10s" });
  await clock.advance(9_000);
  let done = false;
  void stopped.then(() => {
    done = true;
  });
  await clock.settle();
  assert.equal(done, false);
  await clock.advance(20_000);
  assert.deepEqual(await stopped, { finished: 1, aborted: 1, left: 0 });
  await result;
  assert.equal(await scheduler.stop(), await stopped, "once");
});

test("a drain of nothing aborts at once", async () => {
  const { clock, scheduler, stop } = setUp();
  let reason: unknown;
  scheduler.every(
    "1s",
    ({ signal }) =>
      new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => {
          reason = signal.reason;
          resolve();
        }),
      ),
  );
  await scheduler.start();
  await clock.advance(1_500);
  assert.deepEqual(await stop(0), { finished: 0, aborted: 1, left: 0 });
  assert.match(String(reason), /Beat ended while it was going on/);
});
