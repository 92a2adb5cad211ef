// One connection to RabbitMQ, from its handshake to its end.

import type { ChannelModel } from "amqplib";
import { reasonOf } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { AmqpAddress, AmqpHost } from "./amqp-address.ts";
import { connectTo } from "./amqp-connect.ts";
import type { DestinationsOptions } from "./amqp-destinations.ts";
import { channelFailure } from "./amqp-failure.ts";
import { AmqpPublisher } from "./amqp-publisher.ts";
import type { Link, LinkListener } from "./kept-broker.ts";
import type { Sending } from "./sending.ts";

export interface AmqpLinkOptions extends Pick<DestinationsOptions, "declare"> {
  readonly clock: Clock;
  readonly confirmLimitMs: number;
}

/** How long the channel may take to open after the handshake. */
const openLimitMs = 10_000;
const closeLimitMs = 1_000;

export class AmqpLink implements Link {
  readonly #publisher: AmqpPublisher;
  readonly #connection: ChannelModel;
  readonly #abort: AbortController;
  readonly #clock: Clock;
  readonly #listener: LinkListener;
  #isClosed = false;

  private constructor(
    connection: ChannelModel,
    abort: AbortController,
    options: AmqpLinkOptions & DestinationsOptions,
    listener: LinkListener,
  ) {
    this.#connection = connection;
    this.#abort = abort;
    this.#clock = options.clock;
    this.#listener = listener;
    this.#publisher = new AmqpPublisher(connection, { ...options, giveUp: (reason) => this.#destroy(reason) });
    connection.on("error", (error) => {
      this.#publisher.endReason ??= `the connection to the broker broke: ${reasonOf(error)}`;
    });
    connection.on("close", (error) => this.#onClose(error));
    connection.on("blocked", (text) => {
      const reason = `the broker takes no messages now: ${text}`;
      this.#publisher.block(reason);
      this.#listener.blocked(reason);
    });
    connection.on("unblocked", () => {
      this.#publisher.unblock();
      this.#listener.unblocked();
    });
  }

  /** `abort` ends it at any time, in the handshake too. Rejects with what connectTo rejects with. */
  static async open(
    address: AmqpAddress,
    host: AmqpHost,
    abort: AbortController,
    options: AmqpLinkOptions,
    listener: LinkListener,
  ): Promise<AmqpLink> {
    const { connectTimeoutMs, nativeDelayedDelivery } = address;
    const { vhost, username } = host;
    const cancelTimer = options.clock.setTimer(connectTimeoutMs + openLimitMs, () => abort.abort());
    try {
      const connection = await connectTo(address, host, abort.signal);
      const link = new AmqpLink(connection, abort, { ...options, vhost, username, nativeDelayedDelivery }, listener);
      await link.#publisher.openChannel();
      return link;
    } finally {
      cancelTimer();
    }
  }

  get unsettled(): number {
    return this.#publisher.unsettled;
  }

  get blockedReason(): string | undefined {
    return this.#publisher.blockedReason;
  }

  get endReason(): string | undefined {
    return this.#publisher.endReason;
  }

  publish(sendings: readonly Sending[]): void {
    this.#publisher.publish(sendings);
  }

  drained(): Promise<void> {
    return this.#publisher.drained();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#publisher.endReason ??= "the broker connection was closed";
    const cancel = this.#clock.setTimer(closeLimitMs, () => this.#abort.abort());
    // amqplib's promise stays pending for ever where the connection breaks before the answer; the event comes in any case.
    const closed = new Promise((resolve) => this.#connection.once("close", resolve));
    this.#connection.close().catch(() => this.#abort.abort());
    await closed;
    cancel();
    this.#abort.abort();
  }

  /** Tears the connection down without a word to the other side. */
  #destroy(reason: string): void {
    this.#publisher.endReason ??= reason;
    this.#abort.abort();
  }

  #onClose(error: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const reason =
      error === undefined
        ? "the connection to the broker was closed"
        : `the broker closed the connection: ${channelFailure(error)}`;
    this.#publisher.end(reason);
    this.#listener.lost(this.#publisher.endReason ?? reason);
  }
}
