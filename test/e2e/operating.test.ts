// `beat start` as an operator meets it: signals, exit codes, alerts, systemd, clocks, and surroundings that fail it.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Scheduler, silentLog, sqlite } from "../../src/index.ts";
import { TcpProxy } from "../servers/proxy.ts";
import { type RabbitmqServer, startRabbitmq } from "../servers/rabbitmq.ts";
import { beat, Daemon, folder, root } from "./beat.ts";
import { Collector } from "./queue.ts";
import { Running, systemEnvironment } from "./running.ts";

let rabbitmq: RabbitmqServer;
before(async () => {
  rabbitmq = await startRabbitmq();
});
after(() => rabbitmq?.stop());

/** Asks until the answer is as wanted. */
async function eventually<Answer>(
  ask: () => Promise<Answer>,
  isWanted: (answer: Answer) => boolean,
  patienceMs = 20_000,
): Promise<Answer> {
  const endsAt = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    assert.ok(performance.now() < endsAt, `still ${JSON.stringify(answer)}`);
    await sleep(100);
  }
}

const statusOf = (db: string) => beat(["status", "--check", "--schedule-db", db]);
const textOf = (file: string) => readFile(file, "utf8").catch(() => "");

test("what is left because the broker is away: exit code 6, and a second signal ends at once", async (t) => {
  const cwd = await folder(t);
  const db = join(cwd, "beat.sqlite");
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    await scheduler.add("ping", { every: "1s", task: "a.task" });
  }
  const away = new Daemon(t, ["--schedule-db", db, "--broker", "amqp://guest:guest@127.0.0.1:9//"]);
  await away.line(/nothing listens/);
  await eventually(
    async () => (await statusOf(db)).stdout,
    (text) => /1 waiting, the oldest due .* ago/.test(text),
  );
  assert.equal(await away.stop(), 6);
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    await scheduler.add("slow", { every: "1s", run: `echo $$ > ${cwd}/pid; trap '' TERM; sleep 60` });
  }
  const busy = new Daemon(t, ["--schedule-db", db]);
  await eventually(
    async () => (await statusOf(db)).stdout,
    (text) => text.includes("1 running"),
  );
  const pid = Number(
    await eventually(
      () => textOf(join(cwd, "pid")),
      (text) => text.endsWith("\n"),
    ),
  );
  busy.child.kill("SIGINT");
  await busy.line(/SIGINT: finishing/);
  await sleep(1_200);
  const endedAt = performance.now();
  await busy.stop();
  assert.equal(busy.child.signalCode, "SIGTERM");
  assert.ok(performance.now() - endedAt < 5_000);
  // The next one would run beside what it had left.
  await eventually(
    () => textOf(`/proc/${pid}/stat`),
    (text) => text === "" || text.includes(") Z "),
  );
});

test("SIGHUP reads the schedule files now, and ends nothing", async (t) => {
  const cwd = await folder(t);
  const daemon = new Daemon(t, ["--schedule-db", "beat.sqlite"], { cwd });
  await daemon.line(/Connected to/);
  daemon.child.kill("SIGHUP");
  await daemon.line(/SIGHUP: there are no schedule files to read/);
  assert.equal(await daemon.stop(), 0);
  await writeFile(join(cwd, "s.yaml"), "schedules:\n  one: {every: 1h, run: 'true'}\n");
  const other = new Daemon(t, ["--schedule-db", "beat.sqlite", "--schedules", "s.yaml"], { cwd });
  await other.line(/1 added \(one\)/);
  other.child.kill("SIGHUP");
  await other.line(/SIGHUP: reading the schedule files/);
  await writeFile(join(cwd, "s.yaml"), "schedules:\n  two: {every: 1h, run: 'true'}\n");
  other.child.kill("SIGHUP");
  await other.line(/1 added \(two\), 1 removed \(one\)/);
  assert.equal(await other.stop(), 0);
});

