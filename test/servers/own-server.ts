// A server of a test file's own, with a folder that nobody else has. It lives in the process group of a shell that waits for the
// test process: when that one ends, in whatever way, the shell's standard input closes, and it kills the server and removes its
// folder. Nothing is left.

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const startLimitMs = 60_000;

export interface OwnServer {
  /** Like a power cut. What it confirmed survives a `start`. */
  kill(): Promise<void>;
  /** Again, on the same ports and data. Rejects with what it printed where it does not come up. */
  start(): Promise<void>;
  /** Stops it from running, its connections stay open: a machine that hangs. */
  pause(): void;
  resume(): void;
  /** Kills it and removes its folder. */
  stop(): Promise<void>;
}

export interface ServerProgram {
  /** In errors. */
  readonly name: string;
  readonly folder: string;
  readonly command: readonly string[];
  /** Starts `command` in the shell and sets `servers` to what is to be killed: where one program is not all. */
  readonly script?: string;
  readonly killedBy?: "KILL" | "QUIT";
  readonly options?: Pick<SpawnOptions, "cwd" | "env" | "uid" | "gid">;
  /** Whether it is up. Never rejects. */
  answers(): Promise<boolean>;
}

/** Resolves once it answers. */
export async function startServer(program: ServerProgram): Promise<OwnServer> {
  const { name, folder, command, killedBy = "KILL", options, answers } = program;
  const script = `
folder=$1; shift
${program.script ?? '"$@" </dev/null & servers=$!'}
read -r word
kill -${killedBy} $servers
wait
[ "$word" = keep ] || rm -rf "$folder"
`;
  let group: ChildProcess | undefined;
  let log = "";

  async function start(): Promise<void> {
    const shell = spawn("/bin/sh", ["-c", script, "sh", folder, ...command], {
      ...options,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    group = shell;
    for (const output of [shell.stdout, shell.stderr])
      output.on("data", (text) => (log = (log + text).slice(-100_000)));
    // They must not keep a test process alive that forgot to stop its server.
    for (const handle of [shell, shell.stdin, shell.stdout, shell.stderr]) (handle as { unref?(): void }).unref?.();
    const giveUpAt = performance.now() + startLimitMs;
    while (!(await answers())) {
      if (shell.exitCode !== null || performance.now() > giveUpAt) {
        await end("remove");
        throw new Error(`${name} did not start:\n${log.slice(-4_000)}`);
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
  }

  await start();
  return {
    kill: () => end("keep"),
    start,
    pause: () => void process.kill(-group!.pid!, "SIGSTOP"),
    resume: () => void process.kill(-group!.pid!, "SIGCONT"),
    async stop() {
      await end("remove");
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export const serverFolder = (name: string): Promise<string> => mkdtemp(join(tmpdir(), `beat-${name}-`));

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = firstPort + (portsTried++ % portsInAll);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/** Below those that systems give to clients: a server that is stopped and started again would find its own taken by one. */
const [firstPort, portsInAll] = [10_000, 22_000];
/** Each process begins elsewhere. */
let portsTried = process.pid * 53;

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** How apt and brew call what a program comes in. */
type Packages = readonly [apt: string, brew: string];

/** Where a program is: in one of `folders`, or in PATH. Throws where it is not. */
export function programPath(name: string, packages: Packages, folders: readonly string[] = []): string {
  const path = (process.env["PATH"] ?? "").split(":");
  const all = [...folders, ...path, "/usr/local/sbin", "/usr/sbin", "/opt/homebrew/bin", "/opt/homebrew/sbin"];
  return all.map((folder) => join(folder, name)).find((file) => existsSync(file)) ?? notInstalled(name, packages);
}

export function notInstalled(name: string, [apt, brew]: Packages): never {
  throw new Error(
    `${name} is not installed, and this test needs a server of its own. Install it: apt-get install -y ${apt} (or brew install ${brew}).`,
  );
}
