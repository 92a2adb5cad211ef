// One readable line for each dispatch and run; in a burst, one for the lot. A log must not cost more than the work.

import type { Clock, Log, PassedRange } from "../core/ports.ts";
import { formatDuration, type Instant } from "../core/time.ts";
import type { Held } from "./outbox.ts";

const gatherMs = 25;
const linesAtMost = 20;

/** What was done in a moment: all that each was late, and those that get a line of their own if there are no more. */
interface Batch {
  readonly lateMs: number[];
  readonly lines: { readonly held: Held; readonly lateMs: number; readonly tookMs: number }[];
}

interface Missed {
  readonly name: string;
  readonly range: PassedRange;
}

export class Narrator {
  readonly #clock: Clock;
  readonly #log: Log;
  #published: Batch = newBatch();
  #ran: Batch = newBatch();
  #missed: Missed[] = [];

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  published(held: Held, lateMs: number): void {
    if (add(this.#published, held, lateMs, 0) === 1) this.#clock.setTimer(gatherMs, this.#tell);
  }

  retried(held: Held, reason: string): void {
    const { name } = held.compiled.entry;
    this.#log.warn(`${name}: ${reason}`, { entry: name, id: held.id, reason });
  }

  settled(
    held: Held,
    outcome: "ran" | "failed" | "skipped" | "missed" | "cancelled",
    reason: string | null,
    now: Instant,
  ): void {
    if (outcome === "ran") {
      const startedAt = held.startedAt ?? now;
      const count = add(this.#ran, held, startedAt - held.dueAt, now - startedAt);
      if (count === 1) this.#clock.setTimer(gatherMs, this.#tellRan);
      return;
    }
    const { name } = held.compiled.entry;
    const fields = { ...fieldsOf(held), ...(reason && { reason }) };
    this.#log[outcome === "failed" ? "error" : "warn"](`${outcome} ${name}: ${reason ?? "no reason given"}`, fields);
  }

  /** Fire times that were found too late; what gives way to another one is not worth a line. */
  passed(name: string, ranges: readonly PassedRange[]): void {
    for (const range of ranges)
      if (range.state === "missed" && this.#missed.push({ name, range }) === 1)
        this.#clock.setTimer(gatherMs, () => this.#tellMissed());
  }

  #tellMissed(): void {
    const batch = this.#missed;
    this.#missed = [];
    if (batch.length > linesAtMost) {
      const count = batch.reduce((sum, { range }) => sum + range.count, 0);
      this.#log.warn(`missed ${count} fire times of ${batch.length} entries`, { count });
      return;
    }
    for (const { name, range } of batch) {
      const { reason, count } = range;
      const fireTime = new Date(range.fromFireAt).toISOString();
      const which = count === 1 ? name : `${count} fire times of ${name}`;
      this.#log.warn(`missed ${which}: ${reason}`, { entry: name, fireTime, count, reason });
    }
  }

  readonly #tellRan = (): void => {
    const batch = this.#ran;
    this.#ran = newBatch();
    if (batch.lateMs.length <= linesAtMost) {
      for (const { held, lateMs, tookMs } of batch.lines) {
        const fields = { ...fieldsOf(held), lateMs, tookMs };
        this.#log.info(`ran ${held.compiled.entry.name} in ${formatDuration(tookMs)}`, fields);
      }
      return;
    }
    const { words, fields } = latenessOf(batch);
    this.#log.info(`ran ${fields.count} jobs, ${words}`, fields);
  };

  readonly #tell = (): void => {
    const batch = this.#published;
    this.#published = newBatch();
    if (batch.lateMs.length <= linesAtMost) {
      for (const { held, lateMs } of batch.lines) {
        const { name } = held.compiled.entry;
        this.#log.info(`sent ${name}${whereTo(held)}`, {
          entry: name,
          id: held.id,
          queue: held.message?.queue,
          fireTime: new Date(held.fireAt).toISOString(),
          lateMs,
        });
      }
      return;
    }
    const { words, fields } = latenessOf(batch);
    this.#log.info(`sent ${fields.count} messages, ${words}`, fields);
  };
}

function whereTo({ compiled: { target }, message }: Held): string {
  if (target.kind === "task") return ` → ${target.task}`;
  return target.kind === "http" ? ` → ${target.method} ${message?.queue}` : "";
}

function fieldsOf(held: Held): Readonly<Record<string, unknown>> {
  return { entry: held.compiled.entry.name, id: held.id, fireTime: new Date(held.fireAt).toISOString() };
}

const newBatch = (): Batch => ({ lateMs: [], lines: [] });

/** Returns how many there are. */
function add({ lateMs, lines }: Batch, held: Held, late: number, tookMs: number): number {
  if (lines.length < linesAtMost) lines.push({ held, lateMs: late, tookMs });
  return lateMs.push(late);
}

function latenessOf({ lateMs }: Batch) {
  const late = lateMs.toSorted((a, b) => a - b);
  const [half, most, nearlyAll] = [0.5, 1, 0.99].map((share) => late[Math.floor((late.length - 1) * share)]!);
  return {
    words: `half of them within ${formatDuration(half!)} of their time, all within ${formatDuration(most!)}`,
    fields: { count: late.length, lateMsP50: half, lateMsP99: nearlyAll, lateMsMax: most },
  };
}
