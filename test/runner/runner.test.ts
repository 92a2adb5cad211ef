import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Definition } from "../../src/core/definition.ts";
import { createRunner, type JobContext, type JobFunction } from "../../src/runner/runner.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { entryOf, fireAt, lateMs, outcomeOf, RecordedLog, runOf } from "./run-of.ts";

const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
after(() => assert.deepEqual(unhandled, []));

function setUp(jobs: Record<string, JobFunction>, maxConcurrentRuns?: number) {
  const clock = new SimulatedClock(fireAt + lateMs);
  const log = new RecordedLog();
  const runner = createRunner({
    clock,
    log,
    jobs: new Map(Object.entries(jobs)),
    jobsDir: undefined,
    ...(maxConcurrentRuns && { maxConcurrentRuns }),
  });
  return { clock, log, runner };
}

/** A job that ends when it is told to. */
function pending() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { job: () => promise, end: resolve, fail: reject };
}

test("a job is told about its run", async () => {
  const told: JobContext[] = [];
  const { runner, log } = setUp({ look: (context) => void told.push(context) });
  const run = runOf(entryOf({ job: "look" }), { manual: true, missedCount: 3, params: { n: 1 } });
  assert.deepEqual(await outcomeOf(runner, run), { result: "ran", reason: null });
  const [context] = told;
  assert.deepEqual(
    { ...context, dueTime: context!.dueTime, runId: context!.runId, signal: undefined, log: undefined },
    {
      entry: run.entry,
      params: { n: 1 },
      fireTime: new Date(fireAt),
      dueTime: new Date(fireAt),
      lateMs,
      missedCount: 3,
      runId: run.id,
      attempt: 1,
      manual: true,
      signal: undefined,
      log: undefined,
    },
  );
  assert.equal(context!.signal.aborted, false);
  context!.log.info("hello", { n: 1 });
  assert.deepEqual(log.lines.at(-1), { level: "info", message: "hello", fields: { n: 1, entry: "tidy", run: run.id } });
});

for (const [title, job, reason] of [
  [
    "throws",
    () => {
      throw new Error("boom");
    },
    "boom",
  ],
  [
    "rejects",
    async () => {
      throw new TypeError("bad row");
    },
    "bad row",
  ],
  [
    "throws a text",
    () => {
      throw "plain";
    },
    "plain",
  ],
  [
    "throws nothing",
    () => {
      throw undefined;
    },
    "undefined",
  ],
  [
    "throws an error without words",
    () => {
      throw new RangeError();
    },
    "RangeError",
  ],
  [
    "throws what has no text",
    () => {
      throw Object.create(null);
    },
    "it threw a value that has no text",
  ],
] as [string, JobFunction, string][]) {
  test(`a job that ${title} fails with a reason`, async () => {
    const { runner } = setUp({ job });
    assert.deepEqual(await outcomeOf(runner, runOf(entryOf({ job: "job" }))), { result: "failed", reason });
    assert.equal(runner.running, 0);
  });
}

test("a missing job fails and names the nearest", async () => {
  const { runner } = setUp({ cleanup: () => {} });
  assert.deepEqual(await outcomeOf(runner, runOf(entryOf({ job: "cleanupp" }))), {
    result: "failed",
    reason: 'no job is registered as "cleanupp". Did you mean "cleanup"?',
  });
});

test("a reason has at most 2 KiB, in whole characters", async () => {
  const { runner } = setUp({
    loud: () => {
      throw new Error("ü€".repeat(5_000));
    },
  });
  const { reason } = await outcomeOf(runner, runOf(entryOf({ job: "loud" })));
  assert.ok(Buffer.byteLength(reason!) <= 2_048 && Buffer.byteLength(reason!) > 2_000);
  assert.match(reason!, /^[ü€]+…$/u);
});

test("a synchronous job and a quick one are settled after start has returned", async () => {
  const { runner } = setUp({ quick: () => 1 });
  assert.deepEqual(await outcomeOf(runner, runOf(entryOf({ job: "quick" }))), { result: "ran", reason: null });
});

test("overlap: skip refuses a second run of the same entry and of no other; allow does not", async () => {
  const first = pending();
  const { runner, clock } = setUp({ slow: first.job });
  const entry = entryOf({ job: "slow" });
  const outcome = outcomeOf(runner, runOf(entry));
  await clock.advance(65_000);
  assert.deepEqual(runner.admit(runOf(entry)), {
    result: "skipped",
    reason: "the run of 2027-01-01T09:00:00.000Z is still going on, 1m5s after its start",
  });
  assert.equal(runner.admit(runOf(entryOf({ job: "slow" }))), undefined);
  assert.equal(runner.admit(runOf({ ...entry, definition: { ...entry.definition, overlap: "allow" } })), undefined);
  first.end();
  assert.equal((await outcome).result, "ran");
  assert.equal(runner.admit(runOf(entry)), undefined);
});

