// N entries fall due at once: how many messages a second reach RabbitMQ, durable and confirmed. Side by side in one run:
// Beat, a bare amqplib confirm channel that sends the same messages, and real celery beat.
//
//   npm run bench:burst                  1,000, 10,000 and 50,000 entries; celery beat for the first two
//   npm run bench:burst -- 10000         only so many

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ChannelModel, connect } from "amqplib";
import { prepareMessage } from "../src/celery/message.ts";
import { Scheduler, silentLog, sqlite } from "../src/index.ts";
import { celeryVenv } from "../test/servers/celery.ts";
import { startRabbitmq } from "../test/servers/rabbitmq.ts";

const sizes = process.argv.slice(2).map(Number);
/** Beat and the bare client take turns, and the best round of each counts: what else the machine does only slows down. */
const rounds = 3;
const celeryLimit = 10_000;
const celerySeconds = 30;
const window = 10_000;
const root = join(import.meta.dirname, "..");
const target = {
  kind: "task",
  task: "reports.tasks.send_daily_report",
  args: ["weekly", 7],
  kwargs: { attach: true, to: "team" },
  options: {},
} as const;

const rabbitmq = await startRabbitmq();
const folder = await mkdtemp(join(tmpdir(), "beat-bench-"));
try {
  const connection = await connect(rabbitmq.url);
  const rows: string[][] = [];
  for (const size of sizes.length > 0 ? sizes : [1_000, 10_000, 50_000]) {
    let bare = 0;
    let beat = { rate: 0, p50: 0, p99: 0 };
    for (let round = 0; round < rounds; round++) {
      bare = Math.max(bare, await bareRate(connection, size));
      const again = await beatRate(connection, size);
      if (again.rate > beat.rate) beat = again;
    }
    const celery = size <= celeryLimit ? await celeryRate(connection, size) : undefined;
    rows.push([
      size.toLocaleString("en"),
      `${Math.round(beat.rate)}/s`,
      `${Math.round(bare)}/s`,
      (beat.rate / bare).toFixed(2),
      celery === undefined ? "-" : `${Math.round(celery)}/s`,
      celery === undefined ? "-" : `${(beat.rate / celery).toFixed(0)}×`,
      `${beat.p50} / ${beat.p99} ms`,
    ]);
    console.log(rows.at(-1)!.join("   "));
  }
  await connection.close();
  console.log("");
  const heading = ["entries", "beat", "bare amqplib", "beat/bare", "celery beat", "beat/celery", "lateness p50 / p99"];
  for (const row of [heading, ...rows])
    console.log(row.map((cell, column) => cell.padStart(Math.max(10, heading[column]!.length))).join("  "));
} finally {
  await rm(folder, { recursive: true, force: true });
  await rabbitmq.stop();
}

/** The raw client at its best: one confirm channel, `window` messages unconfirmed. */
async function bareRate(connection: ChannelModel, size: number): Promise<number> {
  const queue = await freshQueue(connection, `bare-${size}`);
  const build = prepareMessage({ entryName: "bare", target, defaultQueue: queue, origin: "beat@bench" });
  const channel = await connection.createConfirmChannel();
  const begin = performance.now();
  let unconfirmed = 0;
  let wake = () => {};
  for (let n = 0; n < size; n++) {
    const id = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    const { body, headers } = build({ id, fireAt: 0, nextFireAt: null });
    unconfirmed++;
    channel.publish(
      "",
      queue,
      body,
      {
        headers: { ...headers },
        contentType: "application/json",
        contentEncoding: "utf-8",
        deliveryMode: 2,
        priority: 0,
        correlationId: id,
        replyTo: "",
        mandatory: true,
      },
      () => {
        unconfirmed--;
        wake();
      },
    );
    while (unconfirmed >= window) await new Promise<void>((resolve) => (wake = resolve));
  }
  await channel.waitForConfirms();
  const seconds = (performance.now() - begin) / 1_000;
  await channel.deleteQueue(queue);
  await channel.close();
  return size / seconds;
}

/** `beat start` on a database of `size` entries that are due at one instant: from that instant until all are in the queue. */
async function beatRate(connection: ChannelModel, size: number): Promise<{ rate: number; p50: number; p99: number }> {
  const queue = await freshQueue(connection, `beat-${size}`);
  const db = join(await mkdtemp(join(folder, "beat-")), "burst.sqlite");
  const dueAt = Date.now() + 4_000 + size / 5;
  const at = new Date(dueAt).toISOString();
  const { task, args, kwargs } = target;
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    await scheduler.addAll(
      Array.from({ length: size }, (_, n) => ({
        name: `burst-${n}`,
        definition: { at, task, args, kwargs, options: { queue } },
      })),
    );
  }
  if (Date.now() > dueAt - 2_000) throw new Error("writing the entries took too long");
  const child = spawn(
    process.execPath,
    [join(root, "bin/beat.js"), "start", "--schedule-db", db, "--broker", rabbitmq.url, "--log-level", "error"],
    { stdio: "inherit" },
  );
  const channel = await connection.createChannel();
  await sleep(dueAt - Date.now());
  while ((await channel.checkQueue(queue)).messageCount < size) await sleep(5);
  const seconds = (Date.now() - dueAt) / 1_000;
  child.kill("SIGTERM");
  await new Promise((resolve) => child.once("close", resolve));
  await channel.deleteQueue(queue);
  await channel.close();
  await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
  const late = (await scheduler.history({ limit: size }))
    .map(({ settledAt, dueAt }) => settledAt! - dueAt)
    .sort((a, b) => a - b);
  return { rate: size / seconds, p50: late[Math.floor(size / 2)]!, p99: late[Math.floor(size * 0.99)]! };
}

/** celery beat with `size` entries of one interval, all due at once: from the first message on, for at most 30 s. */
async function celeryRate(connection: ChannelModel, size: number): Promise<number> {
  const queue = await freshQueue(connection, `celery-${size}`);
  const app = `
from celery import Celery
app = Celery("bench", broker=${JSON.stringify(rabbitmq.url)})
app.conf.task_default_queue = ${JSON.stringify(queue)}
app.conf.beat_schedule = {
    f"burst-{n}": {"task": "reports.tasks.send_daily_report", "schedule": 3600.0 if n < 0 else 10.0, "args": ["weekly", 7], "kwargs": {"attach": True, "to": "team"}}
    for n in range(${size})
}
`;
  await writeFile(join(folder, "bench_app.py"), app);
  const python = await celeryVenv("5.7.0");
  const child = spawn(
    python,
    ["-m", "celery", "-A", "bench_app", "beat", "-s", join(folder, `celery-${size}`), "--pidfile="],
    { cwd: folder, stdio: "ignore" },
  );
  const channel = await connection.createChannel();
  const count = async () => (await channel.checkQueue(queue)).messageCount;
  while ((await count()) === 0) await sleep(5);
  const begin = performance.now();
  let sent = 0;
  while (sent < size && performance.now() - begin < celerySeconds * 1_000) {
    await sleep(5);
    sent = await count();
  }
  const seconds = (performance.now() - begin) / 1_000;
  child.kill("SIGKILL");
  await channel.deleteQueue(queue);
  await channel.close();
  return Math.min(sent, size) / seconds;
}

async function freshQueue(connection: ChannelModel, name: string): Promise<string> {
  const channel = await connection.createChannel();
  await channel.assertQueue(name, { durable: true });
  await channel.purgeQueue(name);
  await channel.close();
  return name;
}
