// Who asks over HTTP: what is answered, to whom, and how it ends.

import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { BeatError, UsageError } from "../../src/core/errors.ts";
import { Scheduler, type SchedulerOptions, silentLog } from "../../src/index.ts";
import { Endpoint, json, parseAddress, type Routes } from "../../src/operating/endpoint.ts";

async function opened(t: TestContext, routes: Routes, host = "127.0.0.1"): Promise<string> {
  const endpoint = new Endpoint({ host, port: 0 }, routes, silentLog);
  t.after(() => endpoint.close());
  return endpoint.open();
}

/** fetch() sets the Host header itself. */
async function ask(url: string, headers: Record<string, string>, method = "GET"): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers, method, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    })
      .on("error", reject)
      .end();
  });
}

test("an address: loopback unless one is given", () => {
  assert.deepEqual(parseAddress("metrics", 9464), { host: "127.0.0.1", port: 9464 });
  assert.deepEqual(parseAddress("metrics", "9464"), { host: "127.0.0.1", port: 9464 });
  assert.deepEqual(parseAddress("metrics", "0.0.0.0:9464"), { host: "0.0.0.0", port: 9464 });
  assert.deepEqual(parseAddress("metrics", "[::1]:9464"), { host: "::1", port: 9464 });
  assert.deepEqual(parseAddress("metrics", "localhost:0"), { host: "localhost", port: 0 });
  for (const wrong of ["", "127.0.0.1", ":9464", "http://127.0.0.1:9464", "::1:9464", "70000", -1, 1.5])
    assert.throws(() => parseAddress("metrics", wrong), UsageError, String(wrong));
  assert.throws(() => new Scheduler({ metrics: "everywhere" }), /metrics: "everywhere" is not an address/);
});

test("GET and HEAD of known paths, and nothing else", async (t) => {
  const url = await opened(t, { "/ok": async () => json(200, { fine: true }) });
  const got = await fetch(`${url}/ok?at=once`);
  assert.deepEqual([got.status, got.headers.get("cache-control")], [200, "no-store"]);
  assert.deepEqual(await got.json(), { fine: true });
  const head = await fetch(`${url}/ok`, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, "14", ""]);
  for (const path of ["/", "/OK", "/ok/", "/../ok2", "/constructor", "/__proto__"])
    assert.equal((await fetch(url + path)).status, 404, path);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const refused = await fetch(`${url}/ok`, { method });
    assert.deepEqual([refused.status, refused.headers.get("allow")], [405, "GET, HEAD"]);
  }
});

test("on loopback only loopback names are answered: a web page can't read it through a name of its own", async (t) => {
  const url = await opened(t, { "/ok": async () => json(200, {}) });
  for (const host of ["localhost", "LOCALHOST:80", "127.0.0.1:1", "127.1.2.3", "[::1]:9464"])
    assert.equal(await ask(`${url}/ok`, { host }), 200, host);
  for (const host of ["evil.example", "127.0.0.1.evil.example", "10.0.0.1"])
    assert.equal(await ask(`${url}/ok`, { host }), 403, host);
});

test("what fails is answered, without secrets, and harms nothing", async (t) => {
  const url = await opened(t, {
    "/bad": async () => {
      throw new BeatError("amqp://beat:hidden@host// is away");
    },
  });
  const answer = await fetch(`${url}/bad`);
  assert.equal(answer.status, 500);
  assert.deepEqual(await answer.json(), { error: "amqp://beat:***@host// is away" });
});

test("a port that is taken is one clear error", async (t) => {
  const url = await opened(t, {});
  const port = Number(new URL(url).port);
  await using scheduler = new Scheduler({ metrics: port, log: silentLog });
  await assert.rejects(scheduler.start(), (error: BeatError) => {
    assert.equal(error.message, `metrics: something else listens on 127.0.0.1:${port} already`);
    return error instanceof BeatError && error.remedy !== undefined;
  });
});

/** A scheduler with metrics, and where they are. */
function watched(options: SchedulerOptions): { readonly scheduler: Scheduler; readonly url: () => string } {
  let url = "";
  const log = { ...silentLog, info: (line: string) => (url ||= /http:\/\/[\d.:]+/.exec(line)?.[0] ?? "") };
  return { scheduler: new Scheduler({ metrics: 0, log, ...options }), url: () => url };
}

test("a scheduler in a program: metrics, alive, ready; closed when it stops, also with connections open", async () => {
  const { scheduler, url } = watched({});
  scheduler.every("1h", async () => {}, { name: "tidy" });
  await scheduler.start();
  const text = await (await fetch(`${url()}/metrics`)).text();
  assert.match(text, /^beat_leader 1$/m);
  assert.match(text, /^beat_ready 1$/m);
  assert.match(text, /^beat_entries\{state="active"\} 1$/m);
  assert.doesNotMatch(text, /tidy/);
  const live = await fetch(`${url()}/livez`);
  assert.deepEqual([live.status, await live.json()], [200, { alive: true, state: "leading" }]);
  const ready = await fetch(`${url()}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [200, { ready: true, reasons: [] }]);
  const idle = connect(Number(new URL(url()).port), "127.0.0.1");
  idle.on("error", () => {});
  await new Promise((resolve) => idle.once("connect", resolve));
  await scheduler.stop();
  await assert.rejects(fetch(`${url()}/livez`));
  idle.destroy();
});

test("a start that waits is alive and not ready, and one that fails leaves nothing open", async () => {
  let fail = (_reason: Error) => {};
  const store = () => new Promise<never>((_, reject) => (fail = reject));
  const { scheduler, url } = watched({ store });
  const starting = scheduler.start();
  starting.catch(() => {});
  while (url() === "") await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await fetch(`${url()}/livez`)).status, 200);
  const ready = await fetch(`${url()}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [503, { ready: false, reasons: ["it is starting"] }]);
  assert.equal((await fetch(`${url()}/metrics`)).status, 200);
  fail(new BeatError("no disk"));
  await assert.rejects(starting, /no disk/);
  await assert.rejects(fetch(`${url()}/livez`));
});
