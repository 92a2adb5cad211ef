// Events: what is told, in which order, and that nobody who listens can do harm.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BeatEvent } from "../../src/core/events.ts";
import { Events } from "../../src/embedding/events.ts";
import { type JobContext, Scheduler, silentLog, UsageError } from "../../src/index.ts";
import { SimulatedClock } from "../../src/testing/index.ts";
import { RecordedLog } from "../runner/run-of.ts";

const start = Date.UTC(2027, 0, 1, 12);
const started: BeatEvent = { type: "scheduler:started", at: start };
const leading: BeatEvent = { type: "scheduler:leading", at: start };
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a listener hears what it asked for, once or until it is taken off, after the work that caused it", async () => {
  const events = new Events(silentLog);
  const heard: string[] = [];
  const note = (name: string) => (event: BeatEvent) => void heard.push(`${name} ${event.type}`);
  const every = note("every");
  events.on("*", every);
  events.on("*", every);
  events.on("scheduler:*", note("kind"));
  events.on("scheduler:leading", note("one"), true);
  events.on("run:*", note("run"));
  events.emit(started);
  assert.deepEqual(heard, []);
  events.emit(leading);
  events.emit(leading);
  await turn();
  const each = (type: string) => [`kind ${type}`, `every ${type}`];
  assert.deepEqual(heard, [
    ...each("scheduler:started"),
    "one scheduler:leading",
    ...each("scheduler:leading"),
    ...each("scheduler:leading"),
  ]);
  events.off("*", every);
  events.emit(started);
  await turn();
  assert.equal(heard.at(-1), "kind scheduler:started");
});

test("one that throws, rejects, or adds and takes off others harms nobody", async () => {
  const log = new RecordedLog();
  const events = new Events(log);
  const heard: string[] = [];
  const late = () => void heard.push("late");
  events.on("*", () => {
    throw new Error("of its own");
  });
  events.on("*", async () => {
    throw new Error("in vain");
  });
  events.on("*", ({ type }) => {
    heard.push(type);
    events.on("*", late);
    if (type === "scheduler:started") events.emit(leading);
  });
  events.emit(started);
  await turn();
  assert.deepEqual(heard, ["scheduler:started", "scheduler:leading", "late"], "each to everybody before the next");
  assert.deepEqual(
    log.lines.map(({ message }) => message),
    ["scheduler:started", "scheduler:leading"]
      .flatMap((type) => [`A listener for ${type} threw: of its own`, `A listener for ${type} threw: in vain`])
      .toSorted((a, b) => Number(a.includes("in vain")) - Number(b.includes("in vain"))),
  );
});

test("a stream keeps what nobody has read yet, up to its bound, and ends", async () => {
  const events = new Events(silentLog);
  const stream = events.stream("scheduler:*", 2);
  for (const event of [leading, started, leading]) events.emit(event);
  await turn();
  assert.equal(stream.dropped, 1);
  assert.deepEqual([(await stream.next()).value, (await stream.next()).value], [started, leading]);
  const waiting = stream.next();
  events.emit(started);
  assert.deepEqual(await waiting, { value: started, done: false });
  const last = stream.next();
  events.close();
  assert.deepEqual(await last, { value: undefined, done: true });
  assert.deepEqual(await events.stream("*").next(), { value: undefined, done: true });
});

test("a loop that is left takes its stream with it", async () => {
  const events = new Events(silentLog);
  const stream = events.stream("*");
  events.emit(started);
  for await (const event of stream) {
    assert.equal(event, started);
    break;
  }
  events.emit(leading);
  await turn();
  assert.deepEqual(await stream.next(), { value: undefined, done: true });
});

test("an event that is not there is refused, with the one that was meant", () => {
  const events = new Events(silentLog);
  assert.throws(() => events.on("run:fail" as never, () => {}), /there is no event "run:fail"/);
  assert.throws(
    () => events.on("run:faild" as never, () => {}),
    (error) => error instanceof UsageError && error.remedy === 'Did you mean "run:failed"?',
  );
  assert.throws(() => events.stream("*", 0), /a buffer of 0 events/);
});

