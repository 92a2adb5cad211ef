// Tells an operator that messages wait and no worker takes any, at a decent rhythm, and once when one does.

import { formatDuration, hourMs, minuteMs, secondMs } from "../core/time.ts";
import { countLimit, type UnreadQueue } from "./kombu-rows.ts";

/** Where no worker was seen yet, it is probably not running. One that was seen may be busy. */
const patienceMs = { first: 5 * secondMs, later: minuteMs };

/** How a worker for these queues is started. */
export type WorkerCommand = (url: string, queues: readonly string[]) => string;

export const celeryWorker: WorkerCommand = (url, queues) =>
  `celery -A <your app> -b ${shellWord(url)} worker -Q ${shellWord(queues.join(","))}`;

export class UnreadNotice {
  readonly #url: string;
  readonly #tell: (text: string) => void;
  readonly #worker: WorkerCommand;
  /** When unread messages were first seen since a worker took one, by queue; monotonic ms. */
  readonly #since = new Map<string, number>();
  readonly #readers = new Set<string>();
  /** Queues that an operator was told of. */
  readonly #told = new Set<string>();
  #nextAtMs = 0;
  #pauseMs = minuteMs;

  /** `url`: what a worker on this machine is started with. */
  constructor(url: string, tell: (text: string) => void, worker = celeryWorker) {
    this.#url = url;
    this.#tell = tell;
    this.#worker = worker;
  }

  /** `taken`: queues that a worker took messages from since the last call. `nowMs` is monotonic. */
  observe(unread: readonly UnreadQueue[], taken: ReadonlySet<string>, nowMs: number): void {
    for (const queue of taken) this.#onReader(queue);
    for (const { name } of unread) if (!this.#since.has(name)) this.#since.set(name, nowMs);
    const neglected = unread.filter(
      ({ name }) => nowMs - this.#since.get(name)! >= (this.#readers.has(name) ? patienceMs.later : patienceMs.first),
    );
    const isNews = neglected.some(({ name }) => !this.#told.has(name));
    if (neglected.length === 0 || (nowMs < this.#nextAtMs && !isNews)) return;
    if (!isNews) this.#pauseMs = Math.min(hourMs, 2 * this.#pauseMs);
    this.#nextAtMs = nowMs + this.#pauseMs;
    for (const { name } of neglected) this.#told.add(name);
    this.#tell(this.#text(neglected, nowMs));
  }

  #onReader(queue: string): void {
    this.#since.delete(queue);
    this.#readers.add(queue);
    if (!this.#told.delete(queue)) return;
    if (this.#told.size === 0) this.#pauseMs = minuteMs;
    this.#tell(`A worker takes messages from queue "${queue}".`);
  }

  #text(neglected: readonly UnreadQueue[], nowMs: number): string {
    const total = neglected.reduce((sum, { count }) => sum + count, 0);
    const names = neglected.map(({ name }) => name);
    const longestMs = Math.max(...names.map((name) => nowMs - this.#since.get(name)!));
    const amount =
      total >= countLimit ? `${countLimit} or more messages` : total === 1 ? "1 message" : `${total} messages`;
    const where =
      neglected.length === 1
        ? `queue "${names[0]}"`
        : neglected.map(({ name, count }) => `"${name}" (${count})`).join(", ");
    const verb = total === 1 ? "waits" : "wait";
    return `${amount} ${verb} in ${where}; no worker took one for ${formatDuration(Math.floor(longestMs / secondMs) * secondMs)}. Start one: ${this.#worker(this.#url, names)}`;
  }
}

export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
