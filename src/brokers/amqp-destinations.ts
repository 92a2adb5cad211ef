// Queues and exchanges, looked for before the first message goes there.
//
// RabbitMQ drops a message to a queue that is not there without a word, and a publish to a missing exchange costs the
// channel and every message on it. Declaring the queue is no way out: declared with other arguments than the workers
// declare it with, it makes every worker of the fleet exit at its start. So queues are looked for passively, on a channel
// of its own, since the broker answers "no" by closing the channel. A queue that is there is remembered until a message
// comes back from it; one that is not there is looked for again with the next message.

import type { Channel, ChannelModel } from "amqplib";
import type { Message, QueueDeclaration } from "../core/ports.ts";
import type { Declare } from "./amqp-address.ts";
import { delayedPattern, firstDelayExchange, lastDelayExchange } from "./amqp-delay.ts";
import { channelFailure, codeOf } from "./amqp-failure.ts";
import type { Sending } from "./sending.ts";

export interface Destination {
  /** "" for a queue that is addressed directly. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly declaration: QueueDeclaration | undefined;
  /** Messages take the way through the queues that delay them. */
  readonly delayed: boolean;
  known: boolean;
  /** Messages that wait for the search to end, in order; undefined while no search goes on. */
  waiting: Sending[] | undefined;
}

export interface DestinationsOptions {
  readonly declare: Declare;
  readonly vhost: string;
  readonly username: string;
  readonly nativeDelayedDelivery: boolean;
}

export class Destinations {
  readonly #connection: ChannelModel;
  readonly #options: DestinationsOptions;
  readonly #queues = new Map<string, Destination>();
  /** Exchanges, and what is delayed. */
  readonly #others = new Map<string, Destination>();
  #channel: Channel | undefined;
  #searches: Promise<unknown> = Promise.resolve();