test("a broker that goes silent: not ready within 5 s, on_alert is told, and told again when it is over", async (t) => {
  const cwd = await folder(t);
  const db = join(cwd, "beat.sqlite");
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    await scheduler.add("ping", { every: "500ms", task: "a.task", options: { queue: "silent" } });
  }
  const collector = await Collector.open(t, rabbitmq.url, "silent");
  const proxy = await TcpProxy.to(rabbitmq.port);
  t.after(() => proxy.cut());
  const broker = `amqp://guest:guest@127.0.0.1:${proxy.port}//`;
  const onAlert = `cat >> '${join(cwd, "alerts")}'`;
  const args = ["--schedule-db", db, "--broker", broker, "--on-alert", onAlert, "--overdue-tolerance", "2s"];
  const daemon = new Daemon(t, [...args, "--metrics", "0"]);
  const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec((await daemon.line(/^Metrics on /)).message)!;
  const ask = (path: string) =>
    fetch(url + path).then(async (answer) => ({ code: answer.status, text: await answer.text() }));
  const metric = async (series: string) =>
    Number(
      (await ask("/metrics")).text
        .split("\n")
        .find((line) => line.startsWith(`${series} `))
        ?.split(" ")[1],
    );
  await collector.ids(2);
  await eventually(
    () => statusOf(db),
    ({ code }) => code === 0,
  );
  assert.deepEqual(await ask("/readyz"), { code: 200, text: '{"ready":true,"reasons":[]}\n' });
  assert.equal(await metric('beat_alerts_total{alert="broker"}'), 0);
  assert.ok((await metric('beat_occurrences_total{outcome="published"}')) >= 2);
  proxy.stall();
  const stalledAt = performance.now();
  const unready = await eventually(
    () => ask("/readyz"),
    ({ code }) => code === 503,
  );
  const unreadyMs = Math.round(performance.now() - stalledAt);
  assert.ok(unreadyMs < 5_000, `not ready after ${unreadyMs} ms`);
  assert.match(unready.text, /^\{"ready":false,"reasons":\["/);
  const { stdout } = await eventually(
    () => statusOf(db),
    ({ code }) => code === 1,
  );
  assert.match(stdout, /ready +no: /);
  const alive = beat(["status", "--alive", "--schedule-db", db]);
  await daemon.line(/Alert: amqp.* has confirmed nothing for \ds/);
  assert.equal(await metric('beat_alerts_total{alert="broker"}'), 1);
  assert.equal(await metric('beat_alerts_open{alert="broker"}'), 1);
  assert.equal(await metric("beat_ready"), 0);
  assert.equal((await ask("/livez")).code, 200, "it is alive");
  await eventually(
    () => textOf(join(cwd, "alerts")),
    (text) => /"alert":"broker","state":"raised"/.test(text),
  );
  const dropped = daemon.lines.filter(({ message }) => /trying again/.test(message)).map(({ message }) => message);
  assert.deepEqual(dropped, [], "the connection is not dropped earlier");
  proxy.flow();
  assert.equal((await alive).code, 0, "it is alive");
  await eventually(
    () => statusOf(db),
    ({ code }) => code === 0,
  );
  await eventually(
    () => textOf(join(cwd, "alerts")),
    (text) => /"alert":"broker","state":"resolved"/.test(text),
  );
  assert.equal((await ask("/readyz")).code, 200);
  assert.equal(await metric('beat_alerts_open{alert="broker"}'), 0);
  assert.equal(await daemon.stop(), 0);
  await assert.rejects(ask("/livez"));
  assert.equal((await beat(["status", "--alive", "--schedule-db", db])).code, 1, "nobody leads any more");
  t.diagnostic(`not ready after ${unreadyMs} ms`);
});

test("systemd hears that it is ready, alive, and stopping", async (t) => {
  const cwd = await folder(t);
  const told = join(cwd, "told");
  await writeFile(join(cwd, "systemd-notify"), `#!/bin/sh\nprintf '%s\\n' "$@" >> '${told}'\n`);
  await chmod(join(cwd, "systemd-notify"), 0o755);
  const env = { PATH: `${cwd}:${process.env["PATH"]}`, NOTIFY_SOCKET: "/run/test", WATCHDOG_USEC: "1000000" };
  const daemon = new Daemon(t, ["--schedule-db", join(cwd, "beat.sqlite")], { env });
  await eventually(
    () => textOf(told),
    (text) => /^READY=1\nSTATUS=Leading\nWATCHDOG=1\nWATCHDOG=1\n/.test(text),
  );
  assert.equal(await daemon.stop(), 0);
  assert.match(await textOf(told), /STOPPING=1/);
});

test("a database that is away at the start: a clear error, or it waits for it", async (t) => {
  const cwd = await folder(t);
  const db = join(cwd, "volume/beat.sqlite");
  const refused = await beat(["start", "--schedule-db", db]);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /there is no folder/);
  const short = await beat(["start", "--schedule-db", db, "--wait", "1s", "--log-format", "json"]);
  assert.equal(short.code, 3);
  const waiting = new Daemon(t, ["--schedule-db", db, "--wait", "1m"]);
  await waiting.line(/Waiting for the schedule database: there is no folder/);
  await mkdir(join(cwd, "volume"));
  await waiting.line(/Connected to/);
  assert.equal(waiting.lines.filter(({ message }) => message.startsWith("Waiting")).length, 1, "it is said once");
  assert.equal(await waiting.stop(), 0);
  const stopped = new Daemon(t, ["--schedule-db", join(cwd, "none/beat.sqlite"), "--wait", "1h"]);
  await stopped.line(/Waiting for the schedule database/);
  assert.equal(await stopped.stop(), 0, "a stop while it waits is a stop");
});

test("a clock that was put back: status says so and until when, also after a restart", async (t) => {
  const library = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
  ].find((path) => existsSync(path));
  assert.ok(library, "this test puts the clock back with libfaketime: apt-get install faketime");
  const cwd = await folder(t);
  const db = join(cwd, "beat.sqlite");
  const shift = join(cwd, "shift");
  /** The file is read at each call: it has to be whole at any time. */
  const put = async (text: string) => {
    await writeFile(`${shift}.new`, `${text}\n`);
    await rename(`${shift}.new`, shift);
  };
  await put("+0");
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: shift,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  const status = () => beat(["status", "--schedule-db", db], { env }).then(({ stdout }) => stdout);
  await beat(["add", "tick", "--cron", "* * * * * *", "--run", '["true"]', "--schedule-db", db], { env });
  const first = new Daemon(t, ["--schedule-db", db], { env });
  await first.line(/ran tick/);
  await put("-3600");
  await first.line(/put back by (1h|59m59)/);
  const text = await eventually(status, (found) => found.includes("waits until"));
  assert.match(text, /^clock +stepped once, last .* ago, back by (1h|59m59)/m);
  assert.match(text, /^clock +put back: what goes by the wall clock waits until \S+, in (1h|59m|60m)/m);
  assert.equal(await first.stop(), 0);
  const second = new Daemon(t, ["--schedule-db", db], { env });
  await second.line(/put back while nothing ran here/);
  await eventually(status, (found) => /waits until \S+, in (1h|59m|60m)/.test(found));
  await put("+0");
  await second.line(/went forward by/);
  await second.line(/ran tick/);
  await eventually(status, (found) => !found.includes("waits until"));
  assert.equal(await second.stop(), 0);
});

