// A consumer that only writes down what arrived.

import type { TestContext } from "node:test";
import { connect } from "amqplib";

export interface Arrived {
  readonly id: string;
  readonly name: string;
  /** The nominal fire time, ISO 8601. */
  readonly fireTime: string;
  readonly at: number;
}

export class Collector {
  readonly arrived: Arrived[] = [];
  readonly #ids = new Set<string>();
  #expected: { count: number; done: () => void }[] = [];

  /** Declares the queue, as a worker would, and takes everything from it. */
  static async open(t: TestContext, url: string, queue = "celery"): Promise<Collector> {
    const connection = await connect(url);
    // The server may be stopped before the test ends; a connection that is closed already never answers a close.
    let isOpen = true;
    connection.on("error", () => {});
    connection.on("close", () => {
      isOpen = false;
    });
    t.after(() => (isOpen ? connection.close() : undefined));
    const channel = await connection.createChannel();
    await channel.assertQueue(queue, { durable: true });
    const collector = new Collector();
    await channel.consume(
      queue,
      (message) => {
        if (message === null) return;
        const headers = message.properties.headers as Record<string, string>;
        collector.#take({
          id: headers["id"]!,
          name: headers["periodic_task_name"]!,
          fireTime: headers["beat_fire_time"]!,
          at: Date.now(),
        });
      },
      { noAck: true },
    );
    return collector;
  }

  /** Resolves when so many different ids have arrived. */
  async ids(count: number, patienceMs = 30_000): Promise<void> {
    if (this.distinct() >= count) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.distinct()} of ${count} messages arrived`)), patienceMs);
      this.#expected.push({
        count,
        done: () => {
          clearTimeout(timer);
          resolve();
        },
      });
    });
  }

  /** How many different ids arrived. */
  distinct(): number {
    return this.#ids.size;
  }

  #take(one: Arrived): void {
    this.arrived.push(one);
    this.#ids.add(one.id);
    this.#expected = this.#expected.filter(({ count, done }) => {
      if (this.#ids.size < count) return true;
      done();
      return false;
    });
  }
}
