// Local runs from the outbox on, with the real runner: overlap, retries, and what the ledger says of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createRunner, type JobContext } from "../../src/runner/runner.ts";
import { start, World } from "./world.ts";

/** A world whose jobs take their time, and what was begun: seconds since the start of the fire time and of the beginning. */
function setUp(job: (world: World, context: JobContext) => unknown) {
  const world = new World();
  const begun: (readonly [forSeconds: number, atSeconds: number])[] = [];
  const jobs = new Map([
    [
      "work",
      (context: JobContext) => {
        begun.push([(context.fireTime.getTime() - start) / 1_000, (world.clock.now() - start) / 1_000]);
        return job(world, context);
      },
    ],
  ]);
  const { clock, log } = world;
  const engine = world.engine({ runner: createRunner({ clock, log, jobs, jobsDir: undefined }) });
  return { world, engine, begun };
}

const lasting =
  (ms: number) =>
  (world: World, { signal }: JobContext) =>
    new Promise<void>((resolve, reject) => {
      world.clock.setTimer(ms, resolve);
      signal.addEventListener("abort", () => reject(signal.reason));
    });

test("overlap: queue begins the next run when the last one ends, and holds up no other entry", async () => {
  const { world, engine, begun } = setUp(lasting(25_000));
  await world.add("slow", { every: "10s", job: "work", overlap: "queue", coalesce: "all", max_runs: 3 });
  await world.add("other", { at: "2027-01-01T12:00:30Z", job: "work" });
  await engine.start();
  await world.clock.advance(120_000);
  await engine.stop(0);
  assert.deepEqual(begun, [
    [10, 10],
    [30, 30],
    [20, 35],
    [30, 60],
  ]);
  assert.deepEqual(
    (await world.ledger("slow")).map(([state]) => state),
    ["ran", "ran", "ran"],
  );
});

test("overlap: queue with coalesce: latest keeps the newest waiting", async () => {
  const { world, engine, begun } = setUp(lasting(35_000));
  await world.add("slow", { every: "10s", job: "work", overlap: "queue", max_runs: 4 });
  await engine.start();
  await world.clock.advance(120_000);
  await engine.stop(0);
  assert.deepEqual(begun, [
    [10, 10],
    [40, 45],
  ]);
  assert.deepEqual(
    (await world.ledger("slow")).map(([state]) => state),
    ["ran", "coalesced", "coalesced", "ran"],
  );
});

test("overlap: cancel ends the run that goes on, and begins the next", async () => {
  const { world, engine, begun } = setUp(lasting(15_000));
  await world.add("slow", { every: "10s", job: "work", overlap: "cancel", max_runs: 2 });
  await engine.start();
  await world.clock.advance(60_000);
  await engine.stop(0);
  assert.deepEqual(begun, [
    [10, 10],
    [20, 20],
  ]);
  const [first, second] = await world.ledger("slow");
  assert.deepEqual([first?.[0], second?.[0]], ["cancelled", "ran"]);
  assert.match(String(first?.[3]), /cancelled: the run of 2027-01-01T12:00:20/);
});

test("a failed run is tried again, later each time, under the same id, and the ledger says how often", async () => {
  const attempts: (readonly [id: string, attempt: number])[] = [];
  const { world, engine, begun } = setUp((_, { runId, attempt }) => {
    attempts.push([runId, attempt]);
    if (attempt < 3) throw new Error("not yet");
  });
  await world.add("flaky", { at: "2027-01-01T12:00:10Z", job: "work", retries: 3, retry_delay: "10s" });
  await engine.start();
  await world.clock.advance(12_000);
  const [waiting] = await world.ledger();
  assert.match(String(waiting?.[3]), /^try 1 of 4 failed: not yet; the next is in (8|9|10)s/);
  await world.clock.advance(60_000);
  await engine.stop(0);
  assert.deepEqual(
    attempts.map(([, attempt]) => attempt),
    [1, 2, 3],
  );
  assert.equal(new Set(attempts.map(([id]) => id)).size, 1);
  const gaps = begun.slice(1).map(([, at], index) => at - begun[index]![1]);
  assert.equal(gaps[0]! >= 8 && gaps[0]! <= 10 && gaps[1]! >= 16 && gaps[1]! <= 20, true, `${gaps}`);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["ran"],
  );
});

