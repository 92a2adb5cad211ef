// A RabbitMQ of a test file's own: free ports, a node name and a data folder that nobody else has, and an epmd of its own.
// It lives in the process group of a shell that waits for the test process: when that one ends, in whatever way, the
// shell's standard input closes and it kills the server and epmd. Nothing is left.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const startLimitMs = 60_000;
const configuration = `
listeners.tcp.default = 127.0.0.1:PORT
disk_free_limit.absolute = 1MB
log.console = true
log.console.level = warning
log.file = false
`;
/**
 * epmd first, in the foreground, so that the server does not start one that outlives it. Then waits for a word or the end
 * of its input; the data is removed unless it was told to keep it.
 */
const supervisor = `
"$1" -port "$ERL_EPMD_PORT" -address 127.0.0.1 & epmd=$!
"$2" </dev/null & server=$!
read -r word
kill -KILL $server $epmd
wait
[ "$word" = keep ] || rm -rf "$3"
`;

export interface RabbitmqServer {
  /** `amqp://guest:guest@127.0.0.1:<port>//` */
  readonly url: string;
  readonly port: number;
  /** Kills it like a power cut. Durable queues and confirmed persistent messages survive a `start`. */
  kill(): Promise<void>;
  /** Starts it again on the same ports and data. */
  start(): Promise<void>;
  /** Stops it from running, its connections stay open: a machine that hangs. */
  pause(): void;
  resume(): void;
  /** Resolves with what it prints. */
  rabbitmqctl(...args: string[]): Promise<string>;
  /** Kills it and removes its data. */
  stop(): Promise<void>;
}

export interface RabbitmqOptions {
  /** Lines of rabbitmq.conf. */
  readonly configuration?: string;
  readonly plugins?: readonly string[];
}

export async function startRabbitmq({
  configuration: own = "",
  plugins = [],
}: RabbitmqOptions = {}): Promise<RabbitmqServer> {
  const server = program("rabbitmq-server");
  const epmd = program("epmd");
  const folder = await mkdtemp(join(tmpdir(), "beat-rabbitmq-"));
  const [port, distributionPort, epmdPort] = await freePorts(3);
  const logFile = join(folder, "console.log");
  await writeFile(join(folder, "rabbitmq.conf"), configuration.replace("PORT", String(port)) + own);
  await writeFile(join(folder, "enabled_plugins"), `[${plugins}].\n`);
  await writeFile(join(folder, "environment.conf"), "");
  const environment = {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    HOME: folder,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: `beat-${port}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_CONF_ENV_FILE: join(folder, "environment.conf"),
    RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "enabled_plugins"),
    RABBITMQ_MNESIA_BASE: join(folder, "data"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_PID_FILE: join(folder, "server.pid"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 2:2 +sbwt none +sbwtdcpu none -kernel inet_dist_use_interface {127,0,0,1}",
    // Makes the start script become the server instead of minding it.
    RUNNING_UNDER_SYSTEMD: "true",
  };
  let group: ChildProcess | undefined;

  async function start(): Promise<void> {
    const shell = spawn("/bin/sh", ["-c", supervisor, "sh", epmd, server, folder], {
      env: environment,
      cwd: folder,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    group = shell;
    for (const output of [shell.stdout, shell.stderr])
      output.on("data", (text) => void appendFile(logFile, text).catch(() => undefined));
    for (const stream of [shell, shell.stdin, shell.stdout, shell.stderr]) unreference(stream);
    const giveUpAt = performance.now() + startLimitMs;
    while (!(await answers(port!))) {
      if (shell.exitCode !== null || performance.now() > giveUpAt) {
        const log = await readFile(logFile, "utf8").catch(() => "");
        await end("remove");
        throw new Error(`rabbitmq-server did not start on port ${port}:\n${log.slice(-4_000)}`);
      }
      await sleep(50);
    }
  }

  async function end(word: "keep" | "remove"): Promise<void> {
    const shell = group;
    group = undefined;
    if (shell === undefined || shell.exitCode !== null || shell.signalCode !== null) return;
    const ended = new Promise((resolve) => shell.once("exit", resolve));
    shell.ref();
    process.kill(-shell.pid!, "SIGCONT");
    shell.stdin!.end(`${word}\n`);
    await ended;
    while (await answers(port!)) await sleep(20);
  }

  const signal = (name: "SIGSTOP" | "SIGCONT") => void process.kill(-group!.pid!, name);
  await start();
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}//`,
    port: port!,
    kill: () => end("keep"),
    start,
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
    rabbitmqctl: async (...args) =>
      (await promisify(execFile)(program("rabbitmqctl"), ["--quiet", ...args], { env: environment, cwd: folder }))
        .stdout,
    async stop() {
      await end("remove");
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Child processes and their pipes must not keep a test process alive that forgot to stop its server. */
function unreference(handle: unknown): void {
  (handle as { unref?: () => void }).unref?.();
}

/** Debian's programs in PATH are wrappers that change the user and the folder; the real ones are beside them. */
function program(name: string): string {
  const folders = [
    "/usr/lib/rabbitmq/bin",
    ...(process.env["PATH"] ?? "").split(":"),
    "/usr/local/sbin",
    "/usr/sbin",
    "/opt/homebrew/sbin",
  ];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(
    `${name} is not installed, and this test needs a RabbitMQ of its own. Install it: apt-get install -y rabbitmq-server (or brew install rabbitmq).`,
  );
}

/** Whether a server speaks AMQP there: it answers the protocol header with connection.start. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("AMQP\0\0\x09\x01"));
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => settle(false));
    socket
      .once("data", () => settle(true))
      .once("error", () => settle(false))
      .once("close", () => settle(false));
  });
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
