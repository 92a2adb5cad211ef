// How fast late messages may leave, where a user set a limit: a bucket of one second's worth that fills evenly.

import type { Clock } from "../core/ports.ts";
import { secondMs } from "../core/time.ts";

/** How much time's worth may leave at once: no more than a tenth of a second, or one. */
const burstMs = 100;

export class Pace {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #onRoom: () => void;
  /** The monotonic time up to which its share is spent. */
  #spentUntilMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;

  /** `perSecond`: messages a second; infinite where there is no limit. `onRoom` is called when one may leave again. */
  constructor(clock: Clock, perSecond: number, onRoom: () => void) {
    this.#clock = clock;
    this.#everyMs = secondMs / perSecond;
    this.#onRoom = onRoom;
  }

  /** Whether one more may leave now; if not, `onRoom` is called later. */
  take(): boolean {
    if (this.#everyMs === 0) return true;
    const now = this.#clock.monotonic();
    const spentUntilMs = Math.max(this.#spentUntilMs, now - burstMs) + this.#everyMs;
    if (spentUntilMs > now && this.#spentUntilMs > now - burstMs) {
      this.#cancelTimer ??= this.#clock.setTimer(Math.max(1, spentUntilMs - now), () => {
        this.#cancelTimer = undefined;
        this.#onRoom();
      });
      return false;
    }
    this.#spentUntilMs = spentUntilMs;
    return true;
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
