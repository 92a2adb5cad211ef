// Outbox -> broker. Messages go out in order, as many at once as the broker's window allows, and are done when the broker
// confirmed them. Trouble stays where it is: a queue that is not there holds up its own messages only (its lane), a broker
// that is away holds up messages and never the timetable.

import type { Broker, Log, Message, PublishOutcome } from "../core/ports.ts";
import { formatDuration, type Instant, minuteMs } from "../core/time.ts";
import { DueQueue } from "./due-queue.ts";
import type { Held } from "./outbox.ts";
import type { OutletOptions } from "./outlet.ts";

const batchSize = 1_000;
const firstRetryMs = 250;
const longestRetryMs = 2_000;
const doubtMs = 50;

interface Lane {
  readonly queue: string;
  readonly reason: string;
  readonly since: Instant;
  waiting: Held[];
  /** When a message last came to it. */
  usedAt: number;
  retryMs: number;
}

export interface PublisherReport {
  readonly url: string;
  readonly available: boolean;
  /** Why it is not available, and since when. */
  readonly reason: string | null;
  readonly since: Instant;
  readonly unconfirmed: number;
  readonly waiting: number;
  /** Queues that can't take their messages now. */
  readonly queues: readonly {
    readonly queue: string;
    readonly reason: string;
    readonly since: Instant;
    readonly waiting: number;
  }[];
}

