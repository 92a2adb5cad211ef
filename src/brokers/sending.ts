// A message on its way, and the one place where its fate is told.

import type { Message, PublishOutcome } from "../core/ports.ts";

export interface Sending {
  readonly message: Message;
  readonly settle: (message: Message, outcome: PublishOutcome) => void;
}

const confirmed: PublishOutcome = Object.freeze({ result: "confirmed" });

export function confirm({ message, settle }: Sending): void {
  settle(message, confirmed);
}

export type Failure = Exclude<PublishOutcome["result"], "confirmed">;

export function fail({ message, settle }: Sending, result: Failure, reason: string): void {
  settle(message, { result, reason });
}

/** Settles all as `unavailable`, in a later turn of the event loop. */
export function failLater(sendings: readonly Sending[], reason: string): void {
  if (sendings.length === 0) return;
  setImmediate(() => {
    for (const sending of sendings) fail(sending, "unavailable", reason);
  });
}

/** Counts the messages on a connection whose fate is not told yet, and tells it. */
export class Unsettled {
  readonly #onNone: () => void;
  #count = 0;
  #drained: (() => void) | undefined;

  /** `onNone` is called whenever the last one is settled. */
  constructor(onNone = () => {}) {
    this.#onNone = onNone;
  }

  get count(): number {
    return this.#count;
  }

  add(count: number): void {
    this.#count += count;
  }

  confirm(sendings: readonly Sending[]): void {
    this.#count -= sendings.length;
    for (const sending of sendings) confirm(sending);
    this.#look();
  }

  fail(sendings: readonly Sending[], result: Failure, reason: string): void {
    this.#count -= sendings.length;
    for (const sending of sendings) fail(sending, result, reason);
    this.#look();
  }

  /** Resolves once every message is settled. */
  async drained(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  #look(): void {
    if (this.#count > 0) return;
    this.#onNone();
    this.#drained?.();
  }
}

/** Messages in the order in which they are to be sent. */
export class Line {
  #items: Sending[] = [];
  #next = 0;

  get isEmpty(): boolean {
    return this.#next >= this.#items.length;
  }

  push(sendings: readonly Sending[]): void {
    for (const sending of sendings) this.#items.push(sending);
  }

  next(): Sending | undefined {
    if (this.#next < this.#items.length) return this.#items[this.#next++];
    this.clear();
    return undefined;
  }

  /** In front of all others. */
  putBack(sendings: readonly Sending[]): void {
    this.#items = [...sendings, ...this.clear()];
  }

  /** Returns what was in it. */
  clear(): Sending[] {
    const rest = this.#items.slice(this.#next);
    this.#items = [];
    this.#next = 0;
    return rest;
  }
}
