import { resolve } from "node:path";
import { defaultBroker } from "../../core/broker-definition.ts";
import { reasonOf, UsageError } from "../../core/errors.ts";
import { maskUrl } from "../../core/mask.ts";
import type { Log } from "../../core/ports.ts";
import { createLog } from "../../log.ts";
import { Systemd } from "../../operating/systemd.ts";
import { type Health, Scheduler } from "../../scheduler.ts";
import { embeddedBrokerUrl, type SchedulerOptions, sqlite } from "../../scheduler-options.ts";
import { systemClock } from "../../system-clock.ts";
import { type Command, flags, jsonFlagValue, type StoreFlags, secretIn, storeFlag } from "../command.ts";
import { leftInOutbox } from "../exit-codes.ts";
import { entriesTable, entryJson, print } from "../output.ts";

interface Flags extends StoreFlags {
  readonly schedules?: string[];
  readonly broker?: string;
  readonly brokerFile?: string;
  readonly defaultQueue: string;
  readonly declareQueues: boolean;
  readonly traceparent: boolean;
  readonly securityKey?: string;
  readonly securityKeyPasswordFile?: string;
  readonly securityCertificate?: string;
  readonly securityDigest: (typeof digests)[number];
  readonly securityLayout: (typeof layouts)[number];
  readonly jobsDir?: string;
  readonly maxRate?: number;
  readonly wait?: string;
  readonly overdueTolerance: string;
  readonly onAlert?: string;
  readonly alertSecretFile?: string;
  readonly allowPrivateAddresses: boolean;
  readonly metrics?: string;
  readonly drain: string;
  readonly retention: string;
  readonly retentionRows: number;
  readonly synchronous: "FULL" | "NORMAL";
  readonly logFormat?: "pretty" | "json";
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

const digests = ["sha224", "sha256", "sha384", "sha512"] as const;
const layouts = ["current", "legacy"] as const;
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
      defaultDescription: "`brokers: {default: …}` of --schedules, else a file beside the database that workers read",
    },
    "broker-file": { type: "string", describe: "A file that holds the broker URL, for one with a password" },
    "default-queue": { type: "string", default: "celery", describe: "The queue of tasks that name none" },
    "declare-queues": {
      type: "boolean",
      default: false,
      describe: "Create queues that are missing, instead of waiting for a worker to do it",
    },
    traceparent: {
      type: "boolean",
      default: false,
      describe: "Give each message a W3C traceparent header, whose trace is the occurrence",
    },
    "security-key": {
      type: "string",
      describe: "A PEM file with the RSA key that signs messages of `serializer: auth`",
      implies: "security-certificate",
    },
    "security-certificate": {
      type: "string",
      describe: "A PEM file with that key's certificate, which the workers know",
      implies: "security-key",
    },
    "security-key-password-file": { type: "string", describe: "A file with that key's password" },
    "security-digest": {
      choices: digests,
      default: "sha256" as const,
      describe: "The workers' security_digest",
    },
    "security-layout": {
      choices: layouts,
      default: "current" as const,
      describe: "How signed messages look: current from Celery 5.5 on, legacy to 5.3",
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
    wait: {
      type: "string",
      describe: "How long to wait at the start for a database that is away",
      defaultDescription: "not at all",
    },
    "overdue-tolerance": {
      type: "string",
      default: "10s",
      describe: "How late something may be before that is an alert",
    },
    "on-alert": {
      type: "string",
      describe: "What is told of alerts: a URL, a command as a JSON array, or a text for the shell",
    },
    "alert-secret-file": { type: "string", describe: "A file with the secret that signs what is sent to that URL" },
    "allow-private-addresses": {
      type: "boolean",
      default: false,
      describe: "Let that URL, and those of http entries, be ones of this machine or of a private network",
    },
    metrics: {
      type: "string",
      describe: "Answer /metrics, /livez and /readyz on this port of loopback, or HOST:PORT",
      defaultDescription: "nowhere",
    },
    drain: {
      type: "string",
      default: "30s",
      describe: "How long to wait for runs that go on, when it is told to stop",
    },
    retention: { type: "string", default: "7d", describe: "How long the ledger is kept" },
    "retention-rows": {
      type: "number",
      default: 1_000_000,
      describe: "How many rows the ledger keeps at most, the oldest going first",
    },
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
    // A full disk or a reader that has gone is no reason to end.
    process.stdout.on("error", (error) => log.warn(`stdout can't be written: ${reasonOf(error)}`));
    await using scheduler = new Scheduler({
      store: sqlite(options.scheduleDb, { synchronous: options.synchronous }),
      ...(await brokerOption(options, log)),
      // The one that counts where nothing else is named.
      brokers: { [defaultBroker]: embeddedBrokerUrl(options.scheduleDb) },
      defaultQueue: options.defaultQueue,
      declareQueues: options.declareQueues,
      ...(await securityOptions(options)),
      traceparent: options.traceparent,
      ...(options.schedules && { schedules: options.schedules }),
      ...(options.jobsDir !== undefined && { jobsDir: options.jobsDir }),
      ...(options.maxRate !== undefined && { maxRate: options.maxRate }),
      ...(options.wait !== undefined && { wait: options.wait }),
      overdueTolerance: options.overdueTolerance,
      ...(options.onAlert !== undefined && { onAlert: alertTarget(options.onAlert) }),
      ...(options.alertSecretFile !== undefined && {
        alertSecret: await secretIn("--alert-secret-file", options.alertSecretFile),
      }),
      allowPrivateAddresses: options.allowPrivateAddresses,
      ...(options.metrics !== undefined && { metrics: options.metrics }),
      drain: options.drain,
      retention: options.retention,
      retentionRows: options.retentionRows,
      log,
    });
    const systemd = new Systemd({
      env: process.env,
      clock: systemClock,
      log,
      isAlive: () => scheduler.health().alive,
      status: () => statusLine(scheduler.health()),
    });
    const running = scheduler.run({ onStopping: () => systemd.stopping() });
    try {
      // Where the start fails or is stopped, the run says why.
      await Promise.race([running, scheduler.start().catch(() => running)]);
      if (!scheduler.stopping) systemd.ready();
      await showNextRuns(scheduler, log, format, options.scheduleDb);
      const { left } = await running;
      if (left === 0) return 0;
      log.warn(`${left} that were due are left in the outbox. They go out at the next start.`, { left });
      return leftInOutbox;
    } finally {
      systemd.close();
    }
  },
};

