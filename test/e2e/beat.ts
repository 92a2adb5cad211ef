// `beat` as a user runs it: a process of its own, on a database in a folder of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

export const root = resolve(import.meta.dirname, "../..");
const command = join(root, "bin/beat.js");
const patienceMs = 30_000;

/** A folder that goes when the test ends. */
export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "beat-test-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One command, to its end. */
export async function beat(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<Finished> {
  return finished(spawn(process.execPath, [command, ...args], { ...options, env: { ...clean(), ...options.env } }));
}

export async function finished(child: ChildProcess): Promise<Finished> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (data) => {
    stdout += data;
  });
  child.stderr?.on("data", (data) => {
    stderr += data;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { code, stdout, stderr };
}

/** Variables of the machine that would change what is tested. */
function clean(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("BEAT_") && name !== "NODE_TEST_CONTEXT"),
  );
}

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** `beat start`, its log as JSON lines. Killed when the test ends, if it still runs. */
export class Daemon {
  readonly lines: Line[] = [];
  readonly child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #awake: (() => void)[] = [];

  constructor(
    t: TestContext,
    args: readonly string[],
    options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
  ) {
    this.child = spawn(process.execPath, [command, "start", "--log-format", "json", ...args], {
      cwd: options.cwd,
      env: { ...clean(), ...options.env },
      stdio: ["ignore", "inherit", "pipe"],
    });
    createInterface({ input: this.child.stderr! }).on("line", (text) => this.#take(text));
    this.#ended = new Promise((done) => this.child.once("close", (code) => done(code)));
    void this.#ended.then(() => this.#wake());
    t.after(async () => {
      this.child.kill("SIGKILL");
      await this.#ended;
    });
  }

  /** The first line, so far or to come, that matches. */
  async line(pattern: RegExp): Promise<Line> {
    return this.until(() => this.lines.find(({ message }) => pattern.test(message)), `a line like ${pattern}`);
  }

  /** Waits for lines until `find` has an answer. Fails, with the log, when the process ends or patience does. */
  async until<Found>(find: () => Found | undefined, what: string): Promise<Found> {
    const endsAt = performance.now() + patienceMs;
    for (let found = find(); ; found = find()) {
      if (found !== undefined) return found;
      const leftMs = endsAt - performance.now();
      if (leftMs < 0 || this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(
          `${what} did not come${leftMs < 0 ? "" : "; the process ended"}. Its log:\n${this.lines.map((line) => JSON.stringify(line)).join("\n")}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, 250));
        this.#awake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** SIGTERM, and its exit code. */
  async stop(): Promise<number | null> {
    this.child.kill("SIGTERM");
    return this.#ended;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#ended;
  }

  #take(text: string): void {
    try {
      this.lines.push(JSON.parse(text));
    } catch {
      this.lines.push({ level: "raw", message: text });
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#awake.splice(0)) wake();
  }
}
