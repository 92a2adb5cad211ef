// Real workers run what the options of apply_async ask for: serializers with compressions, times, links, canvases, templates
// and the old protocol, in one run of a worker for each version, over a broker with bytes and one with texts.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { connectBroker } from "../../src/brokers/connect.ts";
import { buildMessage } from "../../src/celery/message.ts";
import { pythonTime } from "../../src/celery/times.ts";
import { parseDefinition } from "../../src/core/definition.ts";
import type { Log } from "../../src/core/ports.ts";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { systemClock } from "../../src/system-clock.ts";
import { publish, Told } from "../contract/broker-contract.ts";
import { type CeleryVersion, type Received, startWorker, untilReceived } from "../servers/celery.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-options-"));
const rabbitmq = await startRabbitmq();
after(async () => {
  await rabbitmq.stop();
  await rm(folder, { recursive: true, force: true });
});
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

const fireAt = Math.floor(Date.now() / 1_000) * 1_000;
const hard = [
  "hé中😀",
  "yes",
  "2026-01-01",
  "null",
  1e21,
  -1.5e-7,
  2 ** 40,
  true,
  null,
  [[]],
  { k: {}, [`${"long".repeat(300)}`]: 1 },
];
const add = (...args: number[]) => ({ task: "sample.add", args });

interface Case {
  readonly written: Readonly<Record<string, unknown>>;
  /** What the tasks are given, in any order. */
  readonly received: readonly (readonly unknown[])[];
  readonly check?: (received: readonly Received[], id: string) => void;
}

const cases: Readonly<Record<string, Case>> = {
  "yaml and zlib": {
    written: { task: "sample.echo", args: hard, options: { serializer: "yaml", compression: "zlib" } },
    received: [hard],
  },
  "msgpack and zstd": {
    written: { task: "sample.echo", args: hard, options: { serializer: "msgpack", compression: "zstd" } },
    received: [hard],
  },
  "json and brotli, with texts of its own in the logs": {
    written: {
      task: "sample.echo",
      args: hard,
      options: { serializer: "json", compression: "brotli", argsrepr: "(secret)", kwargsrepr: "{}" },
    },
    received: [hard],
    check: ([run]) => assert.equal(run!.argsrepr, "(secret)"),
  },
  "countdown and stamps": {
    written: { task: "sample.echo", args: ["late"], options: { countdown: 3, expires: "1h", stamps: { beat: "r1" } } },
    received: [["late"]],
    check: ([run]) => {
      assert.equal(run!.eta, pythonTime(fireAt + 3_000));
      assert.ok(run!.at >= fireAt / 1_000 + 3, "not before its eta");
      assert.deepEqual(run!.stamps, { beat: "r1" });
    },
  },
  link: {
    written: { ...add(1, 2), options: { link: add(10) } },
    received: [
      [1, 2],
      [3, 10],
    ],
  },
  link_error: {
    written: { task: "sample.fail", args: ["on purpose"], options: { link_error: "sample.on_error" } },
    received: [["on purpose"], ["<id>"]],
  },
  chain: {
    written: { chain: [add(1, 2), add(4), { ...add(50, 50), immutable: true }, add(8)], options: { link: add(1000) } },
    received: [
      [1, 2],
      [3, 4],
      [50, 50],
      [100, 8],
      [108, 1000],
    ],
    check: (received, id) => {
      for (const { root_id } of received) assert.equal(root_id, id);
      assert.equal(received.find(({ args }) => args[0] === 1)!.id, id);
    },
  },
  group: {
    written: { group: [{ task: "sample.echo", args: ["{{ name }}"] }, { chain: [add(100, 1), add(100)] }] },
    received: [["täglich"], [100, 1], [101, 100]],
    check: (received) => assert.ok(received.find(({ args }) => args[0] === "täglich")!.group),
  },
  chord: {
    written: { chord: { header: [add(5, 5), { chain: [add(1, 1), add(6)] }], body: "sample.total" } },
    received: [[5, 5], [1, 1], [2, 6], [[10, 8]]],
  },
  templates: {
    written: {
      task: "sample.echo",
      args: ["{{ fire_time }}", "{{ previous_fire_time }}", "{{{{ name }} is {{ name }}"],
    },
    received: [[pythonTime(fireAt), null, "{{ name }} is täglich"]],
  },
  "protocol 1": {
    written: { task: "sample.echo", args: ["old"], options: { task_protocol: 1, time_limit: 30, expires: "1h" } },
    received: [["old"]],
    check: ([run]) => {
      assert.deepEqual(run!.timelimit, [30, null]);
      assert.equal(run!.expires, pythonTime(fireAt + 3_600_000));
      assert.equal(run!.headers["periodic_task_name"], "täglich");
    },
  },
};

for (const [version, brokerUrl] of [
  ["5.7.0", rabbitmq.url],
  ["5.2.7", `sqla+sqlite:///${join(folder, "broker.sqlite")}`],
] as const) {
  suite(`Celery ${version}`, async () => prove(version, brokerUrl));
}

function prove(version: CeleryVersion, brokerUrl: string): void {
  test("runs every case as it is written", async () => {
    const broker = await connectBroker(brokerUrl, {
      clock: systemClock,
      log: silent,
      declareQueues: false,
      defaultQueue: "celery",
    });
    const told = new Told();
    await broker.open(told);
    await told.until(() => told.isAvailable);
    const results = join(folder, `results-${version}`);
    await mkdir(results);
    const file = join(folder, `received-${version}.jsonl`);
    const env = { BEAT_RECEIVED: file, BEAT_RESULTS: `file://${results}` };
    const worker = await startWorker({ version, brokerUrl, env });
    try {
      const sent = Object.entries(cases).map(([name, { written }]) => {
        const target = targetOf(parseDefinition({ every: "1h", ...written })) as TaskTarget;
        const source = { entryName: "täglich", target, defaultQueue: "celery", origin: "beat@test" };
        return { name, message: buildMessage({ ...source, id: randomUUID(), fireAt, nextFireAt: null }) };
      });
      const outcomes = await publish(
        broker,
        sent.map(({ message }) => message),
      );
      assert.deepEqual(new Set(outcomes.map(({ result }) => result)), new Set(["confirmed"]));
      const count = Object.values(cases).reduce((sum, { received }) => sum + received.length, 0);
      const all = await untilReceived(file, count, worker, 60_000);
      for (const { name, message } of sent) {
        const { received, check } = cases[name]!;
        const own = all.filter(({ id, root_id }) => id === message.id || root_id === message.id);
        const expected = received.map((args) => args.map((value) => (value === "<id>" ? message.id : value)));
        assert.deepEqual(
          sorted(own.map(({ args }) => args)),
          sorted(expected),
          `${name}\n${worker.log().slice(-4_000)}`,
        );
        check?.(own, message.id);
      }
      assert.equal(all.length, count);
      assert.doesNotMatch(worker.log(), /CRITICAL|Unrecoverable|unknown message|unregistered/);
    } finally {
      await worker.stop();
      await broker.close(1_000);
    }
  });
}

const sorted = (lists: readonly (readonly unknown[])[]) =>
  lists.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
