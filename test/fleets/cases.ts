// What each worker of the matrix is given, and what its tasks have to see.

import assert from "node:assert/strict";
import { pythonTime } from "../../src/celery/times.ts";
import type { Received } from "../servers/celery.ts";

export interface Case {
  /** The target of an entry, without its queue. */
  readonly written: Readonly<Record<string, unknown>>;
  /** What the tasks are given, in any order; "<id>" stands for the message's. */
  readonly received: readonly (readonly unknown[])[];
  readonly check?: (received: readonly Received[], id: string) => void;
}

export const entryName = "täglich";
export const serializers = ["json", "yaml", "msgpack", "pickle"] as const;
export const compressions = [undefined, "zlib", "bzip2", "lzma", "brotli", "zstd"] as const;

const hard = [
  "hé中😀",
  'it\'s "quoted"\n\\',
  "yes",
  "2026-01-01",
  "null",
  1.5,
  -7,
  1e21,
  -1.5e-7,
  2 ** 40,
  2 ** 53 - 1,
  true,
  null,
  [1, ["a"]],
  [[]],
  { k: { deep: [{}] }, [`${"long".repeat(300)}`]: 1 },
];
const kwargs = { attach: true, ключ: "значение", empty: "", nested: { list: [] } };
const tenant = { name: "a", ids: [1, 70_000, 2 ** 40] };
const add = (...args: number[]) => ({ task: "sample.add", args });
const echo = (args: readonly unknown[], options: Readonly<Record<string, unknown>>) => ({
  task: "sample.echo",
  args,
  options,
});

/** A message that is to expire before any worker looks at the queue. */
export const expiredAfterMs = 2_000;
export const expired: Case = { written: echo(["too late"], { expires: "2s" }), received: [] };

/** Sent while the worker runs: it has to wait. */
export function eta(fireAt: number): Case {
  return {
    written: echo(["late"], { countdown: 2, expires: "1h" }),
    received: [["late"]],
    check: ([run]) => {
      assert.equal(run!.eta, pythonTime(fireAt + 2_000));
      assert.ok(run!.at >= fireAt / 1_000 + 2, "not before its eta");
    },
  };
}

/** Sent before there is a worker. */
export function casesAt(fireAt: number): Readonly<Record<string, Case>> {
  const written = serializers.flatMap((serializer) =>
    compressions.map((compression): [string, Case] => [
      `${serializer}, ${compression ?? "not compressed"}`,
      {
        written: {
          ...echo([serializer, compression ?? null, ...hard], { serializer, ...(compression && { compression }) }),
          kwargs,
        },
        received: [[serializer, compression ?? null, ...hard]],
        check: ([run], id) => {
          assert.deepEqual(run!.kwargs, kwargs);
          assert.deepEqual(run!.headers, {
            celery_beat_task: true,
            periodic_task_name: entryName,
            beat_fire_time: pythonTime(fireAt),
            tenant: null,
          });
          assert.equal(run!.root_id, id);
        },
      },
    ]),
  );
  return {
    ...Object.fromEntries(written),
    "headers, limits and texts": {
      written: echo(["options"], {
        expires: "1h",
        time_limit: 30,
        soft_time_limit: "20.5s",
        shadow: "shown",
        headers: { tenant },
        reply_to: "nowhere",
        ignore_result: false,
        delivery_mode: 1,
        stamps: { beat: "r1" },
        argsrepr: "(secret)",
      }),
      received: [["options"]],
      check: ([run]) => {
        assert.equal(run!.expires, pythonTime(fireAt + 3_600_000));
        assert.deepEqual(run!.timelimit, [30, 20.5]);
        assert.deepEqual([run!.shadow, run!.argsrepr], ["shown", "(secret)"]);
        assert.deepEqual(run!.headers["tenant"], tenant);
        assert.deepEqual(run!.stamps, { beat: "r1" });
      },
    },
    "a long text that fails": {
      written: { task: "sample.fail", args: ["x".repeat(50_000)] },
      received: [["x".repeat(50_000)]],
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
      written: {
        chain: [add(1, 2), add(4), { ...add(50, 50), immutable: true }, add(8)],
        options: { link: add(1000) },
      },
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
      received: [[entryName], [100, 1], [101, 100]],
      check: (received) => assert.ok(received.find(({ args }) => args[0] === entryName)!.group),
    },
    chord: {
      written: { chord: { header: [add(5, 5), { chain: [add(1, 1), add(6)] }], body: "sample.total" } },
      received: [[5, 5], [1, 1], [2, 6], [[10, 8]]],
    },
    templates: {
      written: echo(["{{ fire_time }}", "{{ previous_fire_time }}", "{{{{ name }} is {{ name }}"], {}),
      received: [[pythonTime(fireAt), null, `{{ name }} is ${entryName}`]],
    },
    "protocol 1": {
      written: echo(["old"], { task_protocol: 1, time_limit: 30, expires: "1h" }),
      received: [["old"]],
      check: ([run]) => {
        assert.deepEqual(run!.timelimit, [30, null]);
        assert.equal(run!.expires, pythonTime(fireAt + 3_600_000));
        assert.equal(run!.headers["periodic_task_name"], entryName);
      },
    },
  };
}

/** Messages of these priorities, in this order. Each is of another of kombu's steps, but for the two that are alike. */
export const priorities = [6, 9, 0, 3, 9] as const;

export function inOrder(order: "sent" | "high first" | "low first"): readonly number[] {
  if (order === "sent") return priorities;
  return priorities.toSorted((a, b) => (order === "high first" ? b - a : a - b));
}
