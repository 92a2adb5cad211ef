import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfirmDeadline } from "../../src/brokers/confirm-deadline.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";

function deadline() {
  const clock = new SimulatedClock();
  const passed: number[] = [];
  const state = { isExcused: false };
  const watch = new ConfirmDeadline(
    clock,
    15_000,
    () => state.isExcused,
    (idleMs) => passed.push(idleMs),
  );
  return { clock, passed, state, watch };
}

test("passes once nothing came for the limit and a second look", async () => {
  const { clock, passed, watch } = deadline();
  watch.start();
  await clock.advance(15_999);
  assert.deepEqual(passed, []);
  await clock.advance(60_000);
  assert.deepEqual(passed, [16_000]);
});

test("never passes while there is progress", async () => {
  const { clock, passed, watch } = deadline();
  watch.start();
  for (let second = 0; second < 120; second += 14) {
    await clock.advance(14_000);
    watch.progress();
  }
  assert.deepEqual(passed, []);
  await clock.advance(17_000);
  assert.equal(passed.length, 1);
});

test("a process that was stopped reads its mail before it judges", async () => {
  const { clock, passed, watch } = deadline();
  watch.start();
  await clock.sleepThrough(60_000);
  watch.progress();
  await clock.advance(15_000);
  assert.deepEqual(passed, []);
});

test("waits as long as it is known why nothing comes", async () => {
  const { clock, passed, state, watch } = deadline();
  watch.start();
  state.isExcused = true;
  await clock.advance(3_600_000);
  assert.deepEqual(passed, []);
  state.isExcused = false;
  watch.progress();
  await clock.advance(14_000);
  assert.deepEqual(passed, []);
  await clock.advance(3_000);
  assert.equal(passed.length, 1);
});

test("is over when it is stopped", async () => {
  const { clock, passed, watch } = deadline();
  watch.start();
  await clock.advance(15_500);
  watch.stop();
  await clock.advance(60_000);
  assert.deepEqual(passed, []);
});
