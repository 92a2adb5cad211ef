// Where Celery's own client sends a task under a configuration, and where Beat does under the same words in `defaults`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite, test } from "node:test";
import { prepareEncoding } from "../../src/celery/encoding.ts";
import { type TaskDefaults, taskDefaultsSchema, withTaskDefaults } from "../../src/celery/task-defaults.ts";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { celeryVenv } from "../servers/celery.ts";
import { build } from "./captures.ts";

interface Case {
  readonly conf: TaskDefaults;
  readonly task?: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

const routes = {
  "shop.orders.*": { queue: "orders", priority: 7 },
  "shop.orders.refund": "refunds",
  "shop.*": { queue: "shop", serializer: "yaml", compression: "zlib", delivery_mode: 1 },
  "*.[a-c]?": "letters",
  "*.[!x]y": { exchange: "letters", routing_key: "y", exchange_type: "topic" },
} as const;
const topic = {
  task_default_queue: "main",
  task_default_exchange: "tasks",
  task_default_exchange_type: "topic",
  task_default_routing_key: "task.default",
} as const;
const queues = {
  feeds: { routing_key: "feed.#", queue_arguments: { "x-queue-type": "quorum" } },
  news: { exchange: "media", exchange_type: "topic", routing_key: "media.news" },
  all: { exchange: "everybody", exchange_type: "fanout", routing_key: "" },
} as const;

const cases: readonly Case[] = [
  { conf: {} },
  { conf: { task_default_queue: "main" } },
  { conf: { task_default_queue: "main" }, options: { queue: "own" } },
  { conf: topic },
  { conf: topic, options: { routing_key: "task.own" } },
  { conf: topic, options: { queue: "other" } },
  { conf: { ...topic, task_queues: queues } },
  { conf: { ...topic, task_queues: {} } },
  {
    conf: {
      task_default_queue: "main",
      task_queues: queues,
      task_default_queue_type: "quorum",
      task_create_missing_queue_exchange_type: "topic",
    },
  },
  { conf: { ...topic, task_queues: queues }, options: { queue: "feeds" } },
  { conf: { ...topic, task_queues: queues }, options: { queue: "feeds", routing_key: "feed.import" } },
  { conf: { task_queues: queues, task_default_queue: "main" }, options: { queue: "feeds" } },
  { conf: { task_queues: queues, task_default_queue: "main" }, options: { queue: "news" } },
  { conf: { task_queues: queues, task_default_queue: "main" }, options: { queue: "all" } },
  { conf: { task_queues: queues, task_default_queue: "main" }, options: { queue: "unnamed" } },
  { conf: { task_queues: queues, task_create_missing_queue_type: "quorum" }, options: { queue: "constructor" } },
  { conf: { task_default_queue: "main" }, options: { exchange: "" } },
  { conf: { task_default_queue: "main", task_default_queue_type: "quorum" } },
  { conf: { task_default_queue: "main", task_queue_max_priority: 10 } },
  {
    conf: { task_queues: queues, task_default_queue: "main", task_queue_max_priority: 9 },
    options: { queue: "feeds" },
  },
  { conf: { task_create_missing_queue_type: "quorum" }, options: { queue: "missing" } },
  { conf: { task_create_missing_queue_exchange_type: "topic" }, options: { queue: "missing" } },
  { conf: { task_default_delivery_mode: "transient", task_serializer: "msgpack", task_compression: "gzip" } },
  ...["shop.orders.new", "shop.orders.refund", "shop.orders", "shop.cart", "x.az", "x.b1", "x.qy", "x.xy", "shops"].map(
    (task) => ({ conf: { task_routes: routes, task_default_queue: "main" }, task }),
  ),
  { conf: { task_routes: routes }, task: "shop.orders.new", options: { priority: 1 } },
  { conf: { task_routes: routes }, task: "shop.orders.new", options: { queue: "own", serializer: "json" } },
  { conf: { task_routes: [{ "other.*": "o" }, { "shop.*": "first" }, routes] }, task: "shop.orders.refund" },
  {
    conf: { task_routes: { "*.feed": { queue: "feeds", routing_key: "feed.x" } }, task_queues: queues, ...topic },
    task: "a.feed",
  },
];

test("Beat sends where Celery's client does", async () => {
  const python = await celeryVenv("5.7.0");
  const input = cases.map(({ conf, task = "t", options = {} }) => JSON.stringify({ conf, task, options })).join("\n");
  const { status, stdout, stderr } = spawnSync(python, [join(import.meta.dirname, "celery_routes.py")], {
    input,
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  const expected = stdout.trim().split("\n");
  assert.equal(expected.length, cases.length);
  for (const [index, { conf, task = "t", options = {} }] of cases.entries()) {
    const { serializer, compression, queue, ...sent } = JSON.parse(expected[index]!);
    const defaults = taskDefaultsSchema.parse(conf);
    const target = targetOf(withTaskDefaults({ task, options }, defaults)) as TaskTarget;
    const message = build(target);
    const encoding = prepareEncoding({ serializer, ...(compression && { compression }) });
    const { exchange, routingKey, priority, persistent, contentType, declaration, headers } = message;
    const text = JSON.stringify(cases[index]);
    assert.deepEqual({ exchange, routing_key: routingKey, priority, persistent }, sent, text);
    assert.deepEqual([contentType, headers["compression"]], [encoding.contentType, encoding.compression], text);
    assert.deepEqual(declaration?.arguments, queue?.arguments, text);
    assert.deepEqual([declaration?.queue, declaration?.exchangeType], [queue?.queue, queue?.exchangeType], text);
  }
});

const member = { task: "shop.cart", options: { queue: "own" } };
const canvases: readonly { readonly conf: TaskDefaults; readonly written: Readonly<Record<string, unknown>> }[] = [
  { conf: {}, written: { group: ["a", { chain: ["b", "c"] }] } },
  { conf: { task_default_queue: "main", task_default_priority: 4 }, written: { group: ["a", member] } },
  {
    conf: { task_routes: routes, task_default_queue: "main", task_default_delivery_mode: 1 },
    written: { group: ["shop.orders.new", member, { chain: ["shop.cart", "shop.orders.refund"] }, "shops"] },
  },
  {
    conf: { task_routes: routes, task_serializer: "msgpack" },
    written: { chord: { header: ["shop.orders.new", { chain: ["a", "shop.cart"] }], body: "shop.orders.refund" } },
  },
  { conf: { ...topic, task_queues: queues, task_routes: { a: "news" } }, written: { group: ["a", "b"] } },
  { conf: { task_queues: queues, task_routes: { a: "all" } }, written: { group: ["a", "b"] } },
];

test("what of a group and a chord Celery's client sends goes where it sends it, and what workers send is left to them", async () => {
  const input = canvases.map(({ conf, written }) => {
    const target = targetOf(withTaskDefaults(written, taskDefaultsSchema.parse(conf))) as TaskTarget;
    const message = build({ ...target, options: {} });
    return JSON.stringify({
      conf,
      written,
      message: { task: target.task, kwargs: JSON.parse(message.body.toString())[1] },
    });
  });
  const python = await celeryVenv("5.7.0");
  const { status, stdout, stderr } = spawnSync(python, [join(import.meta.dirname, "celery_canvases.py")], {
    input: input.join("\n"),
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  const sent = stdout.trim().split("\n");
  assert.equal(sent.length, canvases.length);
  for (const [index, line] of sent.entries()) {
    const { client, worker } = JSON.parse(line);
    const { written } = canvases[index]!;
    const members = (written["group"] ?? (written["chord"] as { header: unknown[] }).header) as unknown[];
    assert.equal(client.length, members.length, line);
    assert.deepEqual(worker, client, JSON.stringify(canvases[index]));
  }
});

suite("an entry", () => {
  const optionsOf = (written: Readonly<Record<string, unknown>>, defaults: TaskDefaults) =>
    withTaskDefaults(written, taskDefaultsSchema.parse(defaults))["options"];

  test("is left alone where nothing is said, and where it sends nothing", () => {
    const written = { task: "t", options: { queue: "q" } };
    assert.deepEqual(withTaskDefaults(written, {}), written);
    for (const other of [{ run: "true" }, { task: 7 }, { task: "t", options: 7 }, { chain: "x" }])
      assert.equal(withTaskDefaults(other, { task_default_queue: "main" }), other);
    const odd = { group: [7, { task: 7 }, { task: "t", options: 7 }, { chain: [] }, { chain: 7 }] };
    assert.deepEqual(withTaskDefaults(odd, { task_default_queue: "main" })["group"], odd.group);
  });
  test("of a chain goes where its first task would, of a group and a chord where Celery's task for them", () => {
    const defaults = { task_routes: { "a.*": "as", "celery.*": "canvas" }, task_default_priority: 3 } as const;
    assert.deepEqual(optionsOf({ chain: ["a.b", "c"] }, defaults), { queue: "as", priority: 3 });
    const chain = [{ task: "a.b", options: { queue: "own" } }, "c"];
    assert.deepEqual(optionsOf({ chain, options: { priority: 5 } }, defaults), { queue: "own", priority: 5 });
    assert.deepEqual(optionsOf({ group: ["a.b"] }, defaults), { queue: "canvas", priority: 3 });
    assert.deepEqual(optionsOf({ chord: {} }, defaults), { queue: "canvas", priority: 3 });
  });
  test("keeps what a member's own options say, and leaves to workers what they look up themselves", () => {
    const defaults = { task_default_queue: "main", task_queue_max_priority: 9, task_ignore_result: true } as const;
    const { group } = withTaskDefaults(
      { group: ["a", { task: "b", options: { queue: "own", ignore_result: false } }, { chain: ["c", "d"] }] },
      taskDefaultsSchema.parse(defaults),
    );
    assert.deepEqual(group, [
      { task: "a", options: { queue: "main" } },
      { task: "b", options: { queue: "own", ignore_result: false } },
      { chain: [{ task: "c", options: { queue: "main" } }, "d"] },
    ]);
  });
  test("gets what a declared queue is made with", () => {
    const lowered = { max_priority: 5, message_ttl: "1m", expires: 3_600, max_length: 10, max_length_bytes: 99 };
    assert.deepEqual(optionsOf({ task: "t", options: { queue: "q" } }, { task_queues: { q: lowered } }), {
      queue: "q",
      queue_arguments: {
        "x-expires": 3_600_000,
        "x-message-ttl": 60_000,
        "x-max-length": 10,
        "x-max-length-bytes": 99,
        "x-max-priority": 5,
      },
    });
  });
  test("with an exchange of its own is not sent to the default queue as well", () => {
    assert.deepEqual(
      optionsOf({ task: "t", options: { exchange: "e", routing_key: "k" } }, { task_default_queue: "m" }),
      {
        exchange: "e",
        exchange_type: "direct",
        routing_key: "k",
      },
    );
  });
  test("gets the rest of the settings", () => {
    const rest = {
      task_ignore_result: true,
      task_protocol: 1,
      task_publish_retry: false,
      result_extended: true,
    } as const;
    const policy = { task_publish_retry_policy: { max_retries: 3 } };
    assert.deepEqual(optionsOf({ task: "t" }, { ...rest, ...policy }), {
      ignore_result: true,
      task_protocol: 1,
      retry: false,
      retry_policy: { max_retries: 3 },
    });
  });
});
