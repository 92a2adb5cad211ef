// Tells of runs, and of what becomes of entries by themselves, in the words of core/events.ts. Events are made only of what
// runs here, and those of runs, of which there may be thousands a second, only where somebody hears them.

import type { CompiledEntry, Entry } from "../core/entry.ts";
import type { BeatEvent, RunEvent } from "../core/events.ts";
import type { Occurrence } from "../core/occurrence.ts";
import type { Clock, PassedRange, RunOutcome } from "../core/ports.ts";
import { isMessage } from "../core/target.ts";
import type { Held } from "./outbox.ts";

export type Tell = (event: BeatEvent) => void;

/** What a run ends with, as the ledger has it. */
export type Ending = "ran" | "failed" | "skipped" | "missed" | "cancelled" | "abandoned";

type Outcome = Omit<RunOutcome, "result">;

export class Herald {
  readonly #clock: Clock;
  readonly #tell: Tell | undefined;
  readonly #isHeard: () => boolean;
  /** Of which it was told that they are due, and not yet what became of them. */
  readonly #due = new Set<string>();

  /** `isHeard`: whether anybody listens, or waits for a run. */
  constructor(clock: Clock, tell: Tell | undefined, isHeard: () => boolean = () => true) {
    this.#clock = clock;
    this.#tell = tell;
    this.#isHeard = isHeard;
  }

  /** Once for each run, however often it is looked at. */
  due(held: Held): void {
    if (this.#tell === undefined || !this.#isHeard() || this.#due.has(held.id)) return;
    this.#due.add(held.id);
    this.#tell({ type: "run:due", ...this.#runOf(held), attempt: held.attempts + 1 });
  }

  started(held: Held, lateMs: number): void {
    if (this.#isHeard()) this.#tell?.({ type: "run:started", ...this.#runOf(held), lateMs });
  }

  retried(held: Held, { error, reason }: RunOutcome, delayMs: number): void {
    this.#tell?.({ type: "run:retried", ...this.#runOf(held), error, reason: reason ?? "", delayMs });
  }

  ended(held: Held, ending: Ending, outcome: Outcome): void {
    this.#isOver(held);
    if (this.#tell === undefined || !this.#isHeard() || isMessage(held.compiled.target)) return;
    this.#tell(this.#endOf(held, ending, outcome));
  }

  #isOver(held: Held): void {
    if (this.#due.size > 0) this.#due.delete(held.id);
  }

  #endOf(held: Held, ending: Ending, { error, value, timedOut, ...outcome }: Outcome): RunEvent {
    const run = this.#runOf(held);
    const reason = outcome.reason ?? "";
    switch (ending) {
      case "ran":
        return { type: "run:succeeded", ...run, result: value, tookMs: run.at - (held.startedAt ?? run.at) };
      case "failed":
        return { type: timedOut === true ? "run:timed-out" : "run:failed", ...run, error, reason };
      case "cancelled":
        return { type: "run:cancelled", ...run, reason };
      case "abandoned":
        return { type: "run:abandoned", ...run, reason, again: true };
      case "skipped":
        return { type: "run:skipped", ...this.#timeOf(held), reason, state: "skipped" };
      case "missed":
        return { type: "run:missed", ...this.#timeOf(held), reason };
    }
  }

  /** It gave way to a newer one. */
  superseded(held: Held): void {
    this.#isOver(held);
    if (!this.#isHeard() || isMessage(held.compiled.target)) return;
    const reason = "a newer fire time runs in its place";
    this.#tell?.({ type: "run:skipped", ...this.#timeOf(held), reason, state: "coalesced" });
  }

  /** Somebody took it out of the outbox. */
  withdrawn(held: Held): void {
    this.ended(held, "cancelled", { reason: "its entry was changed, paused or removed" });
  }

  /** A process that ended left it. */
  abandoned(entry: Entry, { id, fireAt, manual, attempts, reason }: Occurrence, again: boolean): void {
    const fireTime = new Date(fireAt);
    const at = this.#clock.now();
    const run = { at, entry, runId: id, fireTime, attempt: attempts, manual };
    this.#tell?.({ type: "run:abandoned", ...run, reason: reason ?? "", again });
  }

  /** Fire times that never became a run. */
  passed({ entry, target }: CompiledEntry, ranges: readonly PassedRange[]): void {
    if (this.#tell === undefined || isMessage(target)) return;
    for (const { fromFireAt, untilFireAt, count, state, reason } of ranges) {
      const [fireTime, untilFireTime] = [new Date(fromFireAt), new Date(untilFireAt)];
      const times = { at: this.#clock.now(), entry, runId: null, fireTime, untilFireTime, count, reason };
      if (state === "missed") this.#tell({ type: "run:missed", ...times });
      else if (state === "coalesced") this.#tell({ type: "run:skipped", ...times, state });
    }
  }

  finished(entry: Entry): void {
    this.#tell?.({ type: "entry:finished", at: this.#clock.now(), entry });
  }

  parked(entry: Entry, reason: string): void {
    this.#tell?.({ type: "entry:parked", at: this.#clock.now(), entry, reason });
  }

  resumed(entry: Entry): void {
    this.#tell?.({ type: "entry:resumed", at: this.#clock.now(), entry, from: "parked" });
  }

  leads(leading: boolean): void {
    this.#tell?.({ type: leading ? "scheduler:leading" : "scheduler:standing-by", at: this.#clock.now() });
  }

  /** The end of a term: what is still to be done is told of by the next one. */
  clear(): void {
    this.#due.clear();
  }

  #runOf({ id, compiled: { entry }, fireAt, attempts, manual }: Held) {
    const attempt = Math.max(1, attempts);
    return { at: this.#clock.now(), entry, runId: id, fireTime: new Date(fireAt), attempt, manual };
  }

  #timeOf({ id, compiled: { entry }, fireAt }: Held) {
    const fireTime = new Date(fireAt);
    return { at: this.#clock.now(), entry, runId: id, fireTime, untilFireTime: fireTime, count: 1 };
  }
}
