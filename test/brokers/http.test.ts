// Requests to a real webhook server: what it gets, what each answer means, and what owes nobody a request.

import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createPlainServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { HttpBroker, type HttpBrokerOptions } from "../../src/brokers/http.ts";
import type { RequestTerms } from "../../src/core/http-target.ts";
import type { Message, PublishOutcome } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system-clock.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { folder } from "../e2e/beat.ts";

interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

type Respond = (response: ServerResponse, got: Got, request: IncomingMessage) => void;

/** A webhook server that remembers, and answers as it is told. */
class Hook {
  readonly got: Got[] = [];
  connections = 0;
  respond: Respond = (response) => response.end("fine");
  url = "";

  static async open(t: TestContext): Promise<Hook> {
    const hook = new Hook();
    const server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const { method = "", url: path = "", headers } = request;
      const got = { method, path, headers, body };
      hook.got.push(got);
      hook.respond(response, got, request);
    }).on("connection", () => hook.connections++);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    hook.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return hook;
  }
}

function opened(t: TestContext, options: Partial<HttpBrokerOptions> = {}): HttpBroker {
  const broker = new HttpBroker({ clock: systemClock, env: {}, allowPrivate: true, ...options });
  t.after(() => broker.close(0));
  return broker;
}

function requestTo(url: string, terms: Partial<RequestTerms> = {}, more: Partial<Message> = {}): Message {
  const request: RequestTerms = {
    url,
    method: "POST",
    secretHeaders: {},
    secret: undefined,
    expect: ["2xx"],
    allowPrivate: false,
    timeoutMs: 10_000,
    ...terms,
  };
  const id = randomUUID();
  const headers = { "content-type": "application/json", "idempotency-key": id };
  return {
    ...messageTo("unused"),
    id,
    queue: new URL(url).origin,
    headers,
    body: Buffer.from('{"a":1}'),
    request,
    ...more,
  };
}

/** The outcome of one request. */
async function outcomeOf(broker: HttpBroker, message: Message): Promise<PublishOutcome> {
  const [outcome] = await publish(broker, [message]);
  return outcome!;
}

test("it becomes available, and what it is given is sent as it is", async (t) => {
  const hook = await Hook.open(t);
  const broker = opened(t);
  await new Promise<void>((resolve) => void broker.open({ available: resolve, unavailable() {}, notice() {} }));
  const message = requestTo(`${hook.url}/a?b=c`, { method: "PATCH" });
  assert.deepEqual(await outcomeOf(broker, message), { result: "confirmed" });
  const [{ method, path, headers, body }] = hook.got as [Got];
  assert.deepEqual([method, path, body], ["PATCH", "/a?b=c", '{"a":1}']);
  assert.deepEqual(
    [headers["content-type"], headers["idempotency-key"], headers["content-length"]],
    ["application/json", message.id, "7"],
  );
  const got = requestTo(`${hook.url}/`, { method: "GET" }, { body: Buffer.alloc(0) });
  assert.equal((await outcomeOf(broker, got)).result, "confirmed");
  assert.deepEqual([hook.got[1]!.method, hook.got[1]!.body], ["GET", ""]);
});

test("what each answer means", async (t) => {
  const hook = await Hook.open(t);
  const broker = opened(t);
  const cases: readonly [number, RequestTerms["expect"], PublishOutcome["result"]][] = [
    [200, ["2xx"], "confirmed"],
    [204, ["2xx"], "confirmed"],
    [204, [200], "refused"],
    [404, [200, 404], "confirmed"],
    [302, ["2xx"], "refused"],
    [302, ["3xx"], "confirmed"],
    [400, ["2xx"], "refused"],
    [404, ["2xx"], "refused"],
    [408, ["2xx"], "unavailable"],
    [429, ["2xx"], "no-queue"],
    [500, ["2xx"], "unavailable"],
    [502, ["2xx"], "unavailable"],
    [503, ["2xx"], "no-queue"],
  ];
  for (const [status, expect, result] of cases) {
    hook.respond = (response) => response.writeHead(status, { location: `${hook.url}/elsewhere` }).end();
    const outcome = await outcomeOf(broker, requestTo(hook.url, { expect }));
    assert.equal(outcome.result, result, `${status}, expected ${expect}`);
    if (outcome.result !== "confirmed") assert.match(outcome.reason, new RegExp(`^answered with ${status}`));
  }
  assert.ok(
    hook.got.every(({ path }) => path === "/"),
    "redirects are not followed",
  );
});

