// Notices a connection over which nothing comes back. TCP may take a quarter of an hour to find out that packets are
// lost, and heartbeats two or three of their intervals.

import type { Clock } from "../core/ports.ts";

/** After the limit there is this long again: a process that was stopped has to read its mail first. */
const secondLookMs = 1_000;

export class ConfirmDeadline {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #isExcused: () => boolean;
  readonly #passed: (idleMs: number) => void;
  #lastProgressMs = 0;
  #suspect = false;
  #cancel: (() => void) | undefined;

  /** Calls `passed` once nothing made progress for `limitMs` between `start` and `stop`. `isExcused`: it is known why. */
  constructor(clock: Clock, limitMs: number, isExcused: () => boolean, passed: (idleMs: number) => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#isExcused = isExcused;
    this.#passed = passed;
  }

  start(): void {
    this.stop();
    this.progress();
    this.#lookIn(this.#limitMs);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  progress(): void {
    this.#lastProgressMs = this.#clock.monotonic();
    this.#suspect = false;
  }

  #lookIn(delayMs: number): void {
    this.#cancel = this.#clock.setTimer(delayMs, () => this.#look());
  }

  #look(): void {
    const idleMs = this.#clock.monotonic() - this.#lastProgressMs;
    if (this.#isExcused() || idleMs < this.#limitMs) {
      this.#lookIn(Math.max(secondLookMs, this.#limitMs - idleMs));
    } else if (!this.#suspect) {
      this.#suspect = true;
      this.#lookIn(secondLookMs);
    } else {
      this.stop();
      this.#passed(idleMs);
    }
  }
}
