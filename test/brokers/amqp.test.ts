import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { type ChannelModel, connect as connectAmqp } from "amqplib";
import { AmqpBroker, type AmqpOptions } from "../../src/brokers/amqp.ts";
import type { Log } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system-clock.ts";
import { type BrokerFixture, brokerContract, messageTo, publish } from "../contract/broker-contract.ts";
import { freePorts } from "../servers/own-server.ts";
import { TcpProxy } from "../servers/proxy.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { openings } from "./opened.ts";

const server = await startRabbitmq();
const proxy = await TcpProxy.to(server.port);
const observer: ChannelModel = await connectAmqp(server.url);
observer.on("error", () => undefined); // The last test kills the server.
after(async () => {
  await observer.close().catch(() => undefined);
  await proxy.cut();
  await server.stop();
});

const logged: string[] = [];
const note = (message: string, fields?: object) => void logged.push(message + JSON.stringify(fields));
const log: Log = { debug: note, info: note, warn: note, error: note };
const proxied = `amqp://guest:guest@127.0.0.1:${proxy.port}//`;
let queues = 0;

async function freshQueue(options: object = {}): Promise<string> {
  const name = `queue-${++queues}`;
  const channel = await observer.createChannel();
  await channel.assertQueue(name, options);
  await channel.close();
  return name;
}

/** The ids of the messages in a queue, which is empty after. */
async function take(queue: string): Promise<string[]> {
  const channel = await observer.createChannel();
  const ids: string[] = [];
  const { messageCount } = await channel.checkQueue(queue);
  if (messageCount > 0) {
    await new Promise<void>((resolve) => {
      void channel.consume(
        queue,
        (message) => {
          if (message === null) return;
          ids.push(String(message.properties.correlationId));
          if (ids.length === messageCount) resolve();
        },
        { noAck: true },
      );
    });
  }
  await channel.close();
  return ids;
}

const { opened, available } = openings(
  (url: string = proxied, options: Partial<AmqpOptions> = {}) =>
    new AmqpBroker(url, { clock: systemClock, log, declareQueues: false, ...options }),
);

for (const [name, options] of [
  ["amqp", {}],
  ["amqp, quorum queues", { arguments: { "x-queue-type": "quorum" } }],
] as const) {
  brokerContract(name, async (): Promise<BrokerFixture> => {
    const missing = `not-there-yet-${name}`;
    return {
      queue: await freshQueue(options),
      missing: {
        queue: missing,
        async create() {
          const channel = await observer.createChannel();
          await channel.assertQueue(missing, options);
          await channel.close();
        },
      },
      connect: async () => new AmqpBroker(proxied, { clock: systemClock, log, declareQueues: false }),
      received: take,
      poison: (message) => ({ ...message, headers: { ...message.headers, big: 1n } }),
      cut: () => proxy.cut(),
      restore: () => proxy.restore(),
      dispose: async () => undefined,
    };
  });
}

suite("what RabbitMQ refuses", () => {
  const cases: readonly [string, string, RegExp][] = [
    [
      "a wrong password",
      `amqp://guest:s3cret@127.0.0.1:${server.port}//`,
      /refuses the user "guest": wrong user name or password/,
    ],
    ["a wrong virtual host", `amqp://guest:guest@127.0.0.1:${server.port}/none`, /refuses the virtual host "none"/],
  ];
  for (const [name, url, reason] of cases) {
    test(`${name} needs a human, and is tried again`, async () => {
      await using open = await opened(url);
      const { permanent, reason: text } = await open.told.trouble();
      assert.equal(permanent, true);
      assert.match(text, reason);
      const [outcome] = await publish(open.broker, [messageTo("celery")]);
      assert.ok(outcome?.result === "unavailable" && reason.test(outcome.reason));
      assert.doesNotMatch(JSON.stringify([open, open.broker.url, open.told, logged, outcome]), /s3cret/);
    });
  }

  test("a password that becomes right is found out", async () => {
    const retries: number[] = [];
    const clock = {
      ...systemClock,
      setTimer(delayMs: number, callback: () => void) {
        retries.push(delayMs);
        return systemClock.setTimer(Math.min(delayMs, 300), callback);
      },
    };
    await using open = await opened(`amqp://later:pw@127.0.0.1:${server.port}//`, { clock, random: () => 0.99 });
    await open.told.until(() => open.told.unavailabilities.length > 1);
    await server.rabbitmqctl("add_user", "later", "pw");
    await server.rabbitmqctl("set_permissions", "later", ".*", ".*", ".*");
    await open.told.until(() => open.told.isAvailable);
    assert.ok(
      retries.some((delayMs) => delayMs > 4_900 && delayMs <= 5_000) && retries.some((delayMs) => delayMs > 9_900),
      String(retries),
    );
  });
});

