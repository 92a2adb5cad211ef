// One run as a program sees it: what the ledger says of it, and its result, which is there once the run has ended.

import { JobError } from "../core/errors.ts";
import type { RunEvent } from "../core/events.ts";
import type { Occurrence, OccurrenceState } from "../core/occurrence.ts";

/** What a run needs of its scheduler. */
export interface RunHost {
  /** Resolves with the row once its state is final. Rejects where that can't be waited for. */
  untilSettled(run: Occurrence): Promise<Occurrence>;
}

/** What became of a run in this process: more than the ledger keeps. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

const openStates: readonly OccurrenceState[] = ["claimed", "running"];

export class Run<Result = unknown> {
  /** The same over all tries, and after a crash. */
  readonly id: string;
  /** The entry's name. */
  readonly entry: string;
  readonly fireTime: Date;
  /** Somebody asked for it; the schedule did not. */
  readonly manual: boolean;
  /** When this was read: `claimed` (it waits), `running`, or what became of it. */
  readonly state: OccurrenceState;
  readonly reason: string | null;
  readonly attempts: number;
  readonly missedCount: number;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly #row: Occurrence;
  readonly #host: RunHost;
  readonly #here: Promise<Outcome> | undefined;
  #result: Promise<Result> | undefined;

  /** `here`: what becomes of it, where that is told in this process. */
  constructor(row: Occurrence, host: RunHost, here?: Promise<Outcome>) {
    const { id, entryName, fireAt, manual, state, reason, attempts, missedCount, startedAt, settledAt } = row;
    this.id = id;
    this.entry = entryName;
    this.fireTime = new Date(fireAt);
    this.manual = manual;
    this.state = state;
    this.reason = reason;
    this.attempts = attempts;
    this.missedCount = missedCount;
    this.startedAt = startedAt === null ? null : new Date(startedAt);
    this.endedAt = settledAt === null ? null : new Date(settledAt);
    this.#row = row;
    this.#host = host;
    this.#here = here;
  }

  /**
   * What the job returned, once it has: in the process that ran it the value itself, elsewhere and later what the ledger keeps
   * of it, JSON. Rejects with what the job threw, or with a JobError that says why there is no result. Reading it takes nothing
   * away.
   */
  result(): Promise<Result> {
    if (this.#result === undefined) {
      this.#result = this.#read() as Promise<Result>;
      // Whoever does not wait for it has the ledger, the log and the events: it ends no process.
      this.#result.catch(() => {});
    }
    return this.#result;
  }

  async #read(): Promise<unknown> {
    const settled = isFinal(this.#row) ? Promise.resolve(this.#row) : this.#host.untilSettled(this.#row);
    const found = await (this.#here === undefined ? settled : Promise.race([this.#here, settled]));
    if ("value" in found) return found.value;
    if ("error" in found) throw found.error;
    return resultOf(found);
  }
}

export function isFinal({ state }: Occurrence): boolean {
  return !openStates.includes(state);
}

function resultOf({ state, reason, result, entryName, fireAt }: Occurrence): unknown {
  if (state === "ran" && reason === null) return result === null ? undefined : JSON.parse(result);
  const why = reason === null ? "" : `: ${reason}`;
  if (state === "published")
    throw new JobError("it was sent to a Celery worker", { remedy: "Its result is in Celery's result backend." });
  throw new JobError(
    `${entryName}: the run of ${new Date(fireAt).toISOString()} ${state === "ran" ? "ran" : `is ${state}`}${why}`,
    { place: { entry: entryName } },
  );
}

/** The end of a run that is told of here; undefined: it goes on. */
export function outcomeOf(event: RunEvent): Outcome | undefined {
  switch (event.type) {
    case "run:succeeded":
      return { value: event.result };
    case "run:failed":
    case "run:timed-out":
      return { error: event.error ?? new JobError(event.reason) };
    case "run:cancelled":
    case "run:skipped":
    case "run:missed":
      return { error: new JobError(`${event.entry.name}: ${event.type.slice("run:".length)}: ${event.reason}`) };
    default:
      return undefined;
  }
}
