// Runs local jobs and commands. What it owes: each run is settled exactly once, whatever the job does, and no job can
// harm another.
//
//   start ──> going on ──> ended by itself ───────────────────────────> ran | failed
//                │
//                └─ timeout or close: aborted ──> ended in the grace ─> failed: timed out after 5s
//                                         └─────> still there ────────> failed: timed out after 5s and did not stop
//
// A function can't be killed. One that does not stop is given up: its run is settled and no longer takes a place among the
// concurrent runs, but it counts for its entry's overlap until it really ends, so that hanging copies do not pile up.

import { Bag } from "../core/bag.ts";
import type { CommandResult } from "../core/command-result.ts";
import { JobError } from "../core/errors.ts";
import { ListsByEntry } from "../core/lists-by-entry.ts";
import type { Clock, Closed, Log, Place, Run, Runner, RunOutcome, Settle } from "../core/ports.ts";
import { isMessage, type Target } from "../core/target.ts";
import { formatDuration } from "../core/time.ts";
import { runCommand } from "./command.ts";
import { setDeadline } from "./deadline.ts";
import { Context, Ended, Execution, type Owner } from "./execution.ts";
import { type JobFunction, type JobLimits, Jobs } from "./job.ts";
import { failureReason } from "./reason.ts";
import { keptResult } from "./result.ts";
import { Threads } from "./threads.ts";

export type { JobContext, JobFunction, JobLimits } from "./job.ts";

const stopGraceMs = 5_000;
const maxGivenUpRuns = 10;