test("Retry-After is passed on: seconds or a date, an hour at most", async (t) => {
  const hook = await Hook.open(t);
  const clock = new SimulatedClock(Date.UTC(2027, 0, 1));
  const broker = opened(t, { clock });
  const afterMs = async (text: string, status = 429) => {
    hook.respond = (response) => response.writeHead(status, { "retry-after": text }).end();
    const outcome = await outcomeOf(broker, requestTo(hook.url));
    return "reason" in outcome ? outcome.retryAfterMs : undefined;
  };
  assert.equal(await afterMs("7"), 7_000);
  assert.equal(await afterMs("7", 500), 7_000);
  assert.equal(await afterMs("Fri, 01 Jan 2027 00:01:30 GMT"), 90_000);
  assert.equal(await afterMs("Fri, 01 Jan 2026 00:00:00 GMT"), undefined);
  assert.equal(await afterMs("86400"), 3_600_000);
  assert.equal(await afterMs("soon"), undefined);
});

test("of an answer no more than its beginning is read and told, on one line", async (t) => {
  const hook = await Hook.open(t);
  let written = 0;
  hook.respond = (response) => {
    response.writeHead(400);
    response.write(`bad\r\nthing ${"x".repeat(5_000)}`);
    const more = () => {
      while (!response.destroyed && response.write("y".repeat(65_536))) written += 65_536;
      if (!response.destroyed) response.once("drain", more);
    };
    more();
  };
  const outcome = await outcomeOf(opened(t), requestTo(hook.url));
  assert.ok("reason" in outcome);
  assert.match(outcome.reason, /^answered with 400: bad thing x+$/);
  assert.ok(outcome.reason.length < 250);
  assert.ok(written < 64 * 1024 * 1024, `${written} bytes were taken`);
});

test("what surely did not arrive waits, what may have arrived is in doubt", async (t) => {
  const hook = await Hook.open(t);
  const broker = opened(t);
  const closed = requestTo("http://127.0.0.1:9/");
  assert.equal((await outcomeOf(broker, closed)).result, "no-queue");
  assert.equal((await outcomeOf(broker, requestTo("http://nowhere.invalid/"))).result, "no-queue");
  hook.respond = (response) => response.destroy();
  const broken = await outcomeOf(broker, requestTo(hook.url));
  assert.equal(broken.result, "unavailable");
  hook.respond = () => {};
  const slow = await outcomeOf(broker, requestTo(hook.url, { timeoutMs: 100 }));
  assert.equal(slow.result, "unavailable");
  assert.match("reason" in slow ? slow.reason : "", /gave no answer: it took longer than 100ms/);
  // A server that takes connections and never says a word of TLS was sent nothing.
  const mute = createPlainServer().listen(0, "127.0.0.1");
  t.after(() => mute.close());
  await new Promise((resolve) => mute.once("listening", resolve));
  const { port } = mute.address() as AddressInfo;
  const sockets = new Set<{ destroy(): void }>();
  mute.on("connection", (socket) => sockets.add(socket));
  const unsent = await outcomeOf(broker, requestTo(`https://127.0.0.1:${port}/`, { timeoutMs: 200 }));
  assert.equal(unsent.result, "no-queue");
  for (const socket of sockets) socket.destroy();
});