test("max_instances: so many of one entry at once; what comes on top is skipped or queued", () => {
  const { runner } = setUp({ slow: () => new Promise(() => {}) });
  for (const [overlap, result] of [
    ["skip", "skipped"],
    ["queue", "queued"],
  ] as const) {
    const entry = entryOf({ job: "slow", overlap, max_instances: 2 });
    void outcomeOf(runner, runOf(entry));
    assert.equal(runner.admit(runOf(entry)), undefined);
    void outcomeOf(runner, runOf(entry));
    assert.equal(runner.admit(runOf(entry))?.result, result);
  }
});

test("a run that is asked for again waits where a new one is skipped, but for none that was given up", async () => {
  const { runner, clock } = setUp({ hang: () => new Promise(() => {}) });
  const entry = entryOf({ job: "hang", timeout: "5s" });
  const outcome = outcomeOf(runner, runOf(entry));
  const again = runOf(entry, { isAgain: true, attempt: 2 });
  assert.deepEqual([runner.admit(runOf(entry))?.result, runner.admit(again)?.result], ["skipped", "queued"]);
  await clock.advance(10_000);
  await outcome;
  assert.equal(runner.admit(again)?.result, "skipped");
});

test("overlap: cancel aborts the run that goes on, and the next waits for its end", async () => {
  const { runner, clock } = setUp({
    wait: ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  });
  const entry = entryOf({ job: "wait", overlap: "cancel" });
  const outcome = outcomeOf(runner, runOf(entry));
  await clock.advance(1_000);
  const next = runOf(entry, { fireAt: fireAt + 10_000 });
  assert.equal(runner.admit(next)?.result, "queued");
  assert.deepEqual(await outcome, {
    result: "cancelled",
    reason: "cancelled: the run of 2027-01-01T09:00:10.000Z took its place",
  });
  assert.equal(runner.admit(next), undefined);
});

test("one that was given up is not queued behind", async () => {
  const { runner, clock } = setUp({ hang: () => new Promise(() => {}) });
  const entry = entryOf({ job: "hang", timeout: "5s", overlap: "queue" });
  const outcome = outcomeOf(runner, runOf(entry));
  await clock.advance(10_000);
  await outcome;
  assert.equal(runner.admit(runOf(entry)), undefined);
});

test("at most so many runs at once; the next waits until one ends", async () => {
  const jobs = [pending(), pending(), pending()];
  const { runner } = setUp({ slow: () => jobs.shift()!.job() }, 2);
  const [first] = jobs;
  const outcome = outcomeOf(runner, runOf(entryOf({ job: "slow" })));
  void outcomeOf(runner, runOf(entryOf({ job: "slow" })));
  assert.equal(runner.running, 2);
  const third = runOf(entryOf({ job: "slow" }));
  assert.deepEqual(runner.admit(third), { result: "wait", reason: "2 runs are going on, the most at once is 2" });
  first!.end();
  await outcome;
  assert.equal(runner.running, 1);
  assert.equal(runner.admit(third), undefined);
});

test("a job that heeds its signal fails at its timeout", async () => {
  const { runner, clock } = setUp({
    wait: ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  });
  const outcome = outcomeOf(runner, runOf(entryOf({ job: "wait", timeout: "5s" })));
  await clock.advance(4_999);
  assert.equal(runner.running, 1);
  await clock.advance(1);
  assert.deepEqual(await outcome, { result: "failed", reason: "timed out after 5s" });
});

test("a job that returns quietly after its timeout did time out", async () => {
  const { runner, clock } = setUp({
    wait: ({ signal }) => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())),
  });
  const outcome = outcomeOf(runner, runOf(entryOf({ job: "wait", timeout: "5s" })));
  await clock.advance(5_000);
  assert.deepEqual(await outcome, { result: "failed", reason: "timed out after 5s" });
});

