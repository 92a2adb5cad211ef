import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { answersIn, pidboxQuestion, queuesIn } from "../../src/celery/pidbox.ts";
import { golden } from "./captures.ts";

suite("a question and its answer, as they were captured", () => {
  for (const [version, { asked, answer }] of Object.entries<{ asked: Asked; answer: object }>(golden("pidbox"))) {
    test(version, () => {
      const address = asked.reply_to.routing_key;
      const question = pidboxQuestion(asked.method, { ticket: asked.ticket, address });
      assert.deepEqual({ ...question, arguments: asked.arguments }, asked);
      assert.deepEqual(Object.keys(question), Object.keys(asked));
      const queues = queuesIn(new Map(answersIn(JSON.stringify(answer))));
      const [worker] = Object.keys(answer);
      assert.deepEqual(queues, [
        {
          name: "hg_ev",
          exchange: "hg_ev",
          exchangeType: "direct",
          routingKey: "hg_ev",
          settings: {},
          workers: [worker],
        },
      ]);
    });
  }
});

interface Asked {
  readonly method: string;
  readonly arguments: object;
  readonly ticket: string;
  readonly reply_to: { readonly routing_key: string };
}

test("workers that do not agree are told apart, and what is no answer is left out", () => {
  const queue = { name: "q", exchange: { name: "q", type: "direct" }, routing_key: "q" };
  const answers = new Map<string, unknown>([
    ["a", [queue, 7, { no: "name" }]],
    ["b", [{ ...queue, queue_arguments: { "x-max-priority": 9 } }]],
    ["c", [{ ...queue, queue_arguments: {}, max_priority: null }]],
    ["d", { error: "unknown" }],
  ]);
  assert.deepEqual(
    queuesIn(answers).map(({ settings, workers }) => [settings, workers]),
    [
      [{}, ["a", "c"]],
      [{ queue_arguments: { "x-max-priority": 9 } }, ["b"]],
    ],
  );
  assert.deepEqual(answersIn("R0lG…"), []);
});
