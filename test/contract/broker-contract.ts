// What every broker owes (see Broker in core/ports.ts). Each adapter's test file runs this suite with a fixture of its own.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { buildMessage } from "../../src/celery/message.ts";
import type { Broker, BrokerListener, Message, PublishOutcome } from "../../src/core/ports.ts";

export interface BrokerFixture {
  /** A queue that is there. */
  readonly queue: string;
  /** A broker that is not opened yet; each on the same server and queues. */
  connect(): Promise<Broker>;
  /** The ids of the messages that reached the queue and were not received before, in order. */
  received(queue: string): Promise<string[]>;
  /** A queue that is not there, and how it comes to be there; undefined where none can be missing. */
  readonly missing: { readonly queue: string; create(): Promise<void> } | undefined;
  /** The message, changed so that this broker can never take it. */
  poison(message: Message, broker: Broker): Message;
  /** The server goes away, and comes back. */
  cut(broker: Broker): Promise<void>;
  restore(broker: Broker): Promise<void>;
  dispose(): Promise<void>;
}

/** A message to `queue` with a fresh id. */
export function messageTo(queue: string, more: Partial<Message> = {}): Message {
  const target = { kind: "task", task: "hg.echo", args: [1], kwargs: {}, options: { queue } } as const;
  const message = buildMessage({
    entryName: "e",
    target,
    defaultQueue: "celery",
    origin: "beat@test",
    id: randomUUID(),
    fireAt: Date.now(),
    nextFireAt: null,
  });
  return { ...message, ...more };
}

/** Remembers what it was told, and lets tests wait for it. */
export class Told implements BrokerListener {
  readonly notices: string[] = [];
  readonly unavailabilities: { readonly reason: string; readonly permanent: boolean }[] = [];
  isAvailable = false;
  #waiting: (() => void)[] = [];

  available(): void {
    this.isAvailable = true;
    this.#wake();
  }

  unavailable(reason: string, permanent: boolean): void {
    this.isAvailable = false;
    this.unavailabilities.push({ reason, permanent });
    this.#wake();
  }

  notice(text: string): void {
    this.notices.push(text);
    this.#wake();
  }

