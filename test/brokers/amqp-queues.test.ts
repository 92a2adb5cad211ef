// What Beat does about queues before messages go there: looks for them, makes them, or asks nothing; and what it says where
// RabbitMQ has another opinion.

import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { connect, type GetMessage } from "amqplib";
import { pythonTime } from "../../src/celery/times.ts";
import type { Message, QueueDeclaration } from "../../src/core/ports.ts";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { available } from "./amqp-opened.ts";

const server = await startRabbitmq();
const observer = await connect(server.url);
const channel = await observer.createChannel();
after(async () => {
  await observer.close();
  await server.stop();
});

const confirmed = { result: "confirmed" } as const;
const by = (how: string, user = "guest:guest") => `amqp://${user}@127.0.0.1:${server.port}//?declare=${how}`;
const declaring = (
  declaration: Partial<QueueDeclaration> & { readonly queue: string },
  message: Partial<Message> = {},
) =>
  messageTo(declaration.queue, {
    declaration: {
      arguments: {},
      exchange: declaration.queue,
      exchangeType: "direct",
      routingKey: declaration.queue,
      ...declaration,
    },
    ...message,
  });
async function argumentsOf(queue: string): Promise<unknown> {
  const rows = JSON.parse(await server.rabbitmqctl("list_queues", "name", "arguments", "durable", "--formatter=json"));
  const { durable, arguments: found } = rows.find(({ name }: { readonly name: string }) => name === queue);
  assert.equal(durable, true);
  // Newer servers print a map.
  return Array.isArray(found) ? Object.fromEntries(found.map(([key, , value]) => [key, value])) : found;
}
const reasonOf = (outcome: object | undefined) => (outcome as { reason?: string }).reason ?? "";

suite("create", () => {
  test("makes a queue with its arguments", async () => {
    await using open = await available(by("create"));
    const quorum = { "x-queue-type": "quorum", "x-delivery-limit": 5, "x-dead-letter-exchange": "dead" };
    const classic = { "x-max-priority": 10, "x-message-ttl": 60_000, "x-expires": 3_600_000 };
    const outcomes = await publish(open.broker, [
      declaring({ queue: "made-quorum", arguments: quorum }),
      declaring({ queue: "made-classic", arguments: classic }, { priority: 9 }),
    ]);
    assert.deepEqual(outcomes, [confirmed, confirmed]);
    assert.deepEqual(await argumentsOf("made-quorum"), quorum);
    assert.deepEqual(await argumentsOf("made-classic"), classic);
  });

  test("makes an exchange and what binds the queue to it", async () => {
    await using open = await available(by("create"));
    const news = { queue: "made-news", exchange: "news", exchangeType: "topic", routingKey: "news.#" } as const;
    const outcomes = await publish(open.broker, [
      declaring(news, { exchange: "news", routingKey: "news.sport" }),
      declaring(
        { ...news, queue: "made-sport", routingKey: "news.sport" },
        { exchange: "news", routingKey: "news.sport" },
      ),
      declaring(news, { exchange: "news", routingKey: "weather" }),
    ]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["confirmed", "confirmed", "no-queue"],
    );
    assert.equal((await channel.checkQueue("made-news")).messageCount, 2);
    assert.equal((await channel.checkQueue("made-sport")).messageCount, 1);
  });

  test("a fan-out exchange reaches each of its queues, whatever the routing key", async () => {
    await using open = await available(by("create"));
    const all = { exchange: "everybody", exchangeType: "fanout", routingKey: "" } as const;
    const outcomes = await publish(
      open.broker,
      ["made-one", "made-two"].map((queue) =>
        declaring({ ...all, queue }, { exchange: "everybody", routingKey: queue }),
      ),
    );
    assert.deepEqual(outcomes, [confirmed, confirmed]);
    await publish(open.broker, [messageTo("x", { exchange: "everybody", routingKey: "no matter" })]);
    const counts = await Promise.all(["made-one", "made-two"].map((queue) => channel.checkQueue(queue)));
    assert.ok(counts.every(({ messageCount }) => messageCount >= 2));
  });

  test("what cannot be made is explained, and concerns nobody else", async () => {
    await channel.assertExchange("made-taken", "topic");
    await channel.assertQueue("good");
    await server.rabbitmqctl("add_user", "writer", "pw");
    await server.rabbitmqctl("set_permissions", "writer", "^$", ".*", ".*");
    await using open = await available(by("create"));
    await using limited = await available(by("create", "writer:pw"));
    const [taken, wrong, good] = await publish(open.broker, [
      declaring({ queue: "made-taken" }),
      declaring({ queue: "made-wrong", arguments: { "x-queue-type": "qorum" } }),
      messageTo("good"),
    ]);
    assert.match(
      reasonOf(taken),
      /queue "made-taken" cannot be used: PRECONDITION_FAILED - inequivalent arg 'type'.*made with other arguments: .*beat queues/,
    );
    assert.match(
      reasonOf(wrong),
      /queue "made-wrong" cannot be used: PRECONDITION_FAILED - invalid arg 'x-queue-type'/,
    );
    assert.deepEqual(good, confirmed);
    const [forbidden, fine] = await publish(limited.broker, [declaring({ queue: "made-not" }), messageTo("good")]);
    assert.equal(forbidden?.result, "no-queue");
    assert.match(reasonOf(forbidden), /ACCESS_REFUSED.*give the user "writer" the right to, .* declare=passive/);
    assert.deepEqual(fine, confirmed);
    assert.deepEqual([open.told.isAvailable, limited.told.isAvailable], [true, true]);
  });

  test("what is there with other arguments is left alone", async () => {
    await channel.assertQueue("there", { arguments: { "x-queue-type": "quorum" } });
    await using open = await available(by("create"));
    const message = declaring({ queue: "there", arguments: { "x-max-priority": 3 } });
    assert.deepEqual(await publish(open.broker, [message]), [confirmed]);
  });
});

