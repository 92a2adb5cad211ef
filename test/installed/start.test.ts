// A clone, `npm start`, and nothing else: with the machine's own Node and npm, as somebody who has just found the project.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { folder, root } from "../e2e/beat.ts";
import { Running, systemEnvironment } from "../e2e/running.ts";
import { failureOnOlderNode } from "./older-node.ts";

const run = promisify(execFile);

test("npm start in a fresh clone, twice", async (t) => {
  const clone = await freshClone(t);
  const npmStart = () => new Running(t, "npm", ["start"], { cwd: clone });
  const beat = async (...args: string[]) =>
    (await run("npx", ["beat", ...args], { cwd: clone, env: systemEnvironment() })).stdout;
  const entries = async () => JSON.parse(await beat("list", "--json")) as Entry[];
  const ledger = async () => JSON.parse(await beat("history", "--json", "--limit", "1000")) as LedgerRow[];

  const first = npmStart();
  await first.until(/Installing dependencies \(npm ci\)/);
  await first.until(/Schedule files: 5 added/, { patienceMs: 180_000 });
  await first.until(/^NAME +NEXT RUN +SCHEDULE +TARGET +ZONE$/m);
  for (const name of ["heartbeat", "disk-space", "add", "daily-report", "new-year"])
    assert.match(first.text, new RegExp(`^${name} +\\d{4}-\\d\\d-\\d\\d `, "m"));
  assert.ok(existsSync(join(clone, "beat.sqlite")));
  await first.until(/^\d\d:\d\d:\d\d ran heartbeat in \d+ms \(/m);
  await first.until(/^\d\d:\d\d:\d\d ran disk-space in /m);
  await first.until(/^\d\d:\d\d:\d\d sent add → tasks\.add \(queue celery, \d+ ms late, for [\dT:.-]+Z\)/m);
  assert.match(await beat("status"), /leader +process \d+ on [\s\S]*connected[\s\S]*entries +5 active/);

  // What goes on when it is told to end may end. The file is noticed while it runs.
  const slow = join(clone, "schedules/slow.yaml");
  await writeFile(slow, "schedules:\n  slow: {every: 1s, run: 'echo begun; sleep 2; echo done'}\n");
  await first.until(/slow: begun/);
  const ranBefore = first.text.split("ran slow").length;
  first.child.kill("SIGTERM");
  assert.equal(await first.exitCode(), 0, first.text);
  assert.match(first.text, /SIGTERM: finishing what goes on[\s\S]*ran slow/);
  assert.equal(first.text.split("ran slow").length, ranBefore + 1);
  await rm(slow);
  assert.match(await beat("status"), /leader +none/);
  const [entriesBefore, ledgerBefore] = [await entries(), await ledger()];

  const second = npmStart();
  await second.until(/Schedule files: 1 removed \(slow\), 5 as before/);
  await second.until(/ran heartbeat/);
  assert.doesNotMatch(second.text, /Installing|added/);
  second.signalGroup("SIGINT");
  assert.equal(await second.exitCode(), 0, second.text);
  const entriesAfter = await entries();
  const samples = entriesBefore.filter(({ name }) => name !== "slow");
  assert.deepEqual(entriesAfter.map(identity), samples.map(identity));
  const runs = (list: Entry[]) => list.find(({ name }) => name === "heartbeat")!.run_count;
  assert.ok(runs(entriesAfter) > runs(entriesBefore));
  const ids = new Set((await ledger()).map(({ id }) => id));
  assert.deepEqual(
    ledgerBefore.filter(({ id }) => !ids.has(id)),
    [],
    "the ledger was kept",
  );
});

test("too old a Node is told what to do, in one sentence", async () => {
  const failure = await failureOnOlderNode([join(root, "bin/beat.js"), "--version"]);
  assert.equal(failure.code, 1);
  assert.equal(failure.stdout, "");
  assert.match(
    failure.stderr,
    /^beat needs Node 24 or newer, and this is Node \d+\.\d+\.\d+: install .*npm start.*\.\n$/,
  );
});

interface Entry {
  readonly name: string;
  readonly created_at: string;
  readonly run_count: number;
  readonly [key: string]: unknown;
}

interface LedgerRow {
  readonly id: string;
}

function identity({ name, created_at, origin, definition }: Entry): unknown {
  return { name, created_at, origin, definition };
}

/** What `git clone` gives, and over it what is not committed yet, so that the test is about the files as they are. */
async function freshClone(t: TestContext): Promise<string> {
  const clone = join(await folder(t), "clone");
  await run("git", ["clone", "--quiet", root, clone]);
  const changed = [
    ...(await gitFiles("diff", "--name-only", "-z", "HEAD")),
    ...(await gitFiles("ls-files", "-z", "--others", "--exclude-standard")),
  ];
  for (const file of changed) {
    if (existsSync(join(root, file))) await cp(join(root, file), join(clone, file));
    else await rm(join(clone, file), { force: true });
  }
  return clone;
}

async function gitFiles(...args: string[]): Promise<string[]> {
  const { stdout } = await run("git", args, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  return stdout.split("\0").filter((file) => file !== "");
}