export interface PublisherOptions extends OutletOptions {
  readonly log: Log;
  readonly broker: Broker;
}

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #due: DueQueue;
  readonly #lanes = new Map<string, Lane>();
  #available = false;
  #reason: string | null = "not connected yet";
  #since: Instant;
  #complainedAt = Number.NEGATIVE_INFINITY;
  #unconfirmed = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#due = new DueQueue(options.clock, () => void options.look().then(() => this.pump()));
    this.#since = options.clock.now();
  }

  async open(): Promise<void> {
    const { broker, clock, log } = this.#options;
    await broker.open({
      available: () => {
        const awayMs = clock.now() - this.#since;
        log.info(
          `Connected to ${broker.url}${this.#reason === null || awayMs < 1_000 ? "" : ` after ${formatDuration(Math.round(awayMs / 100) * 100)}`}`,
        );
        this.#turn(true, null);
        this.pump();
      },
      unavailable: (reason, permanent) => {
        this.#complain(reason, permanent);
        this.#turn(false, reason);
        this.#onIdle?.();
      },
      notice: (text) => log.info(text),
    });
  }

  add(held: Held): void {
    this.#due.add(held);
  }

  /** Forgets what is not with the broker; the store keeps it. */
  clear(): void {
    this.#due.clear();
    this.#lanes.clear();
  }

  /** Goes on until nothing that is due waits, the broker is away, or the time is up. Then closes the connection. */
  async close(drainMs: number): Promise<void> {
    const { clock, broker } = this.#options;
    const endsAt = clock.monotonic() + drainMs;
    if (this.#available && (this.#due.size > 0 || this.#unconfirmed > 0)) {
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(drainMs, resolve);
        this.#onIdle = () => {
          if (this.#available && this.#options.mayAct() && (this.#due.size > 0 || this.#unconfirmed > 0)) return;
          cancel();
          resolve();
        };
      });
    }
    this.#available = false;
    this.#lanes.clear();
    await broker.close(Math.max(0, endsAt - clock.monotonic()));
  }

  report(): PublisherReport {
    return {
      url: this.#options.broker.url,
      available: this.#available,
      reason: this.#reason,
      since: this.#since,
      unconfirmed: this.#unconfirmed,
      waiting: this.#due.size,
      queues: [...this.#lanes.values()].map(({ queue, reason, since, waiting }) => ({
        queue,
        reason,
        since,
        waiting: waiting.length,
      })),
    };
  }

  /** Once for each reason, and then once a minute: it is tried much more often than that. */
  #complain(reason: string, permanent: boolean): void {
    const { broker, clock, log } = this.#options;
    const now = clock.monotonic();
    const isNews = this.#available || reason !== this.#reason;
    if (!isNews && now - this.#complainedAt < minuteMs) return;
    this.#complainedAt = now;
    log[permanent ? "error" : "warn"](`${broker.url}: ${reason}. Messages wait in the outbox; trying again.`);
  }

  #turn(available: boolean, reason: string | null): void {
    if (this.#available !== available || this.#reason === null) this.#since = this.#options.clock.now();
    this.#available = available;
    this.#reason = reason;
  }

  /** Sends what may be sent now. */
  pump(): void {
    const { broker, mayAct } = this.#options;
    while (this.#available && this.#unconfirmed < broker.window && mayAct()) {
      const batch: Message[] = [];
      const room = Math.min(batchSize, broker.window - this.#unconfirmed);
      for (let held = this.#due.take(); held !== undefined; held = this.#due.take()) {
        const message = this.#sendable(held);
        if (message !== undefined && batch.push(message) === room) break;
      }
      if (batch.length === 0) break;
      this.#send(batch);
    }
    this.#onIdle?.();
  }

  /** Its message, unless it has expired or its queue is in trouble. */
  #sendable(held: Held): Message | undefined {
    if (this.#isExpired(held)) return undefined;
    const message = held.message!;
    const lane = this.#lanes.get(message.queue);
    if (lane !== undefined) {
      this.#join(lane, held);
      return undefined;
    }
    held.state = "in-flight";
    return message;
  }

  /** Nobody wants it any more: then that is recorded. */
  #isExpired(held: Held): boolean {
    const { clock, outbox, narrator } = this.#options;
    const { expiresAt } = held.message!;
    const now = clock.now();
    if (expiresAt === null || expiresAt > now) return false;
    const reason = `expired ${formatDuration(now - expiresAt)} before it could be sent`;
    this.#settle(held, "missed", reason, now);
    outbox.delete(held);
    narrator.settled(held, "missed", reason);
    return true;
  }

  #send(batch: readonly Message[]): void {
    this.#unconfirmed += batch.length;
    this.#options.broker.publish(batch, (message, outcome) => this.#onOutcome(message, outcome));
  }

  #onOutcome(message: Message, outcome: PublishOutcome): void {
    const { outbox, clock, narrator, onRoom } = this.#options;
    this.#unconfirmed--;
    const held = outbox.get(message.id);
    if (held !== undefined) {
      const now = clock.now();
      // What no queue took was not delivered: it does not count as an attempt.
      if (outcome.result !== "no-queue") held.attempts++;
      if (outcome.result === "confirmed") {
        this.#settle(held, "published", null, now);
        outbox.delete(held);
        narrator.published(held, now - held.dueAt);
        this.#reopen(message.queue);
        onRoom();
      } else if (outcome.result === "refused") {
        this.#settle(held, "failed", outcome.reason, now);
        outbox.delete(held);
        narrator.settled(held, "failed", outcome.reason);
        this.#reopen(message.queue);
        onRoom();
      } else if (!outbox.leading) {
        outbox.delete(held);
      } else {
        held.state = "waiting";
        if (outcome.result === "no-queue") this.#hold(held, message.queue, outcome.reason, now);
        else this.#again(held, outcome.reason);
      }
    }
    // Not for each confirmation: a batch is worth the call.
    const room = this.#options.broker.window - this.#unconfirmed;
    if (this.#unconfirmed === 0 || (this.#due.size > 0 && room >= Math.min(batchSize, this.#due.size))) this.pump();
  }

  #settle(held: Held, state: "published" | "failed" | "missed" | "claimed", reason: string | null, at: Instant): void {
    const { fireAt, manual, attempts } = held;
    this.#options.settlements.add({ entryId: held.compiled.entry.id, fireAt, manual, state, reason, attempts, at });
  }

  /**
   * It may or may not have arrived. A connection that breaks fails its messages a moment before the broker is known to be
   * away; only where the broker is still there then, the trouble is the queue's.
   */
  #again(held: Held, reason: string): void {
    const { clock } = this.#options;
    held.doubtful = true;
    clock.setTimer(doubtMs, () => {
      if (held.state !== "waiting") return;
      if (this.#available) this.#hold(held, held.message!.queue, reason, clock.now());
      else this.#due.add(held);
    });
  }

  /** Opens a lane for a queue in trouble, says so once, and tries one of its messages now and then. */
  #hold(held: Held, queue: string, reason: string, now: Instant): void {
    let lane = this.#lanes.get(queue);
    if (lane === undefined) {
      lane = { queue, reason, since: now, waiting: [], usedAt: 0, retryMs: firstRetryMs };
      this.#lanes.set(queue, lane);
      this.#options.log.warn(`Queue "${queue}": ${reason}. Its messages wait in the outbox.`, { queue });
      this.#probeLater(lane);
    }
    this.#settle(held, "claimed", reason, now);
    this.#join(lane, held);
  }

  #join(lane: Lane, held: Held): void {
    lane.waiting.push(held);
    lane.usedAt = this.#options.clock.monotonic();
  }

  #probeLater(lane: Lane): void {
    this.#options.clock.setTimer(lane.retryMs, () => {
      if (this.#lanes.get(lane.queue) !== lane) return;
      lane.waiting = lane.waiting.filter((held) => held.state === "waiting" && !this.#isExpired(held));
      const mayProbe = this.#available && this.#options.mayAct();
      const probe = mayProbe ? lane.waiting.shift() : undefined;
      const unusedMs = this.#options.clock.monotonic() - lane.usedAt;
      if (lane.waiting.length === 0 && probe === undefined && mayProbe && unusedMs > minuteMs) {
        this.#lanes.delete(lane.queue);
        return;
      }
      lane.retryMs = Math.min(lane.retryMs * 2, longestRetryMs);
      if (probe !== undefined) {
        probe.state = "in-flight";
        this.#send([probe.message!]);
      }
      this.#probeLater(lane);
    });
  }

  /** The queue takes messages: everything that waited for it follows, in order. */
  #reopen(queue: string): void {
    const lane = this.#lanes.get(queue);
    if (lane === undefined) return;
    this.#lanes.delete(queue);
    this.#options.log.info(`Queue "${queue}" takes messages again; ${lane.waiting.length} that waited follow.`, {
      queue,
    });
    for (const held of lane.waiting) this.#due.add(held);
    this.pump();
  }
}
