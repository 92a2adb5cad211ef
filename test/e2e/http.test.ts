// `beat start` with entries that send requests, and a webhook server that gets them.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { beat, Daemon, folder } from "./beat.ts";

test("entries send signed requests; what answers 503 gets the same one again; private addresses only where allowed", async (t) => {
  const got: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    got.push({ path: request.url!, headers: request.headers, body });
    const isFirst = got.filter(({ path }) => path === request.url).length === 1;
    response.writeHead(request.url === "/busy" && isFirst ? 503 : 204, { "retry-after": "1" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cwd = await folder(t);
  const file = `schedules:
  hook:
    every: 1s
    http:
      url: ${url}/hook
      headers: {Authorization: {file: token}}
      body: {name: "{{ name }}", at: "{{ fire_time }}"}
      secret: {env: HOOK_SECRET}
      allow_private: true
  busy: {every: 1h, http: {url: "${url}/busy", allow_private: true}}
  not-allowed: {every: 1h, http: {url: "${url}/private"}}
`;
  await writeFile(join(cwd, "s.yaml"), file);
  await writeFile(join(cwd, "token"), "Bearer planted-token\n");
  const options = { cwd, env: { HOOK_SECRET: "planted-secret" } };
  assert.equal((await beat(["validate", "s.yaml"], options)).code, 0);
  const added = await beat(["add", "by-hand", "--every", "1h", "--http", `${url}/by-hand`], options);
  assert.match(added.stdout, /POST http:\/\/127\.0\.0\.1:\d+\/by-hand/);
  const daemon = new Daemon(
    t,
    ["--schedule-db", "beat.sqlite", "--schedules", "s.yaml", "--log-level", "debug"],
    options,
  );
  await daemon.line(/^sent hook → POST http:\/\/127\.0\.0\.1/);
  for (const name of ["busy", "not-allowed"]) await beat(["trigger", name], options);
  await daemon.line(/^sent busy/);
  await daemon.line(/^failed not-allowed: 127\.0\.0\.1 is an address of this machine/);
  const [{ headers, body }] = got as [(typeof got)[number]];
  const { name, at } = JSON.parse(body);
  assert.deepEqual([name, headers["beat-fire-time"], headers.authorization], ["hook", at, "Bearer planted-token"]);
  const [, time, signature] = /^t=(\d+),v1=(.*)$/.exec(String(headers["beat-signature"]))!;
  assert.equal(signature, createHmac("sha256", "planted-secret").update(`${time}.${body}`).digest("hex"));
  const busy = got.filter(({ path }) => path === "/busy");
  assert.equal(busy.length, 2);
  assert.equal(busy[0]!.headers["idempotency-key"], busy[1]!.headers["idempotency-key"]);
  assert.ok(got.every(({ path }) => path !== "/private"));
  const ids = got.filter(({ path }) => path === "/hook").map((each) => each.headers["idempotency-key"]);
  assert.equal(new Set(ids).size, ids.length);
  const shown = await Promise.all(
    [["history", "busy", "--json"], ["show", "hook"], ["list"], ["status", "--json"]].map((args) =>
      beat(args, options),
    ),
  );
  assert.match(shown[0]!.stdout, new RegExp(String(busy[0]!.headers["idempotency-key"])));
  assert.match(shown[2]!.stdout, /POST http:\/\/127/);
  assert.equal(await daemon.stop(), 0);
  const said = JSON.stringify([daemon.lines, shown]);
  assert.doesNotMatch(said, /planted/);
});
