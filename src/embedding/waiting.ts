// Who waits for the end of a run. Where the run is carried out by this process, it is told of; else the ledger is read until
// it says how the run ended, whoever carries it out.

import { JobError } from "../core/errors.ts";
import type { BeatEvent } from "../core/events.ts";
import type { Occurrence } from "../core/occurrence.ts";
import type { Clock } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { isFinal, type Outcome, outcomeOf, type RunHost } from "./run.ts";

const lookEveryMs = 500;
/** The oldest are left to the ledger where there are more. */
const mostAwaited = 10_000;
/** A run that was asked for, and one of the schedule. */
const rowsOfOneTime = 2;

type Read = (query: {
  readonly name: string;
  readonly before: Instant;
  readonly limit: number;
}) => Promise<Occurrence[]>;

export class Waiting implements RunHost {
  readonly #clock: Clock;
  readonly #read: Read;
  readonly #awaited = new Map<string, (outcome: Outcome) => void>();
  readonly #looks = new Set<Promise<Occurrence>>();
  readonly #sleepers = new Set<() => void>();
  #ended = false;

  constructor(clock: Clock, read: Read) {
    this.#clock = clock;
    this.#read = read;
  }

  /** What becomes of a run that is about to be asked for, where this process carries it out; else it never resolves. */
  outcomeOf(id: string): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#awaited.set(id, resolve);
    if (this.#awaited.size > mostAwaited) this.#awaited.delete(this.#awaited.keys().next().value!);
    return promise;
  }

  /** It was asked for in vain. */
  forget(id: string): void {
    this.#awaited.delete(id);
  }

  /** Whether anybody waits for what becomes of a run. */
  get isHearing(): boolean {
    return this.#awaited.size > 0;
  }

  hear(event: BeatEvent): void {
    if (!("runId" in event) || event.runId === null || !this.#awaited.has(event.runId)) return;
    const outcome = outcomeOf(event);
    if (outcome === undefined) return;
    this.#awaited.get(event.runId)?.(outcome);
    this.#awaited.delete(event.runId);
  }

  untilSettled(run: Occurrence): Promise<Occurrence> {
    const look = this.#lookUntilSettled(run).finally(() => this.#looks.delete(look));
    this.#looks.add(look);
    return look;
  }

  /** Nothing more comes: everybody looks once more. */
  async end(): Promise<void> {
    this.#ended = true;
    for (const wake of [...this.#sleepers]) wake();
    await Promise.allSettled(this.#looks);
  }

  async #lookUntilSettled({ id, entryName: name, fireAt }: Occurrence): Promise<Occurrence> {
    const fail = (message: string, remedy: string) => new JobError(message, { remedy, place: { entry: name } });
    for (;;) {
      const isLast = this.#ended;
      const rows = await this.#read({ name, before: fireAt + 1, limit: rowsOfOneTime });
      const row = rows.find((one) => one.id === id);
      if (row === undefined)
        throw fail("the run is not in the ledger any more", "Ask earlier, or keep the ledger longer (`retention`).");
      if (isFinal(row)) return row;
      if (isLast)
        throw fail(
          "the scheduler was stopped before the run had ended",
          "`runs()` of the next one tells how it ended.",
        );
      await new Promise<void>((resolve) => {
        const wake = () => {
          cancel();
          this.#sleepers.delete(wake);
          resolve();
        };
        const cancel = this.#clock.setTimer(lookEveryMs, wake);
        this.#sleepers.add(wake);
      });
    }
  }
}
