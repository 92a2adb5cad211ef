// Publishes messages over one connection, on one confirm channel at a time.
//
// Messages wait in line until there is room in the channel's buffer; they are encoded in short slices, so that a burst
// of ten thousand does not hold up the event loop, and the first of them travel while the last are being encoded.
// A message counts as sent only by the broker's confirmation. `mandatory` makes the broker return what no queue took;
// it does so before it confirms, which is how a confirmation and a loss are told apart.

import { type ChannelModel, type ConfirmChannel, IllegalOperationError, type Options } from "amqplib";
import { expirationOf } from "../celery/envelope.ts";
import { reasonOf } from "../core/errors.ts";
import type { Clock, Message } from "../core/ports.ts";
import { delayedRoutingKey, delayOf, firstDelayExchange } from "./amqp-delay.ts";
import { type Destination, Destinations, type DestinationsOptions } from "./amqp-destinations.ts";
import { channelFailure } from "./amqp-failure.ts";
import { Restrictions } from "./amqp-restrictions.ts";
import { ConfirmDeadline } from "./confirm-deadline.ts";
import { Line, type Sending, Unsettled } from "./sending.ts";

export interface AmqpPublisherOptions extends DestinationsOptions {
  readonly clock: Clock;
  readonly confirmLimitMs: number;
  /** Called where nothing can be done on this connection any more. */
  readonly giveUp: (reason: string) => void;
}

/** Messages encoded in one turn of the event loop. */
const sliceSize = 256;

export class AmqpPublisher {
  /** Why the broker takes nothing for the time being. */
  blockedReason: string | undefined;
  /** Why the connection ends or has ended. */
  endReason: string | undefined;
  readonly #connection: ChannelModel;
  readonly #clock: Clock;
  readonly #giveUp: (reason: string) => void;
  readonly #destinations: Destinations;
  readonly #restrictions: Restrictions;
  readonly #deadline: ConfirmDeadline;
  readonly #delays: boolean;
  readonly #line = new Line();
  readonly #unsettled = new Unsettled(() => this.#deadline.stop());
  readonly #searched = new Set<Destination>();
  /** Why messages came back that are not confirmed yet, by id. */
  readonly #returned = new Map<string, string[]>();
  #channel: ConfirmChannel | undefined;
  #channelReason: string | undefined;
  #pumping = false;
  #bufferFull = false;

