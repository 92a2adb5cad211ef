// An operator's command or webhook is told of alerts: what it gets, and that it stands in nobody's way.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { UsageError } from "../../src/core/errors.ts";
import type { Log } from "../../src/core/ports.ts";
import { AlertDesk } from "../../src/operating/alert-desk.ts";
import { type AlertMessage, OnAlert, type OnAlertOptions } from "../../src/operating/on-alert.ts";
import { systemClock } from "../../src/system-clock.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { isPrivate } from "../../src/webhook/addresses.ts";
import { folder } from "../e2e/beat.ts";

const alert: AlertMessage = {
  alert: "broker",
  state: "raised",
  message: 'away for 11s: "gone"; $(rm -rf /) `x`',
  since: "2027-01-01T12:00:00.000Z",
  at: "2027-01-01T12:00:11.000Z",
  host: "here",
  database: "/data/beat.sqlite",
};

class Lines implements Log {
  readonly errors: string[] = [];
  debug() {}
  info() {}
  warn() {}
  error(message: string) {
    this.errors.push(message);
  }
}

function onAlert(target: string | readonly string[], options: Partial<OnAlertOptions> = {}) {
  const log = new Lines();
  const env = { PATH: process.env["PATH"] };
  return { log, hook: new OnAlert({ target, clock: systemClock, log, env, allowPrivate: true, ...options }) };
}

for (const [kind, target] of [
  [
    "a text for the shell",
    (file: string) => `cat > '${file}'; printf '%s' "$BEAT_ALERT|$BEAT_ALERT_STATE|$BEAT_ALERT_MESSAGE" >> '${file}'`,
  ],
  [
    "an array",
    (file: string) => [
      "/bin/sh",
      "-c",
      'cat > "$0"; printf "%s" "$BEAT_ALERT|$BEAT_ALERT_STATE|$BEAT_ALERT_MESSAGE" >> "$0"',
      file,
    ],
  ],
] as const) {
  test(`a command as ${kind}: the alert as JSON on its stdin and in variables, nothing of it run`, async (t) => {
    const file = join(await folder(t), "told");
    const { hook, log } = onAlert(target(file));
    hook.add(alert);
    await hook.close(10_000);
    const [json, variables] = (await readFile(file, "utf8")).split("\n");
    assert.deepEqual(JSON.parse(json!), alert);
    assert.equal(variables, `broker|raised|${alert.message}`);
    assert.deepEqual(log.errors, []);
  });
}

test("a command that fails, one that is not there, one that reads nothing: said in the log", async () => {
  const big = { ...alert, message: "x".repeat(200_000) };
  const cases: readonly [readonly string[], RegExp | undefined][] = [
    [["false"], /on_alert failed for the alert "broker": exit code 1/],
    [["no-such-command-of-beat"], /there is no command "no-such-command-of-beat"/],
    [["true"], undefined],
  ];
  for (const [target, expected] of cases) {
    const { hook, log } = onAlert(target);
    hook.add(big);
    await hook.close(10_000);
    if (expected === undefined) assert.deepEqual(log.errors, []);
    else assert.match(log.errors.join(), expected);
  }
});

test("a command that hangs has its time, and the queue behind it is short", async () => {
  const clock = new SimulatedClock();
  const { hook, log } = onAlert(["sleep", "600"], { clock });
  for (let n = 0; n < 105; n++) hook.add(alert);
  assert.equal(log.errors.filter((line) => line.includes("too slow")).length, 4);
  await clock.advance(10_001);
  await waitFor(
    () => log.errors.some((line) => /it took longer than 10s/.test(line)),
    () => clock.advance(200),
  );
  const closed = hook.close(2_000);
  await waitFor(
    () => log.errors.some((line) => line.includes("Beat stopped")),
    () => clock.advance(2_000),
  );
  await closed;
});

