// Outbox -> broker. Messages go out in order, as many at once as the broker's window allows, and are done when the broker
// confirmed them. Trouble stays where it is: a queue that is not there holds up its own messages only (its lane), a broker
// that is away holds up messages and never the timetable.

import { inDoubt } from "../core/doubt.ts";
import type { Broker, Log, Message, PublishOutcome } from "../core/ports.ts";
import { formatDuration, type Instant, minuteMs } from "../core/time.ts";
import { DueQueue } from "./due-queue.ts";
import { type LaneReport, Lanes } from "./lanes.ts";
import { type Held, lapseOf, note, settlementOf } from "./outbox.ts";
import { givesWay, type OutletOptions } from "./outlet.ts";
import { Pace } from "./pace.ts";

const batchSize = 1_000;
const storeRetryMs = 2_000;
const doubtMs = 50;

type Failure = Exclude<PublishOutcome, { readonly result: "confirmed" }>;

export interface PublisherReport {
  /** By which entries know it. */
  readonly name: string;
  readonly url: string;
  readonly available: boolean;
  /** Why it is not available, and since when. */
  readonly reason: string | null;
  readonly since: Instant;
  readonly unconfirmed: number;
  /** For how long the broker has answered nothing though messages are with it. */
  readonly silentMs: number;
  readonly waiting: number;
  /** Queues that can't take their messages now. */
  readonly queues: readonly LaneReport[];
}

