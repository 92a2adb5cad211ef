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

import type { CommandResult } from "../core/command-result.ts";
import { type Definition, type Policy, policyOf } from "../core/definition.ts";
import { JobError } from "../core/errors.ts";
import type { Clock, Closed, Log, Run, Runner, RunOutcome } from "../core/ports.ts";
import { isMessage, type Target, targetOf } from "../core/target.ts";
import { formatDuration } from "../core/time.ts";
import { runCommand } from "./command.ts";
import { setDeadline } from "./deadline.ts";
import { type JobContext, type JobFunction, type JobLimits, Jobs } from "./job.ts";
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

type Settle = (run: Run, outcome: RunOutcome) => void;

interface Execution {
  readonly run: Run;
  readonly settle: Settle;
  readonly policy: Policy;
  readonly target: Target;
  readonly controller: AbortController;
  readonly beganAtMs: number;
  /** Why it was ended from outside. */
  ended: Ended | undefined;
  settled: boolean;
  /** What a command left. */
  left: CommandResult | undefined;
  cancelTimeout: () => void;
  cancelGiveUp: () => void;
}

/** Why a run was ended from outside. */
class Ended extends JobError {
  readonly how: "timedOut" | "stopped" | "cancelled";

  constructor(how: Ended["how"], message: string) {
    super(message);
    this.name = "JobError";
    this.how = how;
  }
}

export function createRunner(options: RunnerOptions): LocalRunner {
  return new LocalRunner(options);
}

