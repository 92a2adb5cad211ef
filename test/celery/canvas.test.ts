import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { build } from "./captures.ts";

type Written = Parameters<typeof targetOf>[0];
const id = "11111111-2222-5333-8444-555555555555";
const bodyOf = (written: Written, more = {}) =>
  JSON.parse(build(targetOf(written) as TaskTarget, { id, ...more }).body.toString());
const uuid5 = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

suite("chain", () => {
  test("the last comes first, each with an id of its own", () => {
    const [args, kwargs, embed] = bodyOf({ chain: [{ task: "a", args: [1], kwargs: { k: 2 } }, "b", "c"] });
    assert.deepEqual([args, kwargs], [[1], { k: 2 }]);
    assert.deepEqual(
      embed.chain.map(({ task }: { task: string }) => task),
      ["c", "b"],
    );
    const ids = embed.chain.map(({ options }: { options: { task_id: string } }) => options.task_id);
    assert.equal(new Set([...ids, id]).size, 3);
    for (const each of ids) assert.match(each, uuid5);
    assert.deepEqual([embed.callbacks, embed.errbacks, embed.chord], [null, null, null]);
  });
  test("what is sent twice has the same ids, and another occurrence has others", () => {
    const chain = ["a", "b"];
    assert.deepEqual(bodyOf({ chain }), bodyOf({ chain }));
    const other = bodyOf({ chain }, { id: "99999999-2222-5333-8444-555555555555" });
    assert.notEqual(bodyOf({ chain })[2].chain[0].options.task_id, other[2].chain[0].options.task_id);
  });
  test("link is the last one's, link_error is everyone's", () => {
    const [, , embed] = bodyOf({ chain: ["a", "b", "c"], options: { link: "l", link_error: ["x", "y"] } });
    const names = (all: { task: string }[] | undefined) => all?.map(({ task }) => task);
    assert.equal(embed.callbacks, null);
    assert.deepEqual(names(embed.errbacks), ["x", "y"]);
    const [c, b] = embed.chain;
    assert.deepEqual([names(c.options.link), names(c.options.link_error)], [["l"], ["x", "y"]]);
    assert.deepEqual([names(b.options.link), names(b.options.link_error)], [undefined, ["x", "y"]]);
  });
  test("of one task is that task", () => {
    const [args, , embed] = bodyOf({ chain: [{ task: "a", args: [1] }], options: { link: "l" } });
    assert.deepEqual(args, [1]);
    assert.equal(embed.callbacks[0].task, "l");
    assert.equal(embed.chain, null);
  });
  test("the message goes where the first task says, unless the entry says otherwise", () => {
    const chain = [
      { task: "a", options: { queue: "first", priority: 3 } },
      { task: "b", options: { queue: "second" } },
    ];
    const message = (options: Written["options"]) =>
      build(targetOf({ chain, ...(options && { options }) }) as TaskTarget);
    assert.deepEqual([message(undefined).queue, message(undefined).priority], ["first", 3]);
    assert.deepEqual([message({ queue: "own" }).queue, message({ queue: "own" }).priority], ["own", 3]);
  });
  test("durations are seconds to the worker, and compressions have kombu's names", () => {
    const options = { expires: "1h", countdown: "1.5s", time_limit: "1m", soft_time_limit: 30, compression: "bz2" };
    const [, , embed] = bodyOf({ chain: ["a", { task: "b", options }] });
    const { task_id: _, ...own } = embed.chain[0].options;
    assert.deepEqual(own, {
      ...options,
      expires: 3_600,
      countdown: 1.5,
      time_limit: 60,
      compression: "application/x-bz2",
    });
  });
});

test("a group is Celery's own task, told what to start and which ids that will have", () => {
  const group = [{ task: "a", args: [1], immutable: true }, { chain: ["b", "c"] }];
  const message = build(targetOf({ group, options: { link_error: "x", queue: "q" } }) as TaskTarget, { id });
  assert.equal(message.headers["task"], "celery.group");
  assert.equal(message.queue, "q");
  const [args, kwargs, embed] = JSON.parse(message.body.toString());
  assert.deepEqual(args, []);
  assert.deepEqual(embed, { callbacks: null, errbacks: null, chain: null, chord: null });
  const [a, chain] = kwargs.tasks;
  const errback = { task: "x", args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false };
  assert.deepEqual(a, {
    task: "a",
    args: [1],
    kwargs: {},
    options: { task_id: a.options.task_id, link_error: [errback] },
    subtask_type: null,
    immutable: true,
  });
  assert.equal(chain.task, "celery.chain");
  assert.equal(chain.subtask_type, "chain");
  assert.deepEqual(
    chain.kwargs.tasks.map(({ task }: { task: string }) => task),
    ["b", "c"],
  );
  assert.deepEqual(kwargs.result, [
    [kwargs.group_id, null],
    [
      [[a.options.task_id, null], null],
      [[chain.options.task_id, null], null],
    ],
  ]);
  assert.deepEqual(kwargs.partial_args, []);
});

test("a chord is Celery's own task, and what is linked to it is linked to its body", () => {
  const chord = { header: ["a", "b"], body: { task: "sum", args: [] } };
  const message = build(targetOf({ chord, options: { link: "l", link_error: "x" } }) as TaskTarget, { id });
  assert.equal(message.headers["task"], "celery.chord");
  const [, { header, body, task_id }] = JSON.parse(message.body.toString());
  assert.match(task_id, uuid5);
  assert.deepEqual(
    header.map(({ task }: { task: string }) => task),
    ["a", "b"],
  );
  assert.equal(header[0].options.link_error, undefined);
  assert.deepEqual([body.task, body.options.link[0].task, body.options.link_error[0].task], ["sum", "l", "x"]);
});

test("templates are filled in wherever arguments are", () => {
  const filled = { task: "t", args: ["{{ name }}"], kwargs: { at: "{{ fire_time }}" } };
  const expected = { args: ["e"], kwargs: { at: "2027-01-01T09:00:00+00:00" } };
  const pick = ({ args, kwargs }: { args: unknown; kwargs: unknown }) => ({ args, kwargs });
  const [args, kwargs, embed] = bodyOf({ chain: [filled, filled], options: { link: filled, link_error: filled } });
  assert.deepEqual({ args, kwargs }, expected);
  for (const each of [embed.chain[0], embed.errbacks[0], embed.chain[0].options.link[0]])
    assert.deepEqual(pick(each), expected);
  const [, group] = bodyOf({ group: [filled, { chain: [filled] }] });
  assert.deepEqual([pick(group.tasks[0]), pick(group.tasks[1].kwargs.tasks[0])], [expected, expected]);
  const [, , plain] = bodyOf({ task: "a", options: { link: filled } });
  assert.deepEqual(pick(plain.callbacks[0]), expected);
});
