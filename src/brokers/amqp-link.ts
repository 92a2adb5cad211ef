// One connection to RabbitMQ, from its handshake to its end. It is never repaired: whatever breaks it settles every
// message on it as `unavailable`, and amqp.ts makes a new one.
//
// Messages wait in line until there is room in the channel's buffer; they are encoded in short slices, so that a burst
// of ten thousand does not hold up the event loop, and the first of them travel while the last are being encoded.
// A message counts as sent only by the broker's confirmation. `mandatory` makes the broker return what no queue took;
// it does so before it confirms, which is how a confirmation and a loss are told apart.

import { type ChannelModel, type ConfirmChannel, connect, IllegalOperationError, type Options } from "amqplib";
import { expirationOf } from "../celery/envelope.ts";
import { expiredText } from "../celery/message.ts";
import { reasonOf } from "../core/errors.ts";
import type { Clock, Message } from "../core/ports.ts";
import type { AmqpAddress } from "./amqp-address.ts";
import { type Destination, Destinations } from "./amqp-destinations.ts";
import { channelFailure, codeOf } from "./amqp-failure.ts";
import { confirm, fail, type Sending } from "./sending.ts";

export interface AmqpLinkOptions {
  readonly clock: Clock;
  readonly declareQueues: boolean;
  readonly confirmLimitMs: number;
}

export interface AmqpLinkListener {
  lost(reason: string): void;
  blocked(reason: string): void;
  unblocked(): void;
}

/** Messages encoded in one turn of the event loop. */
const sliceSize = 256;
/** How long the channels may take to open after the handshake. */
const openLimitMs = 10_000;
/** After the limit the confirmations get this long again: a process that was stopped has to read its mail first. */
const secondLookMs = 1_000;
/** How long nothing goes to an exchange that this user may not write to: each try would cost all that is under way. */
const forbiddenMs = 30_000;

export class AmqpLink {
  /** Why the broker takes nothing for the time being. */
  blockedReason: string | undefined;
  readonly #connection: ChannelModel;
  readonly #abort: AbortController;
  readonly #listener: AmqpLinkListener;
  readonly #clock: Clock;
  readonly #confirmLimitMs: number;
  readonly #destinations: Destinations;
  readonly #searched = new Set<Destination>();
  readonly #returned = new Map<string, string[]>();
  #channel: ConfirmChannel | undefined;
  #line: Sending[] = [];
  #next = 0;
  #pumping = false;
  #bufferFull = false;
  #unsettled = 0;
  #lastProgressMs = 0;
  #suspect = false;
  #cancelDeadline: (() => void) | undefined;
  readonly #forbidden = new Map<string, { readonly reason: string; readonly untilMs: number }>();
  #channelReason: string | undefined;
  #maxBodyBytes = Number.POSITIVE_INFINITY;
  #lostReason: string | undefined;
  #lost = false;
  #drained: (() => void) | undefined;