test("a broker that is away is waited for, with backoff", async () => {
  const [port] = await freePorts(1);
  const late = await TcpProxy.to(server.port);
  await late.cut();
  late.port = port!;
  await using open = await opened(`amqp://127.0.0.1:${port}`);
  await open.told.until(() => open.told.unavailabilities.length >= 2);
  assert.deepEqual(open.told.unavailabilities[0], { reason: `nothing listens at 127.0.0.1:${port}`, permanent: false });
  await late.restore();
  await open.told.until(() => open.told.isAvailable);
  await open.broker.close(0);
  await late.cut();
});

test("a port that says nothing is given up after the connection timeout", async () => {
  const mute = await TcpProxy.to(server.port);
  mute.silent = true;
  await using open = await opened(`amqp://127.0.0.1:${mute.port}?connection_timeout=1`);
  assert.match((await open.told.trouble()).reason, /no answer from/);
  await open.broker.close(0);
  await mute.cut();
});

test("closing ends an attempt to connect at once", async () => {
  const mute = await TcpProxy.to(server.port);
  mute.silent = true;
  const open = await opened(`amqp://127.0.0.1:${mute.port}`);
  const started = performance.now();
  await open.broker.close(0);
  await mute.cut();
  assert.ok(performance.now() - started < 1_000);
  assert.deepEqual(open.told.unavailabilities, []);
});

test("a connection over which nothing comes back is given up, and what was on it is settled", async () => {
  const queue = await freshQueue();
  await using open = await available(proxied, { confirmLimitMs: 1_000 });
  assert.deepEqual(await publish(open.broker, [messageTo(queue)]), [{ result: "confirmed" }]);
  proxy.blackhole();
  const outcomes = await publish(open.broker, [messageTo(queue), messageTo(queue)]);
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["unavailable", "unavailable"],
  );
  assert.match((outcomes[0] as { reason: string }).reason, /confirmed nothing for \d s/);
  await open.told.until(() => open.told.unavailabilities.length === 1 && open.told.isAvailable);
  assert.deepEqual(await publish(open.broker, [messageTo(queue)]), [{ result: "confirmed" }]);
});

