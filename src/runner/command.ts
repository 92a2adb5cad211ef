// Commands as child processes. Each leads a process group of its own, so that what it starts ends with it: on abort the
// whole group gets SIGTERM and, after the grace, SIGKILL. A run lasts until the command has ended and its output is
// closed: what it left in the background and still prints belongs to it; what was detached with its output elsewhere does not,
// unless the run is aborted.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { CommandResult } from "../core/command-result.ts";
import { JobError } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import type { CommandTarget } from "../core/target.ts";
import { Output } from "./output.ts";
import { failureReason, reasonWithOutput } from "./reason.ts";

const groupPollMs = 100;

export interface Command extends Pick<CommandTarget, "command"> {
  /** Default /bin/sh. */
  readonly shell?: string;
  /** Default: this process's own. */
  readonly cwd?: string | undefined;
  /** The child's whole environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What it reads from its stdin; nothing where it is left out. */
  readonly input?: string;
  readonly signal: AbortSignal;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Called once where it was started, before the promise settles. */
  readonly onEnd?: (result: CommandResult) => void;
}

/**
 * The groups that go on. A process that ends before them (a second signal, a loop that stood still) takes them along: what the
 * next one runs would run beside them.
 */
const groups = new Set<number>();
process.on("exit", () => {
  for (const pid of groups) signalGroup(pid, "SIGKILL");
});

/** Resolves when nothing of the command is left and it had succeeded; rejects with JobError saying how it ended otherwise. */
export async function runCommand(what: Command): Promise<void> {
  what.signal.throwIfAborted();
  const child = startProcess(what);
  const { pid } = child;
  if (pid === undefined) throw notStarted(what, await failureOf(child));
  groups.add(pid);
  const output = new Output(what.log);
  output.read(child.stdout!, "stdout");
  output.read(child.stderr!, "stderr");
  const stopping = stopOnAbort(child, what);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    // A signal that could not be sent: how it ended is told all the same.
    child.on("error", () => {});
    child.on("close", (code, signal) => resolve([code, signal]));
  }).finally(stopping.release);
  await stopping.done();
  groups.delete(pid);
  what.onEnd?.({ exit_code: code, signal, stdout: output.endOf("stdout"), stderr: output.endOf("stderr") });
  if (code !== 0)
    throw new JobError(reasonWithOutput(endOf(code, signal, typeof what.command === "string"), output.end));
}

function startProcess(what: Command): ChildProcess {
  const { env, cwd, input } = what;
  const [file, ...rest] = argumentsOf(what);
  try {
    const stdin = input === undefined ? "ignore" : "pipe";
    const child = spawn(file!, rest, { cwd, env: { ...env }, detached: true, stdio: [stdin, "pipe", "pipe"] });
    // A command need not read what it is given.
    child.stdin?.on("error", () => {}).end(input);
    return child;
  } catch (error) {
    throw notStarted(what, error);
  }
}

function argumentsOf({ command, shell = "/bin/sh" }: Command): readonly string[] {
  return typeof command === "string" ? [shell, "-c", command] : command;
}

/** Why it was not started, which is told a moment later. Where file descriptors are exhausted it has no streams either. */
async function failureOf(child: ChildProcess): Promise<unknown> {
  const [error] = await once(child, "error").catch((error: unknown) => [error]);
  return error;
}

function stopOnAbort(child: ChildProcess, { signal, graceMs, clock }: Command) {
  const pid = child.pid;
  let cancelKill = () => {};
  let stopping = false;
  let killed = false;
  const kill = () => {
    killed = true;
    signalGroup(pid, "SIGKILL");
    // A process that left the group may hold the pipes open for ever: what it prints is not waited for any more.
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const stop = () => {
    stopping = true;
    signalGroup(pid, "SIGTERM");
    cancelKill = clock.setTimer(graceMs, kill);
  };
  signal.addEventListener("abort", stop, { once: true });
  return {
    release: () => signal.removeEventListener("abort", stop),
    /** After an abort: until the last of the group has gone. */
    async done(): Promise<void> {
      while (stopping && !killed && groupIsAlive(pid)) {
        await new Promise<void>((resolve) => clock.setTimer(groupPollMs, resolve));
      }
      cancelKill();
    },
  };
}

function signalGroup(pid: number | undefined, name: "SIGTERM" | "SIGKILL"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // ESRCH: it has ended by itself. EPERM: it has taken other rights; then the run is given up by the runner.
  }
}

function groupIsAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(-pid, 0);
  } catch {
    return false;
  }
}

function endOf(code: number | null, signal: string | null, shell: boolean): string {
  if (signal !== null) return `killed by ${signal}`;
  if (shell && code === 127) return "exit code 127 (the shell found no such command)";
  if (shell && code === 126) return "exit code 126 (the shell can't execute it)";
  return `exit code ${code}`;
}

function notStarted(what: Command, error: unknown): JobError {
  const [file] = argumentsOf(what);
  const { cwd } = what;
  const code = (error as NodeJS.ErrnoException).code;
  if ((code === "ENOENT" || code === "ENOTDIR") && cwd !== undefined && !existsSync(cwd))
    return new JobError(`there is no folder "${cwd}" to run it in`, { remedy: "Check its `cwd`.", cause: error });
  if (code === "ENOENT") {
    return new JobError(`there is no command "${file}"`, {
      remedy: "Check its spelling and the PATH that Beat was started with.",
      cause: error,
    });
  }
  if (code === "EMFILE" || code === "ENFILE") {
    return new JobError(`"${file}" can't be started: too many open files (${code})`, {
      remedy: "Raise the limit (ulimit -n, LimitNOFILE=), or let fewer runs go on at once.",
      cause: error,
    });
  }
  if (code === "EACCES") return new JobError(`"${file}" is not executable`, { cause: error });
  return new JobError(`"${file}" can't be started: ${failureReason(error)}`, { cause: error });
}
