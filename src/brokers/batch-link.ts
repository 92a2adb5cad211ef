// A connection to a place that takes messages by the batch, one batch after another, each whole or not at all: what is
// encoded when, what is under way, and what becomes of it. Messages are encoded in slices, so that a burst does not hold
// up the event loop. What is refused ends the connection: whether messages are taken again shows when the next one is made.

import type { Clock, Message } from "../core/ports.ts";
import { ConfirmDeadline } from "./confirm-deadline.ts";
import { enveloped } from "./enveloped.ts";
import type { Link, LinkListener } from "./kept-broker.ts";
import { watchMs } from "./kombu-rows.ts";
import { Line, type Sending, Unsettled } from "./sending.ts";

export interface BatchLinkOptions {
  readonly clock: Clock;
  /** With answers expected and none for so long, the connection is given up. */
  readonly confirmLimitMs: number;
}

/** What makes one place different from another. */
export interface BatchPlace {
  /** Its name in sentences about it: `PostgreSQL at db:5432/celery`. */
  readonly name: string;
  /** What has no exchanges. */
  readonly transport: string;
  /** Messages in one batch at most, and how much text. */
  readonly slice: { readonly messages: number; readonly characters: number };
  /** Why it never takes a message to this queue; undefined: it does. */
  refusal(queue: string): string | undefined;
  /** All or nothing, in order. Rejects with PartlyStored or MissingQueueError, or with what is in the way of all messages. */
  store(rows: readonly NewRow[]): Promise<void>;
  /** Why it takes nothing, from what `store` or `clearUp` rejected with. */
  reason(error: unknown): string;
  /** Looks after what is there, every two seconds. Resolves to whether there is more to do soon. */
  clearUp(): Promise<boolean>;
  /** Never rejects. */
  close(): Promise<void>;
}

export interface NewRow {
  readonly queue: string;
  /** kombu's envelope. */
  readonly payload: string;
}

/** These queues are not there; nothing was stored. */
export class MissingQueueError extends Error {
  readonly queues: readonly string[];

  constructor(queues: readonly string[], cause: unknown) {
    super((cause as Error).message, { cause });
    this.queues = queues;
  }
}

/** The first `count` were stored, and none after them. */
export class PartlyStored extends Error {
  readonly count: number;

  constructor(count: number, cause: unknown) {
    super((cause as Error).message, { cause });
    this.count = count;
  }
}

export class BatchLink implements Link {
  readonly blockedReason = undefined;
  endReason: string | undefined;
  readonly #place: BatchPlace;
  readonly #clock: Clock;
  readonly #listener: LinkListener;
  readonly #deadline: ConfirmDeadline;
  readonly #line = new Line();
  readonly #unsettled = new Unsettled();
  #inFlight: readonly Sending[] = [];
  /** Answers that are still to come. */
  #expected = 0;
  #writing = false;
  #closed: Promise<void> | undefined;
  #cancelWatch: (() => void) | undefined;

