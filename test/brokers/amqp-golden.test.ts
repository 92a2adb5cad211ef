// What workers declare in RabbitMQ, and what RabbitMQ answered to whoever did it otherwise: Beat declares the same where it is
// to, and nothing where it is not.

import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { connect } from "amqplib";
import { firstDelayExchange, lastDelayExchange } from "../../src/brokers/amqp-delay.ts";
import { pidboxExchange, pidboxReplyExchange } from "../../src/celery/pidbox.ts";
import { type TaskDefaults, taskDefaultsSchema, withTaskDefaults } from "../../src/celery/task-defaults.ts";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { build, golden } from "../celery/captures.ts";
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
const at = (query: string) => `${server.url}?${query}`;
const listed = async (what: string, ...columns: string[]): Promise<Record<string, unknown>[]> =>
  JSON.parse(await server.rabbitmqctl(`list_${what}`, ...columns, "--formatter=json"));

type Table = [string, string, unknown][] | Readonly<Record<string, unknown>>;
interface Topology {
  readonly queues: readonly { name: string; durable: boolean; auto_delete: boolean; arguments: Table }[];
  readonly exchanges: readonly { name: string; type: string; durable: boolean }[];
  readonly bindings: readonly Binding[];
}
interface Binding {
  readonly source_name: string;
  readonly destination_name: string;
  readonly destination_kind: string;
  readonly routing_key: string;
}

const topologies = Object.entries(golden("amqp-topology")).filter(
  (each): each is [string, Topology] => !/\/(log|after_stop)$/.test(each[0]),
);

/** Of a queue, and the exchange of its name: numbers are RabbitMQ's to compare, whatever their width. */
function around(name: string, { queues, exchanges, bindings }: Topology) {
  const own = queues.find((queue) => queue.name === name);
  const exchange = exchanges.find((each) => each.name === name);
  return {
    queue: own && [
      own.durable,
      own.auto_delete,
      // Newer servers print a map.
      Array.isArray(own.arguments)
        ? Object.fromEntries(own.arguments.map(([key, , value]) => [key, value]))
        : own.arguments,
    ],
    exchange: exchange && [exchange.type, exchange.durable],
    bindings: bindings
      .filter((binding) => binding.destination_name === name && binding.source_name !== "")
      .map((binding) => `${binding.source_name} ${binding.routing_key} ${binding.destination_kind}`)
      .toSorted(),
  };
}

suite("what Beat makes is what a worker makes", () => {
  const settings: Readonly<Record<string, readonly [queue: string, TaskDefaults]>> = {
    default: ["celery", {}],
    maxpri: ["celery", { task_queue_max_priority: 10 }],
    default_type_quorum: ["celery", { task_default_queue_type: "quorum" }],
    quorum_topic_queues: [
      "hg_qq",
      {
        task_default_queue: "hg_qq",
        task_queues: {
          hg_qq: { exchange_type: "topic", exchange: "hg_qq", queue_arguments: { "x-queue-type": "quorum" } },
        },
      },
    ],
  };
  for (const [name, [queue, defaults]] of Object.entries(settings)) {
    test(name, async () => {
      // RabbitMQ's queues that delay, as far as Beat looks at them, with one that keeps what it sends there.
      for (const exchange of [firstDelayExchange, lastDelayExchange]) await channel.assertExchange(exchange, "topic");
      await channel.assertQueue("held");
      await channel.bindQueue("held", firstDelayExchange, "#");
      const isTopic = queue === "hg_qq";
      const written = { task: "hg.add", args: [1], options: isTopic ? { countdown: 60 } : {} };
      const message = build(targetOf(withTaskDefaults(written, taskDefaultsSchema.parse(defaults))) as TaskTarget, {
        fireAt: Date.now(),
      });
      {
        await using open = await available(at(`declare=create&native_delayed_delivery=${isTopic}`));
        assert.deepEqual(await publish(open.broker, [message]), [confirmed]);
      }
      const [queues, exchanges, bindings] = await Promise.all([
        listed("queues", "name", "durable", "auto_delete", "arguments"),
        listed("exchanges", "name", "type", "durable"),
        listed("bindings", "source_name", "destination_name", "destination_kind", "routing_key"),
      ]);
      const made = { queues, exchanges, bindings } as unknown as Topology;
      await channel.deleteQueue(queue);
      await channel.deleteExchange(queue);
      const captured = topologies.filter(([place]) => place.endsWith(`/${name}`));
      assert.ok(captured.length >= 2);
      for (const [place, topology] of captured) assert.deepEqual(around(queue, made), around(queue, topology), place);
    });
  }
  test("each capture is one of these, and the exchanges that Beat looks for are in it", () => {
    for (const [place, { exchanges }] of topologies) {
      const [version, name] = place.split("/");
      assert.ok(name! in settings, place);
      const typeOf = (wanted: string) => exchanges.find((exchange) => exchange.name === wanted);
      assert.partialDeepStrictEqual(typeOf(pidboxExchange), { type: "fanout", durable: false }, version);
      assert.partialDeepStrictEqual(typeOf(pidboxReplyExchange), { type: "direct", durable: false }, version);
      for (const delayed of [firstDelayExchange, lastDelayExchange])
        assert.equal(typeOf(delayed)?.type, name!.includes("quorum") ? "topic" : undefined, place);
    }
  });
});

