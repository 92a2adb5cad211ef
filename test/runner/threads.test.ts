import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { threadId } from "node:worker_threads";
import type { Definition } from "../../src/core/definition.ts";
import { Scheduler, silentLog } from "../../src/index.ts";
import { createRunner } from "../../src/runner/runner.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { entryOf, fireAt, lateMs, outcomeOf, RecordedLog, runOf } from "./run-of.ts";

let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "beat-threads-"));
  await writeFile(
    join(folder, "jobs.ts"),
    `import { existsSync, writeFileSync } from "node:fs";
import { threadId } from "node:worker_threads";

interface Context { readonly name: string; readonly fireTime: Date; readonly lateMs: number; readonly attempt: number;
  readonly signal: AbortSignal; readonly log: { info(message: string, fields?: object): void } }

export const tell = ({ name, fireTime, lateMs, attempt, log }: Context): void =>
  log.info("told", { threadId, name, fireTime, lateMs, attempt });
export const unsendable = ({ log }: Context) => { log.info("odd", { odd: () => {} }); return () => {}; };
export const wrong = (): void => { throw new RangeError("no such row"); };
export const strange = (): void => { throw { toString: () => { throw new Error(); } }; };
export const polite = ({ signal, log }: Context): Promise<void> => new Promise((_, reject) => {
  log.info("waiting");
  const keepsAlive = setInterval(() => {}, 1_000);
  signal.addEventListener("abort", () => { log.info(String(signal.reason)); clearInterval(keepsAlive); reject(signal.reason); });
});
export const busy = ({ log }: Context): void => { log.info("busy"); for (;;); };
export const leaves = (): void => process.exit(3);
export const careless = async ({ log }: Context): Promise<void> => { void Promise.reject(new Error("forgotten")); await new Promise(() => setInterval(() => {}, 1_000)); };
export const spins = (): void => {
  writeFileSync(import.meta.dirname + "/spinning", "");
  while (!existsSync(import.meta.dirname + "/enough"));
};
`,
  );
});

after(() => rm(folder, { recursive: true, force: true }));

function setUp(t: TestContext, maxThreads = 2) {
  const clock = new SimulatedClock(fireAt + lateMs);
  const log = new RecordedLog();
  const jobs = new Map([["here", () => {}]]);
  const runner = createRunner({ clock, log, jobs, jobsDir: folder, maxThreads });
  t.after(() => runner.close(0));
  const start = (job: string, more: Partial<Definition> = {}) =>
    outcomeOf(runner, runOf(entryOf({ job: `./jobs.ts#${job}`, in: "thread", ...more })));
  return { clock, log, runner, start };
}

test("a TypeScript module's function runs in a thread of its own, and is told about its run", async (t) => {
  const { log, start } = setUp(t);
  assert.deepEqual(await start("tell"), { result: "ran", reason: null });
  const { fields } = await log.line("told");
  assert.notEqual(fields["threadId"], threadId);
  assert.equal(fields["lateMs"], lateMs);
  assert.equal(fields["attempt"], 1);
  assert.deepEqual(fields["fireTime"], new Date(fireAt));
  assert.equal(fields["entry"], "tidy");
});

test("what can't leave a thread harms no run", async (t) => {
  const { log, start } = setUp(t);
  assert.deepEqual(await start("unsendable"), { result: "ran", reason: null });
  await log.line("odd");
});

for (const [job, reason] of [
  ["wrong", "no such row"],
  ["strange", "it threw a value that has no text"],
  ["missing", /^\.\/jobs\.ts has no export "missing"\. .*Functions that it exports: .*busy/],
  ["leaves", /exit/],
  ["careless", "forgotten"],
] as const) {
  test(`${job}: it fails with its reason, and the next one runs`, async (t) => {
    const { start } = setUp(t, 1);
    const outcome = await start(job);
    assert.equal(outcome.result, "failed");
    if (typeof reason === "string") assert.equal(outcome.reason, reason);
    else assert.match(outcome.reason!, reason);
    assert.equal((await start("tell")).result, "ran");
  });
}

test("a job that looks at its signal ends by itself at the timeout", async (t) => {
  const { clock, log, start } = setUp(t);
  const outcome = start("polite", { timeout: "5s" });
  await log.line("waiting");
  await clock.advance(5_000);
  await log.line("JobError: timed out after 5s");
  assert.deepEqual(await outcome, { result: "failed", reason: "timed out after 5s" });
});

test("one that never looks is ended with its thread after the grace, and frees its place", async (t) => {
  const { clock, log, runner, start } = setUp(t, 1);
  const outcome = start("busy", { timeout: "5s" });
  await log.line("busy");
  const next = start("tell", { timeout: "5s" });
  await clock.advance(9_999);
  assert.equal(runner.running, 2, "in its grace, and the next one waits: its own time-out has not begun");
  await clock.advance(1);
  assert.deepEqual(await outcome, { result: "failed", reason: "timed out after 5s" });
  assert.deepEqual(await next, { result: "ran", reason: null });
});

test("one that is aborted while it waits for a thread lets the next one have its turn", async (t) => {
  const { clock, log, runner, start } = setUp(t, 1);
  const first = start("busy", { timeout: "5s" });
  await log.line("busy");
  const entry = entryOf({ job: "./jobs.ts#tell", in: "thread", overlap: "cancel" });
  const second = outcomeOf(runner, runOf(entry));
  // It takes its place, and so ends it.
  assert.equal(runner.admit(runOf(entry))!.result, "queued");
  const third = start("tell");
  await clock.advance(10_000);
  assert.equal((await first).reason, "timed out after 5s");
  assert.match((await second).reason!, /^cancelled/);
  assert.equal((await third).result, "ran");
});

test("close ends what goes on in threads, and what waits for one", async (t) => {
  const { clock, log, runner, start } = setUp(t, 1);
  const first = start("busy");
  await log.line("busy");
  const outcomes = [first, start("tell")];
  const closed = runner.close(1_000);
  await clock.advance(6_000);
  await closed;
  const reason = "stopped: Beat ended while it was going on";
  assert.deepEqual(await Promise.all(outcomes), [
    { result: "failed", reason },
    { result: "failed", reason },
  ]);
});

test("work that keeps a processor busy in a thread does not hold up the timetable", async () => {
  const { existsSync } = await import("node:fs");
  await using scheduler = new Scheduler({ log: silentLog, jobsDir: folder });
  await scheduler.add("spin", { every: "1h", job: "./jobs.ts#spins", in: "thread" });
  let beats = 0;
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  scheduler.every("100ms", async () => {
    if (existsSync(join(folder, "spinning")) && ++beats === 10) {
      await writeFile(join(folder, "enough"), "");
      resolve();
    }
  });
  await scheduler.start();
  await scheduler.trigger("spin");
  // It spins until ten beats have come: were they held up, nothing would ever end it.
  await enough;
});

test("who has no job in a thread does not load the pool", async () => {
  const program = `import { createRequire } from "node:module";
    import { Scheduler } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
    await using scheduler = new Scheduler();
    await new Promise((done) => { scheduler.every("100ms", done); void scheduler.start(); });
    console.log(Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes("piscina")).length);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
  assert.equal(stdout.trim(), "0");
});