test("a job that ignores its signal is given up, and counts for overlap until it ends", async () => {
  const hanging = pending();
  const { runner, clock, log } = setUp({ hang: hanging.job }, 1);
  const entry = entryOf({ job: "hang", timeout: "5s" });
  const outcome = outcomeOf(runner, runOf(entry));
  await clock.advance(9_999);
  assert.equal(runner.running, 1);
  await clock.advance(1);
  assert.deepEqual(await outcome, { result: "failed", reason: "timed out after 5s and did not stop" });
  assert.equal(runner.running, 0);
  assert.deepEqual(runner.admit(runOf(entry)), {
    result: "skipped",
    reason: "the run of 2027-01-01T09:00:00.000Z was given up and has not stopped, 10s after its start",
  });
  assert.equal(runner.admit(runOf(entryOf({ job: "hang" }))), undefined, "it takes no place of others");
  hanging.fail(new Error("too late to matter"));
  await clock.settle();
  assert.equal(runner.admit(runOf(entry)), undefined);
  assert.equal(log.lines.filter((line) => line.message === "A run that was given up has ended").length, 1);
});

test("with overlap: allow, hanging copies of one entry are bounded", async () => {
  const { runner, clock } = setUp({ hang: () => new Promise(() => {}) });
  const entry = entryOf({ job: "hang", timeout: "1s", overlap: "allow" });
  for (let copy = 0; copy < 10; copy++) {
    assert.equal(runner.admit(runOf(entry)), undefined);
    const outcome = outcomeOf(runner, runOf(entry));
    await clock.advance(6_000);
    assert.equal((await outcome).result, "failed");
  }
  assert.deepEqual(runner.admit(runOf(entry)), {
    result: "skipped",
    reason: "10 runs of it were given up and have not stopped",
  });
  assert.equal(runner.admit(runOf(entryOf({ job: "hang" }))), undefined);
});

test("a timeout longer than any timer of Node is kept", async () => {
  const slow = pending();
  const { runner, clock } = setUp({ slow: slow.job });
  const outcome = outcomeOf(runner, runOf(entryOf({ job: "slow", timeout: "30d" })));
  await clock.sleepThrough(29 * 86_400_000);
  assert.equal(runner.running, 1);
  slow.end();
  assert.equal((await outcome).result, "ran");
});

test("a settle that throws harms nothing and is logged", async () => {
  const { runner, clock, log } = setUp({ quick: () => {} });
  const onEnd = () => {
    throw new Error("ledger gone");
  };
  runner.reserve(runOf(entryOf({ job: "quick" })), onEnd).start(clock.now());
  await clock.settle();
  assert.deepEqual(
    log.lines.map((line) => [line.level, line.message]),
    [["error", "A run's end could not be handed on: ledger gone"]],
  );
  assert.equal(runner.running, 0);
});

test("a task does not belong here", async () => {
  const { runner } = setUp({});
  const definition = { task: "a.b" } as Partial<Definition>;
  assert.deepEqual(await outcomeOf(runner, runOf(entryOf(definition))), {
    result: "failed",
    reason: "a Celery task can't run here",
  });
});

test("close waits for what ends within the time", async () => {
  const slow = pending();
  const { runner, clock } = setUp({ slow: slow.job });
  const outcome = outcomeOf(runner, runOf(entryOf({ job: "slow" })));
  const closed = runner.close(10_000);
  assert.deepEqual(runner.admit(runOf(entryOf({ job: "slow" }))), { result: "wait", reason: "Beat is stopping" });
  await clock.advance(3_000);
  slow.end();
  await closed;
  assert.deepEqual(await outcome, { result: "ran", reason: null });
});

test("close aborts the others, and gives up those that do not stop", async () => {
  const { runner, clock } = setUp({
    heeding: ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    deaf: () => new Promise(() => {}),
  });
  const heeding = outcomeOf(runner, runOf(entryOf({ job: "heeding" })));
  const deaf = outcomeOf(runner, runOf(entryOf({ job: "deaf" })));
  const closed = runner.close(10_000);
  assert.equal(runner.close(0), closed, "one close");
  await clock.advance(10_000);
  assert.deepEqual(await heeding, { result: "failed", reason: "stopped: Beat ended while it was going on" });
  await clock.advance(5_000);
  assert.deepEqual(await deaf, {
    result: "failed",
    reason: "stopped: Beat ended while it was going on and did not stop",
  });
  await closed;
  assert.deepEqual(await outcomeOf(runner, runOf(entryOf({ job: "heeding" }))), {
    result: "failed",
    reason: "it was not begun: Beat stopped",
  });
});

test("close with nothing going on ends at once", async () => {
  await setUp({}).runner.close(60_000);
});