export interface RunnerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Functions that `job: name` finds. Read at each run: it may grow. */
  readonly jobs: ReadonlyMap<string, JobFunction>;
  /** By the same names. Read at each run. */
  readonly limits?: ReadonlyMap<string, JobLimits>;
  /** Where `job: ./file.ts#export` finds files, and nowhere else. */
  readonly jobsDir: string | undefined;
  /** Default 100. */
  readonly maxConcurrentRuns?: number;
  /** Of jobs in threads; more of them wait. Default: as many as there are processors. */
  readonly maxThreads?: number;
  /** What commands inherit; default: this process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export function createRunner(options: RunnerOptions): LocalRunner {
  return new LocalRunner(options);
}

export class LocalRunner implements Runner, Owner {
  readonly #options: RunnerOptions;
  readonly #jobs: Jobs;
  readonly #threads: Threads;
  readonly #maxRuns: number;
  /** What has a place and has not ended; given-up runs included. */
  readonly #executions = new ListsByEntry<Execution>();
  /** What has a place and is not settled, and how many of it have not begun. */
  readonly #places = new Bag<Execution>();
  #reserved = 0;
  /** Whose outcomes are to be handed on in the next turn. */
  #ended: Execution[] = [];
  #whenIdle: (() => void)[] = [];
  #closing: Promise<Closed> | undefined;
  #closed = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#jobs = new Jobs(options.jobs, options.jobsDir);
    this.#threads = new Threads({ ...options, graceMs: stopGraceMs });
    this.#maxRuns = options.maxConcurrentRuns ?? 100;
  }

  /** Why a job of this name can't run here; undefined: it can. */
  whyMissing(job: string): string | undefined {
    return this.#jobs.whyMissing(job);
  }

  get running(): number {
    return this.#places.size - this.#reserved;
  }

  admit(run: Run): ReturnType<Runner["admit"]> {
    const overlap = this.#overlap(run);
    if (overlap !== undefined) return overlap;
    const { limits } = this.#options;
    const crowded = limits === undefined || limits.size === 0 ? undefined : this.#crowd(run, limits);
    if (crowded !== undefined) return crowded;
    if (this.#closing !== undefined) return { result: "wait", reason: "Beat is stopping" };
    const going = this.#places.size;
    if (going < this.#maxRuns) return undefined;
    return { result: "wait", reason: `${going} runs are going on, the most at once is ${this.#maxRuns}` };
  }

  reserve<R extends Run>(run: R, settle: Settle<R>): Place {
    const execution = new Execution(run, settle as Settle<Run>, this);
    this.#reserved++;
    this.#places.add(execution);
    this.#executions.add(run.entry.id, execution);
    return execution;
  }

  /** Its place is free. */
  leave(execution: Execution): void {
    if (execution.beganAtMs === undefined) this.#reserved--;
    this.#places.delete(execution);
    this.#executions.delete(execution.run.entry.id, execution);
  }

  close(drainMs: number): Promise<Closed> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  /** What becomes of a run while others of its entry are going on; undefined: it may begin beside them. */
  #overlap(run: Run): ReturnType<Runner["admit"]> {
    const all = this.#executions.of(run.entry.id);
    if (all.length === 0) return undefined;
    const { overlap, maxInstances } = run.policy;
    const givenUp = all.filter((other) => other.settled).length;
    if (overlap !== "skip" && givenUp >= maxGivenUpRuns)
      return { result: "skipped", reason: `${givenUp} runs of it were given up and have not stopped` };
    // One that was given up can't be waited for.
    const going = overlap === "skip" ? all : all.filter((other) => !other.settled);
    if (going.length < maxInstances) return undefined;
    const oldest = going.find(({ beganAtMs }) => beganAtMs !== undefined);
    const waits = overlap === "queue" || overlap === "cancel" || (run.isAgain && going.some(({ settled }) => !settled));
    const result = waits ? "queued" : "skipped";
    if (oldest === undefined) return { result, reason: "another run of it is about to begin" };
    const forMs = Math.round(this.#options.clock.monotonic() - oldest.beganAtMs!);
    const state = oldest.settled ? "was given up and has not stopped" : "is still going on";
    const reason = `the run of ${timeText(oldest.run.fireAt)} ${state}, ${formatDuration(forMs)} after its start`;
    if (overlap === "cancel")
      this.#abort(oldest, new Ended("cancelled", `cancelled: the run of ${timeText(run.fireAt)} took its place`));
    return { result, reason };
  }

  /** Whether as many runs of its job go on as may, of whichever entries. One that was given up can't be waited for. */
  #crowd({ entry }: Run, limits: ReadonlyMap<string, JobLimits>): ReturnType<Runner["admit"]> {
    const { job } = entry.definition;
    const most = job === undefined ? undefined : limits.get(job)?.maxInstances;
    if (most === undefined) return undefined;
    let going = 0;
    for (const { run } of this.#places.items) if (run.entry.definition.job === job) going++;
    if (going < most) return undefined;
    return { result: "crowded", reason: `${going} runs of the job ${job} are going on, the most at once is ${most}` };
  }

  begin(execution: Execution): void {
    this.#reserved--;
    execution.beganAtMs = this.#options.clock.monotonic();
    if (this.#closed) {
      this.#end(execution, { result: "failed", reason: "it was not begun: Beat stopped" });
      return;
    }
    if (!execution.inThread) this.#armTimeout(execution);
    try {
      const given = this.#perform(execution);
      // Most jobs are done by now: they wait for nothing, and nothing waits for them.
      if (isThenable(given)) this.#await(execution, given);
      else this.#end(execution, this.#succeeded(execution, given));
    } catch (error) {
      this.#end(execution, this.#failed(execution, error));
    }
  }

  #await(execution: Execution, given: PromiseLike<unknown>): void {
    Promise.resolve(given).then(
      (value) => this.#end(execution, this.#succeeded(execution, value)),
      (error) => this.#end(execution, this.#failed(execution, error)),
    );
  }

  #armTimeout(execution: Execution): void {
    const { timeoutMs } = execution.run.policy;
    if (timeoutMs === null || execution.ended !== undefined) return;
    execution.cancelTimeout = setDeadline(this.#options.clock, timeoutMs, () =>
      this.#abort(execution, new Ended("timedOut", `timed out after ${formatDuration(timeoutMs)}`)),
    );
  }

  /** Asks it to end, and gives it up when it has not after a while. */
  #abort(execution: Execution, why: Ended): void {
    if (execution.ended !== undefined) return;
    // A command, or a thread, is killed at the end of the grace, and has as long again to vanish.
    const canBeKilled = execution.run.target.kind === "run" || execution.inThread;
    execution.cancelGiveUp = this.#options.clock.setTimer(canBeKilled ? 2 * stopGraceMs : stopGraceMs, () =>
      this.#settle(execution, outcomeOf(why, " and did not stop")),
    );
    execution.end(why);
  }

  #end(execution: Execution, outcome: RunOutcome): void {
    const { run, ended, left } = execution;
    execution.cancelTimeout?.();
    execution.cancelGiveUp?.();
    this.leave(execution);
    if (execution.settled)
      this.#options.log.warn("A run that was given up has ended", { entry: run.entry.name, run: run.id });
    else this.#settle(execution, ended === undefined ? outcome : { ...outcomeOf(ended), ...jsonOf(left) });
  }

  #succeeded({ left }: Execution, value: unknown): RunOutcome {
    const { json, note } = keptResult(left ?? value);
    return { result: "ran", reason: note, value: left ?? value, json };
  }

  #failed({ run: { entry, attempt }, left, settled }: Execution, error: unknown): RunOutcome {
    const reason = failureReason(error);
    const { job } = entry.definition;
    // One that was given up is over, whatever it ends with.
    const retryIf = job === undefined || settled ? undefined : this.#options.limits?.get(job)?.retryIf;
    const outcome = { result: "failed", error, ...jsonOf(left) } as const;
    try {
      return { ...outcome, reason, final: retryIf !== undefined && !retryIf(error, attempt) };
    } catch (thrown) {
      return { ...outcome, reason: `${reason}; and its retryIf threw: ${failureReason(thrown)}`, final: true };
    }
  }

  /** What the job gives, or a promise of it; that of a command and of a thread ends when they have. */
  #perform(execution: Execution): unknown {
    const { target } = execution.run;
    if (isMessage(target)) throw new JobError(`a ${target.kind === "task" ? "Celery task" : "request"} can't run here`);
    if (target.kind === "run") return this.#performCommand(execution, target);
    const job = target.in === "thread" ? undefined : this.#jobs.registered(target.job);
    return job === undefined ? this.#performModule(execution, target) : job(this.#contextOf(execution));
  }

  #performCommand(execution: Execution, target: Target & { readonly kind: "run" }): Promise<void> {
    const { run, signal, log } = execution;
    return runCommand({
      ...target,
      env: { ...(this.#options.env ?? process.env), ...target.env, ...variablesOf(run) },
      signal,
      graceMs: stopGraceMs,
      clock: this.#options.clock,
      log,
      onEnd: (left) => {
        execution.left = left;
      },
    });
  }

  async #performModule(execution: Execution, target: Target & { readonly kind: "job" }): Promise<unknown> {
    if (target.in === "thread") {
      const source = await this.#jobs.source(target.job);
      const { signal, log } = execution;
      const own = this.#contextOf(execution);
      const context = { ...own, dueTime: own.dueTime, runId: own.runId };
      return this.#threads.run({ source, context, signal, log, onBegin: () => this.#armTimeout(execution) });
    }
    const job = await this.#jobs.find(target.job);
    execution.signal.throwIfAborted();
    return job(this.#contextOf(execution));
  }

  #contextOf(execution: Execution): Context {
    return new Context(execution);
  }

  logOf({ id, entry }: Run): Log {
    return withFields(this.#options.log, { entry: entry.name, run: id });
  }

  #settle(execution: Execution, outcome: RunOutcome): void {
    execution.settled = true;
    this.#places.delete(execution);
    // Never in the caller's turn.
    execution.outcome = outcome;
    if (this.#ended.push(execution) === 1) queueMicrotask(this.#handOn);
    if (this.#whenIdle.length > 0 && this.running === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Never harmed by what becomes of it. */
  readonly #handOn = (): void => {
    const ended = this.#ended;
    this.#ended = [];
    const now = this.#options.clock.now();
    for (const { run, settle, outcome } of ended) {
      try {
        settle(run, outcome!, now);
      } catch (error) {
        const fields = { entry: run.entry.name, run: run.id };
        this.#options.log.error(`A run's end could not be handed on: ${failureReason(error)}`, fields);
      }
    }
  };

  async #close(drainMs: number): Promise<Closed> {
    const going = this.running;
    const idle = this.running === 0 ? Promise.resolve() : new Promise<void>((resolve) => this.#whenIdle.push(resolve));
    let cancel = () => {};
    const drained = new Promise<void>((resolve) => {
      cancel = setDeadline(this.#options.clock, drainMs, resolve);
    });
    await Promise.race([idle, drained]);
    cancel();
    this.#closed = true;
    const aborted = this.running;
    for (const execution of [...this.#places.items]) {
      if (execution.beganAtMs !== undefined)
        this.#abort(execution, new Ended("stopped", "stopped: Beat ended while it was going on"));
    }
    if (aborted > 0) await idle;
    await this.#threads.close();
    return { finished: going - aborted, aborted };
  }
}

function jsonOf(left: CommandResult | undefined): { readonly json?: string } {
  return left === undefined ? {} : { json: JSON.stringify(left) };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function withFields(log: Log, own: Readonly<Record<string, unknown>>): Log {
  return {
    debug: (message, fields) => log.debug(message, { ...fields, ...own }),
    info: (message, fields) => log.info(message, { ...fields, ...own }),
    warn: (message, fields) => log.warn(message, { ...fields, ...own }),
    error: (message, fields) => log.error(message, { ...fields, ...own }),
  };
}

function outcomeOf(error: Ended, more = ""): RunOutcome {
  const outcome = { reason: `${failureReason(error)}${more}`, error };
  return error.how === "cancelled"
    ? { result: "cancelled", ...outcome }
    : { result: "failed", ...outcome, [error.how]: true };
}

/** What a command is told about the run. Instants are ISO 8601 in UTC. */
function variablesOf(run: Run): Record<string, string> {
  return {
    BEAT_NAME: run.entry.name,
    BEAT_FIRE_TIME: timeText(run.fireAt),
    BEAT_DUE_TIME: timeText(run.dueAt),
    BEAT_RUN_ID: run.id,
    BEAT_ATTEMPT: String(run.attempt),
    BEAT_SCHEDULED: run.manual ? "0" : "1",
  };
}

function timeText(at: number): string {
  return new Date(at).toISOString();
}