/** A scheduler of one job, and all that is told of runs: the event and what it says beside. */
async function told(
  work: (context: JobContext, clock: SimulatedClock) => unknown,
  options: Parameters<Scheduler["every"]>[2],
  act: (clock: SimulatedClock, scheduler: Scheduler) => Promise<unknown> = (clock) => clock.advance(60_000),
): Promise<string[]> {
  const clock = new SimulatedClock(start);
  const scheduler = new Scheduler({ clock, log: silentLog });
  const events: string[] = [];
  scheduler.on("run:*", (event) => {
    const seconds = (event.fireTime.getTime() - start) / 1_000;
    const more =
      "reason" in event ? `: ${event.reason}` : event.type === "run:succeeded" ? `: ${String(event.result)}` : "";
    events.push(`${seconds} ${event.type.slice(4)}${"attempt" in event ? ` ${event.attempt}` : ""}${more}`);
  });
  scheduler.every("10s", (context) => work(context, clock), { name: "work", maxRuns: 1, ...options });
  await scheduler.start();
  await act(clock, scheduler);
  const stopped = scheduler.stop({ drain: 0 });
  await clock.advance(20_000);
  await stopped;
  return events;
}

const lasting =
  (ms: number) =>
  ({ signal }: JobContext, clock: SimulatedClock) =>
    new Promise((resolve, reject) => {
      clock.setTimer(ms, () => resolve("done"));
      signal.addEventListener("abort", () => reject(signal.reason));
    });

test("of a run that succeeds", async () => {
  assert.deepEqual(await told(() => "fine", {}), ["10 due 1", "10 started 1", "10 succeeded 1: fine"]);
});

test("of one that fails, is tried again and succeeds; and of one that does not", async () => {
  const options = { retries: 1, retryDelay: "1s" };
  const flaky = ({ attempt }: JobContext) => {
    if (attempt === 1) throw new Error("not yet");
  };
  assert.deepEqual(await told(flaky, options), [
    "10 due 1",
    "10 started 1",
    "10 retried 1: not yet",
    "10 started 2",
    "10 succeeded 2: undefined",
  ]);
  const never = () => Promise.reject(new Error("never"));
  assert.deepEqual((await told(never, options)).slice(2), [
    "10 retried 1: never",
    "10 started 2",
    "10 failed 2: never",
  ]);
});

test("of one that takes too long", async () => {
  assert.deepEqual(await told(lasting(50_000), { timeout: "5s" }), [
    "10 due 1",
    "10 started 1",
    "10 timed-out 1: timed out after 5s",
  ]);
});

test("of runs that overlap: skipped, and cancelled for the next", async () => {
  assert.deepEqual(await told(lasting(15_000), { maxRuns: 2 }), [
    "10 due 1",
    "10 started 1",
    "20 due 1",
    "20 skipped: the run of 2027-01-01T12:00:10.000Z is still going on, 10s after its start",
    "10 succeeded 1: done",
  ]);
  assert.deepEqual(await told(lasting(15_000), { maxRuns: 2, overlap: "cancel" }), [
    "10 due 1",
    "10 started 1",
    "20 due 1",
    "10 cancelled 1: cancelled: the run of 2027-01-01T12:00:20.000Z took its place",
    "20 started 1",
    "20 succeeded 1: done",
  ]);
});

test("of fire times that a sleep left behind: missed and coalesced, as ranges", async () => {
  const asleep = async (clock: SimulatedClock) => {
    await clock.sleepThrough(60_000);
    await clock.advance(5_000);
  };
  const options = { maxRuns: 9, misfireGraceTime: "25s" };
  assert.deepEqual((await told(() => 1, options, asleep)).slice(0, 5), [
    "10 missed: found more than 25s late",
    "40 skipped: the latest of them ran",
    "60 due 1",
    "60 started 1",
    "60 succeeded 1: 1",
  ]);
});

test("of one that is withdrawn before it begins, and of one that stop() aborts", async () => {
  const pause = async (clock: SimulatedClock, scheduler: Scheduler) => {
    await clock.advance(25_000);
    await scheduler.pause("work");
    await clock.advance(20_000);
  };
  assert.deepEqual((await told(lasting(18_000), { maxRuns: 2, overlap: "queue" }, pause)).slice(2), [
    "20 due 1",
    "20 cancelled 1: its entry was changed, paused or removed",
    "10 succeeded 1: done",
  ]);
  const stop = (clock: SimulatedClock) => clock.advance(15_000);
  assert.deepEqual((await told(lasting(18_000), {}, stop)).slice(2), [
    "10 failed 1: stopped: Beat ended while it was going on",
  ]);
  assert.deepEqual((await told(lasting(18_000), { retryAbandoned: true }, stop)).slice(2), [
    "10 abandoned 1: stopped: Beat ended while it was going on",
  ]);
});
