import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { SimulatedClock, SteppedScheduler } from "../../src/testing/index.ts";
import { folder, root } from "../e2e/beat.ts";
import { systemEnvironment } from "../e2e/running.ts";

test("the example of docs/testing.md passes", async (t) => {
  const project = await folder(t);
  const installed = join(project, "node_modules/beatd");
  await mkdir(installed, { recursive: true });
  // The sources in the place of what is compiled.
  const exports = { ".": "./src/index.ts", "./testing": "./src/testing/index.ts" };
  await writeFile(join(installed, "package.json"), JSON.stringify({ name: "beatd", type: "module", exports }));
  await symlink(join(root, "src"), join(installed, "src"));
  await writeFile(join(project, "package.json"), '{"type": "module"}');
  const [, example] = (await readFile(join(root, "docs/testing.md"), "utf8")).match(/```ts\n(.*?)```/s)!;
  await writeFile(join(project, "example.test.ts"), example!);
  const options = { cwd: project, env: systemEnvironment() };
  const { stdout } = await promisify(execFile)(process.execPath, ["--test", "example.test.ts"], options).catch(
    (error) => assert.fail(error.stdout),
  );
  assert.match(stdout, /pass 1/);
});

test("time goes on when it is told to, and by as much", async () => {
  await using t = new SteppedScheduler({ now: "2027-03-28T00:29:59Z", timezone: "Europe/Berlin" });
  const runs: string[] = [];
  const note = () => void runs.push(new Date(t.now()).toISOString().slice(11, 19));
  t.cron("30 1,2 * * *", note);
  await t.advance(0.999);
  assert.deepEqual(runs, []);
  await t.advance(0.001);
  assert.deepEqual(runs, ["00:30:00"]);
  await t.advanceTo("2027-03-28T01:15Z");
  await t.advanceTo("2027-03-28T00:00Z");
  assert.equal(t.now(), Date.UTC(2027, 2, 28, 1, 15), "never back");
  assert.deepEqual(runs, ["00:30:00", "01:00:00"], "half past two is not there");
});

test("what a job waits for outside goes on while time does, and timers of one instant run in the order in which they were set", async () => {
  await using t = new SteppedScheduler();
  const order: string[] = [];
  t.every("1h", async () => {
    order.push("asks");
    await readFile(import.meta.filename);
    order.push("was told");
  });
  let beside = 0;
  const turn = (): void => {
    beside++;
    if (beside < 100) setImmediate(turn);
  };
  turn();
  await t.advance("1h30m");
  assert.deepEqual(order, ["asks", "was told"]);
  assert.equal(beside, 100, "and what the program does beside its jobs");

  const clock = new SimulatedClock();
  const instants: string[] = [];
  const set = (name: string, delayMs: number) => clock.setTimer(delayMs, () => void instants.push(name));
  for (const name of ["a", "b", "c"]) set(name, 10);
  set("d", 5);
  set("gone", 7)();
  await clock.advance(10);
  assert.deepEqual(instants, ["d", "a", "b", "c"]);
});

test("a job that never ends does not hold up the end", async () => {
  const t = new SteppedScheduler();
  let aborted = false;
  t.every("1m", ({ signal }) => new Promise(() => signal.addEventListener("abort", () => (aborted = true))));
  await t.advance(60);
  await t.stop();
  assert.ok(aborted);
});
