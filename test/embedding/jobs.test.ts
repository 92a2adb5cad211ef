// Jobs of a program: what is stored of them, what their runs give back, and what becomes of entries whose job is not there.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../../src/core/ports.ts";
import {
  type BeatEvent,
  defineJob,
  JobError,
  Scheduler,
  type SchedulerOptions,
  silentLog,
  sqlite,
} from "../../src/index.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { SimulatedClock } from "../../src/testing/index.ts";
import { temporaryFolder } from "../store/temporary-folder.ts";

const start = Date.UTC(2027, 0, 1, 12);
const pathOf = temporaryFolder();

/** Schedulers over one clock and one store, which outlives them. */
function setUp() {
  const clock = new SimulatedClock(start);
  const kept = new MemoryStore();
  const store: Store = new Proxy(kept, {
    get(target, key) {
      if (key === "close") return async () => {};
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const scheduler = (options: SchedulerOptions = {}) =>
    new Scheduler({ clock, log: silentLog, store: async () => store, ...options });
  /** Lets time pass until `work` is done. */
  const settled = async <Result>(work: Promise<Result>): Promise<Result> => {
    let done = false;
    const end = work.finally(() => {
      done = true;
    });
    end.catch(() => {});
    for (let round = 0; round < 1_000 && !done; round++) await clock.advance(50);
    return end;
  };
  return { clock, store: kept, scheduler, settled };
}

test("a job's entries are given what they were added with, and told what there is to know", async () => {
  const { clock, scheduler, settled } = setUp();
  const seen: unknown[] = [];
  const durable = scheduler();
  const report = durable.job("report", (params: { org: string }, context) => {
    seen.push([params, context.entry.name, context.fireTime.toISOString(), context.lateMs, context.missedCount]);
    seen.push([context.attempt, context.manual, context.signal.aborted]);
  });
  const entry = await report.every("10s", { org: "a" }, { name: "report:a", maxRuns: 1 });
  assert.deepEqual(entry.next(2), [new Date(start + 10_000), new Date(start + 20_000)]);
  await durable.start();
  await clock.advance(30_000);
  assert.deepEqual(seen, [
    [{ org: "a" }, "report:a", "2027-01-01T12:00:10.000Z", 0, 0],
    [1, false, false],
  ]);
  await settled(durable.stop());
});

test("a run that is asked for gives back what the job returned, and rethrows what it threw", async () => {
  const { scheduler, settled, store } = setUp();
  await using durable = scheduler();
  const boom = new RangeError("no such org");
  const report = durable.job("report", async ({ org }: { org: string }) => {
    if (org === "none") throw boom;
    return { org, made: new Date(0) };
  });
  await durable.start();
  const run = await settled(report.trigger({ org: "b" }));
  assert.deepEqual(await settled(run.result()), { org: "b", made: new Date(0) }, "the value itself");
  assert.deepEqual([run.entry, run.manual, run.state], ["report: on demand", true, "claimed"]);
  const failing = await settled(report.trigger({ org: "none" }));
  await assert.rejects(settled(failing.result()), (error) => error === boom);
  assert.deepEqual((await store.history({ limit: 9 })).map(({ state, params }) => [state, params]).toReversed(), [
    ["ran", '{"org":"b"}'],
    ["failed", '{"org":"none"}'],
  ]);
  await settled(durable.stop());
});

test("results are kept as JSON, are there to be read again, and say why they are not there", async () => {
  const { scheduler, settled, clock } = setUp();
  const first = scheduler();
  const results: Record<string, unknown> = {
    list: [1, "a", null],
    nothing: undefined,
    date: { at: new Date(0) },
    big: "x".repeat(70_000),
    partly: { kept: 1, left: undefined },
  };
  const give = first.job("give", (which: string) => results[which]);
  await first.start();
  for (const which of Object.keys(results)) {
    await settled(give.trigger(which));
    await clock.advance(100);
  }
  await settled(first.stop());
  const second = scheduler();
  const told = new Map<string, unknown>();
  for (const run of await second.runs({ entry: "give: on demand" })) {
    const result = await run.result().catch((error: unknown) => (error as Error).message);
    assert.deepEqual(await run.result().catch((error: unknown) => (error as Error).message), result, "read again");
    told.set(`${run.state} ${told.size}`, result);
  }
  const [partly, big, date, nothing, list] = [...told.values()];
  assert.deepEqual([list, nothing, partly], [[1, "a", null], undefined, { kept: 1 }]);
  assert.match(String(date), /its result is not kept: at: a Date can't be written as JSON/);
  assert.match(String(big), /it takes 70002 bytes, and 65536 are the most/);
  assert.deepEqual(
    (await second.runs({ state: "failed" })).length + (await second.runs({ state: ["ran"], limit: 2 })).length,
    2,
  );
  await settled(second.stop());
});

test("one process schedules, another runs, and the first hears of the result", async () => {
  const { scheduler, settled } = setUp();
  const add = defineJob("add", ({ a, b }: { a: number; b: number }) => a + b);
  const client = scheduler();
  const worker = scheduler();
  worker.job(add);
  await worker.start();
  const run = await settled(client.job(add).trigger({ a: 1, b: 2 }));
  assert.equal(await settled(run.result()), 3);
  const waiting = await settled(client.job("unknown to the worker", () => 1).trigger());
  const outcome = assert.rejects(waiting.result(), /the scheduler was stopped before the run had ended/);
  await settled(client.stop());
  await outcome;
  await settled(worker.stop());
});

test("an entry whose job is not registered is parked, told of and never lost, and goes on with its job", async () => {
  const { scheduler, settled, clock, store } = setUp();
  const first = scheduler();
  await first.job("tidy", () => 1).every("10s", undefined, { name: "tidy:all", coalesce: "latest" });
  await settled(first.stop());

  const second = scheduler();
  const events: BeatEvent[] = [];
  second.on("entry:*", (event) => events.push(event));
  second.job("tidi", () => 1);
  await second.start();
  await clock.advance(35_000);
  assert.deepEqual(
    events.map(({ type }) => type),
    ["entry:parked"],
  );
  const [entry] = await second.list();
  assert.equal(entry!.parked, 'no job is registered as "tidy". Did you mean "tidi"?');
  assert.deepEqual(await store.history({ limit: 9 }), [], "nothing was decided");
  const { verdict, sentences } = await second.why("tidy:all");
  assert.equal(verdict, "waits");
  assert.match(sentences.join(" "), /tidy:all is parked until its job is there: no job is registered as "tidy"/);
  const asked = await settled(second.trigger("tidy:all"));
  await clock.advance(2_000);
  assert.match((await store.history({ limit: 1 }))[0]!.reason!, /no job is registered as "tidy"/);
  assert.equal(second.health().alerts.length, 0, "it is not overdue");

  const ran: unknown[] = [];
  second.job("tidy", (_, { fireTime, missedCount, manual }) => {
    ran.push([Math.floor((fireTime.getTime() - start) / 1_000), missedCount, manual]);
    return "done";
  });
  await clock.advance(4_000);
  assert.equal(await settled(asked.result()), "done");
  assert.deepEqual(
    ran.toSorted(),
    [
      [30, 2, false],
      [40, 0, false],
      [35, 0, true],
    ].toSorted(),
  );
  assert.deepEqual(
    events.map((event) => ("from" in event ? event.from : event.type)),
    ["entry:parked", "parked"],
  );
  assert.equal((await second.get("tidy:all")).parked, null);
  await settled(second.stop());
});

test("what one process parks, another sees", async () => {
  const { scheduler, settled, clock } = setUp();
  const leader = scheduler();
  await leader.add("orphan", { every: "10s", job: "gone" });
  await leader.start();
  await clock.advance(13_000);
  const other = scheduler();
  assert.match((await other.get("orphan")).parked!, /no job is registered as "gone"/);
  await settled(leader.stop());
  await settled(other.stop());
});

test("params that JSON can't carry are refused where they are given", async () => {
  const { scheduler, settled } = setUp();
  await using one = scheduler();
  const job = one.job("any", (_: unknown) => {});
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  for (const [params, message] of [
    [{ when: new Date(0) }, /a Date can't be written as JSON/],
    [{ list: [1, undefined] }, /undefined can't be written as JSON/],
    [{ n: Number.NaN }, /NaN can't be written as JSON/],
    [circle, /nests deeper than 64 levels/],
  ] as const) {
    await assert.rejects(job.every("1m", params), message);
    await assert.rejects(settled(job.trigger(params)), message);
  }
  const entry = await job.every("1m", { kept: 1, left: undefined }, { name: "good" });
  assert.deepEqual((await entry.get()).definition.params, { kept: 1 });
  await one.add("command", { every: "1m", run: ["true"] });
  await assert.rejects(one.trigger("command", { a: 1 }), /only a job is given params/);
});

test("a job may change what it is given without harm to its next run", async () => {
  const { scheduler, clock, settled } = setUp();
  const one = scheduler();
  const seen: number[] = [];
  const job = one.job("grow", (params: { list: number[] }) => seen.push(params.list.push(1)));
  await job.every("1s", { list: [] }, { maxRuns: 3 });
  await one.start();
  await clock.advance(5_000);
  assert.deepEqual(seen, [1, 1, 1]);
  await settled(one.stop());
});

test("mistakes in a job are told where it is made", async () => {
  const { scheduler } = setUp();
  await using one = scheduler();
  one.job("report", () => {});
  assert.throws(() => one.job("report", () => {}), /there is a job "report" already/);
  assert.throws(() => one.every("1m", () => {}, { name: "report" }), /there is a job "report" already/);
  assert.throws(() => defineJob("", () => {}), /a job needs a name/);
  assert.throws(() => one.job("nothing", undefined as never), /a job needs a function/);
  assert.throws(() => defineJob("./report.ts", () => {}), /must not look like a file/);
  assert.throws(() => defineJob("a", () => {}, { maxInstances: 0 }), /maxInstances: 0/);
  assert.throws(() => defineJob("a", () => {}, { timeout: "soon" }), /"soon" is not a duration/);
  assert.throws(() => defineJob("a", () => {}, { retryIf: 1 as never }), /retryIf: it is not a function/);
});

test("an entry that is added again keeps its progress and its pause, unless its trigger changed", async () => {
  const { scheduler, settled, clock } = setUp();
  const one = scheduler();
  const job = one.job("work", (_: { n: number }) => {});
  const added = await job.every("1m", { n: 1 }, { name: "e" });
  await one.start();
  await clock.advance(90_000);
  await settled(added.pause("enough"));
  const again = await job.every("1m", { n: 2 }, { name: "e" });
  const kept = await again.get();
  assert.deepEqual(
    [kept.runCount, kept.pauseNote, kept.definition.params, kept.lastFireAt],
    [1, "enough", { n: 2 }, start + 60_000],
  );
  assert.deepEqual(again.next(), [new Date(start + 120_000)], "by its anchor in the store");
  const changed = await (await job.every("2m", { n: 2 }, { name: "e" })).get();
  assert.deepEqual([changed.runCount, changed.pauseNote, changed.lastFireAt], [0, "enough", null]);
  await job.every("9m", { n: 9 }, { name: "e", conflict: "keep" });
  assert.equal((await added.get()).definition.every, "2m");
  await assert.rejects(job.every("9m", { n: 9 }, { name: "e", conflict: "throw" }), /an entry of that name already/);
  await settled(one.stop());
});

test("a handle does to its entry what there is to do", async () => {
  const { scheduler, settled, clock } = setUp();
  const one = scheduler({ timezone: "Europe/Berlin" });
  const told: string[] = [];
  one.on("*", ({ type }) => told.push(type));
  const ran: number[] = [];
  const handle = one.cron("0 14 * * *", ({ fireTime }) => ran.push(fireTime.getTime()), { name: "daily" });
  await one.start();
  assert.deepEqual(handle.next(), [new Date(start + 3_600_000)]);
  await settled(handle.reschedule({ every: "10s" }));
  await clock.advance(10_000);
  assert.deepEqual(handle.next(2), [new Date(start + 20_000), new Date(start + 30_000)]);
  assert.equal((await handle.get()).definition.timezone, "Europe/Berlin");
  await settled(handle.pause("holiday"));
  await clock.advance(30_000);
  assert.equal(ran.length, 1);
  await settled(handle.resume({ from: "missed" }));
  await clock.advance(1_000);
  assert.equal(ran.length, 2, "one for the latest that was missed");
  const run = await settled(handle.trigger());
  await settled(run.result());
  assert.deepEqual(
    (await handle.runs()).map(({ state, manual, missedCount }) => [state, manual, missedCount]),
    [
      ["ran", true, 0],
      ["ran", false, 2],
      ["ran", false, 0],
    ],
  );
  assert.deepEqual(await one.next("daily"), handle.next());
  await settled(handle.remove());
  await assert.rejects(handle.get(), /there is no entry "daily"/);
  await settled(one.stop());
  assert.deepEqual(
    told.filter((type) => !type.startsWith("run:")),
    [
      "entry:added",
      "scheduler:leading",
      "scheduler:started",
      "entry:changed",
      "entry:paused",
      "entry:resumed",
      "entry:removed",
      "scheduler:stopping",
      "scheduler:stopped",
    ],
  );
});

test("handles from a file are paged, and progress outlives the process", async () => {
  const path = pathOf();
  const clock = new SimulatedClock(start);
  {
    await using one = new Scheduler({ clock, log: silentLog, store: sqlite(path) });
    const job = one.job("remind", (_: { to: string }) => {});
    for (const to of ["a", "b", "c"]) await job.at(new Date(start + 60_000), { to }, { name: `remind:${to}` });
    const page = await one.list({ limit: 2 });
    assert.deepEqual(
      page.map(({ name }) => name),
      ["remind:a", "remind:b"],
    );
    assert.deepEqual(
      (await one.list({ afterName: page[1]!.name })).map(({ name }) => name),
      ["remind:c"],
    );
  }
  const to: string[] = [];
  const two = new Scheduler({ clock, log: silentLog, store: sqlite(path) });
  two.job("remind", (params: { to: string }) => void to.push(params.to));
  await two.start();
  await clock.advance(61_000);
  assert.deepEqual(to.toSorted(), ["a", "b", "c"]);
  const stopped = two.stop();
  await clock.advance(1_000);
  await stopped;
});

test("a result that is never asked for harms nothing, and one of a skipped run says so", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  const { scheduler, settled, clock } = setUp();
  const one = scheduler();
  one.job("fail", () => Promise.reject(new Error("alone")));
  const slow = one.job("slow", () => new Promise((resolve) => clock.setTimer(5_000, () => resolve(1))));
  const entry = await slow.every("1h", undefined, { name: "slow" });
  await one.add("failing", { every: "1s", job: "fail" });
  await one.start();
  await clock.advance(3_000);
  const first = await settled(entry.trigger());
  const second = await settled(entry.trigger());
  await assert.rejects(
    settled(second.result()),
    (error) => error instanceof JobError && /skipped: the run of/.test(error.message),
  );
  assert.equal(await settled(first.result()), 1);
  await settled(one.stop());
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});
