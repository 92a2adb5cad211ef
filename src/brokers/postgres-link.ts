// One connection to PostgreSQL, from its handshake to its end, and the messages on it.
//
// Messages are encoded in slices, so that a burst does not hold up the event loop, and those of a slice go in one
// INSERT, which is a transaction: when it is answered they are committed, all of them. A statement that is refused ends the
// connection: whether the server takes messages again shows when the next one is made, by a row that is written and taken back.

import type { Client } from "pg";
import type { Clock } from "../core/ports.ts";
import { ConfirmDeadline } from "./confirm-deadline.ts";
import { enveloped } from "./enveloped.ts";
import type { Link, LinkListener } from "./kept-broker.ts";
import { watchMs } from "./kombu-rows.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { connect, destroy, disconnect } from "./postgres-client.ts";
import { codes, isCode, isReply, statementFailure } from "./postgres-failure.ts";
import { MissingQueueError, maxQueueName, type NewRow, PostgresTables } from "./postgres-tables.ts";
import { confirm, fail, Line, type Sending } from "./sending.ts";
import type { UnreadNotice } from "./unread-notice.ts";

export interface PostgresLinkOptions {
  readonly clock: Clock;
  readonly confirmLimitMs: number;
  readonly notice: UnreadNotice;
}

/** Messages in one statement, and how much text. */
const slice = { messages: 500, characters: 1 << 20 };

export class PostgresLink implements Link {
  readonly blockedReason = undefined;
  endReason: string | undefined;
  readonly #client: Client;
  readonly #tables: PostgresTables;
  readonly #address: PostgresAddress;
  readonly #clock: Clock;
  readonly #listener: LinkListener;
  readonly #notice: UnreadNotice;
  readonly #deadline: ConfirmDeadline;
  readonly #line = new Line();
  #inFlight: readonly Sending[] = [];
  /** Statements that are not answered. */
  #expected = 0;
  #unsettled = 0;
  #writing = false;
  #fault: unknown;
  #closed: Promise<void> | undefined;
  #cancelWatch: (() => void) | undefined;
  #drained: (() => void) | undefined;
  /** Queues that workers took messages from since the last look at what is unread. */
  readonly #taken = new Set<string>();
  #observedAtMs = Number.NEGATIVE_INFINITY;

