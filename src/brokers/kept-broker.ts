// Keeps a connection to a broker: it makes one, makes another when that is lost, and says so. What a connection is and
// does is each transport's own.

import type { Broker, BrokerListener, Clock, Log, Message, PublishOutcome } from "../core/ports.ts";
import { failLater, type Sending } from "./sending.ts";

/** One connection, from its handshake to its end. It is never repaired: whatever breaks it settles every message on it as `unavailable`. */
export interface Link {
  /** How many messages are not settled. */
  readonly unsettled: number;
  /** Why nothing is taken for the time being. */
  readonly blockedReason: string | undefined;
  /** Why it ends or has ended. */
  readonly endReason: string | undefined;
  /** In order, none synchronously. */
  publish(sendings: readonly Sending[]): void;
  /** Resolves once every message is settled. */
  drained(): Promise<void>;
  /** Ends it properly, and by force if that takes longer than a second. */
  close(): Promise<void>;
}

export interface LinkListener {
  lost(reason: string): void;
  blocked(reason: string): void;
  unblocked(): void;
  notice(text: string): void;
}

export interface ConnectFailure {
  readonly reason: string;
  /** Only a human can help. */
  readonly permanent: boolean;
}

export interface Transport {
  /** For people: with its secrets masked. */
  readonly url: string;
  /** Where it leads: `host:port`. */
  readonly at: string;
  readonly window: number;
  /** `abort` ends it at any time, in the handshake too. */
  open(abort: AbortController, listener: LinkListener): Promise<Link>;
  /** What a rejection of `open` means. */
  failure(error: unknown): ConnectFailure;
}

export interface KeptBrokerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
}

/** Waits between attempts, doubling from the first to the last: a broker that is back is found within 2 s. Where only a human can help there is no hurry. */
const retryMs = { first: 200, last: 2_000 };
const permanentRetryMs = { first: 5_000, last: 30_000 };
/** A connection that lived this long was a good one: the waits begin anew. */
const goodAfterMs = 5_000;

export class KeptBroker implements Broker {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #random: () => number;
  #listener: BrokerListener | undefined;
  #link: Link | undefined;
  #abort: AbortController | undefined;
  #attempts = 0;
  #connectedAtMs = 0;
  #state: "closed" | "opening" | "open" = "closed";
  #awayReason = "the broker is not opened yet";
  #cancelRetry: (() => void) | undefined;

  constructor(transport: Transport, options: KeptBrokerOptions) {
    this.#transport = transport;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#random = options.random ?? Math.random;
  }

  get url(): string {
    return this.#transport.url;
  }

  get window(): number {
    return this.#transport.window;
  }

  async open(listener: BrokerListener): Promise<void> {
    this.#listener = listener;
    this.#state = "opening";
    this.#awayReason = `no connection to ${this.#transport.at} yet`;
    void this.#connect();
  }

  publish(messages: readonly Message[], settle: (message: Message, outcome: PublishOutcome) => void): void {
    if (messages.length === 0) return;
    const sendings = messages.map((message) => ({ message, settle }));
    const link = this.#link;
    const refusal = link === undefined ? this.#awayReason : link.blockedReason;
    if (link === undefined || refusal !== undefined) {
      failLater(sendings, refusal ?? this.#awayReason);
      return;
    }
    const room = Math.max(0, this.window - link.unsettled);
    if (room < sendings.length)
      failLater(sendings.splice(room), `${this.window} messages wait for their confirmation already`);
    if (sendings.length > 0) link.publish(sendings);
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
      void link.drained().then(() => {
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
    const listener: LinkListener = {
      lost: (reason) => this.#onLost(reason),
      blocked: (reason) => this.#listener?.unavailable(reason, false),
      unblocked: () => this.#listener?.available(),
      notice: (text) => this.#listener?.notice(text),
    };
    try {
      const link = await this.#transport.open(abort, listener);
      if (this.#state === "closed") {
        await link.close();
        return;
      }
      if (link.endReason !== undefined) {
        this.#away(link.endReason, false);
        return;
      }
      this.#link = link;
      this.#state = "open";
      this.#connectedAtMs = this.#clock.monotonic();
      this.#log.debug("connected to the broker", { broker: this.url });
      this.#listener?.available();
    } catch (error) {
      if (this.#state === "closed") return;
      const { reason, permanent } = this.#transport.failure(error);
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
