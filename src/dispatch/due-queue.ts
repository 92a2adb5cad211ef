// Occurrences that were claimed, none given out before its due time. What has just fallen due goes before what is late, and what
// became late just now, on a busy machine, before what an outage left: a pile delays nobody else. Of one entry, an older one
// goes first all the same.

import type { Clock } from "../core/ports.ts";
import { type Instant, secondMs } from "../core/time.ts";
import type { Held, Outbox } from "./outbox.ts";

/** Later than this is late. */
const lateMs = secondMs;
/** Later than this when it is found to be late, it belongs to a pile. */
const pileMs = 10 * secondMs;

export interface DueQueueOptions {
  readonly clock: Clock;
  readonly outbox: Outbox;
  /** Called when something that was early falls due. */
  readonly onDue: () => void;
  /** Whether a newer one is about to be claimed in its place: it is not given out then. */
  readonly givesWay: (held: Held, now: Instant) => boolean;
}

export class DueQueue {
  readonly #options: DueQueueOptions;
  readonly #ready = new Line();
  readonly #late = new Line();
  readonly #pile = new Line();
  /** By due time, which many share. All of them are gone through at each of these times. */
  readonly #early = new Map<Instant, Held[]>();
  #earliest = Number.POSITIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;

  readonly #lines = [this.#ready, this.#late, this.#pile];

  constructor(options: DueQueueOptions) {
    this.#options = options;
  }

  /** How many may be due and wait: some need not be wanted any more. */
  get size(): number {
    return this.#lines.reduce((sum, { size }) => sum + size, 0);
  }

  /** How many are due and wait. */
  count(): number {
    for (const line of this.#lines) line.tidy();
    return this.size;
  }

  add(held: Held, now: Instant): void {
    // Whoever asks for a run means now, also where the clock was put back since.
    if (held.dueAt <= now || held.manual) this.#ready.push(held);
    else {
      const together = this.#early.get(held.dueAt);
      if (together === undefined) this.#early.set(held.dueAt, [held]);
      else together.push(held);
      if (this.#cancelTimer === undefined || held.dueAt < this.#earliest || this.#earliest <= now) this.#arm();
    }
  }

  /** The next one that is due, still wanted, and not late. */
  takeFresh(now: Instant): Held | undefined {
    for (let held = this.#ready.shift(); held !== undefined; held = this.#ready.shift()) {
      if (!this.#isWanted(held, now)) continue;
      const older = this.#options.outbox.olderThan(held);
      if (older === undefined && now - held.dueAt <= lateMs) return held;
      const line = now - (older ?? held).dueAt <= pileMs ? this.#late : this.#pile;
      line.push(held);
    }
    return undefined;
  }

  /** Whether there may be a late one: it need not be wanted. */
  get hasLate(): boolean {
    return this.#late.size + this.#pile.size > 0;
  }

  /** The next late one that is still wanted, after takeFresh() found none. */
  takeLate(now: Instant): Held | undefined {
    for (const line of [this.#late, this.#pile]) {
      for (let held = line.shift(); held !== undefined; held = line.shift()) if (this.#isWanted(held, now)) return held;
    }
    return undefined;
  }

  clear(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const line of this.#lines) line.clear();
    this.#early.clear();
  }

  #isWanted(held: Held, now: Instant): boolean {
    return held.state === "waiting" && !this.#options.givesWay(held, now);
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#cancelTimer?.();
    this.#earliest = Number.POSITIVE_INFINITY;
    for (const dueAt of this.#early.keys()) if (dueAt < this.#earliest) this.#earliest = dueAt;
    // Never a long timer: machines sleep and clocks jump, and then this falls due earlier than the timer.
    const delayMs = Math.min(this.#earliest - clock.now(), secondMs);
    this.#cancelTimer = clock.setTimer(delayMs, () => this.#wake());
  }

  #wake(): void {
    this.#cancelTimer = undefined;
    const now = this.#options.clock.now();
    const due = [...this.#early.keys()].filter((dueAt) => dueAt <= now).sort((a, b) => a - b);
    for (const dueAt of due) {
      const together = this.#early.get(dueAt)!;
      for (const held of together) this.#ready.push(held);
      // A list that is old when it is dropped would keep them alive until the next full collection.
      together.length = 0;
      this.#early.delete(dueAt);
    }
    if (this.#early.size > 0) this.#arm();
    if (this.size > 0) this.#options.onDue();
  }
}

/** A line is tidied when it has grown to this, or to twice what was left the last time. */
const tidyAt = 1_024;

/** First in, first out. Where nothing goes out, what has given way to newer ones does not pile up. */
class Line {
  #items: Held[] = [];
  #head = 0;
  #tidyAt = tidyAt;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(held: Held): void {
    if (this.size >= this.#tidyAt) {
      this.tidy();
      this.#tidyAt = Math.max(tidyAt, 2 * this.size);
    }
    this.#items.push(held);
  }

  /** What is not waiting comes again if it waits again. */
  tidy(): void {
    this.#items = this.#items.slice(this.#head).filter(({ state }) => state === "waiting");
    this.#head = 0;
  }

  shift(): Held | undefined {
    if (this.#head === this.#items.length) {
      this.clear();
      return undefined;
    }
    if (this.#head > 4_096 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return this.#items[this.#head++];
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
