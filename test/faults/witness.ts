// A plain consumer with a connection of its own, straight to the broker: it writes down what arrives, and knows nothing
// of Beat but the headers of its messages.

import { setTimeout as sleep } from "node:timers/promises";
import type { Delivery } from "../checker/evidence.ts";
import type { Tap } from "./brokers.ts";

export class Witness {
  readonly arrived: Delivery[] = [];
  readonly #tap: Tap;
  readonly #queue: string;
  #end: (() => Promise<void>) | undefined;
  #isClosed = false;
  #isPaused = false;
  #onArrival: (() => void)[] = [];

  private constructor(tap: Tap, queue: string) {
    this.#tap = tap;
    this.#queue = queue;
  }

  /** Takes everything from the queue; connects again for ever. */
  static async open(tap: Tap, queue: string): Promise<Witness> {
    const witness = new Witness(tap, queue);
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
    while (this.#end === undefined && performance.now() < endsAt) await sleep(20);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#end?.();
  }

  async #consume(): Promise<void> {
    const { promise: isOver, resolve } = Promise.withResolvers<void>();
    this.#end = await this.#tap(this.#queue, (delivery) => this.#take(delivery), resolve);
    void isOver.then(() => this.#again());
  }

  #take(delivery: Delivery): void {
    this.arrived.push(delivery);
    for (const wake of this.#onArrival.splice(0)) wake();
  }

  async #again(): Promise<void> {
    this.#end = undefined;
    while (!this.#isClosed && this.#end === undefined) {
      await sleep(100);
      if (!this.#isClosed && !this.#isPaused) await this.#consume().catch(() => undefined);
    }
  }
}

export function distinct(arrived: readonly Delivery[]): number {
  return new Set(arrived.map(({ id }) => id)).size;
}
