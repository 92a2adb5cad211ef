// From exec to the first message, and the memory that it took, with many entries in the database; beside celery beat.
//
//   npm run bench:cold                   10,000, 100,000 and 1,000,000 entries; celery beat for the first two
//   npm run bench:cold -- 10000

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "amqplib";
import { Scheduler, silentLog, sqlite } from "../src/index.ts";
import { celeryVenv } from "../test/servers/celery.ts";
import { startRabbitmq } from "../test/servers/rabbitmq.ts";

const sizes = process.argv.slice(2).map(Number);
const celeryLimit = 100_000;
const chunk = 10_000;
const root = join(import.meta.dirname, "..");

interface Cold {
  readonly seconds: number;
  readonly megabytes: number;
}

const rabbitmq = await startRabbitmq();
const folder = await mkdtemp(join(tmpdir(), "beat-bench-"));
try {
  const connection = await connect(rabbitmq.url);
  const channel = await connection.createChannel();
  await channel.assertQueue("celery", { durable: true });
  console.log("   entries        beat                celery beat         ratio of times, of memory");
  for (const size of sizes.length > 0 ? sizes : [10_000, 100_000, 1_000_000]) {
    const beat = await beatCold(size);
    const celery = size <= celeryLimit ? await celeryCold(size) : undefined;
    const text = ({ seconds, megabytes }: Cold) => `${seconds.toFixed(2)} s, ${Math.round(megabytes)} MB`.padEnd(18);
    const ratio =
      celery && `${(celery.seconds / beat.seconds).toFixed(1)}×, ${(celery.megabytes / beat.megabytes).toFixed(1)}×`;
    console.log(
      `${size.toLocaleString("en").padStart(10)}        ${text(beat)}  ${celery ? text(celery) : "-".padEnd(18)}  ${ratio ?? "-"}`,
    );
  }
  await connection.close();

  /** From exec until the queue has a message; then the process's peak memory. */
  async function untilFirst(start: () => ChildProcess): Promise<Cold> {
    await channel.purgeQueue("celery");
    const begin = performance.now();
    const child = start();
    while ((await channel.checkQueue("celery")).messageCount === 0)
      await new Promise((resolve) => setTimeout(resolve, 2));
    const seconds = (performance.now() - begin) / 1_000;
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))![1];
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
    return { seconds, megabytes: Number(peak) / 1_000 };
  }

  async function beatCold(size: number): Promise<Cold> {
    const db = join(folder, `cold-${size}.sqlite`);
    {
      await using scheduler = new Scheduler({ store: sqlite(db, { synchronous: "NORMAL" }), log: silentLog });
      for (let from = 0; from < size; from += chunk) {
        // Spread over the day, as a real schedule is; all of them tasks with args.
        const entries = Array.from({ length: Math.min(chunk, size - from) }, (_, n) => ({
          name: `entry-${from + n}`,
          definition: {
            cron: `${(from + n) % 60} ${Math.floor((from + n) / 60) % 24} * * *`,
            timezone: "America/New_York",
            task: "reports.tasks.send",
            args: [from + n],
            kwargs: { attach: true },
          },
        }));
        await scheduler.addAll(entries);
      }
      await scheduler.add("first", { every: "100ms", task: "reports.tasks.send" });
    }
    return untilFirst(() =>
      spawn(
        process.execPath,
        [join(root, "bin/beat.js"), "start", "--schedule-db", db, "--broker", rabbitmq.url, "--log-level", "error"],
        { stdio: "inherit" },
      ),
    );
  }

  async function celeryCold(size: number): Promise<Cold> {
    const app = `
from celery import Celery
from celery.schedules import crontab
app = Celery("bench", broker=${JSON.stringify(rabbitmq.url)})
app.conf.beat_schedule = {
    f"entry-{n}": {"task": "reports.tasks.send", "schedule": crontab(minute=n % 60, hour=n // 60 % 24), "args": [n], "kwargs": {"attach": True}}
    for n in range(${size})
}
app.conf.beat_schedule["first"] = {"task": "reports.tasks.send", "schedule": 0.1}
`;
    await writeFile(join(folder, "bench_app.py"), app);
    const python = await celeryVenv("5.7.0");
    return untilFirst(() =>
      spawn(
        python,
        ["-m", "celery", "-A", "bench_app", "beat", "-s", join(folder, `celery-cold-${size}`), "--pidfile="],
        { cwd: folder, stdio: "ignore" },
      ),
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
  await rabbitmq.stop();
}
