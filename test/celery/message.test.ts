import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { expiredText } from "../../src/celery/message.ts";
import { pythonTime } from "../../src/celery/times.ts";
import { BeatError } from "../../src/core/errors.ts";
import type { TaskTarget } from "../../src/core/target.ts";
import { hourMs } from "../../src/core/time.ts";
import { assertSame, build, type Captured, fireAt, golden, versions } from "./captures.ts";

suite("messages of the Celery client", () => {
  for (const version of versions) {
    const cases = golden(`amqp-celery-${version}`) as Record<string, Captured>;
    const client = { defaultQueue: "hg_cap" };
    test(`${version}: send_task`, () => {
      assertSame(build({ task: "other.task", args: [1], kwargs: { a: "b" } }, client), cases["send_task"]!, [
        "ignore_result",
      ]);
    });
    test(`${version}: apply_async`, () => {
      // The client writes the tuple that it was called with as "(2, 3)", and beat the list of its schedule as "[2, 3]".
      const message = build({ args: [2, 3] }, client);
      assert.equal(message.headers["argsrepr"], "[2, 3]");
      assertSame(message, cases["plain"]!, ["argsrepr", "ignore_result"]);
    });
    test(`${version}: queue`, () => {
      // The client leaves a priority of 0 out where it is given a queue; to RabbitMQ both are the same.
      const captured = cases["custom_queue"]!;
      const prioritised = { ...captured, properties: { ...captured.properties, priority: 0 } };
      assertSame(build({ args: [2, 3], options: { queue: "hg_other" } }), prioritised, ["argsrepr", "ignore_result"]);
    });
    test(`${version}: options`, () => {
      const options = {
        time_limit: 30,
        soft_time_limit: "20s",
        shadow: "shadow.name",
        ignore_result: true,
        headers: { "x-my": "v", n: 7 },
        priority: 5,
        delivery_mode: 1,
        reply_to: "my-reply",
      } as const;
      const message = build({ args: [2, 3], options }, client);
      assert.equal(message.replyTo, "my-reply");
      assertSame(message, cases["options"]!, ["argsrepr"]);
    });
    test(`${version}: texts`, () => {
      // JavaScript does not tell 1.0 from 1.
      const captured = cases["unicode"]!;
      const plain = { ...captured, body: captured.body.replace("1.0", "1") };
      const args = JSON.parse(captured.body)[0] as unknown[];
      const message = build({ task: "hg.echo", args }, client);
      assert.equal(message.headers["argsrepr"], `['hé中😀', 'q\\'uote', 'd"q', 1, True, None, [1, 'a'], {'k': [1]}]`);
      assertSame(message, plain, ["argsrepr", "ignore_result"]);
    });
  }
});

suite("messages of celery beat", () => {
  for (const version of versions) {
    const { beat_schedule: schedule, messages } = golden(`beat-celery-${version}`) as {
      readonly beat_schedule: Record<string, Partial<TaskTarget>>;
      readonly messages: readonly Captured[];
    };
    for (const [index, captured] of messages.entries()) {
      test(`${version}: message ${index + 1}`, () => {
        const { headers } = captured.properties;
        const entry = Object.values(schedule).find((candidate) => candidate.task === headers["task"])!;
        const { task: name, args, kwargs = {}, options = {} } = entry;
        const message = build(
          { task: name!, args: args!, kwargs, options },
          { id: String(headers["id"]), defaultQueue: "hg_beat" },
        );
        const differing = ["ignore_result", ...(options.expires === undefined ? [] : ["expires"])];
        assertSame(message, captured, differing);
        assert.equal(
          message.expiresAt,
          options.expires === undefined ? null : fireAt + Number(options.expires) * 1_000,
        );
        if (version === "5.7.0") assert.equal(headers["celery_beat_task"], message.headers["celery_beat_task"]);
      });
    }
  }
});

