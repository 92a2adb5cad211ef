// Outbox -> local runner. A run is recorded before it starts, so that a crash leaves a trace of it.

import { shareOf } from "../core/jitter.ts";
import type { Run, Runner, RunOutcome } from "../core/ports.ts";
import { formatDuration, hourMs } from "../core/time.ts";
import { DueQueue } from "./due-queue.ts";
import { type Held, lapseOf, settlementOf } from "./outbox.ts";
import { givesWay, type OutletOptions } from "./outlet.ts";

const retryMs = 500;
const longestRetryMs = hourMs;

export interface LauncherOptions extends OutletOptions {
  readonly runner: Runner;
}

export class Launcher {
  readonly #options: LauncherOptions;
  readonly #due: DueQueue;
  /** Runs that wait for any other one to end. */
  #queued: Held[] = [];
  /** Runs that wait for one of their own entry to end, by entry id. */
  readonly #behind = new Map<number, Held[]>();
  #pumping = false;
  #closed = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#due = new DueQueue({
      ...options,
      onDue: () => void options.look().then(() => this.pump()),
      givesWay: (held) => givesWay(held, options),
    });
  }

  get waiting(): number {
    const behind = [...this.#behind.values()].reduce((sum, { length }) => sum + length, 0);
    return this.#due.count() + this.#queued.length + behind;
  }

  get running(): number {
    return this.#options.runner.running;
  }

  add(held: Held): void {
    this.#due.add(held);
  }

  clear(): void {
    this.#due.clear();
    this.#queued = [];
    this.#behind.clear();
  }

  async pump(): Promise<void> {
    if (this.#pumping || this.#closed || !this.#options.mayAct()) return;
    this.#pumping = true;
    try {
      for (let batch = this.#admitted(); batch.length > 0; batch = this.#admitted()) {
        for (const held of batch) this.#settle(held, "running", null);
        if (!(await this.#options.settlements.flush())) {
          // Not recorded, so not begun: the store is away. Nor must that be recorded later, when others may lead.
          for (const held of batch) {
            held.state = "waiting";
            this.#settle(held, "claimed", null);
          }
          this.#queued.unshift(...batch);
          this.#options.clock.setTimer(retryMs, () => void this.pump());
          return;
        }
        for (const held of batch) this.#start(held);
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Begins nothing more; lets what runs end within the time, then aborts it. */
  async close(drainMs: number): Promise<void> {
    this.#closed = true;
    await this.#options.runner.close(drainMs);
  }

  #admitted(): Held[] {
    const admitted: Held[] = [];
    const queued = this.#queued;
    this.#queued = [];
    const take = () => queued.shift() ?? this.#due.takeFresh() ?? this.#due.takeLate();
    for (let held = take(); held !== undefined; held = take()) {
      if (held.state !== "waiting") continue;
      if (this.#admit(held)) {
        held.state = "starting";
        admitted.push(held);
      }
      // One that waits for another run to end holds back those behind it.
      if (admitted.length === 1_000 || this.#queued.length > 0) break;
    }
    this.#queued.push(...queued);
    return admitted;
  }

  #admit(held: Held): boolean {
    const lapse = lapseOf(held, this.#options.clock.now());
    if (lapse !== undefined) {
      this.#finish(held, lapse.state, lapse.reason);
      return false;
    }
    const answer = this.#options.runner.admit(runOf(held));
    if (answer === undefined) return true;
    if (answer.result === "skipped" && held.attempts > 0) this.#finish(held, "failed", `not retried: ${answer.reason}`);
    else if (answer.result === "skipped") this.#finish(held, "skipped", answer.reason);
    else if (answer.result === "wait") this.#queued.push(held);
    else this.#queueBehind(held);
    return false;
  }

  #queueBehind(held: Held): void {
    const { id } = held.compiled.entry;
    const others = this.#behind.get(id);
    if (others === undefined) this.#behind.set(id, [held]);
    else others.push(held);
  }

  #start(held: Held): void {
    held.state = "waiting";
    if (this.#closed || !this.#options.outbox.leading) {
      this.#settle(held, "claimed", null);
      this.#options.outbox.delete(held);
      return;
    }
    // Asked again: one of the same batch may be of the same entry.
    if (!this.#admit(held)) {
      if (held.state === "waiting") this.#settle(held, "claimed", null);
      return;
    }
    const run = runOf(held);
    held.state = "in-flight";
    held.attempts++;
    held.startedAt = this.#options.clock.now();
    if (held.attempts === 1) this.#options.tally.lateness.run.add(held.startedAt - held.dueAt);
    this.#options.runner.start(run, (_, outcome) => this.#onOutcome(held, outcome));
  }

  #onOutcome(held: Held, outcome: RunOutcome): void {
    if (outcome.result === "failed" && this.#mayRetry(held)) this.#retry(held, outcome.reason);
    else this.#finish(held, outcome.result, outcome.reason);
    const { id } = held.compiled.entry;
    this.#queued.push(...(this.#behind.get(id) ?? []));
    this.#behind.delete(id);
    void this.pump();
  }

  #mayRetry({ attempts, compiled }: Held): boolean {
    return attempts < compiled.policy.maxAttempts && !this.#closed && this.#options.outbox.leading;
  }

  /** It has run, and so gives way to nothing: it runs again, under the same id, after a while. */
  #retry(held: Held, reason: string | null): void {
    const { clock, narrator } = this.#options;
    const { maxAttempts, retryDelayMs } = held.compiled.policy;
    const longest = Math.min(longestRetryMs, retryDelayMs * 2 ** (held.attempts - 1));
    const delayMs = Math.round(longest * (1 - shareOf(held.id, held.attempts) / 5));
    const next = `try ${held.attempts} of ${maxAttempts} failed: ${reason ?? "no reason given"}; the next is in ${formatDuration(delayMs)}`;
    held.state = "waiting";
    held.doubtful = true;
    this.#settle(held, "claimed", next);
    narrator.retried(held, next);
    clock.setTimer(delayMs, () => {
      if (held.state !== "waiting") return;
      this.#queued.push(held);
      void this.pump();
    });
  }

  #finish(held: Held, state: "ran" | "failed" | "skipped" | "missed", reason: string | null): void {
    const { outbox, narrator, onRoom } = this.#options;
    this.#settle(held, state, reason);
    outbox.delete(held);
    narrator.settled(held, state, reason);
    onRoom();
  }

  #settle(
    held: Held,
    state: "running" | "ran" | "failed" | "skipped" | "missed" | "claimed",
    reason: string | null,
  ): void {
    const { settlements, clock } = this.#options;
    settlements.add(settlementOf(held, state, reason, clock.now()));
  }
}

function runOf(held: Held): Run {
  const { id, fireAt, dueAt, manual, compiled, attempts } = held;
  return { id, entry: compiled.entry, fireAt, dueAt, manual, attempt: attempts + 1 };
}
