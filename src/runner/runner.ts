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

import { policyOf } from "../core/definition.ts";
import { JobError } from "../core/errors.ts";
import type { Clock, Closed, Log, Run, Runner, RunOutcome } from "../core/ports.ts";
import { targetOf } from "../core/target.ts";
import { formatDuration } from "../core/time.ts";
import { runCommand } from "./command.ts";
import { setDeadline } from "./deadline.ts";
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

type Settle = (run: Run, outcome: RunOutcome) => void;

interface Execution {
  readonly run: Run;
  readonly settle: Settle;
  readonly controller: AbortController;
  readonly beganAtMs: number;
  /** Its time-out counts from now on. */
  readonly onBegin: () => void;
  settled: boolean;
}

/** Why a run was ended from outside. */
class Ended extends JobError {
  readonly how: "timedOut" | "stopped" | "cancelled";

  constructor(how: Ended["how"], message: string) {
    super(message);
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
  readonly #byEntry = new Map<number, Set<Execution>>();
  readonly #going = new Set<Execution>();
  /** Admitted, and not begun yet, by run id. */
  readonly #reserved = new Map<string, Run>();
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
    this.#reserved.set(run.id, run);
    return () => this.#reserved.delete(run.id);
  }

  start(run: Run, settle: Settle): void {
    this.#reserved.delete(run.id);
    if (this.#closed)
      void this.#report({ run, settle }, { result: "failed", reason: "it was not begun: Beat stopped" });
    else void this.#execute(run, settle);
  }

  close(drainMs: number): Promise<Closed> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  /** What becomes of a run while others of its entry are going on; undefined: it may begin beside them. */
  #overlap(run: Run): ReturnType<Runner["admit"]> {
    const others = [...(this.#byEntry.get(run.entry.id) ?? [])];
    const { overlap, maxInstances } = policyOf(run.entry.definition);
    const givenUp = others.filter((other) => other.settled).length;
    if (overlap !== "skip" && givenUp >= maxGivenUpRuns)
      return { result: "skipped", reason: `${givenUp} runs of it were given up and have not stopped` };
    // One that was given up can't be waited for.
    const going = overlap === "skip" ? others : others.filter((other) => !other.settled);
    const reserved = this.#count(this.#reserved.values(), ({ entry }) => entry.id === run.entry.id);
    if (going.length + reserved < maxInstances) return undefined;
    const result = overlap === "skip" || overlap === "allow" ? "skipped" : "queued";
    const [oldest] = going;
    if (oldest === undefined) return { result, reason: "another run of it is about to begin" };
    const forMs = Math.round(this.#options.clock.monotonic() - oldest.beganAtMs);
    const state = oldest.settled ? "was given up and has not stopped" : "is still going on";
    const reason = `the run of ${timeText(oldest.run.fireAt)} ${state}, ${formatDuration(forMs)} after its start`;
    if (overlap === "cancel")
      oldest.controller.abort(new Ended("cancelled", `cancelled: the run of ${timeText(run.fireAt)} took its place`));
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

  /** Never rejects. */
  async #execute(run: Run, settle: Settle): Promise<void> {
    const { clock, log } = this.#options;
    const execution: Execution = {
      run,
      settle,
      controller: new AbortController(),
      beganAtMs: clock.monotonic(),
      onBegin: () => {
        if (timeoutMs === null || controller.signal.aborted) return;
        const timeout = `timed out after ${formatDuration(timeoutMs)}`;
        cancelTimeout = setDeadline(clock, timeoutMs, () => controller.abort(new Ended("timedOut", timeout)));
      },
      settled: false,
    };
    const { controller } = execution;
    this.#enter(execution);
    const { timeoutMs } = policyOf(run.entry.definition);
    let cancelTimeout = () => {};
    if (!inThread(run)) execution.onBegin();
    // A command, or a thread, is killed at the end of the grace, and has as long again to vanish.
    const canBeKilled = run.entry.definition.run !== undefined || inThread(run);
    const patienceMs = canBeKilled ? 2 * stopGraceMs : stopGraceMs;
    let cancelGiveUp = () => {};
    controller.signal.addEventListener("abort", () => {
      cancelGiveUp = clock.setTimer(patienceMs, () => {
        this.#settle(execution, ended(controller.signal.reason as Ended, " and did not stop"));
      });
    });
    const outcome = await this.#perform(execution).then(
      (value): RunOutcome => this.#succeeded(value),
      (error: unknown): RunOutcome => this.#failed(run, error),
    );
    cancelTimeout();
    cancelGiveUp();
    this.#leave(execution);
    const { aborted, reason } = controller.signal;
    if (execution.settled) log.warn("A run that was given up has ended", { entry: run.entry.name, run: run.id });
    else this.#settle(execution, aborted ? ended(reason as Ended) : outcome);
  }

  #succeeded(value: unknown): RunOutcome {
    const { json, note } = keptResult(value);
    return { result: "ran", reason: note, value, json };
  }

  #failed({ entry: { definition }, attempt }: Run, error: unknown): RunOutcome {
    const reason = failureReason(error);
    const retryIf = definition.job === undefined ? undefined : this.#options.limits?.get(definition.job)?.retryIf;
    try {
      return { result: "failed", reason, error, final: retryIf !== undefined && !retryIf(error, attempt) };
    } catch (thrown) {
      return {
        result: "failed",
        reason: `${reason}; and its retryIf threw: ${failureReason(thrown)}`,
        error,
        final: true,
      };
    }
  }

  /** Ends when the job or command has, with what it gave back. */
  async #perform({ run, controller: { signal }, onBegin }: Execution): Promise<unknown> {
    const { clock } = this.#options;
    const { entry } = run;
    const log = withFields(this.#options.log, { entry: entry.name, run: run.id });
    const target = targetOf(entry.definition);
    if (target.kind === "task") throw new JobError("a Celery task can't run here");
    if (target.kind === "run") {
      const env = { ...(this.#options.env ?? process.env), ...target.env, ...variablesOf(run) };
      return runCommand({ ...target, env, signal, graceMs: stopGraceMs, clock, log });
    }
    const told = {
      entry,
      params: structuredClone(run.params),
      fireTime: new Date(run.fireAt),
      dueTime: new Date(run.dueAt),
      lateMs: Math.max(0, clock.now() - run.dueAt),
      missedCount: run.missedCount,
      runId: run.id,
      attempt: run.attempt,
      manual: run.manual,
    };
    if (target.in === "thread") {
      const source = await this.#jobs.source(target.job);
      return this.#threads.run({ source, context: told, signal, log, onBegin });
    }
    const job = await this.#jobs.find(target.job);
    signal.throwIfAborted();
    return job({ ...told, signal, log });
  }

  #enter(execution: Execution): void {
    this.#going.add(execution);
    const { id } = execution.run.entry;
    const siblings = this.#byEntry.get(id);
    if (siblings === undefined) this.#byEntry.set(id, new Set([execution]));
    else siblings.add(execution);
  }

  #leave(execution: Execution): void {
    const { id } = execution.run.entry;
    const siblings = this.#byEntry.get(id);
    siblings?.delete(execution);
    if (siblings?.size === 0) this.#byEntry.delete(id);
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
      execution.controller.abort(new Ended("stopped", "stopped: Beat ended while it was going on"));
    if (this.#going.size > 0) await idle;
    await this.#threads.close();
    return { finished: going - aborted, aborted };
  }
}

function inThread({ entry: { definition } }: Run): boolean {
  return definition.job !== undefined && definition.in === "thread";
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
