// Outbox -> local runner. A run is recorded before it starts, so that a crash leaves a trace of it.

import { shareOf } from "../core/jitter.ts";
import type { Closed, Runner, RunOutcome } from "../core/ports.ts";
import { formatDuration, hourMs, type Instant } from "../core/time.ts";
import { DueQueue } from "./due-queue.ts";
import type { Ending } from "./herald.ts";
import { type Held, lapseOf, note, settlementOf } from "./outbox.ts";
import { givesWay, type OutletOptions } from "./outlet.ts";
import type { Parking } from "./parking.ts";

const retryMs = 500;
const longestRetryMs = hourMs;
const batchSize = 1_000;
const tidiedLength = 64;
const none: readonly never[] = [];

export interface LauncherOptions extends OutletOptions {
  readonly runner: Runner;
  readonly parking: Parking;
}

export class Launcher {
  readonly #options: LauncherOptions;
  readonly #due: DueQueue;
  /** Runs that wait for any other one to end. */
  #queued: Held[] = [];
  /** Runs that wait for one of their own entry to end, by entry id. */
  readonly #behindEntry = new Map<number, Held[]>();
  /** Runs that wait for one of their own job to end, and the jobs of which one has. */
  readonly #behindJob = new Map<string, Held[]>();
  readonly #freed = new Set<string>();
  /** Runs that wait for their job to be registered. */
  readonly #parked = new Map<string, Held[]>();
  /** All that stand in one of these three lines. What is released after a claim comes again by the way on which it came. */
  readonly #inLine = new Set<Held>();
  #pumping = false;
  #isPumpDue = false;
  #closed = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#due = new DueQueue({
      ...options,
      onDue: () => void options.look().then(() => this.pump()),
      givesWay: (held, now) => givesWay(held, now, options),
    });
  }

  get waiting(): number {
    const behind = [...this.#behindEntry.values(), ...this.#behindJob.values(), ...this.#parked.values()];
    return this.#due.size + this.#queued.length + behind.reduce((sum, { length }) => sum + length, 0);
  }

  get running(): number {
    return this.#options.runner.running;
  }

  add(held: Held, now: Instant): void {
    this.#due.add(held, now);
  }

  /** What waited for this job goes on. */
  registered(job: string): void {
    this.#queued.push(...this.#takeLine(this.#parked, job));
    void this.pump();
  }

  clear(): void {
    this.#due.clear();
    this.#queued = [];
    for (const line of [this.#behindEntry, this.#behindJob, this.#freed, this.#parked, this.#inLine]) line.clear();
  }

  async pump(): Promise<void> {
    if (this.#pumping || this.#closed || !this.#options.mayAct()) return;
    this.#pumping = true;
    try {
      for (let batch = this.#admitted(); batch.length > 0; batch = this.#admitted()) {
        const now = this.#options.clock.now();
        for (const held of batch) this.#settle(held, "running", null, now);
        if (!(await this.#options.settlements.flush())) {
          // Not recorded, so not begun: the store is away. Nor must that be recorded later, when others may lead.
          for (const held of batch) {
            this.#giveBack(held, now);
            this.#queued.push(held);
          }
          this.#options.clock.setTimer(retryMs, () => void this.pump());
          return;
        }
        for (const held of batch) this.#start(held);
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** After what else ends in this moment: what may begin then is recorded in one transaction. */
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.#options.clock.setTimer(0, this.#onPumpDue);
  }

  readonly #onPumpDue = () => {
    this.#isPumpDue = false;
    void this.pump();
  };

  /** Begins nothing more; lets what runs end within the time, then aborts it. */
  async close(drainMs: number): Promise<Closed> {
    this.#closed = true;
    return this.#options.runner.close(drainMs);
  }

  // ------------------------------------------------------------------------------------------------------- admission

  /** Runs that will begin when that is recorded. */
  #admitted(): Held[] {
    const batch: Held[] = [];
    const now = this.#options.clock.now();
    if (this.#freed.size > 0) for (const job of [...this.#freed]) this.#admitLine(job, batch, now);
    const queued = this.#queued;
    this.#queued = [];
    const take = () => queued.shift() ?? this.#due.takeFresh(now) ?? this.#due.takeLate(now);
    while (batch.length < batchSize) {
      const held = take();
      if (held === undefined) break;
      // One that waits for another run to end holds back those behind it.
      if (this.#admit(held, batch, now) === "wait") {
        this.#queued.push(held);
        break;
      }
    }
    this.#queued.push(...queued);
    return batch;
  }

  /** Those that waited for a run of their job to end, as many as have room now. */
  #admitLine(job: string, batch: Held[], now: Instant): void {
    const line = this.#behindJob.get(job) ?? [];
    this.#behindJob.delete(job);
    this.#freed.delete(job);
    for (const [index, held] of line.entries()) {
      this.#inLine.delete(held);
      const answer = this.#admit(held, batch, now);
      if (answer !== "wait" && answer !== "crowded") continue;
      this.#inLine.add(held);
      // Before what came behind it, also where that has put itself at the end of the line.
      const rest = line.slice(answer === "wait" ? index : index + 1);
      this.#behindJob.set(job, [...(this.#behindJob.get(job) ?? []), ...rest]);
      if (answer === "wait") this.#freed.add(job);
      return;
    }
  }

  /** Takes a run into the batch, or puts it where it waits, or ends it; `wait`: whoever asked keeps it. */
  #admit(held: Held, batch: Held[], now: Instant): "wait" | "crowded" | undefined {
    const { herald, parking, runner } = this.#options;
    if (held.state !== "waiting" || this.#inLine.has(held)) return undefined;
    herald.due(held);
    const lapse = lapseOf(held, now);
    if (lapse !== undefined) {
      this.#finish(held, lapse.state, lapse, now);
      return undefined;
    }
    if (parking.holds(held.compiled)) {
      this.#park(held, now);
      return undefined;
    }
    const answer = runner.admit(held);
    if (answer === undefined) {
      batch.push(held);
      held.place = runner.reserve(held, this.#onOutcome);
      held.state = "starting";
    } else if (answer.result === "skipped" && held.attempts > 0)
      this.#finish(held, "failed", { reason: `not retried: ${answer.reason}` }, now);
    else if (answer.result === "skipped") this.#finish(held, "skipped", answer, now);
    else if (answer.result === "queued") this.#stand(this.#behindEntry, held.compiled.entry.id, held);
    else if (answer.result === "crowded") this.#stand(this.#behindJob, jobOf(held)!, held);
    return answer?.result === "wait" || answer?.result === "crowded" ? answer.result : undefined;
  }

  #park(held: Held, now: Instant): void {
    const { parking, settlements } = this.#options;
    this.#stand(this.#parked, jobOf(held)!, held);
    settlements.add(note(held, parking.reasonOf(held.compiled.entry.id)!, now));
  }

  /** Everybody leaves the line. */
  #takeLine<Key>(lines: Map<Key, Held[]>, key: Key): readonly Held[] {
    const line = lines.get(key);
    if (line === undefined) return none;
    lines.delete(key);
    for (const held of line) this.#inLine.delete(held);
    return line;
  }

  /** At the end of its line. Those that are gone leave a long one now and then: newer ones may take their place for as long as it stands still. */
  #stand<Key>(lines: Map<Key, Held[]>, key: Key, held: Held): void {
    this.#inLine.add(held);
    const line = lines.get(key);
    if (line === undefined) lines.set(key, [held]);
    else if (line.push(held) >= tidiedLength && Number.isInteger(Math.log2(line.length))) {
      const { gone = [], there = [] } = Object.groupBy(line, ({ state }) => (state === "gone" ? "gone" : "there"));
      for (const one of gone) this.#inLine.delete(one);
      lines.set(key, there);
    }
  }

  // --------------------------------------------------------------------------------------------------------- running

  /** It was not begun, and waits again. */
  #giveBack(held: Held, now: Instant): void {
    held.place!.giveBack();
    held.place = undefined;
    held.state = "waiting";
    this.#settle(held, "claimed", null, now);
  }

  #start(held: Held): void {
    const { clock, outbox, herald, tally } = this.#options;
    const now = clock.now();
    if (this.#closed || !outbox.leading) {
      this.#giveBack(held, now);
      outbox.delete(held);
      return;
    }
    held.state = "in-flight";
    held.attempts++;
    held.startedAt = now;
    const lateMs = Math.max(0, now - held.dueAt);
    if (held.attempts === 1) tally.lateness.run.add(lateMs);
    herald.started(held, lateMs);
    held.place!.start(now);
    held.place = undefined;
    // It is there to be cancelled now.
    if (held.compiled.policy.overlap === "cancel") this.#releaseBehind(held, now);
  }

  readonly #onOutcome = (held: Held, outcome: RunOutcome, at: Instant): void => {
    if (outcome.stopped === true && held.attempts < held.compiled.policy.maxAbandonedAttempts)
      this.#leave(held, outcome, at);
    else if (outcome.result === "failed" && this.#mayRetry(held, outcome)) this.#retry(held, outcome, at);
    else this.#finish(held, outcome.result, outcome, at);
    if (this.#behindEntry.size > 0) this.#releaseBehind(held, at);
    if (this.#behindJob.size > 0) this.#releaseCrowd(held);
    if (this.#queued.length > 0 || this.#freed.size > 0 || this.#due.size > 0) this.#pumpSoon();
  };

  #releaseCrowd(held: Held): void {
    const job = jobOf(held);
    if (job !== undefined && this.#behindJob.has(job)) this.#freed.add(job);
  }

  /** What waits for runs of this entry is looked at again. Under `cancel` the newest takes the place of the others. */
  #releaseBehind({ compiled: { entry, policy } }: Held, now: Instant): void {
    const waiting = this.#takeLine(this.#behindEntry, entry.id).filter(({ state }) => state === "waiting");
    const newest = policy.overlap === "cancel" ? waiting.pop() : undefined;
    if (newest === undefined) this.#queued.push(...waiting);
    else {
      const reason = `cancelled: the run of ${new Date(newest.fireAt).toISOString()} took its place`;
      for (const held of waiting) this.#finish(held, "cancelled", { reason }, now);
      this.#queued.push(newest);
    }
  }

  #mayRetry({ attempts, compiled }: Held, { final = false }: RunOutcome): boolean {
    return !final && attempts < compiled.policy.maxAttempts && !this.#closed && this.#options.outbox.leading;
  }

  /** It has run, and so gives way to nothing: it runs again, under the same id, after a while. */
  #retry(held: Held, outcome: RunOutcome, now: Instant): void {
    const { clock, narrator, herald } = this.#options;
    const { maxAttempts, retryDelayMs } = held.compiled.policy;
    const longest = Math.min(longestRetryMs, retryDelayMs * 2 ** (held.attempts - 1));
    const delayMs = Math.round(longest * (1 - shareOf(held.id, held.attempts) / 5));
    const next = `try ${held.attempts} of ${maxAttempts} failed: ${outcome.reason ?? "no reason given"}; the next is in ${formatDuration(delayMs)}`;
    held.state = "waiting";
    held.doubtful = true;
    this.#settle(held, "claimed", next, now);
    narrator.retried(held, next);
    herald.retried(held, outcome, delayMs);
    clock.setTimer(delayMs, () => {
      if (held.state !== "waiting") return;
      this.#queued.push(held);
      void this.pump();
    });
  }

  /** Beat stops, and the run may begin again: it is left to the next start. */
  #leave(held: Held, { reason }: RunOutcome, now: Instant): void {
    const { outbox, herald } = this.#options;
    this.#settle(held, "claimed", `${reason}; it begins again with the next start`, now);
    outbox.delete(held);
    herald.ended(held, "abandoned", { reason });
  }

  #finish(held: Held, state: Exclude<Ending, "abandoned">, outcome: Omit<RunOutcome, "result">, now: Instant): void {
    const { outbox, narrator, herald, onRoom } = this.#options;
    this.#settle(held, state, outcome.reason, now, outcome.json);
    outbox.delete(held);
    narrator.settled(held, state, outcome.reason, now);
    herald.ended(held, state, outcome);
    onRoom();
  }

  #settle(
    held: Held,
    state: "running" | "claimed" | Exclude<Ending, "abandoned">,
    reason: string | null,
    now: Instant,
    result: string | null = null,
  ): void {
    this.#options.settlements.add(settlementOf(held, state, reason, now, result));
  }
}

function jobOf({ compiled: { target } }: Held): string | undefined {
  return target.kind === "job" ? target.job : undefined;
}