/** A command as a JSON array; else a URL or a text for the shell. */
function alertTarget(text: string): string | string[] {
  if (!text.trimStart().startsWith("[")) return text;
  const words = jsonFlagValue("on-alert", text);
  if (Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === "string")) return words;
  throw new UsageError("--on-alert: an array has to hold the words of a command", {
    remedy: 'For example --on-alert \'["mail", "-s", "Beat", "ops@example.org"]\'.',
  });
}

function statusLine({ state, alerts }: Health): string {
  return [`${state[0]!.toUpperCase()}${state.slice(1)}`, ...alerts.map(({ message }) => message)].join("; ");
}

async function securityOptions(options: Flags): Promise<Pick<SchedulerOptions, "security">> {
  const { securityKey: key, securityCertificate: certificate, securityKeyPasswordFile: passwordFile } = options;
  if (key === undefined || certificate === undefined) return {};
  const keyPassword =
    passwordFile === undefined ? undefined : await secretIn("--security-key-password-file", passwordFile);
  const { securityDigest: digest, securityLayout: layout } = options;
  return { security: { key, certificate, digest, layout, keyPassword } };
}

async function brokerOption({ broker, brokerFile }: Flags, log: Log): Promise<{ readonly broker?: string }> {
  if (brokerFile !== undefined) return { broker: await secretIn("--broker-file", brokerFile) };
  if (broker !== undefined && process.argv.some((word) => word.includes(broker)) && maskUrl(broker) !== broker) {
    process.title = "beat start";
    log.warn(
      "The broker's password was on the command line, where others can read it: use BEAT_BROKER or --broker-file.",
    );
  }
  return broker === undefined ? {} : { broker };
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
