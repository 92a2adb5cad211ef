// A lane for each queue in trouble: its messages wait there, one of them is tried now and then, and nothing else is held up.

import type { Clock, Log } from "../core/ports.ts";
import { type Instant, minuteMs } from "../core/time.ts";
import type { Held } from "./outbox.ts";

const firstRetryMs = 250;

export interface LanesOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Default 2 s. */
  readonly longestRetryMs?: number;
  /** Whether a message may be tried now. */
  readonly mayTry: () => boolean;
  /** Whether a message is still to be sent. */
  readonly isWanted: (held: Held) => boolean;
  /** Tries one message of a queue; it comes back by `hold`, or the lane is taken away. */
  readonly attempt: (held: Held) => void;
}

export interface LaneReport {
  readonly queue: string;
  /** A text that names the queue, too. */
  readonly reason: string;
  readonly since: Instant;
  readonly waiting: number;
}

interface Lane {
  readonly queue: string;
  readonly reason: string;
  readonly since: Instant;
  waiting: Held[];
  /** When a message last came to it. */
  usedAt: number;
  retryMs: number;
  /** The destination asked not to be tried before; monotonic. */
  notBefore: number;
  /** It was time to try it, and nothing waited: the next message that comes is tried at once. */
  isTryOwed: boolean;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Map<string, Lane>();

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** Puts a message whose queue did not take it into the queue's lane. A new lane is said once. */
  hold(held: Held, queue: string, why: string, retryAfterMs = 0): void {
    let lane = this.#lanes.get(queue);
    if (lane === undefined) {
      const since = this.#options.clock.now();
      const name = `queue "${queue}"`;
      const reason = why.includes(name) ? why : `${name}: ${why}`;
      lane = { queue, reason, since, waiting: [], usedAt: 0, retryMs: firstRetryMs, notBefore: 0, isTryOwed: false };
      this.#lanes.set(queue, lane);
      const sentence = reason[0]!.toUpperCase() + reason.slice(1);
      this.#options.log.warn(`${sentence}. Its messages wait in the outbox.`, { queue });
      this.#tryLater(lane);
    }
    lane.notBefore = Math.max(lane.notBefore, this.#options.clock.monotonic() + retryAfterMs);
    this.#join(lane, held);
  }

  /** Whether a message has to wait for its queue. It does so in its lane then. */
  holdsUp(held: Held): boolean {
    const lane = this.#lanes.get(held.message!.queue);
    if (lane === undefined) return false;
    const isTried = lane.isTryOwed;
    lane.isTryOwed = false;
    if (!isTried) this.#join(lane, held);
    return !isTried;
  }

  has(queue: string): boolean {
    return this.#lanes.has(queue);
  }

  /** The queue takes messages: what waited for it, in order. */
  takeAway(queue: string): readonly Held[] {
    const lane = this.#lanes.get(queue);
    if (lane === undefined) return [];
    this.#lanes.delete(queue);
    const { length } = lane.waiting;
    const follows = length > 0 ? `, and what waited follows (${length})` : "";
    this.#options.log.info(`Queue "${queue}" takes messages again${follows}.`, { queue });
    return lane.waiting;
  }

  clear(): void {
    this.#lanes.clear();
  }

  report(): LaneReport[] {
    return [...this.#lanes.values()].map(({ queue, reason, since, waiting }) => ({
      queue,
      reason,
      since,
      waiting: waiting.length,
    }));
  }

  #join(lane: Lane, held: Held): void {
    lane.waiting.push(held);
    lane.usedAt = this.#options.clock.monotonic();
  }

  #tryLater(lane: Lane): void {
    const { clock, isWanted, mayTry, attempt, longestRetryMs = 2_000 } = this.#options;
    clock.setTimer(Math.max(lane.retryMs, lane.notBefore - clock.monotonic()), () => {
      if (this.#lanes.get(lane.queue) !== lane) return;
      lane.waiting = lane.waiting.filter(isWanted);
      const mayTryNow = clock.monotonic() >= lane.notBefore && mayTry();
      const next = mayTryNow ? lane.waiting.shift() : undefined;
      const unusedMs = clock.monotonic() - lane.usedAt;
      if (lane.waiting.length === 0 && next === undefined && mayTryNow && unusedMs > minuteMs) {
        this.#lanes.delete(lane.queue);
        return;
      }
      lane.retryMs = Math.min(lane.retryMs * 2, longestRetryMs);
      if (next !== undefined) attempt(next);
      lane.isTryOwed = mayTryNow && next === undefined;
      this.#tryLater(lane);
    });
  }
}