  private constructor(
    connection: ChannelModel,
    abort: AbortController,
    vhost: string,
    options: AmqpLinkOptions,
    listener: AmqpLinkListener,
  ) {
    this.#connection = connection;
    this.#abort = abort;
    this.#listener = listener;
    this.#clock = options.clock;
    this.#confirmLimitMs = options.confirmLimitMs;
    this.#destinations = new Destinations(connection, { vhost, declareQueues: options.declareQueues });
    connection.on("error", (error) => {
      this.#lostReason ??= `the connection to the broker broke: ${reasonOf(error)}`;
    });
    connection.on("close", (error) => this.#onClose(error));
    connection.on("blocked", (reason) => this.#onBlocked(reason));
    connection.on("unblocked", () => this.#onUnblocked());
  }

  /** `abort` ends it at any time, in the handshake too. Rejects with what amqplib threw. */
  static async open(
    address: AmqpAddress,
    abort: AbortController,
    options: AmqpLinkOptions,
    listener: AmqpLinkListener,
  ): Promise<AmqpLink> {
    const { connectTimeoutMs, vhost, ...target } = address;
    const cancelTimer = options.clock.setTimer(connectTimeoutMs + openLimitMs, () => abort.abort());
    try {
      const socket = { timeout: connectTimeoutMs, noDelay: true, keepAlive: true, signal: abort.signal };
      const connection = await connect(
        { ...target, vhost: encodeURIComponent(vhost) },
        { ...socket, clientProperties: { connection_name: "beat" } },
      );
      const link = new AmqpLink(connection, abort, vhost, options, listener);
      await link.#openChannel();
      return link;
    } finally {
      cancelTimer();
    }
  }

  /** How many messages it has that are not settled. */
  get unsettled(): number {
    return this.#unsettled;
  }

  publish(sendings: readonly Sending[]): void {
    if (this.#unsettled === 0) this.#watch();
    this.#unsettled += sendings.length;
    for (const sending of sendings) this.#line.push(sending);
    this.#pump();
  }

  /** Resolves once every message is settled. */
  async drained(): Promise<void> {
    if (this.#unsettled > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  /** Ends the connection properly, and by force if that takes longer than a second. */
  async close(): Promise<void> {
    if (this.#lost) return;
    this.#lostReason = "the broker connection was closed";
    const cancel = this.#clock.setTimer(1_000, () => this.#abort.abort());
    // amqplib's promise stays pending for ever where the connection breaks before the answer; the event comes in any case.
    const closed = new Promise((resolve) => this.#connection.once("close", resolve));
    this.#connection.close().catch(() => this.#abort.abort());
    await closed;
    cancel();
    this.#abort.abort();
  }

  /** Tears the connection down without a word to the other side. */
  destroy(reason: string): void {
    this.#lostReason ??= reason;
    this.#abort.abort();
  }

  // ------------------------------------------------------------------------------------------------------- sending

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#slice();
    });
  }

  #slice(): void {
    const channel = this.#channel;
    if (channel === undefined || this.#bufferFull || this.blockedReason !== undefined) return;
    const end = Math.min(this.#next + sliceSize, this.#line.length);
    while (this.#next < end && !this.#bufferFull && this.#channel === channel)
      this.#take(channel, this.#line[this.#next++]!);
    if (this.#next === this.#line.length) {
      this.#line = [];
      this.#next = 0;
    } else if (!this.#bufferFull) {
      this.#pump();
    }
  }

  #take(channel: ConfirmChannel, sending: Sending): void {
    const { message } = sending;
    const destination = this.#destinations.of(message.exchange, message.routingKey);
    if (destination.known) this.#send(channel, sending);
    else if (destination.waiting !== undefined) destination.waiting.push(sending);
    else void this.#search(destination, sending);
  }

  async #search(destination: Destination, first: Sending): Promise<void> {
    destination.waiting = [first];
    this.#searched.add(destination);
    const reason = await this.#destinations.find(destination);
    const waiting = destination.waiting;
    destination.waiting = undefined;
    this.#searched.delete(destination);
    if (this.#lost) return;
    if (reason === undefined) {
      destination.known = true;
      this.#line = waiting.concat(this.#line.slice(this.#next));
      this.#next = 0;
      this.#pump();
    } else {
      this.#destinations.forget(destination);
      this.#progress();
      for (const sending of waiting) this.#fail(sending, "no-queue", reason);
    }
  }

  #send(channel: ConfirmChannel, sending: Sending): void {
    const { message } = sending;
    const now = this.#clock.now();
    const refusal = this.#refusalOf(message, now);
    if (refusal !== undefined) {
      this.#fail(sending, refusal.result, refusal.reason);
      return;
    }
    try {
      const room = channel.publish(
        message.exchange,
        message.routingKey,
        message.body,
        propertiesOf(message, now),
        (error) => this.#onConfirm(sending, error),
      );
      if (!room) this.#bufferFull = true;
    } catch (error) {
      const isClosed = error instanceof IllegalOperationError;
      this.#fail(
        sending,
        isClosed ? "unavailable" : "refused",
        isClosed ? this.#why() : `the message cannot be encoded: ${reasonOf(error)}`,
      );
    }
  }

  /** Why this message is not even tried. */
  #refusalOf(
    { exchange, body, expiresAt }: Message,
    now: number,
  ): { result: "no-queue" | "refused"; reason: string } | undefined {
    const forbidden = this.#forbidden.size === 0 ? undefined : this.#forbiddenReason(exchange);
    if (forbidden !== undefined) return { result: "no-queue", reason: forbidden };
    if (expiresAt !== null && expiresAt < now) return { result: "refused", reason: expiredText(expiresAt, now) };
    if (body.length <= this.#maxBodyBytes) return undefined;
    return {
      result: "refused",
      reason: `the message has ${body.length} bytes, and the broker takes at most ${this.#maxBodyBytes}`,
    };
  }

  #onConfirm(sending: Sending, error: unknown): void {
    this.#progress();
    const { message } = sending;
    if (error === null) {
      const returned = this.#returned.size === 0 ? undefined : this.#takeReturned(message.id);
      if (returned !== undefined) {
        this.#fail(sending, "no-queue", returned);
        return;
      }
      this.#unsettled--;
      confirm(sending);
      this.#checkDrained();
    } else if (reasonOf(error) === "message nacked") {
      this.#fail(
        sending,
        "unavailable",
        `the broker did not take it into queue "${message.queue}": the queue is full, or its node is away`,
      );
    } else {
      this.#fail(sending, "unavailable", this.#why());
    }
  }

  #fail(sending: Sending, result: "no-queue" | "refused" | "unavailable", reason: string): void {
    this.#unsettled--;
    fail(sending, result, reason);
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#unsettled > 0) return;
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
    this.#drained?.();
  }

  // ------------------------------------------------------------------------------------------------------- channel

  async #openChannel(): Promise<void> {
    const channel = await this.#connection.createConfirmChannel();
    channel.on("drain", () => {
      this.#bufferFull = false;
      this.#pump();
    });
    channel.on("return", ({ fields, properties }) =>
      this.#onReturn(String(properties.correlationId), fields as unknown as Returned),
    );
    channel.on("error", (error) => this.#onChannelError(error));
    channel.on("close", () => this.#onChannelClose(channel));
    this.#channel = channel;
    this.#channelReason = undefined;
    this.#returned.clear();
    this.#bufferFull = false;
    this.#pump();
  }

  #onReturn(id: string, { exchange, routingKey, replyText }: Returned): void {
    const isQueue = exchange === "";
    if (isQueue) this.#destinations.forget(this.#destinations.of("", routingKey));
    const reason = isQueue
      ? `queue "${routingKey}" does not exist any more; start a worker that reads it`
      : `exchange "${exchange}" has no queue for the routing key "${routingKey}" (${replyText})`;
    const reasons = this.#returned.get(id);
    if (reasons === undefined) this.#returned.set(id, [reason]);
    else reasons.push(reason);
  }

  #takeReturned(id: string): string | undefined {
    const reasons = this.#returned.get(id);
    const reason = reasons?.pop();
    if (reasons?.length === 0) this.#returned.delete(id);
    return reason;
  }

