// Any long-running program as a terminal shows it: what it prints, in the order in which it comes, and how it ends.

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { delimiter } from "node:path";
import type { TestContext } from "node:test";

export class Running {
  readonly child: ChildProcess;
  /** stdout and stderr. */
  text = "";
  readonly #name: string;
  readonly #news = new EventEmitter();
  readonly #ended: Promise<void>;
  #isClosed = false;

  /** Leads a process group of its own, all of which is killed when the test ends. */
  constructor(t: TestContext, command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.#name = [command, ...args].join(" ");
    this.child = spawn(command, args, { env: systemEnvironment(), ...options, detached: true, stdio: "pipe" });
    for (const output of [this.child.stdout!, this.child.stderr!]) {
      output.setEncoding("utf8").on("data", (text) => {
        this.text += text;
        this.#news.emit("news");
      });
    }
    this.#ended = once(this.child, "close").then(() => {
      this.#isClosed = true;
      this.#news.emit("news");
    });
    t.after(async () => {
      this.signalGroup("SIGKILL");
      await this.#ended;
    });
  }

  /** Waits until what was printed after `from` characters matches. Fails, with all of it, when the program ends before or patience does. */
  async until(pattern: RegExp, { from = 0, patienceMs = 60_000 } = {}): Promise<RegExpMatchArray> {
    const limit = AbortSignal.timeout(patienceMs);
    while (true) {
      const found = this.text.slice(from).match(pattern);
      if (found !== null) return found;
      if (limit.aborted || this.#isClosed)
        throw new Error(
          `${this.#name} ${limit.aborted ? "did not print" : "ended before it printed"} ${pattern}:\n${this.text}`,
        );
      await once(this.#news, "news", { signal: limit }).catch(() => undefined);
    }
  }

  /** To the end, and its exit code; null when a signal ended it. */
  async exitCode(patienceMs = 60_000): Promise<number | null> {
    const timer = setTimeout(() => this.signalGroup("SIGKILL"), patienceMs);
    await this.#ended;
    clearTimeout(timer);
    return this.child.exitCode;
  }

  /** As Ctrl-C in a terminal does: every process of the group gets it. */
  signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.child.pid!, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** The environment of somebody who has just opened a terminal: nothing of npm's, of the test runner's, or of Beat's; and the machine's own Node. */
export function systemEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const ours = /^(BEAT_|NODE_TEST_CONTEXT$|NODE_OPTIONS$|NODE$|INIT_CWD$|npm_(?!config_)|npm_config_local_prefix$)/;
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name));
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((path) => !path.includes("node_modules"));
  return { ...Object.fromEntries(kept), PATH: folders.join(delimiter), ...more };
}
