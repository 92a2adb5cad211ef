// An SQS that answers and refuses, in the words of AWS: who must help, what is tried again, and that nothing else is touched.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { after, suite, test } from "node:test";
import type { PublishOutcome } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system-clock.ts";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { freePorts } from "../servers/own-server.ts";
import { heldTimer, refuses } from "./opened.ts";
import { available, opened, urlAt } from "./sqs-opened.ts";

interface Entry {
  readonly Id: string;
  readonly MessageBody: string;
}

interface Request {
  readonly action: string;
  readonly queue: string;
  readonly entries: readonly Entry[];
  /** Who signed it. */
  readonly key: string;
}

/** A refusal is an error's name and its message. */
type Answer = { readonly status: number; readonly error: string; readonly text: string } | "silence" | object;

const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const refusal = (status: number, error: string, text = "as told"): Answer => ({ status, error, text });
const taken = ({ entries }: Request) => ({
  Successful: entries.map(({ Id, MessageBody }) => ({ Id, MessageId: "m", MD5OfMessageBody: md5(MessageBody) })),
});

/** Speaks the JSON protocol. `answer` decides; undefined: all is well. */
class ScriptedSqs {
  readonly requests: Request[] = [];
  answer: (request: Request, count: number) => Answer | undefined = () => undefined;
  port = 0;
  readonly #server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const body = JSON.parse(Buffer.concat(parts).toString());
    const asked: Request = {
      action: String(request.headers["x-amz-target"]).replace("AmazonSQS.", ""),
      queue: body.QueueName ?? body.QueueUrl.split("/").at(-1),
      entries: body.Entries ?? [],
      key: /Credential=([^/]*)/.exec(String(request.headers.authorization))?.[1] ?? "",
    };
    this.requests.push(asked);
    const sent = this.requests.filter(({ action, queue }) => action === asked.action && queue === asked.queue).length;
    const answer = this.answer(asked, sent) ?? this.#usual(asked);
    if (answer === "silence") return;
    const isRefusal = "status" in answer;
    response.writeHead(isRefusal ? Number(answer.status) : 200, { "content-type": "application/x-amz-json-1.0" });
    const said =
      isRefusal && "error" in answer
        ? { __type: `com.amazonaws.sqs#${answer.error}`, message: Reflect.get(answer, "text") }
        : answer;
    response.end(JSON.stringify(said));
  });

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.port = (this.#server.address() as { port: number }).port;
    return this;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** How many batches came for this queue. */
  batches(queue: string): readonly number[] {
    return this.requests
      .filter(({ action, queue: to }) => action === "SendMessageBatch" && to === queue)
      .map(({ entries }) => entries.length);
  }

  #usual(request: Request): object {
    if (request.action === "SendMessageBatch") return taken(request);
    return { QueueUrl: `http://127.0.0.1:${this.port}/1/${request.queue}` };
  }
}

const started: ScriptedSqs[] = [];
after(() => {
  for (const each of started) each.stop();
});
async function scripted(answer: ScriptedSqs["answer"]): Promise<ScriptedSqs> {
  const sqs = await new ScriptedSqs().start();
  sqs.answer = answer;
  started.push(sqs);
  return sqs;
}

const results = (outcomes: readonly PublishOutcome[]) => outcomes.map(({ result }) => result);
const reasonOf = (outcome: PublishOutcome | undefined) => (outcome && "reason" in outcome ? outcome.reason : "");
/** What waits between tries is waited for ten times as fast. */
const hasty = {
  ...systemClock,
  setTimer: (delayMs: number, callback: () => void) => systemClock.setTimer(delayMs / 10, callback),
};

