// RabbitMQ (AMQP 0-9-1). This file keeps a connection: it makes one, makes another when it is lost, and says so. What
// happens on a connection is in amqp-link.ts and amqp-publisher.ts.

import { BrokerError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import type { Broker, BrokerListener, Clock, Log, Message, PublishOutcome } from "../core/ports.ts";
import { type AmqpAddress, parseAmqpUrl } from "./amqp-address.ts";
import { connectFailure } from "./amqp-failure.ts";
import { AmqpLink } from "./amqp-link.ts";
import { failLater } from "./sending.ts";

export interface AmqpOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly declareQueues: boolean;
  readonly random?: () => number;
  /** A connection whose broker confirms nothing for so long, with messages unconfirmed, is given up. */
  readonly confirmLimitMs?: number;
}

/** Waits between attempts, doubling from the first to the last. Where only a human can help there is no hurry. */
const retryMs = { first: 200, last: 5_000 };
const permanentRetryMs = { first: 5_000, last: 30_000 };
/** A connection that lived this long was a good one: the waits begin anew. */
const goodAfterMs = 5_000;

export class AmqpBroker implements Broker {
  readonly url: string;
  readonly window = 2_500;
  readonly #address: AmqpAddress;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #declareQueues: boolean;
  readonly #random: () => number;
  readonly #confirmLimitMs: number;
  #listener: BrokerListener | undefined;
  #link: AmqpLink | undefined;
  #abort: AbortController | undefined;
  #attempts = 0;
  #connectedAtMs = 0;
  #state: "closed" | "opening" | "open" = "closed";
  #awayReason = "the broker is not opened yet";
  #cancelRetry: (() => void) | undefined;

  /** Throws BrokerError for a URL that is none. */
  constructor(url: string, options: AmqpOptions) {
    this.#address = parseAmqpUrl(url);
    this.url = maskUrl(url);
    this.#clock = options.clock;
    this.#log = options.log;
    this.#declareQueues = options.declareQueues;
    this.#random = options.random ?? Math.random;
    this.#confirmLimitMs = options.confirmLimitMs ?? 15_000;
  }

  async open(listener: BrokerListener): Promise<void> {
    this.#listener = listener;
    this.#state = "opening";
    this.#awayReason = `no connection to ${this.#address.hostname}:${this.#address.port} yet`;
    void this.#connect();
  }

  publish(messages: readonly Message[], settle: (message: Message, outcome: PublishOutcome) => void): void {
    if (messages.length === 0) return;
    const sendings = messages.map((message) => ({ message, settle }));
    const link = this.#link;
    if (link === undefined) {
      failLater(sendings, this.#awayReason);
      return;
    }
    if (link.publisher.blockedReason !== undefined) {
      failLater(sendings, link.publisher.blockedReason);
      return;
    }
    const room = Math.max(0, this.window - link.publisher.unsettled);
    if (room < sendings.length)
      failLater(sendings.splice(room), `${this.window} messages wait for their confirmation already`);
    if (sendings.length > 0) link.publisher.publish(sendings);
  }

  async close(drainMs: number): Promise<void> {
    this.#state = "closed";
    this.#awayReason = "the broker connection was closed";
    this.#cancelRetry?.();
    const link = this.#link;
    if (link === undefined) {
      this.#abort?.abort();
      return;
    }
    this.#link = undefined;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.setTimer(drainMs, resolve);
      void link.publisher.drained().then(() => {
        cancel();
        resolve();
      });
    });
    await link.close();
  }

  async #connect(): Promise<void> {
    this.#cancelRetry = undefined;
    const abort = new AbortController();
    this.#abort = abort;
    const options = { clock: this.#clock, declareQueues: this.#declareQueues, confirmLimitMs: this.#confirmLimitMs };
    const listener = {
      lost: (reason: string) => this.#onLost(reason),
      blocked: (reason: string) => this.#listener?.unavailable(reason, false),
      unblocked: () => this.#listener?.available(),
    };
    try {
      const link = await AmqpLink.open(this.#address, abort, options, listener);
      if (this.#state === "closed") {
        await link.close();
        return;
      }
      if (link.publisher.endReason !== undefined) throw new BrokerError(link.publisher.endReason);
      this.#link = link;
      this.#state = "open";
      this.#connectedAtMs = this.#clock.monotonic();
      this.#log.debug("connected to the broker", { broker: this.url });
      this.#listener?.available();
    } catch (error) {
      if (this.#state === "closed") return;
      const { reason, permanent } = connectFailure(error, this.#address);
      this.#away(reason, permanent);
    }
  }

  #onLost(reason: string): void {
    if (this.#state !== "open") return;
    this.#link = undefined;
    this.#state = "opening";
    if (this.#clock.monotonic() - this.#connectedAtMs >= goodAfterMs) this.#attempts = 0;
    this.#away(reason, false);
  }

  #away(reason: string, permanent: boolean): void {
    const { first, last } = permanent ? permanentRetryMs : retryMs;
    const delayMs = Math.min(last, first * 2 ** Math.min(this.#attempts++, 10)) * (0.75 + this.#random() / 4);
    this.#log.debug("no connection to the broker", { broker: this.url, reason, retryMs: Math.round(delayMs) });
    this.#cancelRetry = this.#clock.setTimer(delayMs, () => void this.#connect());
    this.#awayReason = reason;
    this.#listener?.unavailable(reason, permanent);
  }
}