  constructor(place: BatchPlace, { clock, confirmLimitMs }: BatchLinkOptions, listener: LinkListener) {
    this.#place = place;
    this.#clock = clock;
    this.#listener = listener;
    this.#deadline = new ConfirmDeadline(
      clock,
      confirmLimitMs,
      () => false,
      (idleMs) => this.end(`${place.name} answered nothing for ${Math.round(idleMs / 1_000)} s`),
    );
    this.#watchLater(watchMs.idle);
  }

  get unsettled(): number {
    return this.#unsettled.count;
  }

  publish(sendings: readonly Sending[]): void {
    this.#unsettled.add(sendings.length);
    this.#line.push(sendings);
    if (this.#writing) return;
    this.#writing = true;
    setImmediate(() => void this.#write());
  }

  drained(): Promise<void> {
    return this.#unsettled.drained();
  }

  async close(): Promise<void> {
    this.end("the broker connection was closed");
    await this.#closed;
  }

  /** What is unsettled goes back: it may have arrived. */
  end(reason: string): void {
    if (this.endReason !== undefined) return;
    this.endReason = reason;
    this.#deadline.stop();
    this.#cancelWatch?.();
    this.#closed = this.#place.close();
    const left = [...this.#landed(), ...this.#line.clear()];
    setImmediate(() => {
      this.#unsettled.fail(left, "unavailable", reason);
      this.#listener.lost(reason);
    });
  }

  // ------------------------------------------------------------------------------------------------------- sending

  async #write(): Promise<void> {
    while (this.endReason === undefined && !this.#line.isEmpty) {
      const rows = this.#slice();
      if (rows.length > 0) await this.#store(rows);
    }
    this.#writing = false;
  }

  /** The next messages are in flight from here on. */
  #slice(): NewRow[] {
    const rows: NewRow[] = [];
    const inFlight: Sending[] = [];
    const now = this.#clock.now();
    const { messages, characters } = this.#place.slice;
    let length = 0;
    while (rows.length < messages && length < characters) {
      const sending = this.#line.next();
      if (sending === undefined) break;
      const payload = this.#encoded(sending.message, now);
      if (typeof payload !== "string") {
        this.#unsettled.fail([sending], "refused", payload.refusal);
        continue;
      }
      length += payload.length;
      rows.push({ queue: sending.message.queue, payload });
      inFlight.push(sending);
    }
    this.#inFlight = inFlight;
    return rows;
  }

  #encoded(message: Message, now: number): ReturnType<typeof enveloped> {
    const refusal = this.#place.refusal(message.queue);
    return refusal === undefined ? enveloped(message, this.#place.transport, now) : { refusal };
  }

  async #store(rows: readonly NewRow[]): Promise<void> {
    try {
      await this.#answered(this.#place.store(rows));
      this.#deadline.progress();
      this.#unsettled.confirm(this.#landed());
    } catch (error) {
      if (error instanceof MissingQueueError) {
        this.#onMissing(error);
        return;
      }
      if (error instanceof PartlyStored) {
        const landed = this.#landed();
        this.#unsettled.confirm(landed.slice(0, error.count));
        this.#inFlight = landed.slice(error.count);
      }
      this.end(this.#place.reason(error instanceof PartlyStored ? error.cause : error));
    }
  }

  /** The messages of other queues go on. */
  #onMissing({ queues, message }: MissingQueueError): void {
    const landed = this.#landed();
    const isMissing = ({ message: { queue } }: Sending) => queues.includes(queue);
    this.#line.putBack(landed.filter((sending) => !isMissing(sending)));
    for (const sending of landed.filter(isMissing))
      this.#unsettled.fail(
        [sending],
        "no-queue",
        `queue "${sending.message.queue}" is not there, and this user may not add it (${message})`,
      );
  }

  /** What was in flight; nothing where the connection ended meanwhile and it was given up. */
  #landed(): readonly Sending[] {
    const landed = this.#inFlight;
    this.#inFlight = [];
    return landed;
  }

  /** An answer alone is no progress: a place may well be looked at while what is stored there hangs. */
  async #answered<T>(answer: Promise<T>): Promise<T> {
    if (this.#expected++ === 0) this.#deadline.start();
    try {
      return await answer;
    } finally {
      if (--this.#expected === 0) this.#deadline.stop();
    }
  }

  // ------------------------------------------------------------------------------------------------------- watching

  #watchLater(delayMs: number): void {
    this.#cancelWatch = this.#clock.setTimer(delayMs, () => void this.#watch());
  }

  /** Also tells firewalls that the connection is in use, and finds one that is lost. */
  async #watch(): Promise<void> {
    try {
      const more = await this.#answered(this.#place.clearUp());
      if (this.endReason === undefined) this.#watchLater(more ? watchMs.busy : watchMs.idle);
    } catch (error) {
      this.end(this.#place.reason(error));
    }
  }
}