suite("at the start", () => {
  const cases: readonly [string, Answer, RegExp, boolean][] = [
    ["a wrong key", refusal(403, "InvalidClientTokenId"), /refuses the AWS credentials \(InvalidClientTokenId\)/, true],
    ["a wrong secret", refusal(403, "SignatureDoesNotMatch"), /refuses the AWS credentials \(Signature/, true],
    ["an expired token", refusal(403, "ExpiredToken"), /the AWS credentials have expired: as told$/, true],
    ["SQS in trouble", refusal(503, "ServiceUnavailable"), /answers 503: as told$/, false],
    ["throttling", refusal(400, "RequestThrottled"), /throttles requests: as told$/, false],
  ];
  for (const [name, answer, reason, permanent] of cases) {
    test(`${name}: one sentence, and it is tried again`, async () => {
      const sqs = await scripted(() => answer);
      await using open = await opened(urlAt(sqs.port));
      await refuses(open.told, reason, permanent);
      const [outcome] = await publish(open.broker, [messageTo("celery")]);
      assert.ok(outcome?.result === "unavailable" && reason.test(outcome.reason));
      assert.doesNotMatch(JSON.stringify([open, open.broker.url, outcome]), /s3cret/);
    });
  }

  test("no rights to look and no such queue: SQS is there all the same", async () => {
    for (const error of ["AccessDeniedException", "QueueDoesNotExist"]) {
      const sqs = await scripted(() => refusal(400, error));
      await using _ = await available(urlAt(sqs.port));
    }
  });

  test("nothing listens", async () => {
    const [port] = await freePorts(1);
    await using open = await opened(urlAt(port!));
    assert.deepEqual(await open.told.trouble(), {
      reason: `nothing listens at 127.0.0.1:${port}`,
      permanent: false,
    });
  });

  test("no answer", async () => {
    const sqs = await scripted(() => "silence");
    await using open = await opened(urlAt(sqs.port), { confirmLimitMs: 200 });
    assert.equal((await open.told.trouble()).reason, `no answer from 127.0.0.1:${sqs.port}`);
  });

  test("no credentials anywhere", async () => {
    const names = Object.keys(process.env).filter((name) => name.startsWith("AWS_"));
    const kept = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) delete process.env[name];
    Object.assign(process.env, {
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_CONFIG_FILE: "/none",
      AWS_SHARED_CREDENTIALS_FILE: "/none",
    });
    try {
      const sqs = await scripted(() => undefined);
      await using open = await opened(`sqs://127.0.0.1:${sqs.port}`);
      await refuses(open.told, /^there are no AWS credentials: .* sqs:\/\/key:secret@$/, true);
    } finally {
      for (const name of ["AWS_EC2_METADATA_DISABLED", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
        delete process.env[name];
      for (const [name, value] of kept) process.env[name] = value;
    }
  });
});

suite("one queue's trouble is its own", () => {
  const cases: readonly [string, ScriptedSqs["answer"], PublishOutcome["result"], RegExp][] = [
    [
      "no rights to send",
      ({ action }) => (action === "SendMessageBatch" ? refusal(400, "AccessDeniedException") : undefined),
      "no-queue",
      /does not let Beat send to queue "bad": as told\. It needs sqs:SendMessage/,
    ],
    ["no rights to look", () => refusal(403, "AccessDenied"), "no-queue", /sqs:GetQueueUrl unless predefined_queues/],
    [
      "a key that is switched off",
      ({ action }) => (action === "SendMessageBatch" ? refusal(400, "KmsDisabled") : undefined),
      "no-queue",
      /the key of queue "bad" cannot be used \(KmsDisabled\)/,
    ],
    [
      "deleted while it was in use",
      ({ action }) => (action === "SendMessageBatch" ? refusal(400, "QueueDoesNotExist") : undefined),
      "no-queue",
      /^queue "bad" does not exist in 127\.0\.0\.1:\d+$/,
    ],
  ];
  for (const [name, answer, result, reason] of cases) {
    test(name, async () => {
      const sqs = await scripted((request, count) => (request.queue === "bad" ? answer(request, count) : undefined));
      await using open = await available(urlAt(sqs.port));
      const outcomes = await publish(open.broker, [messageTo("bad"), messageTo("good"), messageTo("bad")]);
      assert.deepEqual(results(outcomes), [result, "confirmed", result]);
      assert.match(reasonOf(outcomes[0]), reason);
      sqs.answer = () => undefined;
      assert.deepEqual(results(await publish(open.broker, [messageTo("bad")])), ["confirmed"]);
      assert.deepEqual(open.told.unavailabilities, []);
    });
  }

  test("a name that SQS cannot have, and an exchange", async () => {
    const sqs = await scripted(() => undefined);
    await using open = await available(urlAt(sqs.port));
    const outcomes = await publish(open.broker, [
      messageTo("é"),
      messageTo("a".repeat(81)),
      messageTo("celery"),
      messageTo("celery", { exchange: "x" }),
    ]);
    assert.deepEqual(results(outcomes), ["refused", "refused", "confirmed", "refused"]);
    assert.match(reasonOf(outcomes[0]), /"é" cannot be the name of a queue in SQS/);
    assert.match(reasonOf(outcomes[3]), /SQS has no exchanges/);
  });

  test("predefined queues: those alone, each by its own key, and a wrong one is its own", async () => {
    const sqs = await scripted(({ key }) => (key === "wrong" ? refusal(403, "InvalidClientTokenId") : undefined));
    const at = (name: string) => `http://127.0.0.1:${sqs.port}/1/${name}`;
    const predefined = {
      mine: { url: at("mine") },
      theirs: { url: at("theirs"), access_key_id: "other", secret_access_key: "s3cret" },
      locked: { url: at("locked"), access_key_id: "wrong", secret_access_key: "s3cret" },
    };
    await using open = await available(
      urlAt(sqs.port, `predefined_queues=${encodeURIComponent(JSON.stringify(predefined))}`),
    );
    assert.doesNotMatch(open.broker.url, /s3cret/);
    const outcomes = await publish(
      open.broker,
      ["mine", "theirs", "locked", "none"].map((queue) => messageTo(queue)),
    );
    assert.deepEqual(results(outcomes), ["confirmed", "confirmed", "no-queue", "no-queue"]);
    assert.match(reasonOf(outcomes[2]), /refuses the AWS credentials/);
    assert.equal(reasonOf(outcomes[3]), 'queue "none" is not in predefined_queues');
    const keys = new Map(
      sqs.requests.filter(({ entries }) => entries.length > 0).map(({ queue, key }) => [queue, key]),
    );
    assert.deepEqual(Object.fromEntries(keys), { mine: "key", theirs: "other", locked: "wrong" });
    assert.ok(sqs.requests.every(({ action }) => action !== "GetQueueUrl"));
  });

  test("predefined queues say by themselves where they are, and the console is left alone", async (context) => {
    const sqs = await scripted(() => undefined);
    const warn = context.mock.method(console, "warn", () => {});
    const predefined = { mine: { url: `http://127.0.0.1:${sqs.port}/1/mine` } };
    const query = new URLSearchParams({ predefined_queues: JSON.stringify(predefined), region: "eu-west-1" });
    await using open = await available(`sqs://key:s3cret@?${query}`);
    assert.deepEqual(results(await publish(open.broker, [messageTo("mine")])), ["confirmed"]);
    assert.equal(warn.mock.callCount(), 0);
  });

  test("a missing queue is created where that was asked for", async () => {
    const sqs = await scripted(({ action }) =>
      action === "GetQueueUrl" ? refusal(400, "QueueDoesNotExist") : undefined,
    );
    await using open = await available(urlAt(sqs.port, "declare=create"));
    assert.deepEqual(results(await publish(open.broker, [messageTo("new.fifo")])), ["confirmed"]);
    assert.ok(sqs.requests.some(({ action, queue }) => action === "CreateQueue" && queue === "new.fifo"));
  });
});

suite("one message's trouble is its own", () => {
  test("what is too large is refused before it is sent, and the others fill batches up", async () => {
    const sqs = await scripted(() => undefined);
    await using open = await available(urlAt(sqs.port));
    const large = messageTo("celery", { body: Buffer.alloc(600_000) });
    const messages = [large, ...Array.from({ length: 20 }, () => messageTo("celery"))];
    const outcomes = await publish(open.broker, messages);
    assert.deepEqual(results(outcomes), ["refused", ...Array(20).fill("confirmed")]);
    assert.match(reasonOf(outcomes[0]), /has 10\d{5} bytes in SQS, which takes 1048576 at most/);
    assert.deepEqual(sqs.batches("celery"), [10, 10]);
  });

  test("large ones share no batch", async () => {
    const sqs = await scripted(() => undefined);
    await using open = await available(urlAt(sqs.port));
    const messages = Array.from({ length: 4 }, () => messageTo("celery", { body: Buffer.alloc(70_000) }));
    assert.deepEqual(results(await publish(open.broker, messages)), Array(4).fill("confirmed"));
    assert.deepEqual(sqs.batches("celery"), [2, 2]);
  });

  test("what SQS refuses of a batch, what it is too busy for, and what it forgets", async () => {
    const sqs = await scripted((request, count) => {
      if (request.action !== "SendMessageBatch" || count > 1) return undefined;
      const failed = (Id: string, Code: string, SenderFault: boolean) => ({
        Id,
        Code,
        SenderFault,
        Message: "as told",
      });
      return {
        Successful: taken(request).Successful.slice(0, 1),
        Failed: [failed("1", "InvalidMessageContents", true), failed("2", "InternalError", false)],
      };
    });
    await using open = await available(urlAt(sqs.port), { clock: hasty });
    const outcomes = await publish(
      open.broker,
      Array.from({ length: 4 }, () => messageTo("celery")),
    );
    assert.deepEqual(results(outcomes), ["confirmed", "refused", "confirmed", "unavailable"]);
    assert.match(reasonOf(outcomes[1]), /answers InvalidMessageContents: as told$/);
    assert.deepEqual(sqs.batches("celery"), [4, 1]);
  });

  test("a batch that is refused as a whole is sent message by message", async () => {
    const sqs = await scripted(({ entries }) =>
      entries.some(({ MessageBody }) => MessageBody.length > 100_000) ? refusal(400, "BatchRequestTooLong") : undefined,
    );
    await using open = await available(urlAt(sqs.port));
    const bad = messageTo("celery", { body: Buffer.alloc(60_000) });
    const outcomes = await publish(open.broker, [messageTo("celery"), bad, messageTo("celery")]);
    assert.deepEqual(results(outcomes), ["confirmed", "refused", "confirmed"]);
    assert.match(reasonOf(outcomes[1]), /refuses it \(BatchRequestTooLong\): as told$/);
  });
});

suite("SQS is too busy", () => {
  test("throttling is waited out, longer each time, and other queues go on", async () => {
    const sqs = await scripted(({ queue, action }, count) =>
      queue === "busy" && action === "SendMessageBatch" && count <= 4 ? refusal(400, "RequestThrottled") : undefined,
    );
    const waits: number[] = [];
    const clock = {
      ...systemClock,
      setTimer(delayMs: number, callback: () => void) {
        if (delayMs < 10_000) waits.push(delayMs);
        return hasty.setTimer(delayMs, callback);
      },
    };
    await using open = await available(urlAt(sqs.port), { clock, random: () => 1 - Number.EPSILON });
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      open.broker.publish([messageTo("busy"), messageTo("calm")], (message, outcome) => {
        assert.equal(outcome.result, "confirmed");
        if (order.push(message.queue) === 2) resolve();
      });
    });
    assert.deepEqual(order, ["calm", "busy"]);
    assert.deepEqual(
      waits.map((each) => Math.round(each)),
      [200, 400, 800, 1600],
    );
    assert.deepEqual(open.told.unavailabilities, []);
  });

  test("and counts as away when that does not end; nothing is lost", async () => {
    const sqs = await scripted(({ action }) =>
      action === "SendMessageBatch" ? refusal(503, "ServiceUnavailable") : undefined,
    );
    await using open = await available(urlAt(sqs.port), { clock: hasty });
    const [outcome] = await publish(open.broker, [messageTo("celery")]);
    assert.equal(outcome?.result, "unavailable");
    assert.match((await open.told.trouble()).reason, /answers 503: as told$/);
    sqs.answer = () => undefined;
    await open.told.until(() => open.told.isAvailable);
    assert.deepEqual(results(await publish(open.broker, [messageTo("celery")])), ["confirmed"]);
  });
});

suite("a network that fails", () => {
  test("what is not answered is in doubt, and the others under way are waited for", async () => {
    const sqs = await scripted(({ queue, action }) =>
      action === "SendMessageBatch" && queue === "void" ? "silence" : undefined,
    );
    await using open = await available(urlAt(sqs.port), { confirmLimitMs: 300 });
    const outcomes = await publish(open.broker, [messageTo("void"), messageTo("celery")]);
    assert.deepEqual(results(outcomes), ["unavailable", "confirmed"]);
    assert.equal(reasonOf(outcomes[0]), `no answer from 127.0.0.1:${sqs.port}`);
    await open.told.until(() => open.told.unavailabilities.length > 0 && open.told.isAvailable);
  });

  test("an idle connection that broke is found out before a message needs it", async () => {
    const sqs = await scripted(() => undefined);
    const probe = heldTimer(30_000);
    await using open = await available(urlAt(sqs.port), { clock: probe.clock });
    probe.fire(); // What was answered since the last one speaks for itself.
    sqs.answer = () => refusal(503, "ServiceUnavailable");
    await new Promise((resolve) => setImmediate(resolve));
    probe.fire();
    assert.match((await open.told.trouble()).reason, /answers 503/);
  });
});