  constructor(connection: ChannelModel, options: DestinationsOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  of({ exchange, routingKey, declaration }: Message, delayed: boolean): Destination {
    const isPlain = exchange === "" && !delayed;
    // To an exchange that is there any routing key can be sent, where its queues are left alone.
    const key = isPlain
      ? routingKey
      : JSON.stringify([exchange, declaration?.queue, declaration?.routingKey, delayed && routingKey]);
    const destinations = isPlain ? this.#queues : this.#others;
    let destination = destinations.get(key);
    if (destination === undefined) {
      const known = this.#options.declare === "never";
      destination = { exchange, routingKey, declaration, delayed, known, waiting: undefined };
      destinations.set(key, destination);
    }
    return destination;
  }

  forget(destination: Destination): void {
    this.#forget((each) => each === destination);
  }

  forgetExchange(exchange: string): void {
    this.#forget((each) => each.exchange === exchange || each.delayed);
  }

  /** A message came back: no queue took it. Returns why. */
  onReturn(exchange: string, routingKey: string): string {
    if (exchange !== "") {
      if (this.#options.declare === "create") this.forgetExchange(exchange);
      return `exchange "${exchange}" has no queue bound to it for the routing key "${routingKey}"`;
    }
    this.#forget((each) => each.exchange === "" && each.routingKey === routingKey);
    return this.#options.declare === "never"
      ? this.#missingQueue(routingKey)
      : `queue "${routingKey}" does not exist any more; start a worker that reads it`;
  }

  /** Looks for it, after all searches before. Undefined: it is there. A text: why nothing can be sent there. Never rejects. */
  find(destination: Destination): Promise<string | undefined> {
    const search = this.#searches.then(() => this.#search(destination));
    this.#searches = search;
    return search;
  }

  #forget(which: (destination: Destination) => boolean): void {
    for (const destinations of [this.#queues, this.#others])
      for (const [key, destination] of destinations) if (which(destination)) destinations.delete(key);
  }

  async #search(destination: Destination): Promise<string | undefined> {
    try {
      const reason = await this.#lookOrCreate(destination);
      return reason === undefined && destination.delayed ? await this.#bindToDelays(destination) : reason;
    } catch (error) {
      return this.#refusal(destination, error);
    }
  }

  async #lookOrCreate(destination: Destination): Promise<string | undefined> {
    const { exchange, declaration } = destination;
    const create = this.#options.declare === "create";
    const hasExchange = exchange === "" || (await this.#isThere((channel) => channel.checkExchange(exchange)));
    if (!hasExchange && !(create && declaration !== undefined)) return this.#missingExchange(exchange);
    const queue = exchange === "" ? destination.routingKey : create ? declaration?.queue : undefined;
    const hasQueue = queue === undefined || (await this.#isThere((channel) => channel.checkQueue(queue)));
    // What is there may still be unbound.
    if (hasExchange && hasQueue && (exchange === "" || queue === undefined)) return undefined;
    if (queue === undefined || !create) return this.#missingQueue(destination.routingKey);
    await this.#declare(destination, queue, { hasExchange: hasExchange && exchange !== "", hasQueue });
    return undefined;
  }

  /** What Celery's client declares: the queue, and an exchange (a direct one of the same name unless told otherwise) that is bound to it. */
  async #declare(
    { exchange, declaration }: Destination,
    queue: string,
    { hasExchange, hasQueue }: { readonly hasExchange: boolean; readonly hasQueue: boolean },
  ): Promise<void> {
    const channel = await this.#openChannel();
    const from = exchange || declaration?.exchange || queue;
    if (!hasExchange) await channel.assertExchange(from, declaration?.exchangeType ?? "direct", { durable: true });
    if (!hasQueue) await channel.assertQueue(queue, { durable: true, arguments: { ...declaration?.arguments } });
    await channel.bindQueue(queue, from, declaration?.routingKey ?? queue);
  }

  /** Workers bind what they read in the same way, but for queues of direct exchanges; what came out at the end unbound would be lost. */
  async #bindToDelays({ exchange, routingKey, declaration }: Destination): Promise<string | undefined> {
    for (const name of [firstDelayExchange, lastDelayExchange]) {
      if (!(await this.#isThere((channel) => channel.checkExchange(name)))) {
        return `exchange "${name}" does not exist in virtual host "${this.#options.vhost}"; start a worker of Celery 5.5 or later that reads a quorum queue, or take native_delayed_delivery out of the broker's URL`;
      }
    }
    const channel = await this.#openChannel();
    const pattern = delayedPattern(routingKey);
    if (exchange === "") await channel.bindQueue(routingKey, lastDelayExchange, pattern);
    else {
      await channel.bindExchange(exchange, lastDelayExchange, pattern);
      if (declaration !== undefined) await channel.bindQueue(declaration.queue, exchange, pattern);
    }
    return undefined;
  }

  /** The broker says no by closing the channel. Rejects where it says something else. */
  async #isThere(check: (channel: Channel) => Promise<unknown>): Promise<boolean> {
    try {
      await check(await this.#openChannel());
      return true;
    } catch (error) {
      if (codeOf(error) === "404") return false;
      throw error;
    }
  }

  async #openChannel(): Promise<Channel> {
    if (this.#channel !== undefined) return this.#channel;
    const channel = await this.#connection.createChannel();
    channel.on("error", () => undefined); // The call under way rejects with the same error.
    channel.on("close", () => {
      if (this.#channel === channel) this.#channel = undefined;
    });
    this.#channel = channel;
    return channel;
  }

  #missingExchange(exchange: string): string {
    return `exchange "${exchange}" does not exist in virtual host "${this.#options.vhost}"; create it, or start the worker that does`;
  }

  #missingQueue(queue: string): string {
    return `queue "${queue}" does not exist in virtual host "${this.#options.vhost}"; start a worker that reads it (celery worker -Q ${queue}), or let Beat create it with --declare-queues`;
  }

  #refusal({ exchange, routingKey }: Destination, error: unknown): string {
    const name = exchange === "" ? `queue "${routingKey}"` : `exchange "${exchange}"`;
    const reason = `${name} cannot be used: ${channelFailure(error)}`;
    if (codeOf(error) === "403") {
      return `${reason}; give the user "${this.#options.username}" the right to, or let a worker make it and write declare=passive in the broker's URL`;
    }
    if (codeOf(error) === "406") {
      return `${reason}; what is there was made with other arguments: give the queue those in the schedule file (beat queues shows the workers'), or write declare=passive in the broker's URL`;
    }
    return reason;
  }
}
