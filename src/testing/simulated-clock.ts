// A clock that stands still until it is told to go on. Timers run in the order of their due times, and everything that a
// timer sets off (promises included) settles before time goes on.

import type { Clock } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class SimulatedClock implements Clock {
  readonly #turns: number;
  #wallOffsetMs: number;
  #elapsedMs = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  /** `start`: the wall clock's first reading, epoch ms. `turns`: of the event loop, that what a timer sets off is given. */
  constructor(start: Instant = Date.UTC(2027, 0, 1), turns = 10) {
    this.#wallOffsetMs = start;
    this.#turns = turns;
  }

  now(): Instant {
    return Math.floor(this.#wallOffsetMs + this.#elapsedMs);
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Puts the wall clock forward or, with a negative number, back. No time passes. */
  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Lets time pass as on a machine that slept or a process that was stopped: timers that fell due run only at the end. */
  async sleepThrough(byMs: number): Promise<void> {
    this.#elapsedMs += byMs;
    await this.advance(0);
  }

  /** Lets `byMs` pass, running each timer at its time. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#elapsedMs + byMs;
    await this.settle();
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs);
      this.#timers.delete(timer);
      timer.callback();
      await this.settle();
    }
    this.#elapsedMs = endMs;
  }

  /** Waits until what is under way has nothing more to do without time going on: so many turns of the event loop. */
  async settle(turns = this.#turns): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  #next(endMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > endMs) continue;
      if (
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order)
      ) {
        first = timer;
      }
    }
    return first;
  }
}