suite("what RabbitMQ answers to", () => {
  const facts: Readonly<Record<string, string>> = golden("amqp-routing-facts");
  const isThere = async (queue: string) => (await listed("queues", "name")).some(({ name }) => name === queue);
  const resultOf = async (query: string, ...messages: Parameters<typeof messageTo>[]) => {
    await using open = await available(at(query));
    return (
      await publish(
        open.broker,
        messages.map((each) => messageTo(...each)),
      )
    ).map(({ result }) => result);
  };

  test("a queue that is not there: the stock client loses the message, or makes a queue that keeps workers from starting", async () => {
    assert.equal(facts['publish to missing queue via "", mandatory=False'], "ok");
    assert.match(facts['publish to missing queue via "", mandatory=True']!, /312 NO_ROUTE/);
    assert.match(facts["passive declare of missing"]!, /404/);
    assert.equal(facts["celery client to a missing queue: message_count afterwards"], "1");
    for (const [worker, { ready, log }] of Object.entries<{ ready: boolean; log: string[] }>(golden("mismatch"))) {
      assert.equal(ready, false, worker);
      assert.match(log.join(), /PreconditionFailed\(406/, worker);
    }
    assert.deepEqual(await resultOf("declare=never", ["away"]), ["no-queue"]);
    assert.deepEqual(await resultOf("", ["away"]), ["no-queue"]);
    assert.equal(await isThere("away"), false);
  });
  test("an exchange that is not there, which costs the channel: nobody else's message", async () => {
    await channel.assertQueue("here");
    assert.match(facts["publish to missing exchange"]!, /404/);
    assert.deepEqual(await resultOf("", ["here"], ["x", { exchange: "none", routingKey: "x" }], ["here"]), [
      "confirmed",
      "no-queue",
      "confirmed",
    ]);
  });
  test("a queue that is there with other arguments: it is left alone", async () => {
    for (const what of ["re-declare with x-max-priority", "re-declare as quorum", "re-declare non durable"])
      assert.match(facts[what]!, /406/, what);
    assert.equal(facts["passive declare with other args"], "0");
    assert.equal(facts["re-declare same + x-queue-type=classic"], facts["declare classic durable"]);
    await channel.assertQueue("other", { arguments: { "x-max-length": 5 } });
    const declaration = { queue: "other", exchange: "other", exchangeType: "direct", routingKey: "other" } as const;
    for (const query of ["", "declare=create"]) {
      const wanted = { declaration: { ...declaration, arguments: { "x-queue-type": "quorum", "x-max-priority": 9 } } };
      assert.deepEqual(await resultOf(query, ["other", wanted]), ["confirmed"], query);
    }
  });
  test("an exchange of another type: the reason is told", async () => {
    assert.match(facts["exchange redeclare other type"]!, /406/);
    await channel.assertExchange("typed", "direct");
    const declaration = {
      queue: "new",
      exchange: "typed",
      exchangeType: "topic",
      routingKey: "k",
      arguments: {},
    } as const;
    await using open = await available(at("declare=create"));
    const [outcome] = await publish(open.broker, [messageTo("new", { declaration })]);
    assert.partialDeepStrictEqual(outcome, { result: "no-queue" });
    assert.match((outcome as { reason: string }).reason, /PRECONDITION_FAILED/);
  });
  test("priorities", async () => {
    assert.equal(facts["priority 5 to a queue without x-max-priority"], "ok");
    assert.match(facts["priority 300 > 255"]!, /<= 255/);
    await channel.assertQueue("here");
    assert.deepEqual(await resultOf("", ["here", { priority: 5 }]), ["confirmed"]);
    assert.throws(() => build({ options: { priority: 300 } }), /is not a priority/);
  });
});
