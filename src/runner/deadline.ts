// A timer for any length of time. Node's own fire at once when asked for more than 24.8 days, so a long wait is made of short ones.

import type { Clock } from "../core/ports.ts";
import { hourMs } from "../core/time.ts";

/** Calls `callback` once, `delayMs` from now by the monotonic clock. Returns its cancellation. */
export function setDeadline(clock: Clock, delayMs: number, callback: () => void): () => void {
  const endMs = clock.monotonic() + delayMs;
  let cancel = (): void => {};
  const arm = () => {
    const leftMs = endMs - clock.monotonic();
    cancel = clock.setTimer(Math.min(leftMs, hourMs), () => (clock.monotonic() >= endMs ? callback() : arm()));
  };
  arm();
  return () => cancel();
}
