// One run, from its place among the others to its end: whether it was asked to stop, and what its job is told.

import type { Bagged } from "../core/bag.ts";
import type { CommandResult } from "../core/command-result.ts";
import type { Entry } from "../core/entry.ts";
import { JobError } from "../core/errors.ts";
import type { Log, Place, Run, RunOutcome, Settle } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import type { JobContext } from "./job.ts";

/** The runner, as its executions know it. */
export interface Owner {
  begin(execution: Execution): void;
  leave(execution: Execution): void;
  logOf(run: Run): Log;
}

/** Why a run was ended from outside. */
export class Ended extends JobError {
  readonly how: "timedOut" | "stopped" | "cancelled";

  constructor(how: Ended["how"], message: string) {
    super(message);
    this.name = "JobError";
    this.how = how;
  }
}

export class Execution implements Place, Bagged {
  place = -1;
  readonly run: Run;
  readonly settle: Settle<Run>;
  startedAt = 0;
  /** On the monotonic clock; undefined: it is about to begin. */
  beganAtMs: number | undefined;
  settled = false;
  /** Once it is settled. */
  outcome: RunOutcome | undefined;
  /** What a command left. */
  left: CommandResult | undefined;
  cancelTimeout: (() => void) | undefined;
  cancelGiveUp: (() => void) | undefined;
  readonly #owner: Owner;
  #ended: Ended | undefined;
  #controller: AbortController | undefined;

  constructor(run: Run, settle: Settle<Run>, owner: Owner) {
    this.run = run;
    this.settle = settle;
    this.#owner = owner;
  }

  start(now: Instant): void {
    this.startedAt = now;
    this.#owner.begin(this);
  }

  giveBack(): void {
    this.#owner.leave(this);
  }

  get inThread(): boolean {
    const { target } = this.run;
    return target.kind === "job" && target.in === "thread";
  }

  /** Why it was ended from outside, if it was. */
  get ended(): Ended | undefined {
    return this.#ended;
  }

  end(why: Ended): void {
    this.#ended = why;
    this.#controller?.abort(why);
  }

  /** Made for those that ask: most jobs never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended !== undefined) this.#controller.abort(this.#ended);
    }
    return this.#controller.signal;
  }

  get log(): Log {
    return this.#owner.logOf(this.run);
  }
}

/** What a job is told. What few jobs ask for is made when they do. */
export class Context implements JobContext {
  readonly entry: Entry;
  readonly params: unknown;
  readonly fireTime: Date;
  readonly lateMs: number;
  readonly missedCount: number;
  readonly attempt: number;
  readonly manual: boolean;
  readonly #execution: Execution;

  constructor(execution: Execution) {
    const { run, startedAt } = execution;
    const { entry, params, fireAt, dueAt, missedCount, attempt, manual } = run;
    this.entry = entry;
    this.params = params === undefined ? undefined : structuredClone(params);
    this.fireTime = new Date(fireAt);
    this.lateMs = Math.max(0, startedAt - dueAt);
    this.missedCount = missedCount;
    this.attempt = attempt;
    this.manual = manual;
    this.#execution = execution;
  }

  get dueTime(): Date {
    return new Date(this.#execution.run.dueAt);
  }

  get runId(): string {
    return this.#execution.run.id;
  }

  get signal(): AbortSignal {
    return this.#execution.signal;
  }

  get log(): Log {
    return this.#execution.log;
  }
}
