// Schedule files as the scheduler follows them: read at the start, whenever they change, and when somebody asks.

import { type BeatError, reasonOf } from "./core/errors.ts";
import type { Clock, Log } from "./core/ports.ts";
import type { Operations } from "./definitions/operations.ts";
import { type LoadedFiles, loadScheduleFiles } from "./definitions/parse.ts";
import { watchScheduleFiles } from "./definitions/watch.ts";

export interface ScheduleFilesOptions {
  readonly paths: readonly string[];
  readonly jobsDir: string | undefined;
  readonly operations: Operations;
  readonly clock: Clock;
  readonly log: Log;
  /** Entries may have changed, and these are the brokers that the files name. */
  readonly onApplied: (brokers: LoadedFiles["brokers"]) => Promise<void>;
}

export class ScheduleFiles {
  readonly #options: ScheduleFilesOptions;
  readonly #watch: { close(): Promise<void> };
  #calendarFiles: readonly string[] = [];
  #problems: readonly BeatError[] = [];
  #reading: Promise<unknown> = Promise.resolve();

  /** Begins to watch; what is there is read by the first read(). */
  constructor(options: ScheduleFilesOptions) {
    this.#options = options;
    const { clock, log } = options;
    const calendarFiles = () => this.#calendarFiles;
    this.#watch = watchScheduleFiles(options.paths, { clock, log, calendarFiles }, () => this.read());
  }

  /** One at a time, whoever asks. Rejects where the store does. */
  read(): Promise<void> {
    const done = this.#reading.then(() => this.#apply());
    this.#reading = done.catch(() => {});
    return done;
  }

  /** As an operator asks for it. Never rejects. */
  async readNow(): Promise<void> {
    const { log } = this.#options;
    log.info("SIGHUP: reading the schedule files.");
    await this.read().catch((error) => log.error(`The schedule files could not be read: ${reasonOf(error)}`));
  }

  /** What is wrong with them, as they were read last; undefined: nothing. */
  get trouble(): string | undefined {
    const [first] = this.#problems;
    if (first === undefined) return undefined;
    const more = this.#problems.length - 1;
    return `the schedule files can't be used as they are: ${first.describe()}${more === 0 ? "" : ` (and ${more} more)`}`;
  }

  async close(): Promise<void> {
    await this.#watch.close();
  }

  async #apply(): Promise<void> {
    const { paths, jobsDir, operations, log, onApplied } = this.#options;
    const loaded = await loadScheduleFiles(paths, jobsDir === undefined ? {} : { jobsDir });
    this.#calendarFiles = loaded.calendarFiles;
    const { summary, problems } = await operations.applyFiles(loaded);
    for (const problem of problems) log.error(reasonOf(problem));
    this.#problems = problems;
    if (summary !== "") log.info(summary);
    await onApplied(loaded.brokers);
  }
}