  /** The broker closes a channel for the fault of one message. What can be learnt keeps the next channel from it. */
  #onChannelError(error: unknown): void {
    const text = channelFailure(error);
    this.#channelReason = `the broker closed the channel: ${text}`;
    const tooLarge = /message size \d+ (?:is|was) larger than (?:the )?(?:configured )?max(?:imum)? size (\d+)/i.exec(
      text,
    );
    if (tooLarge !== null) this.#maxBodyBytes = Number(tooLarge[1]);
    const named = /exchange '([^']*)'/.exec(text)?.[1];
    if (named === undefined) return;
    const exchange = named === "amq.default" ? "" : named;
    if (codeOf(error) === "403")
      this.#forbidden.set(exchange, { reason: text, untilMs: this.#clock.monotonic() + forbiddenMs });
    else if (exchange !== "") this.#destinations.forget(this.#destinations.of(exchange, ""));
  }

  #forbiddenReason(exchange: string): string | undefined {
    const entry = this.#forbidden.get(exchange);
    if (entry === undefined || entry.untilMs > this.#clock.monotonic()) return entry?.reason;
    this.#forbidden.delete(exchange);
    return undefined;
  }

  /** amqplib has called every confirmation back with an error before this. */
  #onChannelClose(channel: ConfirmChannel): void {
    if (this.#channel !== channel) return;
    this.#channel = undefined;
    if (this.#lostReason !== undefined || this.#lost) return;
    this.#openChannel().catch((error) => this.destroy(`no new channel could be opened: ${reasonOf(error)}`));
  }

  // ---------------------------------------------------------------------------------------------------- connection

  #onBlocked(reason: string): void {
    this.blockedReason = `the broker takes no messages now: ${reason}`;
    this.#settleUnsent(this.blockedReason);
    this.#listener.blocked(this.blockedReason);
  }

  #onUnblocked(): void {
    this.blockedReason = undefined;
    this.#progress();
    this.#pump();
    this.#listener.unblocked();
  }

  #onClose(error: unknown): void {
    if (this.#lost) return;
    this.#lostReason ??=
      error === undefined
        ? "the connection to the broker was closed"
        : `the broker closed the connection: ${channelFailure(error)}`;
    this.#lost = true;
    this.#channel = undefined;
    this.#settleUnsent(this.#lostReason);
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
    this.#listener.lost(this.#lostReason);
  }

  #settleUnsent(reason: string): void {
    const unsent = this.#line.slice(this.#next);
    this.#line = [];
    this.#next = 0;
    for (const destination of this.#searched) unsent.push(...(destination.waiting?.splice(0) ?? []));
    for (const sending of unsent) this.#fail(sending, "unavailable", reason);
  }

  #why(): string {
    return this.#lostReason ?? this.#channelReason ?? "the connection to the broker was lost";
  }

  // ------------------------------------------------------------------------------------------------------ deadline

  #progress(): void {
    this.#lastProgressMs = this.#clock.monotonic();
    this.#suspect = false;
  }

  #watch(): void {
    this.#progress();
    this.#cancelDeadline?.();
    this.#lookAgainIn(this.#confirmLimitMs);
  }

  #lookAgainIn(delayMs: number): void {
    this.#cancelDeadline = this.#clock.setTimer(delayMs, () => this.#checkDeadline());
  }

  #checkDeadline(): void {
    const idleMs = this.#clock.monotonic() - this.#lastProgressMs;
    if (this.blockedReason !== undefined || idleMs < this.#confirmLimitMs) {
      this.#lookAgainIn(Math.max(secondLookMs, this.#confirmLimitMs - idleMs));
    } else if (!this.#suspect) {
      this.#suspect = true;
      this.#lookAgainIn(secondLookMs);
    } else {
      this.destroy(`the broker confirmed nothing for ${Math.round(idleMs / 1_000)} s`);
    }
  }
}

interface Returned {
  readonly exchange: string;
  readonly routingKey: string;
  readonly replyText: string;
}

function propertiesOf(message: Message, now: number): Options.Publish {
  const properties: Options.Publish = {
    headers: message.headers,
    contentType: message.contentType,
    contentEncoding: message.contentEncoding,
    persistent: message.persistent,
    priority: message.priority,
    correlationId: message.id,
    replyTo: message.replyTo,
    mandatory: true,
  };
  if (message.expiresAt !== null) properties.expiration = expirationOf(message.expiresAt, now);
  return properties;
}