/** The names of its task entries in the order in which they were sent, from the ledger. */
async function published(db: string): Promise<number> {
  await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
  return (await scheduler.history({ states: ["published"], limit: 100_000 })).length;
}

async function withPings(t: TestContext): Promise<{ readonly cwd: string; readonly db: string }> {
  const cwd = await folder(t);
  const db = join(cwd, "beat.sqlite");
  await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
  await scheduler.add("ping", { every: "200ms", task: "a.task", coalesce: "all" });
  return { cwd, db };
}

function start(t: TestContext, shell: string, db: string): ChildProcess {
  const command = `exec "${process.execPath}" "${join(root, "bin/beat.js")}" start --log-level debug --schedule-db '${db}'`;
  const child = spawn("/bin/bash", ["-c", shell.replace("BEAT", () => command)], {
    env: systemEnvironment(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

test("a log that nobody reads, and one on a full disk: dispatch goes on", async (t) => {
  for (const shell of ["BEAT", "BEAT 2>/dev/full"]) {
    const { db } = await withPings(t);
    const child = start(t, shell, db);
    // Nothing is read from its stderr: the pipe fills up.
    await eventually(
      () => published(db),
      (count) => count > 10,
    );
    const flood = Array.from({ length: 2_000 }, (_, n) => ({
      name: `flood-${n}`,
      definition: { at: new Date(Date.now() + 1_000).toISOString(), run: ["/bin/true"] },
    }));
    if (shell === "BEAT") {
      await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
      await scheduler.addAll(flood.slice(0, 300));
    }
    const before = await published(db);
    await eventually(
      () => published(db),
      (count) => count > before + 10,
    );
    assert.equal(child.exitCode, null);
    child.kill("SIGTERM");
    await eventually(
      async () => child.exitCode,
      (code) => code !== null,
    );
    assert.equal(child.exitCode, 0);
  }
});

test("file descriptors exhausted: it says so, nothing is lost, and it goes on", async (t) => {
  const { db } = await withPings(t);
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    for (let n = 0; n < 12; n++) await scheduler.add(`hog-${n}`, { every: "2s", run: ["sleep", "1"] });
  }
  const child = start(t, "ulimit -n 36; BEAT", db);
  let text = "";
  child.stderr!.setEncoding("utf8").on("data", (more) => {
    text += more;
  });
  await eventually(
    async () => text,
    (found) => /EMFILE|too many open files/i.test(found),
  );
  const before = await published(db);
  await eventually(
    () => published(db),
    (count) => count > before + 10,
  );
  child.kill("SIGTERM");
  await eventually(
    async () => child.exitCode,
    (code) => code !== null,
  );
  assert.ok(child.exitCode === 0, `exit code ${child.exitCode}\n${text.slice(-2_000)}`);
  await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
  const rows = (await scheduler.history({ name: "ping", limit: 10_000 }))
    .map(({ fireAt }) => fireAt)
    .sort((a, b) => a - b);
  assert.deepEqual(
    rows,
    rows.map((_, n) => rows[0]! + n * 200),
    "each fire time has its row",
  );
});

test("a loop that stands still for ever ends the process, with a clear line and an exit code", async (t) => {
  const cwd = await folder(t);
  const program = `
    import { Scheduler, sqlite, createLog } from ${JSON.stringify(join(root, "src/index.ts"))};
    let frozen = false;
    const store = async () => new Proxy(await sqlite("frozen.sqlite")(), {
      get: (target, name) => frozen && name === "changedSince" ? () => new Promise(() => {}) : target[name],
    });
    const scheduler = new Scheduler({ store, log: createLog({ format: "json" }) });
    scheduler.on("alert", ({ alert, state }) => console.log(alert, state));
    scheduler.every("1s", () => { frozen = true; }, { name: "freezes" });
    await scheduler.run();`;
  await writeFile(join(cwd, "program.ts"), program);
  const running = new Running(t, process.execPath, [join(cwd, "program.ts")], { cwd });
  await running.until(/stalled raised/);
  assert.equal(await running.exitCode(), 1, running.text);
  assert.match(running.text, /will not go on by itself, so it ends: the dispatcher's loop has stood still for 30s/);
  assert.match(running.text, /BeatError: Beat stopped: the dispatcher's loop has stood still/);
});
