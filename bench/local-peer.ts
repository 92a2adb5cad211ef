// One library with its jobs, for local.ts, in a process of its own: PEER JOBS SECONDS FOLDER. Prints what it measured as JSON.

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Scheduler, silentLog } from "../src/index.ts";

const [peer = "beat", jobsText = "10000", secondsText = "10", folder = "."] = process.argv.slice(2);
const jobs = Number(jobsText);
const seconds = Number(secondsText);
/** As long as it takes until code is compiled, and Beat's ledger has its 100,000 rows. */
const warmUpMs = 12_000;

const latenesses: number[] = [];
let from = Number.POSITIVE_INFINITY;
let until = Number.POSITIVE_INFINITY;

function fired(dueAt: number): void {
  if (dueAt >= from && dueAt < until) latenesses.push(Date.now() - dueAt);
}

/** Of a job that is due at each full second. */
const onSecond = () => fired(Math.floor(Date.now() / 1_000) * 1_000);

const load = async (name: string) =>
  (await import(pathToFileURL(createRequire(join(folder, "package.json")).resolve(name)).href)) as Record<
    string,
    never
  >;

type Constructor = new (
  ...args: unknown[]
) => { addCronJob(job: object): void; addSimpleIntervalJob(job: object): void };

const peers: Record<string, () => Promise<unknown>> = {
  async beat() {
    const scheduler = new Scheduler({ log: silentLog });
    for (let index = 0; index < jobs; index++)
      scheduler.cron("* * * * * *", ({ fireTime }) => fired(fireTime.getTime()), { name: `job ${index}` });
    await scheduler.start();
  },
  /** Each job is due a second after it was added, and each second after that. */
  async "beat-intervals"() {
    const scheduler = new Scheduler({ log: silentLog });
    for (let index = 0; index < jobs; index++)
      scheduler.every("1s", ({ fireTime }) => fired(fireTime.getTime()), { name: `job ${index}` });
    await scheduler.start();
  },
  async croner() {
    const { Cron } = (await load("croner")) as unknown as { Cron: Constructor };
    for (let index = 0; index < jobs; index++) new Cron("* * * * * *", onSecond);
  },
  async "node-cron"() {
    const { schedule } = (await load("node-cron")) as unknown as { schedule(spec: string, work: () => void): void };
    for (let index = 0; index < jobs; index++) schedule("* * * * * *", onSecond);
  },
  async "node-schedule"() {
    const { scheduleJob } = (await load("node-schedule")) as unknown as {
      scheduleJob(spec: string, work: () => void): void;
    };
    for (let index = 0; index < jobs; index++) scheduleJob("* * * * * *", onSecond);
  },
  /** With the version of croner that it brings. */
  async "toad-scheduler"() {
    const { ToadScheduler, CronJob, Task } = (await load("toad-scheduler")) as unknown as Record<string, Constructor>;
    const scheduler = new ToadScheduler!();
    for (let index = 0; index < jobs; index++)
      scheduler.addCronJob(new CronJob!({ cronExpression: "* * * * * *" }, new Task!(`job ${index}`, onSecond)));
  },
  async "toad-intervals"() {
    const { ToadScheduler, SimpleIntervalJob, Task } = (await load("toad-scheduler")) as unknown as Record<
      string,
      Constructor
    >;
    const scheduler = new ToadScheduler!();
    for (let index = 0; index < jobs; index++) {
      let dueAt = Date.now();
      const task = new Task!(`job ${index}`, () => {
        dueAt += 1_000;
        fired(dueAt);
      });
      scheduler.addSimpleIntervalJob(new SimpleIntervalJob!({ seconds: 1 }, task));
    }
  },
};

const sleepUntil = (at: number) => new Promise((resolve) => setTimeout(resolve, at - Date.now()));

await peers[peer]!();
from = Math.ceil((Date.now() + warmUpMs) / 1_000) * 1_000;
until = from + seconds * 1_000;
await sleepUntil(from - 500);
const cpuBefore = process.cpuUsage();
await sleepUntil(until + 500);
const { user, system } = process.cpuUsage(cpuBefore);
latenesses.sort((a, b) => a - b);
const at = (share: number) => latenesses[Math.floor((latenesses.length - 1) * share)] ?? 0;
console.log(
  JSON.stringify({
    fired: latenesses.length / (jobs * seconds),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    cpu: (user + system) / 1_000 / (seconds * 1_000 + 1_000),
    rssMb: process.memoryUsage().rss / 1e6,
  }),
);
process.exit(0);
