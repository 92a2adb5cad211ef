import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BatchLink,
  type BatchPlace,
  MissingQueueError,
  type NewRow,
  PartlyStored,
} from "../../src/brokers/batch-link.ts";
import type { Message, PublishOutcome } from "../../src/core/ports.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { messageTo } from "../contract/broker-contract.ts";

/** A place whose answers the test gives: each batch waits for one. */
function linked() {
  const clock = new SimulatedClock();
  const batches: { readonly queues: readonly string[]; answer(error?: unknown): Promise<void> }[] = [];
  const lost: string[] = [];
  let isClosed = false;
  let clearUp: () => Promise<boolean> = async () => false;
  const place: BatchPlace = {
    name: "the place",
    transport: "it",
    slice: { messages: 3, characters: 1_000_000 },
    refusal: (queue) => (queue === "never" ? "not there" : undefined),
    store: (rows: readonly NewRow[]) =>
      new Promise((resolve, reject) => {
        const answer = (error?: unknown) => {
          if (error === undefined) resolve();
          else reject(error);
          return clock.settle();
        };
        batches.push({ queues: rows.map(({ queue }) => queue), answer });
      }),
    reason: (error) => `broken: ${(error as Error).message}`,
    clearUp: () => clearUp(),
    close: async () => {
      isClosed = true;
    },
  };
  const listener = { lost: (reason: string) => void lost.push(reason), blocked() {}, unblocked() {}, notice() {} };
  const link = new BatchLink(place, { clock, confirmLimitMs: 15_000 }, listener);
  const outcomes = new Map<Message, PublishOutcome>();
  return {
    clock,
    link,
    batches,
    lost,
    isClosed: () => isClosed,
    clearWith: (look: typeof clearUp) => (clearUp = look),
    async publish(...queues: readonly string[]) {
      const messages = queues.map((queue) => messageTo(queue));
      const settle = (message: Message, outcome: PublishOutcome) => {
        assert.equal(outcomes.has(message), false, "settled twice");
        outcomes.set(message, outcome);
      };
      link.publish(messages.map((message) => ({ message, settle })));
      await clock.settle();
      return () => messages.map((message) => outcomes.get(message)?.result);
    },
  };
}

test("one batch goes after the other, in order, and the next one's messages are not encoded before", async () => {
  const { publish, batches, link } = linked();
  const results = await publish("a", "never", "b", "c", "d");
  assert.deepEqual(results(), [undefined, "refused", undefined, undefined, undefined]);
  assert.deepEqual(
    batches.map(({ queues }) => queues),
    [["a", "b", "c"]],
  );
  assert.equal(link.unsettled, 4);
  await batches[0]!.answer();
  assert.deepEqual(results(), ["confirmed", "refused", "confirmed", "confirmed", undefined]);
  assert.deepEqual(batches[1]!.queues, ["d"]);
  await batches[1]!.answer();
  await link.drained();
  assert.equal(link.unsettled, 0);
});

test("what was stored before it broke is confirmed, what was not goes back", async () => {
  const { publish, batches, lost, isClosed } = linked();
  const results = await publish("a", "b", "c", "d");
  await batches[0]!.answer(new PartlyStored(2, new Error("no space")));
  assert.deepEqual(results(), ["confirmed", "confirmed", "unavailable", "unavailable"]);
  assert.deepEqual(lost, ["broken: no space"]);
  assert.equal(isClosed(), true);
});

test("a queue that is missing holds up its own messages; the others go on in their order", async () => {
  const { publish, batches, lost } = linked();
  const results = await publish("a", "gone", "b", "c");
  await batches[0]!.answer(new MissingQueueError(["gone"], new Error("no right to")));
  assert.deepEqual(results(), [undefined, "no-queue", undefined, undefined]);
  assert.deepEqual(batches[1]!.queues, ["a", "b", "c"]);
  await batches[1]!.answer();
  assert.deepEqual(results(), ["confirmed", "no-queue", "confirmed", "confirmed"]);
  assert.deepEqual(lost, []);
});

test("one that answers nothing is given up, and a late answer changes nothing", async () => {
  const { publish, batches, lost, clock } = linked();
  const results = await publish("a");
  await clock.advance(14_000);
  assert.deepEqual(lost, []);
  await clock.advance(3_000);
  assert.deepEqual(lost, ["the place answered nothing for 16 s"]);
  assert.deepEqual(results(), ["unavailable"]);
  await batches[0]!.answer();
  assert.deepEqual(results(), ["unavailable"]);
});

test("trouble shows in the clearing up too, and an idle place costs one look in two seconds", async () => {
  const { clock, lost, clearWith } = linked();
  await clock.advance(60_000);
  assert.deepEqual(lost, []);
  clearWith(() => Promise.reject(new Error("gone")));
  await clock.advance(2_000);
  assert.deepEqual(lost, ["broken: gone"]);
});

test("closing settles what is under way, and ends the place once", async () => {
  const { publish, link, lost, isClosed } = linked();
  const results = await publish("a", "b", "c", "d");
  await link.close();
  await link.close();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(results(), Array(4).fill("unavailable"));
  assert.deepEqual([lost.length, isClosed()], [1, true]);
});
