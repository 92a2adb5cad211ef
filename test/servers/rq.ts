// A real RQ worker, which reads JSON. It ends with the test process, as its standard input does.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { pythonVenv } from "./python.ts";

/** Ends with the worker, and with all that it started. */
const supervisor = `
("$@" </dev/null; kill -KILL 0) &
read -r word
kill -KILL 0
`;
const readyLimitMs = 60_000;

export interface RqReceived {
  readonly id: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly description: string;
  readonly timeout: number;
  readonly result_ttl: number | null;
  readonly failure_ttl: number | null;
  readonly ttl: number | null;
  readonly origin: string;
  /** Unix seconds. */
  readonly at: number;
}

export interface RqWorker {
  log(): string;
  /** Waits until `count` jobs wrote down what they received. Rejects with the worker's log after 30 s. */
  received(count: number): Promise<RqReceived[]>;
  stop(): Promise<void>;
}

/** Resolves once it listens. `file`: where its jobs write to. */
export async function startRqWorker(redisUrl: string, queues: readonly string[], file: string): Promise<RqWorker> {
  const python = await pythonVenv("rq");
  const command = ["-u", redisUrl, "-S", "rq.serializers.JSONSerializer", "--with-scheduler", ...queues];
  const shell = spawn("/bin/sh", ["-c", supervisor, "sh", python, "-m", "rq.cli", "worker", ...command], {
    cwd: import.meta.dirname,
    env: { ...process.env, PYTHONPATH: import.meta.dirname, PYTHONDONTWRITEBYTECODE: "1", BEAT_RECEIVED: file },
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let log = "";
  for (const output of [shell.stdout, shell.stderr])
    output.on("data", (text) => (log = (log + text).slice(-1_000_000)));
  shell.stdin.on("error", () => undefined); // It may have ended by itself.
  const ended = new Promise<void>((resolve) => shell.once("exit", () => resolve()));
  const stop = async () => {
    shell.stdin.end("stop\n");
    await ended;
  };
  const giveUpAt = performance.now() + readyLimitMs;
  while (!/Listening on/.test(log)) {
    if (shell.signalCode !== null || performance.now() > giveUpAt) {
      await stop();
      throw new Error(`the RQ worker did not start:\n${log}`);
    }
    await sleep(50);
  }
  return {
    log: () => log,
    async received(count) {
      const giveUpAt = performance.now() + 30_000;
      while (true) {
        const lines = (await readFile(file, "utf8").catch(() => "")).split("\n").slice(0, -1);
        if (lines.length >= count) return lines.map((line) => JSON.parse(line));
        if (performance.now() > giveUpAt)
          throw new Error(`${lines.length} of ${count} jobs ran:\n${log.slice(-8_000)}`);
        await sleep(50);
      }
    },
    stop,
  };
}