suite("never", () => {
  test("a user that may only write publishes, and what no queue takes comes back", async () => {
    await server.rabbitmqctl("add_user", "pen", "pw");
    await server.rabbitmqctl("set_permissions", "pen", "^$", "^amq[.]default$", "^$");
    await channel.assertQueue("written");
    await using open = await available(by("never", "pen:pw"));
    const outcomes = await publish(open.broker, [messageTo("written"), messageTo("unwritten"), messageTo("written")]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["confirmed", "no-queue", "confirmed"],
    );
    assert.match(reasonOf(outcomes[1]), /queue "unwritten" does not exist in virtual host/);
    await channel.assertQueue("unwritten");
    assert.deepEqual(await publish(open.broker, [messageTo("unwritten")]), [confirmed]);
    // To look, no more right is needed.
    await using looking = await available(by("passive", "pen:pw"));
    assert.deepEqual(await publish(looking.broker, [messageTo("written")]), [confirmed]);
  });

  test("what is to be delayed is not bound, and a missing way there is not tried again at once", async () => {
    await channel.assertQueue("written");
    await using open = await available(`${by("never")}&native_delayed_delivery=true`);
    const later = () => messageTo("written", { headers: { eta: pythonTime(Date.now() + 60_000) } });
    await publish(open.broker, [later()]);
    const outcomes = await publish(open.broker, [messageTo("written"), later()]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["confirmed", "no-queue"],
    );
    assert.match(reasonOf(outcomes[1]), /NOT_FOUND - no exchange 'celery_delayed_27'/);
  });

  test("a missing exchange is not tried again at once", async () => {
    await channel.assertQueue("written");
    await using open = await available(by("never"));
    const lost = () => messageTo("x", { exchange: "nowhere", routingKey: "x" });
    assert.deepEqual(
      (await publish(open.broker, [lost()])).map(({ result }) => result),
      ["unavailable"],
    );
    const outcomes = await publish(open.broker, [messageTo("written"), lost(), messageTo("written")]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["confirmed", "no-queue", "confirmed"],
    );
    assert.match(reasonOf(outcomes[1]), /NOT_FOUND - no exchange 'nowhere'/);
  });
});

suite("native delayed delivery", () => {
  const url = `${server.url}?native_delayed_delivery=true`;
  const later = (queue: string, seconds: number, more: Partial<Message> = {}) =>
    messageTo(queue, { headers: { eta: pythonTime(Date.now() + seconds * 1_000) }, ...more });

  test("without the exchanges of the fleet, only what has an eta waits", async () => {
    await channel.assertQueue("plain");
    await using open = await available(url);
    const outcomes = await publish(open.broker, [messageTo("plain"), later("plain", 60), later("plain", 0.5)]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["confirmed", "no-queue", "confirmed"],
    );
    assert.match(
      reasonOf(outcomes[1]),
      /exchange "celery_delayed_27" does not exist.*Celery 5\.5.*native_delayed_delivery/,
    );
  });

  test("goes the way of Celery's own messages, and comes out at the queue, whatever it is bound to", async () => {
    await delayQueues();
    await channel.assertQueue("delayed-direct");
    await channel.assertExchange("delayed-topic", "topic");
    await channel.assertQueue("delayed-bound");
    await using open = await available(url);
    const topic = declaring(
      { queue: "delayed-bound", exchange: "delayed-topic", exchangeType: "topic", routingKey: "some.key" },
      { exchange: "delayed-topic", routingKey: "some.key" },
    );
    const soon = { headers: { eta: pythonTime(Date.now() + 3_400) } };
    const started = performance.now();
    assert.deepEqual(
      await publish(open.broker, [later("delayed-direct", 2.5), { ...topic, ...soon }, later("delayed-direct", 7_200)]),
      [confirmed, confirmed, confirmed],
    );
    const first = await arrival("delayed-direct");
    assert.ok(performance.now() - started > 1_500);
    assert.match(first.fields.exchange, /^celery_delayed_/);
    assert.match(first.fields.routingKey, /^([01][.]){28}delayed-direct$/);
    await arrival("delayed-bound");
    assert.ok(performance.now() - started > 2_500);
    assert.equal((await channel.checkQueue("delayed-direct")).messageCount, 0, "two hours have not passed");
    assert.equal((await channel.checkQueue("celery_delayed_12")).messageCount, 1);
  });

  test("a queue that is missing is missed before anything waits for it", async () => {
    await using open = await available(url);
    const [outcome] = await publish(open.broker, [later("delayed-nowhere", 60)]);
    assert.match(reasonOf(outcome), /queue "delayed-nowhere" does not exist/);
  });
});

/** As a worker of Celery's makes them, of classic queues. */
async function delayQueues(): Promise<void> {
  for (let level = 27; level >= 0; level--) {
    const name = `celery_delayed_${level}`;
    const next = level === 0 ? "celery_delayed_delivery" : `celery_delayed_${level - 1}`;
    const digits = "*.".repeat(27 - level);
    await channel.assertExchange(name, "topic");
    await channel.assertExchange(next, "topic");
    await channel.assertQueue(name, { messageTtl: 2 ** level * 1_000, deadLetterExchange: next });
    await channel.bindQueue(name, name, `${digits}1.#`);
    await channel.bindExchange(next, name, `${digits}0.#`);
  }
}

async function arrival(queue: string): Promise<GetMessage> {
  const giveUpAt = performance.now() + 20_000;
  while (performance.now() < giveUpAt) {
    const message = await channel.get(queue, { noAck: true });
    if (message !== false) return message;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing arrived in ${queue}`);
}
