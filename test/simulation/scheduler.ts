// The one line of events that everything in a simulation happens on. Between two events all promises settle, so that a
// run is the same whenever it is repeated.

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Scheduler {
  /** TRUE time, epoch ms. */
  now: number;
  /** A line for each thing that happened, where lines are kept. */
  readonly lines: string[] | undefined;
  #heap: Event[] = [];
  #order = 0;
  #hash = 0;
  readonly #startAt: number;

  constructor(startAt: number, keepLines: boolean) {
    this.now = startAt;
    this.#startAt = startAt;
    this.lines = keepLines ? [] : undefined;
  }

  /** Stands for all that happened, in its order, where lines are kept. */
  get fingerprint(): string {
    return `${this.#order} events, ${(this.#hash >>> 0).toString(16)}`;
  }

  note(what: string): void {
    if (this.lines === undefined) return;
    const line = `${((this.now - this.#startAt) / 1_000).toFixed(3).padStart(9)}  ${what}`;
    for (let index = 0; index < line.length; index++)
      this.#hash = (Math.imul(this.#hash, 31) + line.charCodeAt(index)) | 0;
    this.lines.push(line);
  }

  at(time: number, run: () => void): void {
    const heap = this.#heap;
    const event = { at: Math.max(time, this.now), order: this.#order++, run };
    let place = heap.push(event) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = event;
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.now + delayMs, run);
  }

  /** Lets everything happen up to `until`. */
  async run(until: number): Promise<void> {
    await settled();
    for (let event = this.#heap[0]; event !== undefined && event.at <= until; event = this.#heap[0]) {
      this.#shift();
      this.now = event.at;
      event.run();
      await settled();
    }
    this.now = until;
  }

  #shift(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/**
 * Nothing in a simulation waits for the outside: a tick comes when every promise has settled that can. The event loop need not
 * turn for it, which takes longer than most events.
 */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
