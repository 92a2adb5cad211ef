import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseDefinition, policyOf } from "../../src/core/definition.ts";
import { DefinitionError } from "../../src/core/errors.ts";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { checkedDefinition } from "../../src/definitions/checked.ts";

const taskTarget = (written: Record<string, unknown>) =>
  targetOf(parseDefinition({ every: "1h", ...written })) as TaskTarget;

suite("targets", () => {
  test("a chain is its first task and those after it", () => {
    const { task, args, options, canvas } = taskTarget({
      chain: [{ task: "a", args: [1], options: { queue: "q", priority: 1 } }, "b"],
      options: { priority: 2 },
    });
    assert.deepEqual([task, args, options], ["a", [1], { queue: "q", priority: 2 }]);
    assert.deepEqual(canvas, { chain: [{ task: "b" }] });
  });
  test("groups and chords are Celery's own tasks", () => {
    assert.equal(taskTarget({ group: ["a", { chain: ["b"] }] }).task, "celery.group");
    assert.deepEqual(taskTarget({ chord: { header: ["a"], body: { chain: ["b", "c"] } } }).canvas, {
      chord: { header: [{ task: "a" }], body: { chain: [{ task: "b" }, { task: "c" }] } },
    });
  });
  test("they are sent, not run", () => {
    for (const written of [{ chain: ["a"] }, { group: ["a"] }, { chord: { header: ["a"], body: "b" } }]) {
      const policy = policyOf(parseDefinition({ every: "1h", ...written, options: { retry: false } }));
      assert.deepEqual([policy.overlap, policy.maxAttempts], ["allow", 1]);
    }
  });
  test("dates are the entry's zone's, and have an offset afterwards", () => {
    const options = (written: Record<string, unknown>) =>
      taskTarget({ task: "a", timezone: "Europe/Berlin", options: written }).options;
    assert.deepEqual(options({ eta: "2027-07-01T09:00", expires: "2027-07-02" }), {
      eta: "2027-07-01T07:00:00.000Z",
      expires: "2027-07-02T21:59:59.999Z",
    });
    assert.deepEqual(options({ eta: "2027-07-01", expires: "2027-07-01T09:00:00+00:00" }), {
      eta: "2027-06-30T22:00:00.000Z",
      expires: "2027-07-01T09:00:00.000Z",
    });
    assert.deepEqual(options({ eta: "90s", expires: "next" }), { eta: "90s", expires: "next" });
  });
});

suite("refused when written", () => {
  const poison = { __type__: "moment", __value__: 1 };
  const cases: readonly [Record<string, unknown>, RegExp][] = [
    [{ task: "x", chain: ["a"] }, /^chain: is a second target beside task/],
    [{ chain: [] }, /^chain: must not be empty/],
    [{ chain: ["a", { task: "b", optoins: {} }] }, /^chain.1.optoins: unknown key "optoins". Did you mean "options"\?/],
    [
      { chain: ["a", { task: "b", options: { expires: "next" } }] },
      /^chain.1.options.expires: "next" is not a duration/,
    ],
    [{ chain: ["a", { task: "b", options: { link: "c" } }] }, /^chain.1.options.link: unknown key "link"/],
    [{ chain: ["a", { task: "b", kwargs: [] }] }, /^chain.1.kwargs: must be a map/],
    [{ chain: ["a", { task: "b", options: { headers: { id: 1 } } }] }, /^chain.1.options.headers.id: .*not free/],
    [
      { chain: ["a", { task: "b", options: { compression: "snappy" } }] },
      /^chain.1.options.compression: "snappy" is not a compression/,
    ],
    [{ chain: ["a", { task: "b", options: { queue: "q".repeat(256) } }] }, /^chain.1.options.queue: .*255 bytes/],
    [{ chain: ["a"], options: { task_protocol: 1 } }, /^options.task_protocol: protocol 1 has no chain/],
    [{ group: ["a"], args: [1] }, /^args: belongs to a task, and this entry has group\. Give args to a task within it/],
    [{ group: ["a", { task: "b", args: [poison] }] }, /^group.1.args.0: is an object of only "__type__"/],
    [{ group: ["a"], options: { link: "b" } }, /^options.link: a group has no end.*Make it a chord/],
    [{ group: [{ group: ["a"] }] }, /^group.0/],
    [{ chord: { header: [], body: "a" } }, /^chord.header: must not be empty/],
    [{ chord: { header: ["a"] } }, /^chord.body: must be/],
    [
      { chord: { header: ["a"], body: { task: "b", kwargs: { k: "{{ nme }}" } } } },
      /^chord.body.kwargs.k: {{ nme }} is not known/,
    ],
    [
      { task: "a", options: { link: { task: "b", args: [Number.NaN] } } },
      /^options.link.args.0: NaN can't be written as JSON/,
    ],
    [{ task: "a", options: { link: ["b", { task: "" }] } }, /^options.link.1.task: must not be empty/],
    [{ task: "a", options: { stamps: { s: poison } } }, /^options.stamps.s: is an object of only/],
    [{ task: "a", options: { stamps: { id: 1 } } }, /^options.stamps.id: the stamp "id" is not free/],
    [{ task: "a", options: { eta: "2027-13-01" } }, /^options.eta: .*has no such month/],
    [{ task: "a", options: { eta: "soon" } }, /^options.eta: "soon" is not a duration/],
    [{ task: "a", options: { eta: "1h", countdown: 1 } }, /^options.countdown: is a second beside eta/],
    [{ task: "a", options: { countdown: "2m", expires: "1m" } }, /^options.expires: is over before the task may begin/],
    [
      { task: "a", options: { serializer: "marshal" } },
      /^options.serializer: must be json, yaml, msgpack, pickle or auth, not "marshal"/,
    ],
    [{ task: "a", options: { task_protocol: 1, shadow: "s" } }, /^options.shadow: has no place in protocol 1/],
    [
      { task: "a", args: [{ __type__: "datetime", __value__: "{{ previous_fire_time }}" }] },
      /^args.0: the object is marked as a datetime and holds no such value/,
    ],
    [{ run: "a", options: {} }, /^options: belongs to a task, and this entry has run/],
  ];
  for (const [written, expected] of cases) {
    test(JSON.stringify(written).slice(0, 90), () => {
      assert.throws(
        () => checkedDefinition({ every: "1h", ...written }, {}),
        (error) => {
          assert.ok(error instanceof DefinitionError);
          assert.match(error.problems[0]!.describe(), expected);
          return true;
        },
      );
    });
  }
});

test("what is odd, and right", () => {
  for (const written of [
    { task: "a", args: [{ __type__: "datetime", __value__: "{{ fire_time }}" }] },
    { task: "a", args: ["{{{{ not.ours }}"] },
    { task: "a", options: { expires: "1m", eta: "2027-01-01" } },
    { chord: { header: ["a"], body: { chain: ["b", { task: "c", options: { compression: "zstd", countdown: 1 } }] } } },
    { task: "a", options: { link: ["b", { task: "c", immutable: true }], task_protocol: 1 } },
  ]) {
    assert.ok(checkedDefinition({ every: "1h", ...written }, {}));
  }
});
