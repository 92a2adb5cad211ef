// One cell of the matrix: what Beat sends over a broker, a real worker of a version runs, all of it, as it was written.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectBroker } from "../../src/brokers/connect.ts";
import { buildMessage } from "../../src/celery/message.ts";
import { parseDefinition } from "../../src/core/definition.ts";
import type { Message } from "../../src/core/ports.ts";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { silentLog } from "../../src/log.ts";
import { systemClock } from "../../src/system-clock.ts";
import { publish, Told } from "../contract/broker-contract.ts";
import { type CeleryVersion, type Received, receivedIn, startWorker, untilReceived } from "../servers/celery.ts";
import type { Place } from "./brokers.ts";
import { type Case, casesAt, entryName, eta, expired, expiredAfterMs, inOrder, priorities } from "./cases.ts";

const receiveLimitMs = 120_000;
const emptyLimitMs = 10_000;

/** Rejects with what a worker did not run, or not as it was written, and the worker's log. */
export async function proveCell(version: CeleryVersion, place: Place): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "beat-cell-"));
  const results = join(folder, "results");
  await mkdir(results);
  const file = join(folder, "received.jsonl");
  const options = { clock: systemClock, log: silentLog, declareQueues: true, defaultQueue: place.queue };
  const broker = await connectBroker(place.url, options);
  const told = new Told();
  await broker.open(told);
  const send = async (messages: readonly Message[]) => {
    await told.until(() => told.isAvailable);
    for (const outcome of await publish(broker, messages)) assert.deepEqual(outcome, { result: "confirmed" });
  };
  const messageOf = ({ written }: Pick<Case, "written">, fireAt: number): Message => {
    const given = { queue: place.queue, ...place.options, ...(written["options"] as object) };
    const target = targetOf(parseDefinition({ every: "1h", ...written, options: given })) as TaskTarget;
    const source = { entryName, target, defaultQueue: place.queue, origin: "beat@test" };
    return buildMessage({ ...source, id: randomUUID(), fireAt, nextFireAt: null });
  };
  try {
    // Before there is a worker.
    const fireAt = Date.now();
    const cases = casesAt(fireAt);
    const sent = Object.entries(cases).map(([name, one]) => ({ name, one, message: messageOf(one, fireAt) }));
    const ranked = priorities.map((priority) =>
      messageOf({ written: { task: "sample.echo", args: [priority], options: { priority } } }, fireAt),
    );
    const tooLate = messageOf(expired, fireAt);
    await send([tooLate, ...ranked, ...sent.map(({ message }) => message)]);
    await sleep(Math.max(0, fireAt + expiredAfterMs + 1 - Date.now()));
    const worker = await startWorker({
      version,
      brokerUrl: place.workerUrl ?? place.url,
      queues: [place.queue],
      env: {
        BEAT_RECEIVED: file,
        BEAT_RESULTS: `file://${results}`,
        BEAT_ACCEPT_CONTENT: "json,yaml,msgpack,pickle",
        BEAT_CONF: JSON.stringify({ task_default_queue: place.queue, ...place.conf }),
        BEAT_TRANSPORT_OPTIONS: JSON.stringify(place.transportOptions ?? {}),
      },
    });
    try {
      const tasks = sent.reduce((sum, { one }) => sum + one.received.length, ranked.length);
      await untilReceived(file, tasks, worker, receiveLimitMs);
      // While it runs.
      const laterAt = Date.now();
      const later = { name: "eta", one: eta(laterAt), message: messageOf(eta(laterAt), laterAt) };
      await send([later.message]);
      const all = await untilReceived(file, tasks + 1, worker, receiveLimitMs);
      for (const { name, one, message } of [...sent, later]) checkCase(name, one, message, all);
      for (const { redelivered, routing_key: key } of all)
        assert.deepEqual([redelivered ?? false, key], [false, place.queue]);
      checkOrder(place, ranked, all);
      assert.ok(!all.some(({ id }) => id === tooLate.id), "what has expired is not run");
      assert.doesNotMatch(worker.log(), /CRITICAL|Unrecoverable|unknown message|unregistered|Traceback.*kombu/);
      await sleep(place.acknowledgedAfterMs ?? 0);
      await worker.stop();
      assert.equal((await receivedIn(file)).length, tasks + 1, "each message is run once");
      assert.equal(await leftIn(place), 0, "messages left in the queue");
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${worker.log().slice(-4_000)}`, { cause: error });
    } finally {
      await worker.stop();
    }
  } finally {
    await broker.close(1_000);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function checkCase(name: string, { received, check }: Case, { id, headers }: Message, all: readonly Received[]): void {
  const own = all.filter((run) => run.id === id || run.root_id === id);
  const expected = received.map((args) => args.map((value) => (value === "<id>" ? id : value)));
  assert.deepEqual(sorted(own.map(({ args }) => args)), sorted(expected), name);
  const { argsrepr, kwargsrepr } = headers;
  try {
    const first = own.find((run) => run.id === id);
    if (first !== undefined && argsrepr !== undefined)
      assert.deepEqual([first.argsrepr, first.kwargsrepr], [argsrepr, kwargsrepr]);
    check?.(own, id);
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

function checkOrder({ order }: Place, ranked: readonly Message[], all: readonly Received[]): void {
  const own = all.filter(({ id }) => ranked.some((message) => message.id === id));
  assert.equal(own.length, ranked.length);
  if (order === undefined) return;
  assert.deepEqual(
    own.map(({ args }) => args[0]),
    inOrder(order),
    `the order of priorities: ${order}`,
  );
}

/** What is still there when a worker that ended has given back what it had. */
async function leftIn(place: Place): Promise<number> {
  const giveUpAt = performance.now() + emptyLimitMs;
  let left = await place.left();
  while (left > 0 && performance.now() < giveUpAt) {
    await sleep(100);
    left = await place.left();
  }
  return left;
}

const sorted = (lists: readonly (readonly unknown[])[]) =>
  lists.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