export interface PublisherOptions extends OutletOptions {
  readonly log: Log;
  readonly name: string;
  readonly broker: Broker;
  /** How many late messages may leave in a second. Infinite: as many as the broker takes. */
  readonly maxRate: number;
}

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #due: DueQueue;
  readonly #pace: Pace;
  readonly #lanes: Lanes;
  #available = false;
  #reason: string | null = "not connected yet";
  #since: Instant;
  #complainedAt = Number.NEGATIVE_INFINITY;
  /** What the broker has not answered to yet, by the message's id. */
  readonly #sent = new Map<string, Held>();
  /** When the broker answered last, or was sent something it owes an answer to; monotonic. */
  #answeredAt = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#due = new DueQueue({
      ...options,
      onDue: () => void options.look().then(() => this.pump()),
      givesWay: (held, now) => givesWay(held, now, options),
    });
    this.#lanes = new Lanes({
      ...options,
      ...(options.broker.longestRetryMs !== undefined && { longestRetryMs: options.broker.longestRetryMs }),
      mayTry: () => this.#available && options.mayAct(),
      isWanted: (held) => held.state === "waiting" && !this.#isOver(held),
      attempt: (held) => void this.#attempt(held),
    });
    this.#pace = new Pace(options.clock, options.maxRate, () => this.pump());
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
        if (!this.#available) this.#options.tally.connections++;
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

  add(held: Held, now: Instant): void {
    this.#due.add(held, now);
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
    if (this.#available && (this.#due.size > 0 || this.#sent.size > 0)) {
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(drainMs, resolve);
        this.#onIdle = () => {
          if (this.#available && this.#options.mayAct() && (this.#due.size > 0 || this.#sent.size > 0)) return;
          cancel();
          resolve();
        };
      });
    }
    this.#available = false;
    this.#pace.stop();
    this.#lanes.clear();
    await broker.close(Math.max(0, endsAt - clock.monotonic()));
  }

  report(): PublisherReport {
    return {
      name: this.#options.name,
      url: this.#options.broker.url,
      available: this.#available,
      reason: this.#reason,
      since: this.#since,
      unconfirmed: this.#sent.size,
      silentMs:
        this.#sent.size === 0 || this.#options.broker.mayBeSilent === true
          ? 0
          : Math.round(this.#options.clock.monotonic() - this.#answeredAt),
      waiting: this.#due.count(),
      queues: this.#lanes.report(),
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
    while (this.#available && this.#sent.size < broker.window && mayAct()) {
      const batch: Held[] = [];
      const noted: Held[] = [];
      const room = Math.min(batchSize, broker.window - this.#sent.size);
      for (let held = this.#take(); held !== undefined; held = this.#take()) {
        if (held.noted) noted.push(held);
        else if (this.#isSendable(held)) batch.push(held);
        if (batch.length + noted.length === room) break;
      }
      if (noted.length > 0) void this.#takeNotesBack(noted).then(() => this.#requeue(noted));
      if (batch.length === 0) break;
      this.#send(batch);
    }
    this.#onIdle?.();
  }

  #take(): Held | undefined {
    const now = this.#options.clock.now();
    return this.#due.takeFresh(now) ?? (this.#due.hasLate && this.#pace.take() ? this.#due.takeLate(now) : undefined);
  }

  #queue(all: readonly Held[]): void {
    const now = this.#options.clock.now();
    for (const held of all) this.#due.add(held, now);
  }

  #requeue(all: readonly Held[]): void {
    this.#queue(all.filter(({ state }) => state === "waiting"));
    this.pump();
  }

  /** As long as the store says of them that they were not sent, they must not be. Resolves, where the store is away, later. */
  async #takeNotesBack(noted: readonly Held[]): Promise<void> {
    const { clock, settlements, outbox } = this.#options;
    for (const held of noted) {
      if (held.state !== "waiting") continue;
      held.noted = false;
      this.#settle(held, "claimed", null, clock.now());
    }
    while (outbox.leading && !(await settlements.flush())) {
      await new Promise<void>((resolve) => clock.setTimer(storeRetryMs, resolve));
    }
  }

  /** Unless nobody wants it any more, or its queue is in trouble. */
  #isSendable(held: Held): boolean {
    if (this.#isOver(held)) return false;
    const isHeldUp = this.#lanes.holdsUp(held);
    if (!isHeldUp) held.state = "in-flight";
    return !isHeldUp;
  }

  /** Whether nobody wants it any more: then that is recorded. */
  #isOver(held: Held): boolean {
    const now = this.#options.clock.now();
    const lapse = lapseOf(held, now);
    if (lapse !== undefined) this.#end(held, lapse.state, lapse.reason, now);
    return lapse !== undefined;
  }

  #end(held: Held, state: "failed" | "missed", reason: string, now: Instant): void {
    const { outbox, narrator } = this.#options;
    this.#settle(held, state, reason, now);
    outbox.delete(held);
    narrator.settled(held, state, reason, now);
  }

  #send(batch: readonly Held[]): void {
    if (this.#sent.size === 0) this.#answeredAt = this.#options.clock.monotonic();
    for (const held of batch) this.#sent.set(held.id, held);
    const messages = batch.map(({ message }) => message!);
    this.#options.broker.publish(messages, (message, outcome) => this.#onOutcome(message, outcome));
  }

  #onOutcome(message: Message, outcome: PublishOutcome): void {
    const { outbox, clock, narrator, tally, onRoom } = this.#options;
    const held = this.#sent.get(message.id);
    this.#sent.delete(message.id);
    this.#answeredAt = clock.monotonic();
    tally.publishes[outcome.result]++;
    if (held !== undefined && held.state !== "gone") {
      const now = clock.now();
      // What no queue took was not delivered: it does not count as an attempt.
      if (outcome.result !== "no-queue") held.attempts++;
      if (outcome.result === "confirmed") {
        this.#settle(held, "published", null, now);
        outbox.delete(held);
        narrator.published(held, now - held.dueAt);
        tally.lateness.message.add(now - held.dueAt);
        this.#reopen(message.queue);
        onRoom();
      } else if (outcome.result === "refused") {
        this.#end(held, "failed", held.doubtful ? inDoubt(outcome.reason) : outcome.reason, now);
        this.#reopen(message.queue);
        onRoom();
      } else if (!outbox.leading) {
        outbox.delete(held);
      } else if (outcome.result === "unavailable" && held.attempts >= held.compiled.policy.maxAttempts) {
        const times = held.attempts === 1 ? "once" : `${held.attempts} times`;
        this.#end(
          held,
          "failed",
          `given up after it was tried ${times}; it may have been sent: ${outcome.reason}`,
          now,
        );
      } else {
        held.state = "waiting";
        if (outcome.result === "no-queue") this.#hold(held, message.queue, outcome, now);
        else this.#again(held, outcome);
      }
    }
    // Not for each confirmation: a batch is worth the call.
    const room = this.#options.broker.window - this.#sent.size;
    if (this.#sent.size === 0 || (this.#due.size > 0 && room >= Math.min(batchSize, this.#due.size))) this.pump();
  }

  #settle(held: Held, state: "published" | "failed" | "missed" | "claimed", reason: string | null, at: Instant): void {
    this.#options.settlements.add(settlementOf(held, state, reason, at));
  }

  /**
   * It may or may not have arrived. A connection that breaks fails its messages a moment before the broker is known to be
   * away; only where the broker is still there then, the trouble is the queue's.
   */
  #again(held: Held, failure: Failure): void {
    const { clock } = this.#options;
    held.doubtful = true;
    clock.setTimer(doubtMs, () => {
      if (held.state !== "waiting") return;
      if (this.#available) this.#hold(held, held.message!.queue, failure, clock.now());
      else this.#queue([held]);
    });
  }

  #hold(held: Held, queue: string, { reason, retryAfterMs = 0 }: Failure, now: Instant): void {
    this.#options.settlements.add(note(held, reason, now));
    this.#lanes.hold(held, queue, reason, retryAfterMs);
  }

  /** Sends one message of a queue in trouble, to see whether it takes it. */
  async #attempt(held: Held): Promise<void> {
    if (held.noted) await this.#takeNotesBack([held]);
    if (held.state !== "waiting") return;
    if (!this.#lanes.has(held.message!.queue) || !this.#available || !this.#options.mayAct()) {
      this.#requeue([held]);
      return;
    }
    held.state = "in-flight";
    this.#send([held]);
  }

  /** The queue takes messages: everything that waited for it follows, in order. */
  #reopen(queue: string): void {
    const waited = this.#lanes.takeAway(queue);
    this.#queue(waited);
    if (waited.length > 0) this.pump();
  }
}
