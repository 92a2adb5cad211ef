// A Redis of a test file's own, on a free port, with a data folder that nobody else has. Like RabbitMQ's, it lives with a shell
// that waits for the test process: when that one ends, in whatever way, the server is killed and its data removed.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { freePorts } from "./rabbitmq.ts";

const startLimitMs = 60_000;
const supervisor = `
folder=$1; shift
"$@" </dev/null & server=$!
read -r word
kill -KILL $server
wait
[ "$word" = keep ] || rm -rf "$folder"
`;

export interface RedisServer {
  /** `redis://127.0.0.1:<port>/0` */
  readonly url: string;
  readonly port: number;
  /** Of its data. */
  readonly folder: string;
  /** A connection of the test's own; it comes back after a `start`. */
  readonly client: Redis;
  /** Kills it like a power cut. What it confirmed survives a `start`: it syncs its log before each reply. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops it from running, its connections stay open: a machine that hangs. */
  pause(): void;
  resume(): void;
  /** Kills it and removes its data. */
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** As in redis.conf; `FOLDER` stands for the data folder. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Starts a Sentinel with this configuration file, which it writes to. */
  readonly sentinelFile?: string;
  /** For the test's own connection. */
  readonly password?: string;
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "beat-redis-"));
  const [port] = await freePorts(1);
  const { sentinelFile } = options;
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir: "FOLDER",
    ...(sentinelFile === undefined && { save: "", appendonly: "yes", appendfsync: "always" }),
    ...options.settings,
  };
  const leading = sentinelFile === undefined ? [] : [sentinelFile, "--sentinel"];
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value.replace("FOLDER", folder)]);
  const client = new Redis({
    port: port!,
    host: "127.0.0.1",
    lazyConnect: true,
    protocol: 2,
    retryStrategy: () => 50,
    maxRetriesPerRequest: null,
    ...(options.password && { password: options.password }),
  });
  client.on("error", () => undefined);
  let group: ChildProcess | undefined;
  let log = "";

  async function start(): Promise<void> {
    const shell = spawn("/bin/sh", ["-c", supervisor, "sh", folder, "redis-server", ...leading, ...args], {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    group = shell;
    for (const output of [shell.stdout!, shell.stderr!]) {
      output.on("data", (text) => (log = (log + text).slice(-100_000)));
      unreference(output);
    }
    unreference(shell.stdin);
    shell.unref();
    const giveUpAt = performance.now() + startLimitMs;
    while (!(await answers(client))) {
      if (shell.exitCode !== null || performance.now() > giveUpAt)
        throw new Error(
          `redis-server did not start. If it is not installed: apt-get install -y redis-server (or brew install redis).\n${log}`,
        );
      await sleep(20);
    }
  }

  async function end(word: "keep" | "remove"): Promise<void> {
    const shell = group!;
    if (shell.exitCode !== null || shell.signalCode !== null) return;
    const ended = new Promise((resolve) => shell.once("exit", resolve));
    shell.ref();
    process.kill(-shell.pid!, "SIGCONT");
    shell.stdin!.end(`${word}\n`);
    await ended;
  }

  await start();
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port: port!,
    folder,
    client,
    kill: () => end("keep"),
    start,
    pause: () => void process.kill(-group!.pid!, "SIGSTOP"),
    resume: () => void process.kill(-group!.pid!, "SIGCONT"),
    async stop() {
      client.disconnect();
      await end("remove");
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Child processes and their pipes must not keep a test process alive that forgot to stop its server. */
function unreference(handle: unknown): void {
  (handle as { unref?: () => void }).unref?.();
}

async function answers(client: Redis): Promise<boolean> {
  try {
    if (client.status === "wait" || client.status === "end") await client.connect();
    await client.ping();
    return true;
  } catch {
    return false;
  }
}
