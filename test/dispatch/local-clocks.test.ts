// Local runs when clocks jump, machines sleep and the event loop stands still: the policy decides what runs, what runs already
// is measured by elapsed time, and nothing else happens.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobFunction } from "../../src/runner/runner.ts";
import { Process } from "./process.ts";
import { start, World } from "./world.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/** A cron and an interval of ten minutes, whose runs take 20 s; and one run of 8 minutes with a timeout of 10. */
async function play(
  happens: (world: World) => Promise<void>,
): Promise<{ ran: string[]; states: string[]; long: string }> {
  const world = new World();
  const ran: string[] = [];
  const work =
    (process: Process): JobFunction =>
    async ({ entry, fireTime, missedCount }) => {
      const elapsed = Math.round((world.clock.monotonic() / minute) * 10) / 10;
      if (entry.name !== "long")
        ran.push(
          `${entry.name} of ${fireTime.toISOString().slice(8, 16)} after ${elapsed} min, for ${missedCount} more`,
        );
      await new Promise<void>((resolve) =>
        process.clock.setTimer(entry.name === "long" ? 8 * minute : 20 * second, resolve),
      );
    };
  await world.add("cron", { cron: "*/10 * * * *", job: "work" });
  await world.add("interval", { every: "10m", job: "work" });
  await world.add("long", { at: "2027-01-01T12:12:00Z", job: "work", timeout: "10m" });
  const process = new Process(world, new Map([["work", work]]));
  await process.engine.start();
  await world.clock.advance(15 * minute);
  ran.length = 0;
  await happens(world);
  await world.clock.advance(11 * minute);
  const rows = await world.store.history({ limit: 1_000 });
  const stopped = process.engine.stop(0);
  await world.clock.advance(20 * second);
  await stopped;
  const states = rows.map(({ entryName, state, count }) => `${entryName} ${state} ${count}`).toSorted();
  const long = rows.find(({ entryName }) => entryName === "long")!;
  return { ran, states, long: long.state };
}

const forward = (ms: number) => async (world: World) => world.clock.stepWall(ms);

for (const [what, happens] of [
  ["the clock is put forward an hour", forward(hour)],
  ["the machine sleeps for an hour", forward(hour)],
] as const)
  test(`${what}: one run for the latest time, at once; what runs is not timed out`, async () => {
    const { ran, long, states } = await play(happens);
    assert.deepEqual(ran, [
      "cron of 01T13:10 after 15 min, for 5 more",
      "interval of 01T13:10 after 15 min, for 5 more",
      "cron of 01T13:20 after 20 min, for 0 more",
      "interval of 01T13:20 after 20 min, for 0 more",
    ]);
    assert.equal(long, "ran");
    assert.equal(states.filter((state) => state === "cron coalesced 5").length, 1);
  });

test("the clock is put forward a day", async () => {
  const { ran, long } = await play(forward(24 * hour));
  assert.deepEqual(ran, [
    "cron of 02T12:10 after 15 min, for 143 more",
    "interval of 02T12:10 after 15 min, for 143 more",
    "cron of 02T12:20 after 20 min, for 0 more",
    "interval of 02T12:20 after 20 min, for 0 more",
  ]);
  assert.equal(long, "ran");
});

for (const [what, ms] of [
  ["an hour", hour],
  ["a day", 24 * hour],
] as const)
  test(`the clock is put back ${what}: no time runs twice, and intervals go on`, async () => {
    const { ran, long } = await play(forward(-ms));
    assert.deepEqual(
      ran.map((line) => line.replace(/ of .*? after/, " after")),
      ["interval after 20 min, for 0 more"],
    );
    assert.equal(long, "ran");
  });

test("the event loop stands still for ten seconds: what fell due meanwhile runs once, late, and in its order", async () => {
  const world = new World();
  const ran: (readonly [fireSeconds: number, lateMs: number, missed: number])[] = [];
  const work =
    (): JobFunction =>
    ({ fireTime, lateMs, missedCount }) =>
      void ran.push([(fireTime.getTime() - start) / second, lateMs, missedCount]);
  await world.add("tick", { every: "1s", job: "work" });
  const process = new Process(world, new Map([["work", work]]));
  await process.engine.start();
  await world.clock.advance(2_500);
  ran.length = 0;
  await world.clock.sleepThrough(10 * second);
  await world.clock.advance(1_000);
  // That of 3 s was claimed ahead, and gives way.
  assert.deepEqual(
    ran.map(([fireSeconds, , missed]) => [fireSeconds, missed]),
    [
      [12, 9],
      [13, 0],
    ],
  );
  assert.ok(ran[0]![1] >= 500 && ran[0]![1] <= 600 && ran[1]![1] === 0, String(ran));
  const stopped = process.engine.stop(0);
  await world.clock.advance(10 * second);
  await stopped;
});

test("a machine that sleeps in a run goes on with it, and a retry comes after its delay", async () => {
  const world = new World();
  const attempts: number[] = [];
  const work =
    (process: Process): JobFunction =>
    async ({ attempt }) => {
      attempts.push(attempt);
      await new Promise<void>((resolve) => process.clock.setTimer(30 * second, resolve));
      if (attempt === 1) throw new Error("not yet");
    };
  await world.add("once", { at: "2027-01-01T12:00:10Z", job: "work", timeout: "1m", retries: 1, retry_delay: "10s" });
  const process = new Process(world, new Map([["work", work]]));
  await process.engine.start();
  await world.clock.advance(20 * second);
  world.clock.stepWall(hour);
  await world.clock.advance(20 * second);
  assert.deepEqual(attempts, [1]);
  world.clock.stepWall(-2 * hour);
  await world.clock.advance(10 * second);
  assert.deepEqual(attempts, [1, 2]);
  await world.clock.advance(40 * second);
  assert.deepEqual(
    (await world.ledger()).map(([state]) => state),
    ["ran"],
  );
  const stopped = process.engine.stop(0);
  await world.clock.advance(10 * second);
  await stopped;
});
