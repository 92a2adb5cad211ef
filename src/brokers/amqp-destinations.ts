// Queues and exchanges, looked for before the first message goes there.
//
// RabbitMQ drops a message to a queue that is not there without a word, and a publish to a missing exchange costs the
// channel and every message on it. Declaring the queue is no way out: declared with other arguments than the workers
// declare it with, it makes every worker of the fleet exit at its start. So queues are looked for passively, on a channel
// of its own, since the broker answers "no" by closing the channel. A queue that is there is remembered until a message
// comes back from it; one that is not there is looked for again with the next message.

import type { Channel, ChannelModel } from "amqplib";
import { channelFailure, codeOf } from "./amqp-failure.ts";
import type { Sending } from "./sending.ts";

export interface Destination {
  /** "" for a queue. */
  readonly exchange: string;
  readonly queue: string;
  known: boolean;
  /** Messages that wait for the search to end, in order; undefined while no search goes on. */
  waiting: Sending[] | undefined;
}

export class Destinations {
  readonly #connection: ChannelModel;
  readonly #declareQueues: boolean;
  readonly #vhost: string;
  readonly #queues = new Map<string, Destination>();
  readonly #exchanges = new Map<string, Destination>();
  #channel: Channel | undefined;
  #searches: Promise<unknown> = Promise.resolve();

  constructor(connection: ChannelModel, options: { readonly vhost: string; readonly declareQueues: boolean }) {
    this.#connection = connection;
    this.#declareQueues = options.declareQueues;
    this.#vhost = options.vhost;
  }

  of(exchange: string, routingKey: string): Destination {
    const destinations = exchange === "" ? this.#queues : this.#exchanges;
    const name = exchange === "" ? routingKey : exchange;
    let destination = destinations.get(name);
    if (destination === undefined) {
      destination = { exchange, queue: exchange === "" ? routingKey : "", known: false, waiting: undefined };
      destinations.set(name, destination);
    }
    return destination;
  }

  forget({ exchange, queue }: Destination): void {
    if (exchange === "") this.#queues.delete(queue);
    else this.#exchanges.delete(exchange);
  }

  /** A message came back: no queue took it. Returns why. */
  onReturn(exchange: string, routingKey: string): string {
    if (exchange !== "") return `exchange "${exchange}" has no queue bound to it for the routing key "${routingKey}"`;
    this.#queues.delete(routingKey);
    return `queue "${routingKey}" does not exist any more; start a worker that reads it`;
  }

  /** Looks for it, after all searches before. Undefined: it is there. A text: why nothing can be sent there. Never rejects. */
  find(destination: Destination): Promise<string | undefined> {
    const search = this.#searches.then(() => this.#search(destination));
    this.#searches = search;
    return search;
  }

  async #search(destination: Destination): Promise<string | undefined> {
    try {
      const channel = await this.#openChannel();
      if (destination.exchange !== "") await channel.checkExchange(destination.exchange);
      else await channel.checkQueue(destination.queue);
      return undefined;
    } catch (error) {
      if (codeOf(error) !== "404") return this.#refusal(destination, error);
      if (destination.exchange === "" && this.#declareQueues) return this.#declare(destination);
      return this.#missing(destination);
    }
  }

  /** What Celery's client declares: the queue, and a direct exchange of the same name that is bound to it. */
  async #declare(destination: Destination): Promise<string | undefined> {
    const { queue } = destination;
    try {
      const channel = await this.#openChannel();
      await channel.assertExchange(queue, "direct", { durable: true });
      await channel.assertQueue(queue, { durable: true });
      await channel.bindQueue(queue, queue, queue);
      return undefined;
    } catch (error) {
      return this.#refusal(destination, error);
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

  #missing({ exchange, queue }: Destination): string {
    if (exchange !== "")
      return `exchange "${exchange}" does not exist in virtual host "${this.#vhost}"; create it, or start the worker that does`;
    return `queue "${queue}" does not exist in virtual host "${this.#vhost}"; start a worker that reads it (celery worker -Q ${queue}), or let Beat create it with --declare-queues`;
  }

  #refusal({ exchange, queue }: Destination, error: unknown): string {
    const name = exchange === "" ? `queue "${queue}"` : `exchange "${exchange}"`;
    return `${name} cannot be used: ${channelFailure(error)}`;
  }
}
