// What real workers made of messages that were built by hand, field by field: of what they ran Beat sends its share, and what
// they lost, or died of, Beat refuses or never makes. Each case is in a table, so that none is forgotten.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { checkBrokerUrl } from "../../src/brokers/connect.ts";
import { enveloped } from "../../src/brokers/enveloped.ts";
import { askFleet } from "../../src/brokers/pidbox.ts";
import { listKey, parseRedisUrl } from "../../src/brokers/redis-address.ts";
import { encodeEnvelope, expirationOf } from "../../src/celery/envelope.ts";
import { BeatError, BrokerError } from "../../src/core/errors.ts";
import type { Message } from "../../src/core/ports.ts";
import { type TaskTarget, targetOf } from "../../src/core/target.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { build, type Captured, fireAt, golden, ownHeaders, versions } from "./captures.ts";

type Options = TaskTarget["options"];

const plain = build({ args: [1] });
const bodyOf = ({ body }: Message) => JSON.parse(body.toString());
const sent = (options: Options) => build({ args: [1], options });
const refuses = (target: object) => () => assert.throws(() => build(target), BeatError);
const header = (name: string, options: Options) => sent(options).headers[name];

/** Every case of a file has to be in the table, and nothing else. */
function assertListed(cases: object, ...tables: object[]): void {
  assert.deepEqual(tables.flatMap(Object.keys).toSorted(), Object.keys(cases).toSorted());
}

suite("fields of a message over RabbitMQ", () => {
  const all: Readonly<Record<string, Readonly<Record<string, { readonly executed: number }>>>> = golden("prove-amqp");
  const dropped = Object.keys(all["5.7.0"]!).filter((name) => name.startsWith("drop "));

  const lost: Readonly<Record<string, () => void>> = {
    "drop h:task": () => assert.equal(plain.headers["task"], "hg.add"),
    "drop h:id": () => assert.equal(plain.headers["id"], plain.id),
    "drop p:content_type": () => assert.equal(plain.contentType, "application/json"),
    "no headers at all": () => assert.ok(Object.keys(plain.headers).length > 0),
    "headers task only": () => assert.ok("id" in plain.headers),
    "eta bad": refuses({ options: { eta: "2027-01-99T00:00:00Z" } }),
    "eta number": () => assert.equal(header("eta", { eta: 60 }), "2027-01-01T09:01:00+00:00"),
    "expires past": () =>
      assert.match(
        (enveloped(sent({ expires: "1m" }), "it", fireAt + 61_000) as { refusal: string }).refusal,
        /^it expired/,
      ),
    "body 2 items": () => assert.equal(bodyOf(plain).length, 3),
    "args null": refuses({ args: null }),
    "kwargs null": refuses({ kwargs: null }),
    "kwargs list": refuses({ kwargs: [] }),
    "bad json": () => assert.deepEqual(bodyOf(plain)[0], [1]),
    "ct text/plain": () => assert.equal(plain.contentType, "application/json"),
    "ct application/json;charset": () => assert.equal(plain.contentType, "application/json"),
    // Only the workers know the names of their tasks.
    "unknown task": refuses({ task: "" }),
  };
  const ran: Readonly<Record<string, () => void>> = {
    full: () => assert.equal(plain.contentEncoding, "utf-8"),
    "minimal(task,id)": () => assert.ok("task" in plain.headers && "id" in plain.headers),
    "minimal+no props but ct,ce": () => assert.equal(plain.contentType, "application/json"),
    "ct only, no ce": () => assert.equal(plain.contentType, "application/json"),
    "lang=js": () => assert.equal(plain.headers["lang"], "py"),
    "timelimit=null": () => assert.deepEqual(plain.headers["timelimit"], [null, null]),
    "timelimit=[30,20]": () => assert.deepEqual(header("timelimit", { time_limit: 30, soft_time_limit: 20 }), [30, 20]),
    "eta Z": () => assert.equal(header("eta", { eta: "2027-01-01T10:00:00Z" }), "2027-01-01T10:00:00+00:00"),
    "eta +00:00": () => assert.match(String(header("eta", { countdown: 1.5 })), /:01\.500000\+00:00$/),
    "eta +02:00": () => assert.equal(header("eta", { eta: "2027-01-01T12:00:00+02:00" }), "2027-01-01T10:00:00+00:00"),
    // A worker reads it in its own zone.
    "eta naive(UTC)": refuses({ options: { eta: "2027-01-01T12:00:00" } }),
    "expires Z future": () => assert.match(String(header("expires", { expires: "2m" })), /\+00:00$/),
    "embed {}": () => assert.equal(Object.keys(bodyOf(plain)[2]).length, 4),
    "embed null": () => assert.equal(bodyOf(plain)[2].chain, null),
    "ce binary": () => assert.equal(sent({ serializer: "msgpack" }).contentEncoding, "binary"),
    "raw utf8 non-ascii": () => assert.match(build({ args: ["é"] }).body.toString(), /\\u00e9/),
    "reply_to set, no backend need": () => assert.equal(sent({ reply_to: "q" }).replyTo, "q"),
    "v1 body, no headers": () => assert.ok(!("task" in sent({ task_protocol: 1 }).headers)),
    "v1 minimal": () => {
      const { task, id, args, kwargs } = bodyOf(sent({ task_protocol: 1 }));
      assert.deepEqual([task, id, args, kwargs], ["hg.add", plain.id, [1], {}]);
    },
    // Nobody else tells a second send: it has to have the same id, and another run another one.
    "dup id (same id twice)": () => assert.equal(build({ args: [1] }).id, plain.id),
  };

  test("each header that was left out is one that Beat sends, and none is missing", () => {
    const names = dropped.filter((name) => name.startsWith("drop h:")).map((name) => name.slice("drop h:".length));
    const own = Object.keys(plain.headers).filter((name) => !ownHeaders.includes(name));
    assert.deepEqual(names.toSorted(), own.toSorted());
  });
  for (const version of versions) {
    test(`Celery ${version}`, () => {
      const cases = all[version]!;
      const optional = dropped.filter((name) => !(name in lost));
      assertListed(cases, lost, ran, Object.fromEntries(optional.map((name) => [name, 0])));
      for (const name of Object.keys(lost)) assert.equal(cases[name]!.executed, 0, name);
      for (const name of [...Object.keys(ran), ...optional]) assert.ok(cases[name]!.executed > 0, name);
    });
  }
  for (const [name, check] of Object.entries({ ...lost, ...ran })) test(name, check);
});

