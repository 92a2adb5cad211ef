// `beat start` with a schedule file and real Celery workers, over RabbitMQ and over the embedded broker.

import assert from "node:assert/strict";
import { cp, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, suite, type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { beat, Daemon, folder, root } from "../e2e/beat.ts";
import { Running, systemEnvironment } from "../e2e/running.ts";
import {
  type CeleryVersion,
  celeryVenv,
  celeryVersions,
  receivedIn,
  startWorker,
  untilReceived,
} from "../servers/celery.ts";
import { type RabbitmqServer, startRabbitmq } from "../servers/rabbitmq.ts";

let rabbitmq: RabbitmqServer;
before(async () => {
  rabbitmq = await startRabbitmq();
});
after(() => rabbitmq?.stop());

interface LedgerRow {
  readonly entry: string;
  readonly id: string;
  readonly state: string;
  readonly fire_time: string;
}

async function ledger(cwd: string): Promise<LedgerRow[]> {
  return JSON.parse((await beat(["history", "--json", "--limit", "1000"], { cwd })).stdout);
}

suite("real workers", { concurrency: true }, () => {
  for (const version of celeryVersions) {
    test(`Celery ${version} over RabbitMQ: arguments, headers and expiry arrive as written`, (t) =>
      overRabbitmq(t, version));
    test(`Celery ${version} over the embedded broker, as examples/celery says`, (t) => asTheExampleSays(t, version));
  }
});

async function overRabbitmq(t: TestContext, version: CeleryVersion): Promise<void> {
  const cwd = await folder(t);
  const queue = `emails-${version}`;
  await writeFile(
    join(cwd, "schedules.yaml"),
    `timezone: Europe/Berlin
schedules:
  wöchentlich:
    every: 1s
    task: sample.echo
    args: [weekly, 1.5, null, {deep: [true]}]
    kwargs: {attach: true, ключ: "значение"}
    options: {queue: ${queue}, priority: 5, expires: 1m, headers: {tenant: a}, time_limit: 30}
  too-late:
    every: 1s
    max_runs: 1
    task: sample.echo
    options: {queue: ${queue}, expires: 2s}
`,
  );
  const daemon = new Daemon(t, ["--schedules", "schedules.yaml", "--broker", rabbitmq.url, "--declare-queues"], {
    cwd,
  });
  await daemon.line(/^sent too-late/);
  // No worker comes before it has expired: three runs of the other entry later.
  const sentBefore = daemon.lines.length;
  await daemon.until(
    () => daemon.lines.slice(sentBefore).filter(({ message }) => /^sent wöchentlich/.test(message))[2],
    "a third run",
  );
  const file = join(cwd, "received.jsonl");
  const worker = await startWorker({
    version,
    brokerUrl: rabbitmq.url,
    queues: [queue],
    env: { BEAT_RECEIVED: file },
  });
  try {
    await untilReceived(file, 6, worker);
    assert.equal(await daemon.stop(), 0);
    const rows = await ledger(cwd);
    const published = rows.filter(({ state, entry }) => state === "published" && entry === "wöchentlich");
    const received = await untilReceived(file, published.length, worker);
    assert.deepEqual(received.map(({ id }) => id).toSorted(), published.map(({ id }) => id).toSorted());
    for (const { id, task, args, kwargs, headers, expires, timelimit, routing_key } of received) {
      const row = published.find((candidate) => candidate.id === id)!;
      assert.equal(task, "sample.echo");
      assert.deepEqual(args, ["weekly", 1.5, null, { deep: [true] }]);
      assert.deepEqual(kwargs, { attach: true, ключ: "значение" });
      assert.equal(headers["periodic_task_name"], "wöchentlich");
      assert.equal(Date.parse(String(headers["beat_fire_time"])), Date.parse(row.fire_time));
      assert.equal(headers["tenant"], "a");
      assert.equal(Date.parse(expires!), Date.parse(row.fire_time) + 60_000);
      assert.deepEqual(timelimit, [30, null]);
      assert.equal(routing_key, queue);
    }
    const tooLate = rows.find(({ entry }) => entry === "too-late")!;
    assert.equal(tooLate.state, "published");
    // RabbitMQ drops it at its time, before any worker sees it.
    assert.ok(!worker.log().includes(tooLate.id));
    assert.doesNotMatch(worker.log(), /CRITICAL|Unrecoverable|Received unregistered/);
    assert.equal((await receivedIn(file)).length, published.length);
  } finally {
    await worker.stop();
  }
}

async function asTheExampleSays(t: TestContext, version: CeleryVersion): Promise<void> {
  const cwd = await folder(t);
  await cp(join(root, "examples/celery"), join(cwd, "examples/celery"), { recursive: true });
  await mkdir(join(cwd, "schedules"));
  // The tasks of the samples, at a pace that a test can watch.
  await writeFile(
    join(cwd, "schedules/samples.yaml"),
    `schedules:
  add: {every: 500ms, task: tasks.add, args: [2, 3], options: {expires: 2s}}
  report: {every: 1s, task: tasks.report, kwargs: {kind: daily, recipients: [team@example.com]}, options: {expires: 1m}}
`,
  );
  const daemon = new Daemon(t, ["--schedule-db", "beat.sqlite", "--schedules", "schedules/"], { cwd });

  // While nobody reads: it says so and how that is mended, and what expired makes room.
  const { message } = await daemon.line(/messages wait in queue "celery"; no worker took one/);
  assert.match(
    message,
    /Start one: celery -A <your app> -b sqla\+sqlite:\/{4}\S+\/beat-broker\.sqlite worker -Q celery/,
  );
  await daemon.until(() => (sent(daemon, "add") >= 20 ? true : undefined), "20 messages that expire");
  const file = join(cwd, "beat-broker.sqlite");
  const waiting = await settled(
    () => count(file, "visible = 1 AND payload LIKE '%tasks.add%'"),
    (rows) => rows <= 10,
  );
  assert.ok(waiting <= 10, `${waiting} of ${sent(daemon, "add")} that expire after 2 s are there`);
  assert.ok((await stat(file)).size < 1_000_000);

  const [install, start] = await commandsOf(join(root, "examples/celery/README.md"));
  assert.equal(install, `pip install "celery[sqlalchemy]==${celeryVersions[0]}"`);
  const venv = dirname(await celeryVenv(version));
  const env = systemEnvironment({ PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "1" });
  const worker = new Running(t, "/bin/sh", ["-c", `exec ${start}`], {
    cwd,
    env: { ...env, PATH: `${venv}:${env["PATH"]}` },
  });
  await worker.until(/Task tasks\.add\[[-0-9a-f]{36}\] succeeded in [\d.]+s: 5/);
  const [, fireTime] = await worker.until(/daily report of (\S+) to team@example\.com/);
  await daemon.line(/^A worker takes messages from queue "celery"/);
  assert.equal(await daemon.stop(), 0);
  const reports = (await ledger(cwd)).filter(({ entry, state }) => entry === "report" && state === "published");
  assert.ok(reports.some(({ fire_time }) => Date.parse(fire_time) === Date.parse(fireTime!)));
  await worker.until(new RegExp(`Task tasks\\.report\\[${reports[0]!.id}\\] succeeded`));
  assert.doesNotMatch(worker.text, /CRITICAL|Unrecoverable|Received unregistered|Traceback/);
  worker.child.kill("SIGTERM");
  assert.equal(await worker.exitCode(), 0, worker.text);

  // kombu marks what it took and leaves it there, to the last; Beat clears it away, when it runs again at the latest.
  const again = new Daemon(t, ["--schedule-db", "beat.sqlite", "--schedules", "schedules/"], { cwd });
  assert.equal(
    await settled(
      () => count(file, "visible = 0"),
      (left) => left === 0,
    ),
    0,
  );
  await again.line(/^sent /);
  assert.equal(await again.stop(), 0);
}

function sent(daemon: Daemon, name: string): number {
  return daemon.lines.filter(({ message }) => message.startsWith(`sent ${name} `)).length;
}

/** The lines of a document that are indented by four. */
async function commandsOf(path: string): Promise<string[]> {
  const lines = (await readFile(path, "utf8")).split("\n");
  return lines.filter((line) => line.startsWith("    ")).map((line) => line.trim());
}

function count(path: string, where: string): number {
  const database = new Database(path, { readonly: true, timeout: 5_000 });
  try {
    return database.prepare(`SELECT count(*) FROM kombu_message WHERE ${where}`).pluck().get() as number;
  } finally {
    database.close();
  }
}

/** The value once it is as wanted, or what it is after ten seconds. */
async function settled(value: () => number, isWanted: (value: number) => boolean): Promise<number> {
  const giveUpAt = performance.now() + 10_000;
  while (!isWanted(value()) && performance.now() < giveUpAt) await new Promise((done) => setTimeout(done, 100));
  return value();
}