suite("queues", () => {
  test("one that is deleted meanwhile is noticed by what comes back", async () => {
    const [queue, other] = [await freshQueue(), await freshQueue()];
    await using open = await available();
    await publish(open.broker, [messageTo(queue), messageTo(other)]);
    const channel = await observer.createChannel();
    await channel.deleteQueue(queue);
    const outcomes = await publish(open.broker, [messageTo(queue), messageTo(other), messageTo(queue)]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["no-queue", "confirmed", "no-queue"],
    );
    assert.match((outcomes[0] as { reason: string }).reason, new RegExp(`queue "${queue}" does not exist any more`));
    const [again] = await publish(open.broker, [messageTo(queue)]);
    assert.match(
      (again as { reason: string }).reason,
      /start a worker that reads it \(celery worker -Q .*or let Beat create it/,
    );
    await channel.assertQueue(queue);
    assert.deepEqual(await publish(open.broker, [messageTo(queue)]), [{ result: "confirmed" }]);
    await channel.close();
  });

  test("with other arguments than Beat's are left as they are", async () => {
    const queue = await freshQueue({ maxPriority: 10 });
    await using open = await available(proxied, { declareQueues: true });
    assert.deepEqual(await publish(open.broker, [messageTo(queue, { priority: 7 })]), [{ result: "confirmed" }]);
  });

  test("are created like Celery's client creates them, where that is asked for", async () => {
    const queue = "created";
    await using open = await available(proxied, { declareQueues: true });
    assert.deepEqual(await publish(open.broker, [messageTo(queue), messageTo(queue)]), [
      { result: "confirmed" },
      { result: "confirmed" },
    ]);
    assert.equal((await take(queue)).length, 2);
    const channel = await observer.createChannel();
    await channel.assertQueue(queue, { durable: true });
    await channel.assertExchange(queue, "direct", { durable: true });
    await channel.close();
    assert.match(
      await server.rabbitmqctl("list_bindings"),
      new RegExp(`^${queue}\texchange\t${queue}\tqueue\t${queue}\t`, "m"),
    );
  });

  test("one that cannot be created concerns nobody else", async () => {
    const channel = await observer.createChannel();
    await channel.assertExchange("taken", "topic");
    await channel.close();
    const good = await freshQueue();
    await using open = await available(proxied, { declareQueues: true });
    const outcomes = await publish(open.broker, [messageTo("taken"), messageTo(good)]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["no-queue", "confirmed"],
    );
    assert.match(
      (outcomes[0] as { reason: string }).reason,
      /queue "taken" cannot be used: PRECONDITION_FAILED - inequivalent arg 'type'/,
    );
  });

  test("one that is full takes no message, and the others do", async () => {
    const full = await freshQueue({ maxLength: 1, arguments: { "x-overflow": "reject-publish" } });
    const good = await freshQueue();
    await using open = await available();
    assert.deepEqual(await publish(open.broker, [messageTo(full)]), [{ result: "confirmed" }]);
    const outcomes = await publish(open.broker, [messageTo(full), messageTo(good)]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["unavailable", "confirmed"],
    );
    assert.match((outcomes[0] as { reason: string }).reason, /the queue is full, or its node is away/);
    assert.equal(open.told.isAvailable, true);
  });
});

suite("exchanges", () => {
  test("are looked for, and say when no queue is bound", async () => {
    const queue = await freshQueue();
    await using open = await available();
    const to = (exchange: string, routingKey: string) => messageTo(queue, { exchange, routingKey });
    const [missing] = await publish(open.broker, [to("news", "a.b")]);
    assert.match((missing as { reason: string }).reason, /exchange "news" does not exist/);
    const channel = await observer.createChannel();
    await channel.assertExchange("news", "topic");
    await channel.bindQueue(queue, "news", "a.#");
    const outcomes = await publish(open.broker, [to("news", "a.b"), to("news", "x")]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["confirmed", "no-queue"],
    );
    assert.match(
      (outcomes[1] as { reason: string }).reason,
      /exchange "news" has no queue bound to it for the routing key "x"/,
    );
    await channel.deleteExchange("news");
    const after = await publish(open.broker, [to("news", "a.b"), messageTo(queue)]);
    assert.equal(after[0]?.result, "unavailable");
    const again = await publish(open.broker, [to("news", "a.b"), messageTo(queue)]);
    assert.deepEqual(
      again.map(({ result }) => result),
      ["no-queue", "confirmed"],
    );
    assert.equal(open.told.isAvailable, true);
    await channel.close();
  });

  test("that the user may not write to cost the others nothing but once", async () => {
    await server.rabbitmqctl("add_user", "limited", "pw");
    await server.rabbitmqctl("set_permissions", "limited", "^$", "^(amq[.]default)?$", ".*");
    const queue = await freshQueue();
    await using open = await available(`amqp://limited:pw@127.0.0.1:${server.port}//`);
    const forbidden = () => messageTo(queue, { exchange: "amq.topic", routingKey: "x" });
    await publish(open.broker, [forbidden()]);
    const outcomes = await publish(open.broker, [messageTo(queue), forbidden(), messageTo(queue)]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["confirmed", "no-queue", "confirmed"],
    );
    assert.match((outcomes[1] as { reason: string }).reason, /ACCESS_REFUSED/);
  });
});

test("a blocked broker is said to be blocked, and what was on its way arrives once", async () => {
  const queue = await freshQueue();
  await using open = await available(proxied, { confirmLimitMs: 1_000 });
  const { broker, told } = open;
  await publish(broker, [messageTo(queue)]);
  await server.rabbitmqctl("set_vm_memory_high_watermark", "0.00000001");
  const onItsWay = messageTo(queue);
  const outcome = publish(broker, [onItsWay]);
  await told.until(() => !told.isAvailable);
  assert.match(told.unavailabilities[0]!.reason, /the broker takes no messages now: low on memory/);
  assert.deepEqual(
    (await publish(broker, [messageTo(queue)])).map(({ result }) => result),
    ["unavailable"],
  );
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  await server.rabbitmqctl("set_vm_memory_high_watermark", "0.4");
  await told.until(() => told.isAvailable);
  assert.deepEqual(await outcome, [{ result: "confirmed" }]);
  assert.equal(told.unavailabilities.length, 1);
  assert.equal((await take(queue)).filter((id) => id === onItsWay.id).length, 1);
});

test("what is too large for the broker is refused, after it was tried once", async (context) => {
  const queue = await freshQueue();
  await server.rabbitmqctl(
    "eval",
    "application:set_env(rabbit, max_message_size, 50000), persistent_term:put(max_message_size, 50000).",
  );
  context.after(() =>
    server.rabbitmqctl(
      "eval",
      "application:set_env(rabbit, max_message_size, 134217728), persistent_term:put(max_message_size, 134217728).",
    ),
  );
  await using limited = await available();
  const large = () => messageTo(queue, { body: Buffer.alloc(60_000, " ") });
  const first = await publish(limited.broker, [large()]);
  assert.deepEqual(
    first.map(({ result }) => result),
    ["unavailable"],
  );
  const second = await publish(limited.broker, [messageTo(queue), large(), messageTo(queue)]);
  assert.deepEqual(
    second.map(({ result }) => result),
    ["confirmed", "refused", "confirmed"],
  );
});

test("the time to live is counted from the publish, and an expired message is refused", async () => {
  const queue = await freshQueue();
  await using open = await available();
  const now = Date.now();
  const outcomes = await publish(open.broker, [
    messageTo(queue, { expiresAt: now + 60_000 }),
    messageTo(queue, { expiresAt: now - 1 }),
    messageTo(queue, { expiresAt: 253_402_300_799_000 }),
  ]);
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["confirmed", "refused", "confirmed"],
  );
  const channel = await observer.createChannel();
  const expirations = [await channel.get(queue, { noAck: true }), await channel.get(queue, { noAck: true })].map(
    (message) => message && Number(message.properties.expiration),
  );
  assert.ok(Number(expirations[0]) > 50_000 && Number(expirations[0]) <= 60_000);
  assert.equal(expirations[1], 315_360_000_000);
  await channel.close();
});

