import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import type { Definition } from "../../src/core/definition.ts";
import type { RunOutcome } from "../../src/core/ports.ts";
import { createRunner } from "../../src/runner/runner.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { entryOf, fireAt, outcomeOf, RecordedLog, runOf, wholeOutcomeOf } from "./run-of.ts";

function setUp(env: Record<string, string> = { PATH: process.env["PATH"]! }) {
  const clock = new SimulatedClock(fireAt);
  const log = new RecordedLog();
  const runner = createRunner({ clock, log, jobs: new Map(), jobsDir: undefined, env });
  return { clock, log, runner };
}

type Setting = ReturnType<typeof setUp>;

function run(
  { runner }: Setting,
  command: string | string[],
  changes: Partial<Pick<Definition, "timeout" | "cwd" | "env" | "shell">> & { manual?: boolean } = {},
): Promise<RunOutcome> {
  const { manual = false, ...definition } = changes;
  return outcomeOf(
    runner,
    runOf(entryOf({ run: command, ...definition }, 'a "b" $c'), { id: "id-1", manual, dueAt: fireAt + 500 }),
  );
}

function printed({ log }: Setting): string[] {
  return log.lines.filter((line) => "stream" in line.fields).map((line) => line.message);
}

/** A process that has ended and that nobody has waited for yet is not alive. */
function isAlive(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.startsWith("Z");
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

test("a text goes to the shell exactly as written, an array to no shell", async () => {
  const setting = setUp();
  assert.deepEqual(await run(setting, "echo \"$((1 + 2))\" '{{ fire_time }}' $BEAT_NAME | tr a A"), {
    result: "ran",
    reason: null,
  });
  assert.deepEqual(await run(setting, ["printf", "%s\\n", "$HOME; `x` | y"]), { result: "ran", reason: null });
  assert.deepEqual(printed(setting), ['3 {{ fire_time }} A "b" $c', "$HOME; `x` | y"]);
});

test("a command is told about the run by its environment, and inherits what Beat was given", async () => {
  const setting = setUp({ PATH: process.env["PATH"]!, GREETING: "hello" });
  await run(setting, "env | grep -E '^(BEAT_|GREETING)' | sort", { manual: true });
  assert.deepEqual(
    printed(setting),
    [
      "BEAT_ATTEMPT=1",
      "BEAT_DUE_TIME=2027-01-01T09:00:00.500Z",
      'BEAT_NAME=a "b" $c',
      "BEAT_FIRE_TIME=2027-01-01T09:00:00.000Z",
      "BEAT_RUN_ID=id-1",
      "BEAT_SCHEDULED=0",
      "GREETING=hello",
    ].sort(),
  );
});

test("its own variables go over those that it inherits, and not over those of the run", async () => {
  const setting = setUp({ PATH: process.env["PATH"]!, GREETING: "hello" });
  await run(setting, 'echo "$GREETING $OWN $BEAT_RUN_ID"', {
    env: { GREETING: "good day", OWN: "1", BEAT_RUN_ID: "forged" },
  });
  assert.deepEqual(printed(setting), ["good day 1 id-1"]);
});

test("it runs in its folder", async () => {
  const setting = setUp();
  await run(setting, ["pwd"], { cwd: "/usr" });
  assert.deepEqual(printed(setting), ["/usr"]);
  assert.deepEqual(await run(setting, ["pwd"], { cwd: "/usr/nowhere" }), {
    result: "failed",
    reason: 'there is no folder "/usr/nowhere" to run it in. Check its `cwd`.',
  });
});

test("a text goes to the user's own shell", async () => {
  const setting = setUp();
  assert.deepEqual(await run(setting, "[[ abc == a* ]] && echo $0", { shell: "bash" }), {
    result: "ran",
    reason: null,
  });
  assert.deepEqual(printed(setting), ["bash"]);
  assert.deepEqual(await run(setting, "echo", { shell: "/bin/nosh" }), {
    result: "failed",
    reason: 'there is no command "/bin/nosh". Check its spelling and the PATH that Beat was started with.',
  });
});

test("its lines are logged with the entry's name and the stream, the last one without a newline too", async () => {
  const setting = setUp();
  await run(setting, "printf 'one\\r\\ntwo'; printf 'err\\n' >&2");
  const own = { entry: 'a "b" $c', run: "id-1" };
  const lines = setting.log.lines.toSorted((a, b) => a.message.localeCompare(b.message));
  assert.deepEqual(lines, [
    { level: "info", message: "err", fields: { stream: "stderr", ...own } },
    { level: "info", message: "one", fields: { stream: "stdout", ...own } },
    { level: "info", message: "two", fields: { stream: "stdout", ...own } },
  ]);
});

for (const [command, reason] of [
  ["exit 3", "exit code 3"],
  ["echo out; echo 'disk full' >&2; exit 1", "exit code 1: out\ndisk full"],
  ["kill -9 $$", "killed by SIGKILL"],
  [["pg_dmp", "shop"], 'there is no command "pg_dmp". Check its spelling and the PATH that Beat was started with.'],
  [["/etc/passwd"], '"/etc/passwd" is not executable'],
  [["printf", "a\0b"], /^"printf" can't be started: .*null bytes/],
  ["pg_dmp shop", /^exit code 127 \(the shell found no such command\): .*pg_dmp/],
] as [string | string[], string | RegExp][]) {
  test(`${JSON.stringify(command)} fails with its reason`, async () => {
    const outcome = await run(setUp(), command);
    assert.equal(outcome.result, "failed");
    if (typeof reason === "string") assert.equal(outcome.reason, reason);
    else assert.match(outcome.reason!, reason);
  });
}

test("a command that prints without end is bounded in log, memory and reason", async () => {
  const setting = setUp();
  const outcome = await run(
    setting,
    "yes 0123456789 | head -c 3000000; printf '%9000s' x | tr ' ' z; echo; echo the cause; exit 1",
  );
  assert.equal(printed(setting).length, 1_001);
  assert.equal(printed(setting).at(-1), "printed 1000 lines; what else it prints is not logged");
  assert.ok(Buffer.byteLength(outcome.reason!) <= 2_048);
  assert.match(outcome.reason!, /^exit code 1: …z+x\nthe cause$/);
});

test("an endless line is logged in pieces", async () => {
  const setting = setUp();
  await run(setting, "printf '%5000s' x | tr ' ' z");
  assert.ok(printed(setting).every((line) => line.length <= 2_001));
  assert.equal(printed(setting).join("").replaceAll("…", "").length, 5_000);
});

test("at the timeout the whole group gets SIGTERM, and time to put things in order", async () => {
  const setting = setUp();
  const outcome = run(setting, "trap 'echo tidying; exit 0' TERM; sleep 1000 & echo $!; wait", { timeout: "5s" });
  await until(() => printed(setting).length > 0);
  const background = Number(printed(setting)[0]);
  assert.ok(isAlive(background));
  await setting.clock.advance(5_000);
  await setting.log.line("tidying");
  // A shell that has just forked may lose a signal to its child: then that one goes with the grace.
  while (isAlive(background) || setting.runner.running > 0) await setting.clock.advance(100);
  assert.deepEqual(await outcome, { result: "failed", reason: "timed out after 5s" });
});

test("what ignores SIGTERM gets SIGKILL after the grace, its children too", async () => {
  const setting = setUp();
  const outcome = run(setting, "trap '' TERM; sleep 1000 & echo $!; echo $$; wait; sleep 1000", { timeout: "5s" });
  await until(() => printed(setting).length === 2);
  const pids = printed(setting).map(Number);
  await setting.clock.advance(9_999);
  assert.ok(pids.every(isAlive));
  await setting.clock.advance(1);
  await until(() => !pids.some(isAlive));
  assert.deepEqual(await outcome, { result: "failed", reason: "timed out after 5s" });
});

test("what a timed-out command left with its output elsewhere is ended too", async () => {
  const setting = setUp();
  const outcome = run(setting, "trap '' TERM; sleep 1000 >/dev/null 2>&1 & trap - TERM; echo $!; wait", {
    timeout: "5s",
  });
  await until(() => printed(setting).length > 0);
  const background = Number(printed(setting)[0]);
  await setting.clock.advance(5_000);
  assert.ok(isAlive(background));
  await setting.clock.advance(5_000);
  await until(() => !isAlive(background));
  await setting.clock.advance(100);
  assert.deepEqual(await outcome, { result: "failed", reason: "timed out after 5s" });
});

test("a run lasts until its output is closed", async () => {
  const setting = setUp();
  let settled = false;
  const outcome = run(setting, "sleep 0.3 && echo later & echo now").finally(() => (settled = true));
  await setting.log.line("now");
  assert.equal(settled, false);
  assert.deepEqual(await outcome, { result: "ran", reason: null });
  assert.deepEqual(printed(setting), ["now", "later"]);
});

test("close leaves no process behind", async () => {
  const setting = setUp();
  const outcome = run(setting, "trap '' TERM; sleep 1000 & echo $!; echo $$; wait; sleep 1000");
  await until(() => printed(setting).length === 2);
  const pids = printed(setting).map(Number);
  const closed = setting.runner.close(1_000);
  await setting.clock.advance(6_000);
  await closed;
  assert.deepEqual(await outcome, { result: "failed", reason: "stopped: Beat ended while it was going on" });
  await until(() => !pids.some(isAlive));
});

test("the ledger is given its exit code and the end of each stream, however it ended", async () => {
  const jsonOf = async (command: string, changes = {}) => {
    const setting = setUp();
    const definition = entryOf({ run: command, ...changes });
    const ended = wholeOutcomeOf(setting.runner, runOf(definition));
    if ("timeout" in changes) {
      await setting.log.line("begun");
      await setting.clock.advance(5_000);
    }
    return JSON.parse((await ended).json!);
  };
  assert.deepEqual(await jsonOf("echo out; echo err >&2"), {
    exit_code: 0,
    signal: null,
    stdout: "out\n",
    stderr: "err\n",
  });
  assert.deepEqual(await jsonOf("echo amqp://me:secret@host; exit 3"), {
    exit_code: 3,
    signal: null,
    stdout: "amqp://me:***@host\n",
    stderr: "",
  });
  const timedOut = await jsonOf("echo begun; exec sleep 1000", { timeout: "5s" });
  assert.deepEqual(timedOut, { exit_code: null, signal: "SIGTERM", stdout: "begun\n", stderr: "" });
  const { stdout, stderr } = await jsonOf("yes | head -c 100000; printf '\\0%.0s' $(seq 9000) >&2");
  assert.deepEqual([stdout.length, stderr.length], [4_096, 4_096]);
});
