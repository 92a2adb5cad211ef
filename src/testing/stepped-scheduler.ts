// A scheduler whose time goes on when a test says so: a day of a schedule takes a second, and what runs in it is the same each
// time. It is the real one, with its store, its rules and its ledger; only its clock is another.

import { UsageError } from "../core/errors.ts";
import { type Instant, parseDuration } from "../core/time.ts";
import { silentLog } from "../log.ts";
import { Scheduler, type Stopped } from "../scheduler.ts";
import type { SchedulerOptions } from "../scheduler-options.ts";
import { SimulatedClock } from "./simulated-clock.ts";

const stoppingStepMs = 1_000;
/** Of the event loop, at the end of each step: what takes a little longer than promises is done then too. */
const turnsAfterStep = 10;
/** While nothing is under way, what waits for promises is done without a turn; what the program does beside has one now and then. */
const timersATurn = 64;

export interface SteppedSchedulerOptions extends Omit<SchedulerOptions, "clock"> {
  /** What time it is at first: a date, or a text as `new Date()` reads it. Default 2027-01-01T00:00Z, a Friday. */
  readonly now?: Date | string | Instant;
}

/** In memory and without a log unless its options say otherwise. */
export class SteppedScheduler extends Scheduler {
  readonly #clock: SimulatedClock;
  #timers = 0;

  constructor({ now = Date.UTC(2027, 0, 1), ...options }: SteppedSchedulerOptions = {}) {
    const clock = new SimulatedClock(instantOf(now), () => this.#settle());
    super({ log: silentLog, ...options, clock });
    this.#clock = clock;
  }

  async #settle(): Promise<void> {
    if (this.busy || ++this.#timers % timersATurn === 0) await this.#clock.settle(1);
    // Comes after all promises that can be settled.
    else await new Promise<void>((resolve) => process.nextTick(resolve));
  }

  /**
   * Lets time go on: `1h`, `1d12h`, or seconds. Everything that falls due runs at its time, in order, and what it does settles before time
   * goes on, as long as it waits for nothing outside (a file, a server). Starts the scheduler where that was not done.
   */
  async advance(duration: string | number): Promise<void> {
    await this.#pass(parseDuration(duration));
  }

  /** Lets time go on until then. Nothing happens where it is later already. */
  async advanceTo(when: Date | string): Promise<void> {
    await this.#pass(Math.max(0, instantOf(when) - this.#clock.now()));
  }

  /** The machine sleeps so long: what fell due meanwhile is found on waking. */
  async sleep(duration: string | number): Promise<void> {
    await this.start();
    await this.#clock.sleepThrough(parseDuration(duration));
    await this.#clock.settle(turnsAfterStep);
  }

  /** Puts the wall clock forward or back, in milliseconds, as an operator or NTP does. */
  stepWall(byMs: number): void {
    this.#clock.stepWall(byMs);
  }

  /** Time goes on until it has stopped: nothing waits for a drain time that would never pass. */
  override async stop(options: Parameters<Scheduler["stop"]>[0] = {}): Promise<Stopped> {
    let isStopped = false;
    const stopped = super.stop(options).finally(() => {
      isStopped = true;
    });
    while (!isStopped) {
      await this.#clock.advance(stoppingStepMs);
      await this.#clock.settle(1);
    }
    return stopped;
  }

  async #pass(ms: number): Promise<void> {
    await this.start();
    await this.#clock.advance(ms);
    await this.#clock.settle(turnsAfterStep);
  }
}

function instantOf(when: Date | string | Instant): Instant {
  const instant = new Date(when).getTime();
  if (!Number.isNaN(instant)) return instant;
  throw new UsageError(`"${when}" is no time`, { remedy: "Write it like 2027-01-31T09:00Z." });
}