test("a message arrives as it was built", async () => {
  const queue = await freshQueue();
  await using open = await available();
  const message = messageTo(queue, { priority: 3, persistent: false, replyTo: "answers" });
  await publish(open.broker, [message]);
  const channel = await observer.createChannel();
  const received = await channel.get(queue, { noAck: true });
  assert.ok(received);
  const { headers, ...properties } = received.properties;
  assert.deepEqual({ ...headers }, { ...message.headers, stamps: {} });
  const set = Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined));
  assert.deepEqual(set, {
    contentType: "application/json",
    contentEncoding: "utf-8",
    deliveryMode: 1,
    priority: 3,
    correlationId: message.id,
    replyTo: "answers",
  });
  assert.deepEqual(received.content, message.body);
  await channel.close();
});

test("survives the server's death, and loses nothing that was confirmed", async () => {
  const queue = await freshQueue();
  await using open = await available(`amqp://guest:guest@127.0.0.1:${server.port}//`);
  const messages = Array.from({ length: 3_000 }, () => messageTo(queue));
  const outcomes = publish(open.broker, messages);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await server.kill();
  const settled = await outcomes;
  await server.start();
  await open.told.until(() => open.told.unavailabilities.length > 0 && open.told.isAvailable);
  const observing = await connectAmqp(server.url);
  const channel = await observing.createChannel();
  const { messageCount } = await channel.checkQueue(queue);
  assert.ok(messageCount >= settled.filter(({ result }) => result === "confirmed").length);
  assert.deepEqual(await publish(open.broker, [messageTo(queue)]), [{ result: "confirmed" }]);
  await observing.close();
});
