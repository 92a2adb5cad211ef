// Occurrences in the order in which they came, none given out before its due time: claims are made a little ahead.

import type { Clock } from "../core/ports.ts";
import { minuteMs } from "../core/time.ts";
import type { Held } from "./outbox.ts";

export class DueQueue {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #ready: Held[] = [];
  #head = 0;
  #early: Held[] = [];
  #cancelTimer: (() => void) | undefined;

  /** `onDue` is called when something that was early falls due. */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** How many are due and wait. */
  get size(): number {
    return this.#ready.length - this.#head;
  }

  add(held: Held): void {
    if (held.dueAt <= this.#clock.now()) this.#ready.push(held);
    else {
      this.#early.push(held);
      if (this.#cancelTimer === undefined || held.dueAt < this.#earliest) this.#arm();
    }
  }

  /** The next one that is due and still wanted. */
  take(): Held | undefined {
    while (this.#head < this.#ready.length) {
      const held = this.#ready[this.#head++]!;
      if (this.#head > 4_096 && this.#head * 2 > this.#ready.length) {
        this.#ready = this.#ready.slice(this.#head);
        this.#head = 0;
      }
      if (held.state === "waiting") return held;
    }
    this.#ready = [];
    this.#head = 0;
    return undefined;
  }

  clear(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#ready = [];
    this.#head = 0;
    this.#early = [];
  }

  #earliest = Number.POSITIVE_INFINITY;

  #arm(): void {
    this.#cancelTimer?.();
    this.#earliest = this.#early.reduce((least, { dueAt }) => Math.min(least, dueAt), Number.POSITIVE_INFINITY);
    // Never a long timer: machines sleep and clocks jump.
    const delayMs = Math.min(this.#earliest - this.#clock.now(), minuteMs / 2);
    this.#cancelTimer = this.#clock.setTimer(delayMs, () => this.#wake());
  }

  #wake(): void {
    this.#cancelTimer = undefined;
    const now = this.#clock.now();
    const early: Held[] = [];
    for (const held of this.#early) (held.dueAt <= now ? this.#ready : early).push(held);
    this.#early = early;
    if (early.length > 0) this.#arm();
    if (this.size > 0) this.#onDue();
  }
}
