// Jobs in worker threads: work that keeps a processor busy there does not hold up the timetable here. The pool, and the
// package that it comes from, are there from the first such job on; a thread that has nothing to do for a while ends.
//
// A thread, unlike a function, can be ended: on abort its job is told (its signal is aborted, if it ever looks), and what is left of it
// after the grace goes with its thread. The others go on, and a new thread takes its place.

import { availableParallelism } from "node:os";
import { MessageChannel } from "node:worker_threads";
import type { Piscina } from "piscina";
import type { Clock, Log } from "../core/ports.ts";
import type { JobSource } from "./job.ts";
import { failureReason } from "./reason.ts";
import type { LogLine, ThreadTask } from "./thread-worker.ts";

const idleMs = 30_000;
/** This very module, as it was written or as it was compiled, says which the other one is. */
const workerFile = new URL(import.meta.url.replace(/threads(\.[jt]s)$/, "thread-worker$1")).href;

export interface ThreadRun {
  readonly source: JobSource;
  /** What the job is told, as far as it can be sent. */
  readonly context: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** A thread has taken it: until then it waits for one. */
  readonly onBegin: () => void;
}

export interface ThreadsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Between the abort and the end of the thread. */
  readonly graceMs: number;
  /** Default: as many as there are processors. */
  readonly maxThreads?: number;
}

export class Threads {
  readonly #options: ThreadsOptions;
  #pool: Promise<Piscina> | undefined;
  #free: number;
  /** Runs that wait for a thread. The pool has a queue too, which stands still where the thread before it was ended. */
  readonly #waiting = new Set<() => void>();

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#free = options.maxThreads ?? availableParallelism();
  }

  /** Ends when the job has, or its thread. Gives what the job gave; rejects with what it threw. */
  async run(run: ThreadRun): Promise<unknown> {
    await this.#place(run.signal);
    try {
      run.onBegin();
      this.#pool ??= this.#open();
      return await this.#runIn(await this.#pool, run);
    } finally {
      this.#free++;
      this.#wakeNext();
    }
  }

  #wakeNext(): void {
    const [next] = this.#free > 0 ? this.#waiting : [];
    next?.();
  }

  /** Resolves when a thread may be taken; rejects when the run is aborted before. */
  async #place(signal: AbortSignal): Promise<void> {
    while (this.#free === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const goOn = () => resolve();
      this.#waiting.add(goOn);
      signal.addEventListener("abort", goOn, { once: true });
      await promise;
      signal.removeEventListener("abort", goOn);
      this.#waiting.delete(goOn);
      if (!signal.aborted) continue;
      // It may have been its turn.
      this.#wakeNext();
      throw signal.reason;
    }
    this.#free--;
  }

  async #runIn(pool: Piscina, { source, context, signal, log }: ThreadRun): Promise<unknown> {
    signal.throwIfAborted();
    const { port1: port, port2: theirs } = new MessageChannel();
    port.on("message", ({ level, message, fields }: LogLine) => log[level](message, fields));
    const end = new AbortController();
    let cancelEnd = () => {};
    const stop = () => {
      port.postMessage(failureReason(signal.reason));
      cancelEnd = this.#options.clock.setTimer(this.#options.graceMs, () => end.abort());
    };
    signal.addEventListener("abort", stop, { once: true });
    const task: ThreadTask = { source, context, port: theirs };
    try {
      return await pool.run(task, { transferList: [theirs], signal: end.signal });
    } catch (error) {
      throw end.signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener("abort", stop);
      cancelEnd();
      port.close();
    }
  }

  /** Ends every thread, whatever goes on in it. */
  async close(): Promise<void> {
    const pool = await this.#pool?.catch(() => undefined);
    await pool?.destroy();
  }

  async #open(): Promise<Piscina> {
    const { Piscina } = await import("piscina");
    const { log } = this.#options;
    const pool = new Piscina({
      filename: workerFile,
      minThreads: 0,
      maxThreads: this.#options.maxThreads ?? availableParallelism(),
      idleTimeout: idleMs,
      // What a job has left behind goes on while its thread waits for the next one, as it does in this process.
      atomics: "disabled",
      recordTiming: false,
    });
    // What a thread did beside its job, e.g. a rejection that nobody handled: it ends that thread alone.
    pool.on("error", (error) => log.error(`A thread ended: ${failureReason(error)}`));
    return pool;
  }
}
