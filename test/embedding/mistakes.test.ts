// What a program without a compiler gets wrong is told at once, by an error that says what would be right.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BeatError, Scheduler } from "../../src/index.ts";
import { SteppedScheduler } from "../../src/testing/index.ts";

/** As plain JavaScript sees it. */
type Anything = Record<string, (...given: unknown[]) => unknown>;
const nothing = () => {};

function refuses(work: () => unknown, message: RegExp): void {
  assert.throws(work, (error) => {
    assert.ok(error instanceof BeatError, String(error));
    assert.match(error.describe(), message);
    return true;
  });
}

test("options of a scheduler", () => {
  for (const [options, message] of [
    [{ maxConcurentRuns: 3 }, /there is no option "maxConcurentRuns". Did you mean "maxConcurrentRuns"\?/],
    [{ shop: 1 }, /there is no option "shop". There are: store, broker/],
    [{ store: "jobs.sqlite" }, /store: it is not a store. Give sqlite\("jobs.sqlite"\)/],
    [{ timezone: "Europe/Berln" }, /"Europe\/Berln" is not a time zone. Did you mean "Europe\/Berlin"\?/],
    [{ maxRate: 0 }, /max-rate: 0/],
  ] as const)
    refuses(() => new Scheduler(options as never), message);
});

test("entries, jobs and listeners", async () => {
  await using scheduler = new Scheduler();
  const plain = scheduler as unknown as Anything;
  for (const [work, message] of [
    [() => plain["at"]!(new Date("x"), nothing), /"Invalid Date" is not a date/],
    [() => plain["every"]!("1h", nothing, "name"), /the options of an entry must be a map/],
    [() => plain["every"]!("1h", nothing, null), /the options of an entry must be a map/],
    [() => plain["job"]!(nothing), /the name of a job must be a text/],
    [() => plain["job"]!(undefined), /the name of a job must be a text/],
    [() => plain["job"]!({ name: "a" }), /the name of a job must be a text/],
    [() => plain["on"]!("run:failed"), /the listener for "run:failed" is not a function/],
    [() => plain["once"]!("*", "text"), /the listener for "\*" is not a function/],
  ] as const)
    refuses(work, message);
  scheduler.every("1h", nothing, { name: "a" });
  for (const [work, message] of [
    [() => plain["addAll"]!("text"), /entries: must be a list/],
    [() => plain["addAll"]!([null]), /an entry must be a map/],
    [
      () => plain["add"]!("b", { every: "1h", run: "true" }, { conflict: "maybe" }),
      /conflict: "maybe" is none of replace/,
    ],
    [() => plain["resume"]!("a", { from: "then" }), /from: "then" is neither now nor missed/],
    [() => plain["runs"]!({ state: "runing" }), /a run is never "runing". States are: claimed, running/],
    [() => plain["runs"]!({ limit: -1 }), /limit: -1 is not a number of rows/],
    [() => plain["list"]!({ limit: "x" }), /limit: x is not a number of rows/],
  ] as const) {
    await assert.rejects(work() as Promise<unknown>, (error) => {
      assert.ok(error instanceof BeatError, String(error));
      assert.match(error.describe(), message);
      return true;
    });
  }
});

test("a scheduler that was stopped", async () => {
  const scheduler = new Scheduler();
  const job = scheduler.job("j", nothing);
  await scheduler.stop();
  assert.deepEqual(await scheduler.stop(), { finished: 0, aborted: 0, left: 0 }, "stopping it again is nothing new");
  const stopped = /this scheduler was stopped. Make a new one/;
  refuses(() => scheduler.every("1h", nothing), stopped);
  for (const work of [() => scheduler.start(), () => scheduler.get("a"), () => job.trigger(), () => job.every("1h")])
    await assert.rejects(work, (error) => error instanceof BeatError && stopped.test(error.describe()));
});

test("times of a stepped scheduler", async () => {
  refuses(() => new SteppedScheduler({ now: "nonsense" }), /"nonsense" is no time/);
  await using t = new SteppedScheduler();
  await assert.rejects(t.advanceTo("soon"), /"soon" is no time/);
  await assert.rejects(t.advance(-1), /is not a duration/);
});

test("a result that was asked for and not waited for ends no process", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", note);
  await using t = new SteppedScheduler();
  const job = t.job("bad", () => {
    throw new RangeError("no");
  });
  const run = await job.trigger();
  const result = run.result();
  await t.advance(1);
  await t.advance(1);
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
  await assert.rejects(result, RangeError, "whoever waits is told all the same");
});