test("beat's own headers come last", () => {
  const { headers } = build({ options: { headers: { mine: 1 } } }, { entryName: "täglich" });
  assert.deepEqual(Object.entries(headers).slice(-4), [
    ["mine", 1],
    ["celery_beat_task", true],
    ["periodic_task_name", "täglich"],
    ["beat_fire_time", "2027-01-01T09:00:00+00:00"],
  ]);
  assert.equal(headers["ignore_result"], null);
  assert.equal(build({ options: { ignore_result: false } }).headers["ignore_result"], false);
});

test("times are written as Python writes them", () => {
  assert.equal(pythonTime(fireAt + 7), "2027-01-01T09:00:00.007000+00:00");
  assert.equal(pythonTime(fireAt), "2027-01-01T09:00:00+00:00");
});

suite("when it may begin", () => {
  const etaOf = (options: TaskTarget["options"]) => build({ options }, { dueAt: fireAt + 30_000 }).headers["eta"];
  test("countdown counts from the due time", () =>
    assert.equal(etaOf({ countdown: "1m" }), "2027-01-01T09:01:30+00:00"));
  test("an eta counts from the fire time", () => assert.equal(etaOf({ eta: "1m" }), "2027-01-01T09:01:00+00:00"));
  test("an eta may be a date", () =>
    assert.equal(etaOf({ eta: "2027-01-01T12:00:00.000+02:00" }), "2027-01-01T10:00:00+00:00"));
  test("at once", () => assert.deepEqual([etaOf({}), etaOf({ countdown: 0 })], [null, null]));
});

suite("expiry", () => {
  test("at a date", () => {
    const message = build({ options: { expires: "2027-01-01T09:10:00Z", countdown: "1h" } });
    assert.equal(message.headers["expires"], "2027-01-01T09:10:00+00:00");
  });
  test("counts from the due time", () => {
    const message = build({ options: { expires: "10m" } });
    assert.equal(message.expiresAt, fireAt + 600_000);
    assert.equal(message.headers["expires"], "2027-01-01T09:10:00+00:00");
  });
  test("next: when the next one falls due, and never after the last one", () => {
    assert.equal(build({ options: { expires: "next" } }, { nextFireAt: fireAt + hourMs }).expiresAt, fireAt + hourMs);
    assert.equal(build({ options: { expires: "next" } }).headers["expires"], null);
  });
  test("why an expired one is not sent", () => {
    assert.equal(
      expiredText(fireAt, fireAt + 30_000),
      "it expired at 2027-01-01T09:00:00.000Z, 30s before it could be sent",
    );
  });
});

suite("routing", () => {
  const routeOf = (options: TaskTarget["options"]) => {
    const { queue, exchange, routingKey } = build({ options });
    return [queue, exchange, routingKey];
  };
  test("the default queue", () => assert.deepEqual(routeOf({}), ["celery", "", "celery"]));
  test("a queue", () => assert.deepEqual(routeOf({ queue: "emails" }), ["emails", "", "emails"]));
  test("a queue wins over a routing key without an exchange", () =>
    assert.deepEqual(routeOf({ queue: "emails", routing_key: "a.b" }), ["emails", "", "emails"]));
  test("an exchange", () =>
    assert.deepEqual(routeOf({ exchange: "news", routing_key: "a.b" }), ["news/a.b", "news", "a.b"]));
  test("an exchange and a queue", () =>
    assert.deepEqual(routeOf({ exchange: "news", queue: "q" }), ["news/q", "news", "q"]));
  test("a fan-out exchange", () =>
    assert.deepEqual(routeOf({ exchange: "news", routing_key: "" }), ["news/", "news", ""]));
});