async function waitFor(holds: () => boolean, step: () => Promise<void>): Promise<void> {
  const endsAt = performance.now() + 20_000;
  while (!holds()) {
    assert.ok(performance.now() < endsAt, "it did not come to pass");
    await step();
  }
}

interface Post {
  readonly method: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function server(t: TestContext, status = 204): Promise<{ readonly port: number; readonly posts: Post[] }> {
  const posts: Post[] = [];
  const http = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text) => {
      body += text;
    });
    request.on("end", () => {
      posts.push({ method: request.method, headers: request.headers, body });
      response.writeHead(status, { location: "http://127.0.0.1/elsewhere" }).end();
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  t.after(() => http.close());
  return { port: (http.address() as AddressInfo).port, posts };
}

test("a URL: the alert as JSON, signed with its time where there is a secret", async (t) => {
  const { port, posts } = await server(t);
  const { hook, log } = onAlert(`http://127.0.0.1:${port}/hook?token=s3cret`, { secret: "key" });
  hook.add(alert);
  await hook.close(10_000);
  assert.deepEqual(log.errors, []);
  const [{ method, headers, body }] = posts as [Post];
  assert.deepEqual([method, JSON.parse(body), headers["content-type"]], ["POST", alert, "application/json"]);
  const [, time, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["beat-signature"]))!;
  assert.ok(Math.abs(Number(time) * 1_000 - Date.now()) < 60_000);
  assert.equal(signature, createHmac("sha256", "key").update(`${time}.${body}`).digest("hex"));
});

test("a URL that answers with an error or a redirect, or not at all: said without its secrets", async (t) => {
  for (const status of [500, 302]) {
    const { port, posts } = await server(t, status);
    const { hook, log } = onAlert(`http://user:s3cret@127.0.0.1:${port}/hook?token=s3cret`);
    hook.add(alert);
    await hook.close(10_000);
    assert.match(log.errors.join(), new RegExp(`127.0.0.1:${port} answered with ${status}`));
    assert.doesNotMatch(log.errors.join(), /s3cret/);
    assert.equal(posts.length, 1);
  }
  const { hook, log } = onAlert("http://127.0.0.1:9/hook");
  hook.add(alert);
  await hook.close(10_000);
  assert.match(log.errors.join(), /127.0.0.1:9 was not reached/);
  assert.throws(() => onAlert("http://"), UsageError);
});

test("addresses of this machine and of private networks are refused, by number and by name, unless allowed", async (t) => {
  const { port, posts } = await server(t);
  for (const host of [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "2130706433",
    "0x7f.1",
    "169.254.169.254",
  ]) {
    const { hook, log } = onAlert(`http://${host}:${port}/`, { allowPrivate: false });
    hook.add(alert);
    await hook.close(10_000);
    assert.match(log.errors.join(), /is an address of this machine or of a private network/, host);
  }
  assert.equal(posts.length, 0);
  const ranges = [
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "fd00::1",
    "fe80::1",
    "fec0::1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::1",
  ];
  for (const address of ranges) assert.equal(isPrivate(address), true, address);
  for (const address of ["8.8.8.8", "172.32.0.1", "2001:4860:4860::8888"])
    assert.equal(isPrivate(address), false, address);
});

test("the operator is told, and broker passwords are masked", async (t) => {
  const { port, posts } = await server(t);
  const { hook } = onAlert(`http://127.0.0.1:${port}/`);
  const desk = new AlertDesk(hook);
  const told = { alert: "broker", state: "raised", message: "amqp://u:s3cret@h/ is away", since: 0, at: 11_000 };
  desk.tell(told, "db");
  desk.tell({ ...told, state: "resolved" }, "db");
  await desk.close();
  const bodies = posts.map(({ body }) => JSON.parse(body) as AlertMessage);
  assert.deepEqual(
    bodies.map(({ state, message, at, database }) => [state, message, at, database]),
    ["raised", "resolved"].map((state) => [state, "amqp://u:***@h/ is away", "1970-01-01T00:00:11.000Z", "db"]),
  );
});
