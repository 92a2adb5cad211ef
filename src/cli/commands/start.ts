import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { reasonOf, UsageError } from "../../core/errors.ts";
import { maskUrl } from "../../core/mask.ts";
import type { Log } from "../../core/ports.ts";
import { createLog } from "../../log.ts";
import { Scheduler } from "../../scheduler.ts";
import { embeddedBrokerUrl, sqlite } from "../../scheduler-options.ts";
import { type Command, flags, type StoreFlags, storeFlag } from "../command.ts";
import { entriesTable, entryJson, print } from "../output.ts";

interface Flags extends StoreFlags {
  readonly schedules?: string[];
  readonly broker?: string;
  readonly brokerFile?: string;
  readonly defaultQueue: string;
  readonly declareQueues: boolean;
  readonly jobsDir?: string;
  readonly maxRate?: number;
  readonly drain: string;
  readonly retention: string;
  readonly synchronous: "FULL" | "NORMAL";
  readonly logFormat?: "pretty" | "json";
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

const shownAtStart = 20;

export const start: Command<Flags> = {
  command: "start",
  describe: "Run the scheduler until SIGTERM or Ctrl-C",
  builder: flags({
    ...storeFlag,
    schedules: {
      type: "string",
      array: true,
      describe: "Schedule files, or folders of them; re-read when they change",
    },
    broker: {
      type: "string",
      alias: "b",
      describe: "Celery's broker URL",
      defaultDescription: "a file beside the database that workers read",
    },
    "broker-file": { type: "string", describe: "A file that holds the broker URL, for one with a password" },
    "default-queue": { type: "string", default: "celery", describe: "The queue of tasks that name none" },
    "declare-queues": {
      type: "boolean",
      default: false,
      describe: "Create queues that are missing, instead of waiting for a worker to do it",
    },
    "jobs-dir": {
      type: "string",
      describe: "The folder that `job: file#export` modules must be in",
      defaultDescription: "the first of --schedules",
    },
    "max-rate": {
      type: "number",
      describe: "How many late messages, as after an outage, may leave in a second",
      defaultDescription: "no limit",
    },
    drain: { type: "string", default: "30s", describe: "How long to wait at the end for what goes on" },
    retention: { type: "string", default: "7d", describe: "How long the ledger is kept" },
    synchronous: {
      choices: ["FULL", "NORMAL"] as const,
      default: "FULL",
      describe: "NORMAL is faster, and may forget the last moments at a power cut",
    },
    "log-format": {
      choices: ["pretty", "json"] as const,
      describe: "How to log",
      defaultDescription: "pretty on a terminal, json elsewhere",
    },
    "log-level": {
      choices: ["debug", "info", "warn", "error"] as const,
      alias: "l",
      default: "info",
      describe: "The least important lines to log",
    },
  }),
  async run(options) {
    const format = options.logFormat ?? (process.stderr.isTTY ? "pretty" : "json");
    const log = createLog({ level: options.logLevel, format });
    await using scheduler = new Scheduler({
      store: sqlite(options.scheduleDb, { synchronous: options.synchronous }),
      broker: await brokerUrl(options, log),
      defaultQueue: options.defaultQueue,
      declareQueues: options.declareQueues,
      ...(options.schedules && { schedules: options.schedules }),
      ...(options.jobsDir !== undefined && { jobsDir: options.jobsDir }),
      ...(options.maxRate !== undefined && { maxRate: options.maxRate }),
      drain: options.drain,
      retention: options.retention,
      log,
    });
    const running = scheduler.run();
    await Promise.race([running, scheduler.start()]);
    await showNextRuns(scheduler, log, format, options.scheduleDb);
    await running;
    return 0;
  },
};

async function brokerUrl({ broker, brokerFile, scheduleDb }: Flags, log: Log): Promise<string> {
  if (brokerFile !== undefined) {
    try {
      return (await readFile(brokerFile, "utf8")).trim();
    } catch (error) {
      throw new UsageError(`--broker-file: ${reasonOf(error)}`);
    }
  }
  if (broker !== undefined && process.argv.some((word) => word.includes(broker)) && maskUrl(broker) !== broker) {
    process.title = "beat start";
    log.warn(
      "The broker's password was on the command line, where others can read it: use BEAT_BROKER or --broker-file.",
    );
  }
  return broker ?? embeddedBrokerUrl(scheduleDb);
}

async function showNextRuns(
  scheduler: Scheduler,
  log: Log,
  format: "pretty" | "json",
  scheduleDb: string,
): Promise<void> {
  if (scheduler.stopping) return;
  const entries = await scheduler.upcoming(shownAtStart);
  if (entries.length === 0) {
    log.warn("There is nothing to schedule yet. Give --schedules FOLDER, or add an entry with beat add.");
  } else if (format === "pretty") {
    print(`\n${entriesTable(entries, scheduler.now())}\n`);
  } else {
    log.info(`The next runs of ${resolve(scheduleDb)}`, { entries: entries.map(entryJson) });
  }
}