suite("fields of kombu's envelope", () => {
  const envelope = JSON.parse(encodeEnvelope(plain, "5b1a6a0e-0000-4000-8000-000000000000", fireAt));
  const at = (path: string) => path.split("/").reduce((value, key) => value?.[key], envelope);

  test("over Redis: whatever a worker misses is there", () => {
    for (const [version, cases] of Object.entries<Record<string, { executed: number }>>(golden("prove-redis"))) {
      const lost = Object.keys(cases).filter((name) => cases[name]!.executed === 0);
      assert.ok(lost.length > 8, version);
      for (const name of lost.filter((each) => each !== "not json")) {
        assert.match(name, /^drop /, version);
        assert.notEqual(at(name.slice("drop ".length)), undefined, `${version} ${name}`);
      }
      assert.ok(lost.includes("not json") && cases["full"]!.executed === 1, version);
    }
  });
  test("in the embedded broker: what makes a worker exit is not in it", () => {
    const sound: Readonly<Record<string, () => void>> = {
      "not json": () => assert.equal(typeof envelope, "object"),
      empty: () => assert.notEqual(envelope.body, ""),
      "no content-type": () => assert.equal(envelope["content-type"], "application/json"),
      "no id": () => assert.equal(envelope.headers.id, plain.id),
    };
    for (const version of ["5.2.7", "5.5.3", "5.7.0"]) {
      const cases = golden(`robust-embedded-${version}`);
      for (const [what, check] of Object.entries(sound)) {
        for (const transport of ["sqlite", "fs"])
          assert.equal(cases[`${transport}/bad ${what}`]["next message ran"], false, `${version} ${what}`);
        check();
      }
    }
  });
  test("in the embedded broker there is no remote control, and Beat says so", async () => {
    for (const version of ["5.2.7", "5.5.3", "5.7.0"]) {
      const [exitCode] = golden(`robust-embedded-${version}`)["sqlite/inspect ping"];
      assert.equal(exitCode, 69, version);
    }
    const asked = askFleet("sqla+sqlite:///b.sqlite", "ping", { clock: new SimulatedClock(), waitMs: 1 });
    await assert.rejects(asked, BrokerError);
  });
});

