// Events on their way to those who listen. They are handed on in the order in which they happened, each to everybody before
// the next, and never within the work that caused them: a listener finds that work done, and can do it no harm.

import { nearest, reasonOf, UsageError } from "../core/errors.ts";
import { type BeatEvent, type EventOf, type EventPattern, eventNames } from "../core/events.ts";
import type { Log } from "../core/ports.ts";

export type Listener<Pattern extends EventPattern> = (event: EventOf<Pattern>) => unknown;

/** Events as they come; ends when the scheduler has stopped. */
export interface EventStream<Pattern extends EventPattern> extends AsyncIterableIterator<EventOf<Pattern>> {
  /** How many were dropped, the oldest first, since nobody took them in time. */
  readonly dropped: number;
}

interface Registered {
  readonly listener: (event: never) => unknown;
  readonly once: boolean;
}

const patterns: ReadonlySet<string> = new Set([...eventNames, "run:*", "entry:*", "scheduler:*", "*"]);
const defaultBuffer = 1_000;

export class Events {
  readonly #log: Log;
  readonly #listeners = new Map<string, Registered[]>();
  readonly #streams = new Set<Stream>();
  #waiting: BeatEvent[] = [];
  #closed = false;

  constructor(log: Log) {
    this.#log = log;
  }

  on(pattern: EventPattern, listener: Registered["listener"], once = false): void {
    checkPattern(pattern);
    if (typeof listener !== "function")
      throw new UsageError(`the listener for "${pattern}" is not a function`, {
        remedy: "Give it as the second argument.",
      });
    const known = this.#listeners.get(pattern) ?? [];
    if (known.some((one) => one.listener === listener && one.once === once)) return;
    this.#listeners.set(pattern, [...known, { listener, once }]);
  }

  off(pattern: EventPattern, listener: Registered["listener"]): void {
    checkPattern(pattern);
    this.#drop(pattern, (one) => one.listener === listener);
  }

  /** `buffer`: how many wait at most for whoever reads; the oldest go first. */
  stream(pattern: EventPattern, buffer = defaultBuffer): Stream {
    checkPattern(pattern);
    const stream = new Stream(pattern, buffer, (ended) => this.#streams.delete(ended));
    if (this.#closed) stream.end();
    else this.#streams.add(stream);
    return stream;
  }

  get isHeard(): boolean {
    return this.#listeners.size > 0 || this.#streams.size > 0;
  }

  /** Never throws. */
  emit(event: BeatEvent): void {
    if (!this.isHeard) return;
    if (this.#waiting.push(event) === 1) queueMicrotask(() => this.#handOn());
  }

  /** Streams end after what is still on its way; listeners stay. */
  close(): void {
    this.#closed = true;
    queueMicrotask(() => {
      for (const stream of [...this.#streams]) stream.end();
    });
  }

  #handOn(): void {
    for (let event = this.#waiting[0]; event !== undefined; event = this.#waiting[0]) {
      for (const pattern of [event.type, `${event.type.split(":")[0]}:*`, "*"]) this.#tell(pattern, event);
      for (const stream of this.#streams) stream.take(event);
      this.#waiting.shift();
    }
  }

  #tell(pattern: string, event: BeatEvent): void {
    const listeners = this.#listeners.get(pattern);
    if (listeners === undefined) return;
    for (const one of listeners) {
      if (one.once) this.#drop(pattern, (other) => other === one);
      this.#call(one.listener as (event: BeatEvent) => unknown, event);
    }
  }

  #call(listener: (event: BeatEvent) => unknown, event: BeatEvent): void {
    const complain = (error: unknown) =>
      this.#log.error(`A listener for ${event.type} threw: ${reasonOf(error)}`, { event: event.type });
    try {
      const answer = listener(event);
      if (answer instanceof Promise) answer.catch(complain);
    } catch (error) {
      complain(error);
    }
  }

  #drop(pattern: string, unwanted: (one: Registered) => boolean): void {
    const left = (this.#listeners.get(pattern) ?? []).filter((one) => !unwanted(one));
    if (left.length === 0) this.#listeners.delete(pattern);
    else this.#listeners.set(pattern, left);
  }
}

class Stream implements AsyncIterableIterator<BeatEvent> {
  readonly #pattern: EventPattern;
  readonly #limit: number;
  readonly #onEnd: (stream: Stream) => void;
  #buffer: BeatEvent[] = [];
  #readers: ((result: IteratorResult<BeatEvent>) => void)[] = [];
  #ended = false;
  dropped = 0;

  constructor(pattern: EventPattern, limit: number, onEnd: (stream: Stream) => void) {
    if (!(limit >= 1)) throw new UsageError(`a buffer of ${limit} events holds none`, { remedy: "Give 1 or more." });
    this.#pattern = pattern;
    this.#limit = limit;
    this.#onEnd = onEnd;
  }

  take(event: BeatEvent): void {
    const { type } = event;
    const isWanted = this.#pattern === "*" || this.#pattern === type || this.#pattern === `${type.split(":")[0]}:*`;
    if (!isWanted) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader({ value: event, done: false });
      return;
    }
    this.#buffer.push(event);
    if (this.#buffer.length > this.#limit) {
      this.#buffer.shift();
      this.dropped++;
    }
  }

  end(): void {
    this.#ended = true;
    this.#onEnd(this);
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
  }

  async next(): Promise<IteratorResult<BeatEvent>> {
    const event = this.#buffer.shift();
    if (event !== undefined) return { value: event, done: false };
    if (this.#ended) return { value: undefined, done: true };
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  async return(): Promise<IteratorResult<BeatEvent>> {
    this.#buffer = [];
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function checkPattern(pattern: string): void {
  if (patterns.has(pattern)) return;
  const guess = nearest(pattern, patterns);
  throw new UsageError(`there is no event "${pattern}"`, {
    remedy: guess === undefined ? `There are: ${[...patterns].join(", ")}.` : `Did you mean "${guess}"?`,
  });
}
