// A program as a process: killed while a job of it runs, and stopped.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { memory, Scheduler, silentLog, sqlite } from "../../src/index.ts";
import { temporaryFolder } from "../store/temporary-folder.ts";

const pathOf = temporaryFolder();
const program = join(import.meta.dirname, "child.ts");

/** A child and what it says; `until` waits for a line. */
function begin(...words: string[]) {
  const child: ChildProcess = spawn(process.execPath, [program, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  let complaint = "";
  child.stderr!.on("data", (text) => {
    complaint += text;
  });
  const read = createInterface({ input: child.stdout! });
  let wake = () => {};
  read.on("line", (line) => {
    lines.push(line);
    wake();
  });
  const closed = once(child, "close").then(([code]) => {
    wake();
    return code as number | null;
  });
  const until = async (text: string) => {
    while (!lines.some((line) => line.startsWith(text))) {
      if (child.exitCode !== null || child.signalCode !== null) assert.fail(`it ended without "${text}": ${complaint}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { child, lines, until, closed, complaint: () => complaint };
}

async function killInRun(path: string, ...words: string[]): Promise<void> {
  const { child, until, closed } = begin(path, ...words);
  await until("run 1");
  child.kill("SIGKILL");
  await closed;
}

test("kill -9 in a run: the ledger says that it was abandoned, and nobody runs it again by himself", async () => {
  const path = pathOf();
  await killInRun(path);
  const next = begin(path, "next");
  await next.until("run:abandoned");
  await next.until("started");
  next.child.kill("SIGKILL");
  await next.closed;
  assert.equal(next.lines.filter((line) => line.startsWith("run ")).length, 0);
  const reader = new Scheduler({ store: sqlite(path), log: silentLog });
  const [run] = await reader.runs({ entry: "hang", state: "abandoned" });
  assert.deepEqual([run?.attempts, run?.reason], [1, "the process ended while it ran"]);
  await assert.rejects(run!.result(), /is abandoned: the process ended while it ran/);
  await reader.stop();
});

test("kill -9 in a run that may be tried again: it is, under the same id, and its result is kept", async () => {
  const path = pathOf();
  await killInRun(path, "again");
  const next = begin(path, "again", "next");
  await next.until("run:succeeded");
  next.child.kill("SIGKILL");
  await next.closed;
  const [line] = next.lines.filter((one) => one.startsWith("run 2"));
  assert.ok(line !== undefined, next.lines.join());
  const reader = new Scheduler({ store: sqlite(path), log: silentLog });
  const [run] = await reader.runs({ entry: "hang" });
  assert.equal(line, `run 2 ${run!.id}`);
  // The kill may have come before the ledger was written: then it is abandoned a second time, and not run a third.
  if (run!.state === "ran") assert.deepEqual(await run!.result(), { first: true });
  await reader.stop();
});

test("after stop() nothing keeps the process, no rejection of a job reaches it, and start() takes no signals", async () => {
  const { lines, closed, complaint } = begin(pathOf(), "stop");
  assert.equal(await closed, 0, complaint());
  assert.ok(lines.includes("signals 0"), lines.join());
  assert.ok(
    lines.some((line) => /^\{"finished":\d,"aborted":1,"left":\d\}$/.test(line)),
    lines.join(),
  );
  assert.equal(complaint(), "");
});

test("run() takes signals, and gives them back", async () => {
  const before = process.listenerCount("SIGTERM");
  const scheduler = new Scheduler({ store: memory(), log: silentLog });
  scheduler.once("scheduler:started", () => {
    assert.equal(process.listenerCount("SIGTERM"), before + 1);
    void scheduler.stop();
  });
  const stopped = await scheduler.run();
  assert.deepEqual(stopped, { finished: 0, aborted: 0, left: 0 });
  assert.equal(process.listenerCount("SIGTERM"), before);
});