  constructor(connection: ChannelModel, options: AmqpPublisherOptions) {
    this.#connection = connection;
    this.#clock = options.clock;
    this.#giveUp = options.giveUp;
    this.#destinations = new Destinations(connection, options);
    this.#restrictions = new Restrictions(options.clock, options.declare !== "never");
    this.#delays = options.nativeDelayedDelivery;
    this.#deadline = new ConfirmDeadline(
      options.clock,
      options.confirmLimitMs,
      () => this.blockedReason !== undefined,
      (idleMs) => this.#giveUp(`the broker confirmed nothing for ${Math.round(idleMs / 1_000)} s`),
    );
  }

  /** How many messages are not settled. */
  get unsettled(): number {
    return this.#unsettled.count;
  }

  publish(sendings: readonly Sending[]): void {
    if (this.#unsettled.count === 0) this.#deadline.start();
    this.#unsettled.add(sendings.length);
    this.#line.push(sendings);
    this.#pump();
  }

  /** Resolves once every message is settled. */
  drained(): Promise<void> {
    return this.#unsettled.drained();
  }

  /** What was not sent yet goes back; what was sent is confirmed when the broker takes messages again. */
  block(reason: string): void {
    this.blockedReason = reason;
    this.#settleUnsent(reason);
  }

  unblock(): void {
    this.blockedReason = undefined;
    this.#deadline.progress();
    this.#pump();
  }

  /** The connection is gone. amqplib has called back what was sent; the rest goes back here. */
  end(reason: string): void {
    this.endReason ??= reason;
    this.#channel = undefined;
    this.#deadline.stop();
    this.#settleUnsent(this.endReason);
  }

  /** Also called anew after the broker closed the channel. Rejects where none can be opened. */
  async openChannel(): Promise<void> {
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

  #onReturn(id: string, { exchange, routingKey }: Returned): void {
    const reason = this.#destinations.onReturn(exchange, routingKey);
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

  #onChannelError(error: unknown): void {
    this.#channelReason = `the broker closed the channel: ${channelFailure(error)}`;
    const missing = this.#restrictions.learn(error);
    if (missing !== undefined) this.#destinations.forgetExchange(missing);
  }

  /** amqplib has called every confirmation back with an error before this. */
  #onChannelClose(channel: ConfirmChannel): void {
    if (this.#channel !== channel) return;
    this.#channel = undefined;
    // Where the whole connection closes, that is known only after its channels closed.
    setImmediate(() => {
      if (this.endReason !== undefined) return;
      this.openChannel().catch((error) => this.#giveUp(`no new channel could be opened: ${reasonOf(error)}`));
    });
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
    for (let count = 0; count < sliceSize && !this.#bufferFull && this.#channel === channel; count++) {
      const sending = this.#line.next();
      if (sending === undefined) return;
      this.#take(channel, sending);
    }
    if (!this.#bufferFull) this.#pump();
  }

  #take(channel: ConfirmChannel, sending: Sending): void {
    const { message } = sending;
    const destination = this.#destinations.of(message, this.#delayOf(message, this.#clock.now()) !== undefined);
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
    if (this.endReason !== undefined) return;
    if (reason === undefined) {
      destination.known = true;
      this.#line.putBack(waiting);
      this.#pump();
    } else {
      this.#destinations.forget(destination);
      this.#deadline.progress();
      this.#unsettled.fail(waiting, "no-queue", reason);
    }
  }

  #send(channel: ConfirmChannel, sending: Sending): void {
    const { message } = sending;
    const now = this.#clock.now();
    const delay = this.#delayOf(message, now);
    const exchange = delay === undefined ? message.exchange : firstDelayExchange;
    const refusal = this.#restrictions.refusal(message, exchange, now);
    if (refusal !== undefined) {
      this.#unsettled.fail([sending], refusal.result, refusal.reason);
      return;
    }
    try {
      const room = channel.publish(
        exchange,
        delay === undefined ? message.routingKey : delayedRoutingKey(delay, message.routingKey),
        message.body,
        propertiesOf(message, now),
        (error) => this.#onConfirm(sending, error),
      );
      if (!room) this.#bufferFull = true;
    } catch (error) {
      const isClosed = error instanceof IllegalOperationError;
      this.#unsettled.fail(
        [sending],
        isClosed ? "unavailable" : "refused",
        isClosed ? this.#why() : `the message cannot be encoded: ${reasonOf(error)}`,
      );
    }
  }

  #delayOf(message: Message, now: number): number | undefined {
    return this.#delays ? delayOf(message, now) : undefined;
  }

  #onConfirm(sending: Sending, error: unknown): void {
    this.#deadline.progress();
    const { message } = sending;
    if (error === null) {
      const returned = this.#returned.size === 0 ? undefined : this.#takeReturned(message.id);
      if (returned !== undefined) {
        this.#unsettled.fail([sending], "no-queue", returned);
        return;
      }
      this.#unsettled.confirm([sending]);
    } else if (reasonOf(error) === "message nacked") {
      this.#unsettled.fail(
        [sending],
        "unavailable",
        `the broker did not take it into queue "${message.queue}": the queue is full, or its node is away`,
      );
    } else {
      this.#unsettled.fail([sending], "unavailable", this.#why());
    }
  }

  #settleUnsent(reason: string): void {
    const unsent = this.#line.clear();
    for (const destination of this.#searched) unsent.push(...(destination.waiting?.splice(0) ?? []));
    this.#unsettled.fail(unsent, "unavailable", reason);
  }

  #why(): string {
    return this.endReason ?? this.#channelReason ?? "the connection to the broker was lost";
  }
}

interface Returned {
  readonly exchange: string;
  readonly routingKey: string;
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