  /** Rejects after 30 s. */
  async until(condition: () => boolean): Promise<void> {
    const giveUpAt = performance.now() + 30_000;
    while (!condition()) {
      if (performance.now() > giveUpAt) assert.fail(`waited in vain; told: ${JSON.stringify(this)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Why it was away for the first time, as soon as it is. */
  async trouble(): Promise<{ readonly reason: string; readonly permanent: boolean }> {
    await this.until(() => this.unavailabilities.length > 0);
    return this.unavailabilities[0]!;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Publishes and waits for every outcome, in the order of `messages`. Checks that each came once, and none at once. */
export async function publish(broker: Broker, messages: readonly Message[]): Promise<PublishOutcome[]> {
  const outcomes = new Map<Message, PublishOutcome>();
  await new Promise<void>((resolve) => {
    let isPublishing = true;
    broker.publish(messages, (message, outcome) => {
      assert.equal(isPublishing, false, "settled synchronously");
      assert.equal(outcomes.has(message), false, "settled twice");
      outcomes.set(message, outcome);
      if (outcomes.size === messages.length) resolve();
    });
    isPublishing = false;
  });
  // A second settling would come soon after.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return messages.map((message) => outcomes.get(message)!);
}

const results = (outcomes: readonly PublishOutcome[]) => outcomes.map(({ result }) => result);
const reasonIn = (outcome: PublishOutcome | undefined) => (outcome && "reason" in outcome ? outcome.reason : undefined);

export function brokerContract(name: string, makeFixture: () => Promise<BrokerFixture>): void {
  suite(`${name} keeps the broker contract`, () => {
    let fixture: BrokerFixture;
    before(async () => {
      fixture = await makeFixture();
    });
    after(() => fixture?.dispose());

    async function opened(): Promise<{ broker: Broker; told: Told; [Symbol.asyncDispose](): Promise<void> }> {
      const broker = await fixture.connect();
      const told = new Told();
      await broker.open(told);
      await told.until(() => told.isAvailable);
      return { broker, told, [Symbol.asyncDispose]: () => broker.close(0) };
    }

    test("takes messages once it said so, and not before", async () => {
      const broker = await fixture.connect();
      const [early] = await publish(broker, [messageTo(fixture.queue)]);
      assert.equal(early?.result, "unavailable");
      assert.ok(reasonIn(early));
      const told = new Told();
      await broker.open(told);
      await told.until(() => told.isAvailable);
      assert.deepEqual(results(await publish(broker, [messageTo(fixture.queue)])), ["confirmed"]);
      await broker.close(1_000);
      await fixture.received(fixture.queue);
    });

    test("settles each message once and keeps their order", async () => {
      await using open = await opened();
      const messages = Array.from({ length: 2_500 }, () => messageTo(fixture.queue));
      const outcomes = await Promise.all([
        publish(open.broker, messages.slice(0, 1_700)),
        publish(open.broker, messages.slice(1_700)),
      ]);
      assert.ok(outcomes.flat().every(({ result }) => result === "confirmed"));
      assert.deepEqual(
        await fixture.received(fixture.queue),
        messages.map(({ id }) => id),
      );
    });

    test("publishes nothing without a word", async () => {
      await using open = await opened();
      open.broker.publish([], () => assert.fail("nothing to settle"));
      assert.deepEqual(results(await publish(open.broker, [messageTo(fixture.queue)])), ["confirmed"]);
      await fixture.received(fixture.queue);
    });

    test("takes no more at once than its window", async () => {
      await using open = await opened();
      const messages = Array.from({ length: open.broker.window + 5 }, () => messageTo(fixture.queue));
      const outcomes = results(await publish(open.broker, messages));
      assert.ok(outcomes.slice(0, -5).every((result) => result === "confirmed"));
      assert.deepEqual(outcomes.slice(-5), Array(5).fill("unavailable"));
      assert.equal((await fixture.received(fixture.queue)).length, open.broker.window);
    });

    test("refuses what it can never take, and that alone", async () => {
      await using open = await opened();
      const [first, bad, last] = [
        messageTo(fixture.queue),
        fixture.poison(messageTo(fixture.queue), open.broker),
        messageTo(fixture.queue),
      ];
      const outcomes = await publish(open.broker, [first, bad, last]);
      assert.deepEqual(results(outcomes), ["confirmed", "refused", "confirmed"]);
      assert.ok(reasonIn(outcomes[1]));
      assert.deepEqual(await fixture.received(fixture.queue), [first.id, last.id]);
    });

    test("says which queue is missing, of its messages alone, and finds it when it is there", async (context) => {
      if (fixture.missing === undefined) return context.skip("this broker's queues are never missing");
      await using open = await opened();
      const { queue, create } = fixture.missing;
      const messages = [messageTo(queue), messageTo(fixture.queue), messageTo(queue)];
      const outcomes = await publish(open.broker, messages);
      assert.deepEqual(results(outcomes), ["no-queue", "confirmed", "no-queue"]);
      assert.ok(reasonIn(outcomes[0])?.includes(queue));
      assert.deepEqual(await fixture.received(fixture.queue), [messages[1]!.id]);
      await create();
      const again = messageTo(queue);
      assert.deepEqual(results(await publish(open.broker, [again])), ["confirmed"]);
      assert.deepEqual(await fixture.received(queue), [again.id]);
    });

    test("says when it is away and when it is back", async () => {
      await using open = await opened();
      const { broker, told } = open;
      await fixture.cut(broker);
      const [outcome] = await publish(broker, [messageTo(fixture.queue)]);
      assert.equal(outcome?.result, "unavailable");
      await told.until(() => !told.isAvailable);
      assert.ok(told.unavailabilities[0]!.reason);
      await fixture.restore(broker);
      await told.until(() => told.isAvailable);
      const message = messageTo(fixture.queue);
      assert.deepEqual(results(await publish(broker, [message])), ["confirmed"]);
      assert.ok((await fixture.received(fixture.queue)).includes(message.id));
    });

    test("settles what is under way when it goes away", async () => {
      await using open = await opened();
      const messages = Array.from({ length: 3_000 }, () => messageTo(fixture.queue));
      const outcomes = publish(open.broker, messages);
      await fixture.cut(open.broker);
      const settled = results(await outcomes);
      const reached = new Set(await fixture.restore(open.broker).then(() => fixture.received(fixture.queue)));
      assert.ok(settled.every((result) => result === "confirmed" || result === "unavailable"));
      for (const [index, result] of settled.entries()) {
        if (result === "confirmed")
          assert.ok(reached.has(messages[index]!.id), `message ${index} was confirmed and is not there`);
      }
    });

    test("closes once all is confirmed, and takes nothing after", async () => {
      const { broker } = await opened();
      const messages = Array.from({ length: 1_500 }, () => messageTo(fixture.queue));
      const outcomes = publish(broker, messages);
      await broker.close(120_000);
      assert.ok((await outcomes).every(({ result }) => result === "confirmed"));
      assert.equal((await fixture.received(fixture.queue)).length, messages.length);
      assert.deepEqual(results(await publish(broker, [messageTo(fixture.queue)])), ["unavailable"]);
    });

    test("closes without waiting, and settles what was under way", async () => {
      const { broker } = await opened();
      const messages = Array.from({ length: 3_000 }, () => messageTo(fixture.queue));
      const outcomes = publish(broker, messages);
      await broker.close(0);
      assert.equal((await outcomes).length, messages.length);
      await fixture.received(fixture.queue);
    });

    test("closes while it is away, and unopened", async () => {
      const { broker } = await opened();
      await fixture.cut(broker);
      await broker.close(0);
      await fixture.restore(broker);
      await (await fixture.connect()).close(0);
    });

    test("a second one goes on with the same queues", async () => {
      const messages = [messageTo(fixture.queue), messageTo(fixture.queue)];
      for (const message of messages) {
        await using open = await opened();
        assert.deepEqual(results(await publish(open.broker, [message])), ["confirmed"]);
      }
      assert.deepEqual(
        await fixture.received(fixture.queue),
        messages.map(({ id }) => id),
      );
    });
  });
}