export class LocalRunner implements Runner {
  readonly #options: RunnerOptions;
  readonly #jobs: Jobs;
  readonly #threads: Threads;
  readonly #maxRuns: number;
  /** What has begun and not ended, by entry id; given-up runs included. */
  readonly #byEntry = new Map<number, Execution[]>();
  readonly #going = new Set<Execution>();
  /** Admitted, and not begun yet, by run id; and how many of them by entry id. */
  readonly #reserved = new Map<string, Run>();
  readonly #reservedOf = new Map<number, number>();
  /** Definitions never change: each is read once. */
  readonly #known = new WeakMap<Definition, { readonly policy: Policy; readonly target: Target }>();
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
    return this.#going.size;
  }

  admit(run: Run): ReturnType<Runner["admit"]> {
    const overlap = this.#overlap(run);
    if (overlap !== undefined) return overlap;
    const crowded = this.#crowd(run);
    if (crowded !== undefined) return crowded;
    if (this.#closing !== undefined) return { result: "wait", reason: "Beat is stopping" };
    const going = this.running + this.#reserved.size;
    if (going < this.#maxRuns) return undefined;
    return { result: "wait", reason: `${going} runs are going on, the most at once is ${this.#maxRuns}` };
  }

  reserve(run: Run): () => void {
    const { id } = run.entry;
    this.#reserved.set(run.id, run);
    this.#reservedOf.set(id, (this.#reservedOf.get(id) ?? 0) + 1);
    return () => this.#release(run);
  }

  #release(run: Run): void {
    const { id } = run.entry;
    if (!this.#reserved.delete(run.id)) return;
    const count = this.#reservedOf.get(id)! - 1;
    if (count === 0) this.#reservedOf.delete(id);
    else this.#reservedOf.set(id, count);
  }

  start(run: Run, settle: Settle): void {
    this.#release(run);
    if (this.#closed)
      void this.#report({ run, settle }, { result: "failed", reason: "it was not begun: Beat stopped" });
    else this.#begin(run, settle);
  }

  close(drainMs: number): Promise<Closed> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  /** What becomes of a run while others of its entry are going on; undefined: it may begin beside them. */
  #overlap(run: Run): ReturnType<Runner["admit"]> {
    const siblings = this.#byEntry.get(run.entry.id);
    const reserved = this.#reservedOf.get(run.entry.id) ?? 0;
    const { overlap, maxInstances } = this.#read(run).policy;
    if (siblings === undefined && reserved < maxInstances) return undefined;
    const others = siblings ?? [];
    const givenUp = others.filter((other) => other.settled).length;
    if (overlap !== "skip" && givenUp >= maxGivenUpRuns)
      return { result: "skipped", reason: `${givenUp} runs of it were given up and have not stopped` };
    // One that was given up can't be waited for.
    const going = overlap === "skip" ? others : others.filter((other) => !other.settled);
    if (going.length + reserved < maxInstances) return undefined;
    const result = overlap === "skip" || overlap === "allow" ? "skipped" : "queued";
    const [oldest] = going;
    if (oldest === undefined) return { result, reason: "another run of it is about to begin" };
    const forMs = Math.round(this.#options.clock.monotonic() - oldest.beganAtMs);
    const state = oldest.settled ? "was given up and has not stopped" : "is still going on";
    const reason = `the run of ${timeText(oldest.run.fireAt)} ${state}, ${formatDuration(forMs)} after its start`;
    if (overlap === "cancel")
      this.#abort(oldest, new Ended("cancelled", `cancelled: the run of ${timeText(run.fireAt)} took its place`));
    return { result, reason };
  }

  /** Whether as many runs of its job go on as may, of whichever entries. One that was given up can't be waited for. */
  #crowd({ entry: { definition } }: Run): ReturnType<Runner["admit"]> {
    const { job } = definition;
    const most = job === undefined ? undefined : this.#options.limits?.get(job)?.maxInstances;
    if (most === undefined) return undefined;
    const ofJob = (one: Run) => one.entry.definition.job === job;
    const going = this.#count(this.#going, (one) => ofJob(one.run)) + this.#count(this.#reserved.values(), ofJob);
    if (going < most) return undefined;
    return { result: "crowded", reason: `${going} runs of the job ${job} are going on, the most at once is ${most}` };
  }

  #count<One>(all: Iterable<One>, wanted: (one: One) => boolean): number {
    let count = 0;
    for (const one of all) if (wanted(one)) count++;
    return count;
  }

  #read({ entry: { definition } }: Run): { readonly policy: Policy; readonly target: Target } {
    let known = this.#known.get(definition);
    if (known === undefined) {
      known = { policy: policyOf(definition), target: targetOf(definition) };
      this.#known.set(definition, known);
    }
    return known;
  }

  /** Never throws. */
  #begin(run: Run, settle: Settle): void {
    const execution: Execution = {
      run,
      settle,
      ...this.#read(run),
      controller: new AbortController(),
      beganAtMs: this.#options.clock.monotonic(),
      ended: undefined,
      settled: false,
      left: undefined,
      cancelTimeout: () => {},
      cancelGiveUp: () => {},
    };
    this.#enter(execution);
    if (!inThread(execution)) this.#armTimeout(execution);
    const end = (outcome: RunOutcome) => this.#end(execution, outcome);
    const fail = (error: unknown) => end(this.#failed(execution, error));
    try {
      const given = this.#perform(execution);
      // Most jobs are done by now: they wait for nothing, and nothing waits for them.
      if (isThenable(given)) Promise.resolve(given).then((value) => end(this.#succeeded(execution, value)), fail);
      else end(this.#succeeded(execution, given));
    } catch (error) {
      fail(error);
    }
  }

  #armTimeout(execution: Execution): void {
    const { timeoutMs } = execution.policy;
    if (timeoutMs === null || execution.ended !== undefined) return;
    execution.cancelTimeout = setDeadline(this.#options.clock, timeoutMs, () =>
      this.#abort(execution, new Ended("timedOut", `timed out after ${formatDuration(timeoutMs)}`)),
    );
  }

  /** Asks it to end, and gives it up when it has not after a while. */
  #abort(execution: Execution, why: Ended): void {
    if (execution.ended !== undefined) return;
    execution.ended = why;
    // A command, or a thread, is killed at the end of the grace, and has as long again to vanish.
    const canBeKilled = execution.target.kind === "run" || inThread(execution);
    execution.cancelGiveUp = this.#options.clock.setTimer(canBeKilled ? 2 * stopGraceMs : stopGraceMs, () =>
      this.#settle(execution, ended(why, " and did not stop")),
    );
    execution.controller.abort(why);
  }

  #end(execution: Execution, outcome: RunOutcome): void {
    const { run, ended: why, left } = execution;
    execution.cancelTimeout();
    execution.cancelGiveUp();
    this.#leave(execution);
    if (execution.settled)
      this.#options.log.warn("A run that was given up has ended", { entry: run.entry.name, run: run.id });
    else this.#settle(execution, why === undefined ? outcome : { ...ended(why), ...jsonOf(left) });
  }

  #succeeded({ left }: Execution, value: unknown): RunOutcome {
    const { json, note } = keptResult(left ?? value);
    return { result: "ran", reason: note, value: left ?? value, json };
  }

  #failed({ run: { entry, attempt }, left }: Execution, error: unknown): RunOutcome {
    const reason = failureReason(error);
    const { job } = entry.definition;
    const retryIf = job === undefined ? undefined : this.#options.limits?.get(job)?.retryIf;
    const outcome = { result: "failed", error, ...jsonOf(left) } as const;
    try {
      return { ...outcome, reason, final: retryIf !== undefined && !retryIf(error, attempt) };
    } catch (thrown) {
      return { ...outcome, reason: `${reason}; and its retryIf threw: ${failureReason(thrown)}`, final: true };
    }
  }

  /** What the job gives, or a promise of it; that of a command and of a thread ends when they have. */
  #perform(execution: Execution): unknown {
    const { run, target, controller } = execution;
    if (isMessage(target)) throw new JobError(`a ${target.kind === "task" ? "Celery task" : "request"} can't run here`);
    if (target.kind === "run") return this.#performCommand(execution, target);
    const job = target.in === "thread" ? undefined : this.#jobs.registered(target.job);
    return job === undefined ? this.#performModule(execution, target) : job(this.#contextOf(run, controller));
  }

  #performCommand(execution: Execution, target: Target & { readonly kind: "run" }): Promise<void> {
    const { run, controller } = execution;
    return runCommand({
      ...target,
      env: { ...(this.#options.env ?? process.env), ...target.env, ...variablesOf(run) },
      signal: controller.signal,
      graceMs: stopGraceMs,
      clock: this.#options.clock,
      log: this.#logOf(run),
      onEnd: (left) => {
        execution.left = left;
      },
    });
  }

  async #performModule(execution: Execution, target: Target & { readonly kind: "job" }): Promise<unknown> {
    const { run, controller } = execution;
    if (target.in === "thread") {
      const source = await this.#jobs.source(target.job);
      const { signal, log, ...context } = this.#contextOf(run, controller);
      return this.#threads.run({ source, context, signal, log, onBegin: () => this.#armTimeout(execution) });
    }
    const job = await this.#jobs.find(target.job);
    controller.signal.throwIfAborted();
    return job(this.#contextOf(run, controller));
  }

  #contextOf(run: Run, controller: AbortController): JobContext {
    const logOf = () => this.#logOf(run);
    return {
      entry: run.entry,
      params: run.params === undefined ? undefined : structuredClone(run.params),
      fireTime: new Date(run.fireAt),
      dueTime: new Date(run.dueAt),
      lateMs: Math.max(0, this.#options.clock.now() - run.dueAt),
      missedCount: run.missedCount,
      runId: run.id,
      attempt: run.attempt,
      manual: run.manual,
      // Made for those that ask.
      get signal() {
        return controller.signal;
      },
      get log() {
        return logOf();
      },
    };
  }

  #logOf({ id, entry }: Run): Log {
    return withFields(this.#options.log, { entry: entry.name, run: id });
  }

  #enter(execution: Execution): void {
    this.#going.add(execution);
    const { id } = execution.run.entry;
    const siblings = this.#byEntry.get(id);
    if (siblings === undefined) this.#byEntry.set(id, [execution]);
    else siblings.push(execution);
  }

  #leave(execution: Execution): void {
    const { id } = execution.run.entry;
    const siblings = this.#byEntry.get(id);
    if (siblings === undefined || siblings.length === 1) this.#byEntry.delete(id);
    else siblings.splice(siblings.indexOf(execution), 1);
  }

  #settle(execution: Execution, outcome: RunOutcome): void {
    execution.settled = true;
    this.#going.delete(execution);
    void this.#report(execution, outcome);
    if (this.running === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Never in the caller's turn, and never harmed by what the caller does with it. */
  async #report({ run, settle }: { readonly run: Run; readonly settle: Settle }, outcome: RunOutcome): Promise<void> {
    await Promise.resolve();
    try {
      settle(run, outcome);
    } catch (error) {
      this.#options.log.error(`A run's end could not be handed on: ${failureReason(error)}`, {
        entry: run.entry.name,
        run: run.id,
      });
    }
  }

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
    for (const execution of this.#going)
      this.#abort(execution, new Ended("stopped", "stopped: Beat ended while it was going on"));
    if (this.#going.size > 0) await idle;
    await this.#threads.close();
    return { finished: going - aborted, aborted };
  }
}

function inThread({ target }: Execution): boolean {
  return target.kind === "job" && target.in === "thread";
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

function ended(error: Ended, more = ""): RunOutcome {
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
