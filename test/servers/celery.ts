// Real Celery workers of pinned versions.

import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { pythonVenv } from "./python.ts";

/** Of each minor version from the oldest to the newest, what the matrix runs. */
export const allCeleryVersions = ["5.2.7", "5.3.6", "5.4.0", "5.5.3", "5.6.3", "5.7.0"] as const;
export type CeleryVersion = (typeof allCeleryVersions)[number];
/** Those that the ordinary tests run. */
export const celeryVersions: readonly CeleryVersion[] = ["5.7.0", "5.2.7"];

const here = import.meta.dirname;
const readyLimitMs = 60_000;

/** The path of a Python that has this Celery. */
export const celeryVenv = (version: CeleryVersion): Promise<string> => pythonVenv(`celery-${version}`, version);

export interface WorkerOptions {
  readonly version: CeleryVersion;
  readonly brokerUrl: string;
  /** Where the application's module is: this folder and `worker_app` unless said otherwise. */
  readonly appDir?: string;
  readonly app?: string;
  readonly queues?: readonly string[];
  readonly concurrency?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Worker {
  readonly pid: number;
  /** All that it printed. */
  log(): string;
  /** Warm shutdown; killed after 20 s. */
  stop(): Promise<void>;
  /** Kills it and its child processes at once. */
  kill(): Promise<void>;
}

/** Ends with the worker, and ends the worker when it is told to, or when the test process is gone. */
const supervisor = `
exec 3<&0
"$@" </dev/null 3<&- & worker=$!
( read -r word <&3; if [ "$word" = stop ]; then kill -TERM $worker; else kill -KILL 0; fi ) &
wait $worker
`;

/** Resolves once the worker says that it is ready. Rejects with its log where it is not. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const {
    version,
    brokerUrl,
    appDir = here,
    app = "worker_app",
    queues = ["celery"],
    concurrency = 1,
    env = {},
  } = options;
  const python = await celeryVenv(version);
  const celery = [
    "-m",
    "celery",
    "-A",
    app,
    "-b",
    brokerUrl,
    "worker",
    "-Q",
    queues.join(","),
    "-c",
    String(concurrency),
    "-l",
    "INFO",
    "-n",
    `${randomUUID()}@test`,
  ];
  const shell = spawn("/bin/sh", ["-c", supervisor, "sh", python, ...celery], {
    cwd: appDir,
    env: { ...process.env, PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "1", C_FORCE_ROOT: "1", ...env },
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let log = "";
  for (const output of [shell.stdout, shell.stderr])
    output.on("data", (text) => (log = (log + text).slice(-1_000_000)));
  const ended = new Promise<void>((resolve) => shell.once("exit", () => resolve()));
  const isReady = () => /\bready\.\s/.test(log);
  const giveUpAt = performance.now() + readyLimitMs;
  while (!isReady()) {
    if (shell.exitCode !== null || performance.now() > giveUpAt) {
      await end(shell, "kill", ended);
      throw new Error(`the Celery ${version} worker did not start:\n${log.slice(-8_000)}`);
    }
    await sleep(50);
  }
  return {
    pid: shell.pid!,
    log: () => log,
    stop: () => end(shell, "stop", ended),
    kill: () => end(shell, "kill", ended),
  };
}

async function end(shell: ChildProcess, word: "stop" | "kill", ended: Promise<void>): Promise<void> {
  if (shell.exitCode !== null || shell.signalCode !== null) return;
  shell.stdin!.write(`${word}\n`);
  const limit = new AbortController();
  await Promise.race([ended, sleep(20_000, undefined, { signal: limit.signal }).catch(() => undefined)]);
  limit.abort();
  if (shell.exitCode === null && shell.signalCode === null) process.kill(-shell.pid!, "SIGKILL");
  await ended;
  shell.stdin!.destroy();
}

/** What a task of worker_app.py wrote down. */
export interface Received {
  readonly task: string;
  readonly id: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly expires: string | null;
  readonly eta: string | null;
  readonly timelimit: readonly (number | null)[];
  readonly shadow: string | null;
  readonly root_id: string;
  readonly argsrepr: string;
  readonly kwargsrepr: string;
  readonly redelivered: boolean | null;
  readonly routing_key: string;
  /** Unix seconds. */
  readonly at: number;
  /** What only some tasks have. */
  readonly stamps?: Readonly<Record<string, unknown>>;
  readonly group?: string;
  readonly parent_id?: string;
}

/** All that was received so far, in the order in which it was written. */
export async function receivedIn(path: string): Promise<Received[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Received);
}

/** Waits until `count` tasks were received. Rejects with the worker's log after `limitMs`. */
export async function untilReceived(
  path: string,
  count: number,
  worker: Worker,
  limitMs = 30_000,
): Promise<Received[]> {
  const giveUpAt = performance.now() + limitMs;
  while (true) {
    const received = await receivedIn(path);
    if (received.length >= count) return received;
    if (performance.now() > giveUpAt)
      throw new Error(`${received.length} of ${count} tasks were received:\n${worker.log().slice(-8_000)}`);
    await sleep(50);
  }
}
