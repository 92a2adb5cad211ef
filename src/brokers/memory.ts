// A broker that only remembers, for tests and for programs that read its messages themselves. Its failures can be called up.

import { BrokerError } from "../core/errors.ts";
import type { Broker, BrokerListener, Message, PublishOutcome } from "../core/ports.ts";
import { failLater } from "./sending.ts";

const maxMessages = 1_000_000;

export class MemoryBroker implements Broker {
  readonly url = "memory://";
  readonly window = 10_000;
  /** What was published and confirmed, in order. Take from its front what was read. */
  readonly messages: Message[] = [];
  readonly #missing = new Set<string>();
  readonly #refused = new Map<string, string>();
  #unconfirmed = 0;
  #listener: BrokerListener | undefined;
  #away: string | undefined = "the broker is not opened yet";
  #drained: (() => void) | undefined;

  async open(listener: BrokerListener): Promise<void> {
    this.#listener = listener;
    this.#away = undefined;
    queueMicrotask(() => {
      if (this.#away === undefined) listener.available();
    });
  }

  publish(messages: readonly Message[], settle: (message: Message, outcome: PublishOutcome) => void): void {
    const sendings = messages.map((message) => ({ message, settle }));
    if (this.#away !== undefined) {
      failLater(sendings, this.#away);
      return;
    }
    const room = Math.max(0, this.window - this.#unconfirmed);
    if (room < sendings.length)
      failLater(sendings.splice(room), `${this.window} messages wait for their confirmation already`);
    this.#unconfirmed += sendings.length;
    setImmediate(() => {
      for (const { message } of sendings) {
        this.#unconfirmed--;
        settle(message, this.#take(message));
      }
      if (this.#unconfirmed === 0) this.#drained?.();
    });
  }

  async close(_drainMs: number): Promise<void> {
    // What is under way settles in the next turn of the event loop: there is no need to look at the limit.
    if (this.#unconfirmed > 0 && this.#away === undefined)
      await new Promise<void>((resolve) => (this.#drained = resolve));
    this.#away = "the broker was closed";
    this.#listener = undefined;
  }

  get isOpen(): boolean {
    return this.#listener !== undefined;
  }

  // ------------------------------------------------------------------------------------------------------ failures

  /** Takes nothing any more, what is under way included, until `recover`. */
  fail(reason: string, permanent = false): void {
    this.#away = reason;
    this.#listener?.unavailable(reason, permanent);
  }

  recover(): void {
    if (this.#listener === undefined) throw new BrokerError("the memory broker is not open");
    this.#away = undefined;
    this.#listener.available();
  }

  /** Messages to this queue settle as `no-queue` until `createQueue`. */
  deleteQueue(queue: string): void {
    this.#missing.add(queue);
  }

  createQueue(queue: string): void {
    this.#missing.delete(queue);
  }

  /** The message of this task id settles as `refused`. */
  refuse(id: string, reason: string): void {
    this.#refused.set(id, reason);
  }

  /** Tells the listener something that an operator wants to know. */
  notice(text: string): void {
    this.#listener?.notice(text);
  }

  #take(message: Message): PublishOutcome {
    if (this.#away !== undefined) return { result: "unavailable", reason: this.#away };
    const refusal = this.#refused.get(message.id);
    if (refusal !== undefined) return { result: "refused", reason: refusal };
    if (this.#missing.has(message.queue))
      return { result: "no-queue", reason: `queue "${message.queue}" does not exist` };
    if (this.messages.length >= maxMessages)
      return { result: "unavailable", reason: `${maxMessages} messages wait unread` };
    this.messages.push(message);
    return { result: "confirmed" };
  }
}