test("a run that never succeeds has failed after its last try", async () => {
  const { world, engine, begun } = setUp(() => {
    throw new Error("never");
  });
  await world.add("broken", { at: "2027-01-01T12:00:10Z", job: "work", retries: 2, retry_delay: "1s" });
  await world.add("fragile", { at: "2027-01-01T12:00:10Z", job: "work" });
  await engine.start();
  await world.clock.advance(60_000);
  await engine.stop(0);
  assert.equal(begun.length, 4);
  assert.deepEqual(await world.ledger("broken"), [["failed", 10, 1, "never"]]);
  assert.deepEqual(await world.ledger("fragile"), [["failed", 10, 1, "never"]]);
});

test("several failed runs of one entry that are asked for again run one after the other, whatever its overlap", async () => {
  let isMended = false;
  const { world, engine, begun } = setUp(async (world) => {
    await new Promise<void>((resolve) => world.clock.setTimer(4_000, resolve));
    if (!isMended) throw new Error("broken");
  });
  for (const overlap of ["skip", "allow"] as const)
    await world.add(overlap, { every: "10s", job: "work", overlap, max_runs: 3 });
  await engine.start();
  await world.clock.advance(40_000);
  isMended = true;
  begun.length = 0;
  assert.equal(await world.store.requeueFailed({ limit: 9 }, world.clock.now()), 6);
  await world.clock.advance(20_000);
  await engine.stop(0);
  for (const overlap of ["skip", "allow"])
    assert.deepEqual(
      (await world.ledger(overlap)).map(([state, , , reason]) => [state, reason]),
      [
        ["ran", null],
        ["ran", null],
        ["ran", null],
      ],
      overlap,
    );
  const atOf = begun.map(([, at]) => Math.floor(at));
  assert.deepEqual(new Set(atOf).size, 3, "those of `skip` do not run beside one another");
});

test("a run whose entry gets a job that is missing goes on with its own, tries and all", async () => {
  const world = new World();
  const { clock, log, store } = world;
  const tries: number[] = [];
  const failing = ({ attempt }: JobContext) =>
    new Promise<void>((_, reject) => {
      tries.push(attempt);
      clock.setTimer(15_000, () => reject(new Error("boom")));
    });
  const runner = createRunner({ clock, log, jobs: new Map([["work", failing]]), jobsDir: undefined });
  const engine = world.engine({ runner, whyMissing: (job) => runner.whyMissing(job) });
  const entry = await world.add("one", { every: "10s", job: "work", retries: 3, retry_delay: "10s" });
  await engine.start();
  await clock.advance(12_000);
  const { id, revision: expectedRevision, definition } = (await store.entryByName(entry.name))!;
  const fields = { definition: { ...definition, job: "other" } };
  await store.change([{ change: "update", id, expectedRevision, fields, at: clock.now() }]);
  await clock.advance(600_000);
  assert.deepEqual(tries, [1, 2, 3, 4]);
  const rows = await world.ledger("one");
  assert.deepEqual(
    rows.map(([state, , , reason]) => [state, reason]),
    [["failed", "boom"]],
  );
  assert.deepEqual(
    engine.parked(9).map(({ reason }) => reason),
    ['no job is registered as "other"'],
  );
  await engine.stop(0);
});

test("retryIf is not asked about a run that was given up before it ended", async () => {
  const world = new World();
  const { clock, log } = world;
  const asked: [string, number][] = [];
  const late = ({ attempt }: JobContext) =>
    new Promise<void>((_, reject) => clock.setTimer(30_000, () => reject(new Error(`end of ${attempt}`))));
  const retryIf = (error: unknown, attempt: number) => asked.push([(error as Error).message, attempt]) > 0;
  const jobs = new Map([["work", late]]);
  const runner = createRunner({ clock, log, jobs, limits: new Map([["work", { retryIf }]]), jobsDir: undefined });
  const engine = world.engine({ runner });
  const at = "2027-01-01T12:00:10Z";
  await world.add("one", { at, job: "work", retries: 2, retry_delay: "10s", timeout: "5s", overlap: "allow" });
  await engine.start();
  await clock.advance(120_000);
  assert.deepEqual((await world.ledger("one")).length, 1);
  assert.deepEqual(asked, []);
  await engine.stop(0);
});