  private constructor(
    client: Client,
    tables: PostgresTables,
    address: PostgresAddress,
    { clock, confirmLimitMs, notice }: PostgresLinkOptions,
    listener: LinkListener,
  ) {
    this.#client = client;
    this.#tables = tables;
    this.#address = address;
    this.#clock = clock;
    this.#listener = listener;
    this.#notice = notice;
    this.#deadline = new ConfirmDeadline(
      clock,
      confirmLimitMs,
      () => false,
      (idleMs) => this.#end(`PostgreSQL at ${address.at} answered nothing for ${Math.round(idleMs / 1_000)} s`),
    );
    client.on("error", (error) => (this.#fault ??= error));
    // The answers that came before the end are told first.
    client.on("end", () => setImmediate(() => this.#end(this.#lossReason())));
    this.#watchLater(watchMs.idle);
  }

  /** Rejects with what pg threw. */
  static async open(
    address: PostgresAddress,
    abort: AbortController,
    options: PostgresLinkOptions,
    listener: LinkListener,
  ): Promise<PostgresLink> {
    const client = await connect(address, abort.signal, options.clock);
    const stop = () => destroy(client);
    abort.signal.addEventListener("abort", stop);
    const tables = new PostgresTables(client, address.tables);
    const limit = options.clock.setTimer(options.confirmLimitMs, stop);
    try {
      await tables.prepare();
      return new PostgresLink(client, tables, address, options, listener);
    } catch (error) {
      stop();
      throw error;
    } finally {
      limit();
      abort.signal.removeEventListener("abort", stop);
    }
  }

  get unsettled(): number {
    return this.#unsettled;
  }

  publish(sendings: readonly Sending[]): void {
    this.#unsettled += sendings.length;
    this.#line.push(sendings);
    if (this.#writing) return;
    this.#writing = true;
    setImmediate(() => void this.#write());
  }

  async drained(): Promise<void> {
    if (this.#unsettled > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  async close(): Promise<void> {
    this.#end("the broker connection was closed");
    await this.#closed;
  }

  /** What is unsettled goes back: it may have arrived. */
  #end(reason: string): void {
    if (this.endReason !== undefined) return;
    this.endReason = reason;
    this.#deadline.stop();
    this.#cancelWatch?.();
    this.#closed = disconnect(this.#client, this.#clock);
    const unsettled = [...this.#inFlight, ...this.#line.clear()];
    this.#inFlight = [];
    setImmediate(() => {
      for (const sending of unsettled) this.#fail(sending, "unavailable", reason);
      this.#listener.lost(reason);
    });
  }

  #lossReason(): string {
    const { at } = this.#address;
    if (this.#fault === undefined) return `PostgreSQL at ${at} closed the connection`;
    if (isReply(this.#fault)) return statementFailure(this.#fault, this.#address).reason;
    return `the connection to PostgreSQL at ${at} broke: ${(this.#fault as Error).message}`;
  }

  // ------------------------------------------------------------------------------------------------------- sending

  async #write(): Promise<void> {
    while (this.endReason === undefined && !this.#line.isEmpty) {
      const rows = this.#slice();
      if (rows.length > 0) await this.#insert(rows);
    }
    this.#writing = false;
  }

  /** The next messages are in flight from here on. */
  #slice(): NewRow[] {
    const rows: NewRow[] = [];
    const inFlight: Sending[] = [];
    const now = this.#clock.now();
    let characters = 0;
    while (rows.length < slice.messages && characters < slice.characters) {
      const sending = this.#line.next();
      if (sending === undefined) break;
      const { message } = sending;
      const payload = isName(message.queue)
        ? enveloped(message, "kombu's database transport", now)
        : { refusal: `the queue's name is longer than kombu's table takes: ${maxQueueName} characters` };
      if (typeof payload !== "string") {
        this.#fail(sending, "refused", payload.refusal);
        continue;
      }
      characters += payload.length;
      rows.push({ queue: message.queue, payload });
      inFlight.push(sending);
    }
    this.#inFlight = inFlight;
    return rows;
  }

  async #insert(rows: readonly NewRow[]): Promise<void> {
    try {
      await this.#answered(() => this.#tables.insert(rows));
      for (const sending of this.#landed()) {
        this.#unsettled--;
        confirm(sending);
      }
      this.#checkDrained();
    } catch (error) {
      if (error instanceof MissingQueueError) this.#onMissingQueue(error);
      else this.#onRefusal(error);
    }
  }

  /** Nothing was written. The messages of other queues go on. */
  #onMissingQueue({ queues, message }: MissingQueueError): void {
    const [concerned, others] = [[] as Sending[], [] as Sending[]];
    for (const sending of this.#landed()) (queues.includes(sending.message.queue) ? concerned : others).push(sending);
    this.#line.putBack(others);
    for (const sending of concerned)
      this.#fail(
        sending,
        "no-queue",
        `queue "${sending.message.queue}" is not there, and this user may not add it (${message})`,
      );
  }

  #onRefusal(error: unknown): void {
    if (!isReply(error)) this.#fault ??= error;
    this.#end(isReply(error) ? statementFailure(error, this.#address).reason : this.#lossReason());
  }

  /** What was in flight; nothing where the connection ended meanwhile and it was given up. */
  #landed(): readonly Sending[] {
    const landed = this.#inFlight;
    this.#inFlight = [];
    return landed;
  }

  async #answered<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#expected++ === 0) this.#deadline.start();
    try {
      return await ask();
    } finally {
      this.#deadline.progress();
      if (--this.#expected === 0) this.#deadline.stop();
    }
  }

  #fail(sending: Sending, result: "no-queue" | "refused" | "unavailable", reason: string): void {
    this.#unsettled--;
    fail(sending, result, reason);
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#unsettled === 0) this.#drained?.();
  }

  // ------------------------------------------------------------------------------------------------------- watching

  #watchLater(delayMs: number): void {
    this.#cancelWatch = this.#clock.setTimer(delayMs, () => void this.#watch());
  }

  /** Also tells firewalls that the connection is in use, and finds one that is lost. */
  async #watch(): Promise<void> {
    let more = false;
    try {
      more = await this.#answered(() => this.#clearUp());
    } catch (error) {
      // Who may only add messages leaves the clearing up, and the word on readers, to others. It still asks now and then.
      if (!isCode(error, codes.noRights)) this.#onRefusal(error);
    }
    if (this.endReason === undefined) this.#watchLater(more ? watchMs.busy : watchMs.idle);
  }

  async #clearUp(): Promise<boolean> {
    const consumed = await this.#tables.removeConsumed();
    for (const queue of consumed) this.#taken.add(queue);
    const more = await this.#tables.removeExpired(this.#clock.now());
    const now = this.#clock.monotonic();
    if (now - this.#observedAtMs >= watchMs.idle) {
      this.#observedAtMs = now;
      this.#notice.observe(await this.#tables.unread(), this.#taken, now);
      this.#taken.clear();
    }
    return more || consumed.length > 0;
  }
}

function isName(queue: string): boolean {
  return queue.length <= maxQueueName && !queue.includes("\0");
}