suite("serializers and compressions", () => {
  const all = golden("serializers");
  const start = (options: Options) =>
    sent({ ...options })
      .body.subarray(0, 6)
      .toString("hex");
  const typed = { __type__: "date", __value__: "2026-01-02" };

  const lost: Readonly<Record<string, () => void>> = {
    "json BOM": () => assert.equal(plain.body[0], "[".charCodeAt(0)),
    "raw application/data": refuses({ options: { serializer: "auth" } }),
    "real gzip(1f 8b)": () => assert.doesNotMatch(start({ compression: "gzip" }), /^1f8b/),
    "raw deflate": () => assert.match(start({ compression: "zlib" }), /^78/),
    "unknown compression": refuses({ options: { compression: "application/x-nope" } }),
  };
  const lostByMost: Readonly<Record<string, () => void>> = {
    "json unknown __type__": refuses({ args: [{ __type__: "zzz", __value__: 1 }] }),
    // The two upper bits of the descriptor, or the third, say that the size is there.
    "zstd no content size": () => assert.ok((sent({ compression: "zstd" }).body[4]! & 0b1110_0000) !== 0),
  };
  const ran: Readonly<Record<string, () => void>> = {
    "json typed": () => assert.deepEqual(bodyOf(build({ args: [typed] }))[0], [typed]),
    "json __type__ + extra key": () =>
      assert.deepEqual(bodyOf(build({ args: [{ ...typed, x: 1 }] }))[0], [{ ...typed, x: 1 }]),
    // Python reads them; JSON has them not, and workers of other languages read no more than that.
    "json big ints/NaN": refuses({ args: [Number.NaN] }),
    yaml: () => assert.equal(sent({ serializer: "yaml" }).contentType, "application/x-yaml"),
    "yaml flow(json text)": () => assert.match(sent({ serializer: "yaml" }).body.toString(), /^\[/),
    msgpack: () => assert.match(start({ serializer: "msgpack" }), /^93/),
    "pickle p2": () => assert.match(start({ serializer: "pickle" }), /^8002/),
    "pickle p4": () => assert.doesNotMatch(start({ serializer: "pickle" }), /^8004/),
    "gzip=zlib(78 9c)": () => assert.match(start({ compression: "gzip" }), /^789c/),
    'compression alias "gzip"': () =>
      assert.equal(header("compression", { compression: "gzip" }), "application/x-gzip"),
    'compression alias "zlib"': () =>
      assert.equal(header("compression", { compression: "zlib" }), "application/x-gzip"),
    brotli: () => assert.equal(header("compression", { compression: "brotli" }), "application/x-brotli"),
    "zstd with size": () => assert.match(start({ compression: "zstd" }), /^28b52ffd/),
  };
  /** compression.test.ts, signing.test.ts. */
  const elsewhere = /^(bz2|lzma|auth|plain json)/;

  for (const version of versions) {
    test(`Celery ${version}`, () => {
      const cases = Object.fromEntries(
        Object.entries<{ ran: boolean }>(all[version]).filter(([name]) => !elsewhere.test(name)),
      );
      assertListed(cases, lost, lostByMost, ran);
      for (const name of Object.keys(lost)) assert.equal(cases[name]!.ran, false, name);
      for (const name of Object.keys(ran)) assert.equal(cases[name]!.ran, true, name);
    });
  }
  test("what some versions alone can read Beat does not send", () => {
    for (const name of Object.keys(lostByMost))
      assert.ok(
        versions.some((version) => all[version][name].ran === false),
        name,
      );
  });
  for (const [name, check] of Object.entries({ ...lost, ...lostByMost, ...ran })) test(name, check);
});

suite("what a worker shows of a message", () => {
  const all = golden("misc");
  const stored = golden("misc2");
  for (const version of versions) {
    test(`Celery ${version}`, () => {
      const cases = all[version];
      const { keys } = parseRedisUrl("redis://");
      const lists: string[] = cases["redis order (all queued, then worker)"].map((args: string) =>
        listKey(keys, "q", Number.parseInt(args.slice(1), 10)),
      );
      assert.deepEqual(lists, lists.toSorted(), "Redis: low priorities first, by lists");
      const priorities: number[] = cases["rabbitmq order"].map((args: string) => Number.parseInt(args.slice(1), 10));
      assert.deepEqual(
        priorities,
        priorities.map((priority) => sent({ priority }).priority).toSorted((a, b) => b - a),
      );

      const { properties, ...request } = cases["stamps+custom headers in task.request"];
      const theirs = properties.application_headers;
      const message = build(
        { task: "hg.echo", args: ["x"], options: { stamps: { beat_run: "r1" }, headers: { "x-custom": "c" } } },
        { entryName: "nightly", origin: "beat@hg", id: theirs.id },
      );
      const { beat_fire_time, ...own } = message.headers;
      assert.deepEqual({ ...own, argsrepr: "('x',)", ignore_result: false }, theirs);
      for (const name of ["stamped_headers", "stamps", "celery_beat_task", "periodic_task_name"])
        assert.deepEqual(own[name], request[name], name);
      assert.notDeepEqual(message.headers["stamps"], cases["flat stamp header"].stamps);

      assert.deepEqual(header("timelimit", { soft_time_limit: 1 }), [null, 1]);
      assert.deepEqual(header("timelimit", { time_limit: 1 }), [1, null]);
      for (const limit of [
        [null, 1],
        [1, null],
      ])
        assert.match(cases[`timelimit ${JSON.stringify(limit)} on sleep 4`].join(), /TimeLimitExceeded/);
      const shadow = String(header("shadow", { shadow: "Pretty Name" }));
      assert.ok(cases["shadow log"][0].includes(`Task ${shadow}[`));
      assert.deepEqual([cases["rpc backend, no reply_to/correlation_id"][0], plain.replyTo], [true, ""]);
      assert.equal(cases["rpc backend, reply_to to a missing queue"][0], true);
    });

    test(`Celery ${version}: a result is stored as the task says, and keys have their prefix`, () => {
      const { "result stored?": isStored, "prefix keys": names, "prefix ran": ran } = stored[version];
      const said = plain.headers["ignore_result"] === null ? "None" : "False";
      for (const [task, normally] of [
        ["hg.ign", false],
        ["hg.add", true],
      ] as const)
        assert.deepEqual([isStored[`${task} header=${said}`], isStored[`${task} header=absent`]], [normally, normally]);
      const { prefix } = parseRedisUrl("redis://h?global_keyprefix=pfx:").keys;
      assert.ok(ran && names.includes(`'${prefix}_kombu.binding.celery'`));
      assert.equal(stored[version]["sentinel ran"], true);
    });
  }
});

suite("what the client sends otherwise", () => {
  for (const version of versions) {
    const cases: Readonly<Record<string, readonly Captured[]>> = golden(`amqp-celery-${version}`);
    test(`Celery ${version}: a group is many messages, and Beat's one holds the same calls`, () => {
      const group = cases["group"]!.map(({ properties, body }) => ({
        task: String(properties.headers["task"]),
        args: JSON.parse(body)[0] as unknown[],
      }));
      assert.equal(group.length, 2);
      const [, { tasks }] = bodyOf(build(targetOf({ group }) as TaskTarget));
      assert.deepEqual(
        tasks.map(({ task, args }: { task: string; args: unknown }) => ({ task, args })),
        group,
      );
    });
    test(`Celery ${version}: an expiry of decades was lost in RabbitMQ, and Beat's is cut to what it takes`, () => {
      assert.deepEqual(cases["eta_aware"], []);
      const { expiresAt } = sent({ expires: "2099-01-02T03:04:05Z" });
      assert.equal(expirationOf(expiresAt!, fireAt), "315360000000");
    });
    test(`Celery ${version}: a time without an offset means another one to each worker, and is refused`, () => {
      const [{ properties }] = cases["eta_naive"] as [Captured];
      const { eta } = properties.headers as { eta: string };
      assert.match(eta, /^\d{4}-\d\d-\d\dT[\d:]+$/);
      assert.throws(() => sent({ eta }), BeatError);
    });
  }
});

test("every transport, and what was sent over it from Node, is Beat's as well", async () => {
  const urls: Readonly<Record<string, string>> = {
    amqp: "amqp://h",
    "amqp-auth": "amqp://h",
    redis: "redis://h",
    sqlite: "sqla+sqlite:///b",
    pg: "sqla+postgresql://h/d",
    fs: "filesystem://?data_folder_out=/d",
  };
  const messages: Readonly<Record<string, Options>> = {
    plain: {},
    unicode: {},
    "float timelimit": { time_limit: 1.5 },
    "eta Z ms": { eta: "2027-01-01T09:00:00.123Z" },
    "extra header": { headers: { more: 1 } },
    zlib: { compression: "zlib" },
    brotli: { compression: "brotli" },
    msgpack: { serializer: "msgpack" },
    p0: { priority: 0 },
    p3: { priority: 3 },
    p9: { priority: 9 },
  };
  for (const [place, cases] of Object.entries<Record<string, string | false>>(golden("prove-node"))) {
    const [version, transport] = place.split("/") as [string, string];
    await checkBrokerUrl(urls[transport]!);
    for (const [name, ran] of Object.entries(cases)) {
      // Signed in the layout of Celery 5.5.
      assert.equal(ran !== false, name !== "auth" || version >= "5.5", `${place} ${name}`);
      if (name !== "auth" && !(name in urls)) assert.ok(sent(messages[name]!).body.length > 0, name);
    }
  }
  assert.deepEqual(header("timelimit", messages["float timelimit"]!), [1.5, null]);
  assert.equal(header("eta", messages["eta Z ms"]!), "2027-01-01T09:00:00.123000+00:00");
});