suite("refused before it is sent", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const refused: readonly [string, Partial<TaskTarget>, RegExp, string][] = [
    ["no task", { task: "" }, /needs a name/, "task"],
    ["args: text", { args: "ab" as unknown as unknown[] }, /args must be a list/, "args"],
    ["kwargs: list", { kwargs: [] as unknown as Record<string, unknown> }, /kwargs must be an object/, "kwargs"],
    ["kwargs: null", { kwargs: null as unknown as Record<string, unknown> }, /kwargs must be an object/, "kwargs"],
    ["a function", { args: [[() => 1]] }, /a function is not JSON/, "args.0.0"],
    ["undefined", { kwargs: { a: undefined } }, /undefined is not JSON/, "kwargs.a"],
    ["a big integer", { args: [1n] }, /a bigint is not JSON/, "args.0"],
    ["a date", { args: [new Date(0)] }, /a Date is not JSON/, "args.0"],
    ["not a number", { args: [Number.NaN] }, /NaN is not a JSON number/, "args.0"],
    ["a hole", { args: new Array(1) }, /undefined is not JSON/, "args.0"],
    ["a circle", { args: [cyclic] }, /contains itself/, `args${".0".repeat(100)}`],
    [
      "an unknown typed value",
      { kwargs: { when: { __type__: "moment", __value__: 1 } } },
      /kombu does not know/,
      "kwargs.when",
    ],
    [
      "a broken typed value",
      { kwargs: { when: { __type__: "date", __value__: "soon" } } },
      /marked as a date/,
      "kwargs.when",
    ],
    [
      "a typed value in a header",
      { options: { headers: { h: { __type__: "x", __value__: 1 } } } },
      /kombu does not know/,
      "options.headers.h",
    ],
    ["over 1 MiB", { args: ["x".repeat(1_048_576)] }, /1,048,\d{3} bytes/, "args"],
    ["a header of Celery's", { options: { headers: { id: 1 } } }, /"id" is not free/, "options.headers.id"],
    [
      "a header that RabbitMQ routes by",
      { options: { headers: { CC: ["q"] } } },
      /"CC" is not free/,
      "options.headers.CC",
    ],
    ["a prototype", { options: { headers: JSON.parse('{"__proto__": {}}') } }, /not free/, "options.headers.__proto__"],
    ["a long queue", { options: { queue: "é".repeat(128) } }, /longer than 255 bytes/, "options.queue"],
    ["no queue", { options: { queue: "" } }, /must not be empty/, "options.queue"],
    ["a routing key alone", { options: { routing_key: "a.b" } }, /leads nowhere/, "options.routing_key"],
    ["a date without an offset", { options: { eta: "2027-01-01T09:00" } }, /not a date with an offset/, "options.eta"],
    ["no date", { options: { expires: "2027-99-01Z" } }, /not a date with an offset/, "options.expires"],
    ["a task of a chain", { canvas: { chain: [{ task: "" }] } }, /needs a name/, "chain.1.task"],
    ["an odd one", { canvas: { group: [{ task: "a", kwargs: [] as never }] } }, /must be an object/, "group.0.kwargs"],
    ["a linked one", { options: { link: { task: "a", args: [() => 1] } } }, /is not JSON/, "options.link.args.0"],
    ["a priority", { options: { priority: 256 } }, /256 is not a priority/, "options.priority"],
  ];
  for (const [name, target, message, field] of refused) {
    test(name, () => {
      assert.throws(
        () => build(target),
        (error) => {
          assert.ok(error instanceof BeatError);
          assert.match(error.message, message);
          assert.equal(error.place?.field, field);
          return true;
        },
      );
    });
  }
  test("an empty id", () => assert.throws(() => build({}, { id: "" }), /must not be empty/));
});

test("typed values that kombu decodes pass", () => {
  const kwargs = {
    dt: { __type__: "datetime", __value__: "2026-01-02T03:04:05.678901+00:00" },
    d: { __type__: "date", __value__: "2026-01-02" },
    t: { __type__: "time", __value__: "03:04:05" },
    dec: { __type__: "decimal", __value__: "1.50" },
    u: { __type__: "uuid", __value__: { hex: "12345678123456781234567812345678" } },
    b: { __type__: "bytes", __value__: "abc" },
    b64: { __type__: "base64", __value__: "/wA=" },
    plain: { __type__: "moment", __value__: 1, more: true },
  };
  assert.deepEqual(JSON.parse(build({ kwargs }).body.toString())[1], kwargs);
});