test("signed by the time and the body, with secrets from the environment and from files, read anew each time", async (t) => {
  const hook = await Hook.open(t);
  const cwd = await folder(t);
  const file = join(cwd, "token");
  const clock = new SimulatedClock(Date.UTC(2027, 0, 1));
  const broker = opened(t, { clock, env: { HOOK_SECRET: "s3cret" } });
  const terms = { secret: { env: "HOOK_SECRET" }, secretHeaders: { authorization: { file } } };
  const missing = await outcomeOf(broker, requestTo(hook.url, terms));
  assert.equal(missing.result, "no-queue", "somebody may put it there");
  await writeFile(file, "\n");
  const empty = await outcomeOf(broker, requestTo(hook.url, terms));
  assert.deepEqual(empty, { result: "no-queue", reason: `${file} is empty` });
  await writeFile(file, "Bearer one\n");
  assert.equal((await outcomeOf(broker, requestTo(hook.url, terms))).result, "confirmed");
  await writeFile(file, "Bearer two\n");
  await outcomeOf(broker, requestTo(hook.url, terms));
  assert.deepEqual(
    hook.got.map(({ headers }) => headers.authorization),
    ["Bearer one", "Bearer two"],
  );
  const [, time, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(hook.got[0]!.headers["beat-signature"]))!;
  assert.equal(Number(time), Date.UTC(2027, 0, 1) / 1_000);
  assert.equal(signature, createHmac("sha256", "s3cret").update(`${time}.{"a":1}`).digest("hex"));
  const hidden = requestTo(hook.url, { url: { env: "HOOK_URL" } });
  const elsewhere = opened(t, { env: { HOOK_URL: `${hook.url}/planted` } });
  assert.equal((await outcomeOf(elsewhere, hidden)).result, "confirmed");
  assert.equal(hook.got.at(-1)!.path, "/planted");
  const wrong = await outcomeOf(opened(t, { env: { HOOK_URL: "planted" } }), hidden);
  assert.deepEqual(wrong, { result: "no-queue", reason: "the URL in HOOK_URL is not an http(s) URL" });
  const unset = await outcomeOf(broker, requestTo(hook.url, { secret: { env: "NOT_THERE" } }));
  assert.deepEqual(unset, { result: "no-queue", reason: "the environment variable NOT_THERE is not set" });
});

test("private addresses are refused, by number and by name, also where a connection that others may use is open", async (t) => {
  const hook = await Hook.open(t);
  const broker = opened(t, { allowPrivate: false });
  const { port } = new URL(hook.url);
  const urls = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "[::ffff:127.0.0.1]"].map(
    (host) => `http://${host}:${port}/`,
  );
  for (const url of [...urls, "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/"]) {
    const outcome = await outcomeOf(broker, requestTo(url));
    assert.equal(outcome.result, "refused", url);
    assert.match("reason" in outcome ? outcome.reason : "", /an address of this machine or of a private network/);
  }
  const byName = `http://localhost:${port}/`;
  assert.equal((await outcomeOf(broker, requestTo(byName, { allowPrivate: true }))).result, "confirmed");
  assert.equal((await outcomeOf(broker, requestTo(byName))).result, "refused");
  assert.equal(hook.got.length, 1);
});

test("connections are kept, and a crowd takes no more than its share of them", async (t) => {
  const hook = await Hook.open(t);
  const broker = opened(t);
  for (let n = 0; n < 5; n++) await outcomeOf(broker, requestTo(hook.url));
  assert.equal(hook.connections, 1);
  const outcomes = await publish(
    broker,
    Array.from({ length: 300 }, () => requestTo(hook.url)),
  );
  assert.ok(outcomes.every(({ result }) => result === "confirmed"));
  assert.ok(hook.connections <= 51, `${hook.connections} connections`);
});

test("closing waits for answers, and then ends what goes on: each request is settled once", async (t) => {
  const hook = await Hook.open(t);
  const waiting: ServerResponse[] = [];
  hook.respond = (response) => waiting.push(response);
  const broker = opened(t);
  const first = publish(broker, [requestTo(hook.url), requestTo(hook.url)]);
  while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve));
  const closing = broker.close(200);
  waiting[0]!.end();
  const results = (await first).map(({ result }) => result);
  await closing;
  assert.deepEqual(results.toSorted(), ["confirmed", "unavailable"]);
  const late = await outcomeOf(broker, requestTo(hook.url));
  assert.deepEqual([late.result, hook.got.length], ["no-queue", 2]);
});

test("a message for a Celery broker is none of its business", async (t) => {
  assert.equal((await outcomeOf(opened(t), messageTo("q"))).result, "refused");
});
