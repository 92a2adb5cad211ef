// A plain consumer with a connection of its own, straight to the broker: it writes down what arrives, and knows nothing
// of Beat but the headers of its messages.

import { setTimeout as sleep } from "node:timers/promises";
import { type ChannelModel, connect } from "amqplib";
import type { Delivery } from "../checker/evidence.ts";

export class Witness {
  readonly arrived: Delivery[] = [];
  readonly #url: string;
  readonly #queue: string;
  #connection: ChannelModel | undefined;
  #isClosed = false;
  #isPaused = false;
  #onArrival: (() => void)[] = [];

  private constructor(url: string, queue: string) {
    this.#url = url;
    this.#queue = queue;
  }

  /** Declares the queue, as a worker would, and takes everything from it; connects again for ever. */
  static async open(url: string, queue: string): Promise<Witness> {
    const witness = new Witness(url, queue);
    await witness.#consume();
    return witness;
  }

  /** Resolves once so many different occurrences have arrived. */
  async ids(count: number, patienceMs = 60_000): Promise<void> {
    await this.until((arrived) => arrived.length >= count && distinct(arrived) >= count, patienceMs);
  }

  /** Resolves once `isEnough`; rejects when patience ends. */
  async until(isEnough: (arrived: readonly Delivery[]) => boolean, patienceMs = 60_000): Promise<void> {
    const endsAt = performance.now() + patienceMs;
    while (!isEnough(this.arrived)) {
      if (performance.now() > endsAt)
        throw new Error(`${this.arrived.length} messages arrived, and not what was waited for`);
      await new Promise<void>((resolve) => {
        this.#onArrival.push(resolve);
        setTimeout(resolve, 100);
      });
    }
  }

  /** Leaves its queue alone, should it go, until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  async resume(): Promise<void> {
    this.#isPaused = false;
    const endsAt = performance.now() + 10_000;
    while (this.#connection === undefined && performance.now() < endsAt) await sleep(20);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connection?.close().catch(() => undefined);
  }

  async #consume(): Promise<void> {
    const connection = await connect(this.#url);
    connection.on("error", () => undefined);
    connection.on("close", () => void this.#again());
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    channel.on("close", () => connection.close().catch(() => undefined));
    await channel.assertQueue(this.#queue, { durable: true });
    await channel.prefetch(1_000);
    this.#connection = connection;
    await channel.consume(this.#queue, (message) => {
      // A queue that is deleted ends its consumers.
      if (message === null) {
        connection.close().catch(() => undefined);
        return;
      }
      const headers = message.properties.headers as Record<string, string | undefined>;
      this.arrived.push({
        // Celery's own beat says neither which entry it was nor for which time.
        entry: headers["periodic_task_name"] ?? headers["task"]!,
        fireAt: headers["beat_fire_time"] === undefined ? null : Date.parse(headers["beat_fire_time"]),
        id: headers["id"]!,
        redelivered: message.fields.redelivered,
        at: Date.now(),
      });
      channel.ack(message);
      for (const wake of this.#onArrival.splice(0)) wake();
    });
  }

  async #again(): Promise<void> {
    this.#connection = undefined;
    while (!this.#isClosed && this.#connection === undefined) {
      await sleep(100);
      if (!this.#isClosed && !this.#isPaused) await this.#consume().catch(() => undefined);
    }
  }
}

export function distinct(arrived: readonly Delivery[]): number {
  return new Set(arrived.map(({ id }) => id)).size;
}
