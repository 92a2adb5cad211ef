// A clock that stands still until it is told to go on. Timers run in the order of their due times, and everything that a
// timer sets off (promises included) settles before time goes on.

import type { Clock } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { Timetable } from "../core/timetable.ts";

export class SimulatedClock implements Clock {
  readonly #settled: () => Promise<void>;
  #wallOffsetMs: number;
  #elapsedMs = 0;
  #lastId = 0;
  readonly #timers = new Timetable();
  readonly #callbacks = new Map<number, () => void>();

  /** `start`: the wall clock's first reading, epoch ms. `settled`: resolves when what a timer set off is done; ten turns of the event loop unless given. */
  constructor(start: Instant = Date.UTC(2027, 0, 1), settled = () => this.settle()) {
    this.#wallOffsetMs = start;
    this.#settled = settled;
  }

  now(): Instant {
    return Math.floor(this.#wallOffsetMs + this.#elapsedMs);
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const id = ++this.#lastId;
    this.#timers.set(id, this.#elapsedMs + Math.max(0, delayMs));
    this.#callbacks.set(id, callback);
    return () => {
      this.#timers.delete(id);
      this.#callbacks.delete(id);
    };
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
    await this.#settled();
    for (let [timer] = this.#timers.takeDue(endMs, 1); timer !== undefined; [timer] = this.#timers.takeDue(endMs, 1)) {
      const callback = this.#callbacks.get(timer.id)!;
      this.#callbacks.delete(timer.id);
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueAt);
      callback();
      await this.#settled();
    }
    this.#elapsedMs = endMs;
  }

  /** Waits until what is under way has nothing more to do without time going on: so many turns of the event loop. */
  async settle(turns = 10): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}
