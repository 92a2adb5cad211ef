// Runs and logs for the tests of the runner.

import { type Definition, policyOf } from "../../src/core/definition.ts";
import type { Entry } from "../../src/core/entry.ts";
import type { Log, Run, Runner, RunOutcome } from "../../src/core/ports.ts";
import { targetOf } from "../../src/core/target.ts";

export const fireAt = Date.UTC(2027, 0, 1, 9);

let lastId = 0;

export function entryOf(definition: Partial<Definition>, name = "tidy"): Entry {
  return {
    id: ++lastId,
    name,
    origin: "cli",
    definition: { every: "10s", timezone: "UTC", ...definition } as Definition,
    createdAt: fireAt,
    anchorAt: fireAt,
    nextFireAt: fireAt,
    lastFireAt: null,
    runCount: 0,
    pausedAt: null,
    pauseNote: null,
    quarantine: null,
    removedAt: null,
    revision: 1,
  };
}

export function runOf(entry: Entry, changes: Partial<Run> = {}): Run {
  return {
    id: `run-${++lastId}`,
    entry,
    policy: policyOf(entry.definition),
    target: targetOf(entry.definition),
    fireAt,
    dueAt: fireAt,
    manual: false,
    attempt: 1,
    isAgain: false,
    missedCount: 0,
    params: undefined,
    ...changes,
  };
}

/** How late runs are started. */
export const lateMs = 250;

/** Starts a run; resolves when it is settled. A second settlement of the same run rejects. */
export async function outcomeOf(runner: Runner, run: Run): Promise<Pick<RunOutcome, "result" | "reason">> {
  const { result, reason } = await wholeOutcomeOf(runner, run);
  return { result, reason };
}

/** As outcomeOf, with all that it says. */
export function wholeOutcomeOf(runner: Runner, run: Run): Promise<RunOutcome> {
  return new Promise((resolve, reject) => {
    let settled = false;
    let returned = false;
    const place = runner.reserve(run, (_, outcome) => {
      if (settled) reject(new Error("settled twice"));
      if (!returned) reject(new Error("settled within start"));
      settled = true;
      resolve(outcome);
    });
    place.start(run.dueAt + lateMs);
    returned = true;
  });
}

export interface Line {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class RecordedLog implements Log {
  readonly lines: Line[] = [];
  #waiting: { readonly wanted: (line: Line) => boolean; readonly resolve: (line: Line) => void }[] = [];

  debug(message: string, fields = {}): void {
    this.#add({ level: "debug", message, fields });
  }

  info(message: string, fields = {}): void {
    this.#add({ level: "info", message, fields });
  }

  warn(message: string, fields = {}): void {
    this.#add({ level: "warn", message, fields });
  }

  error(message: string, fields = {}): void {
    this.#add({ level: "error", message, fields });
  }

  /** The first line, past or to come, of that text. */
  line(message: string): Promise<Line> {
    const wanted = (line: Line) => line.message === message;
    const past = this.lines.find(wanted);
    return past ? Promise.resolve(past) : new Promise((resolve) => this.#waiting.push({ wanted, resolve }));
  }

  #add(line: Line): void {
    this.lines.push(line);
    for (const { wanted, resolve } of this.#waiting) if (wanted(line)) resolve(line);
  }
}
