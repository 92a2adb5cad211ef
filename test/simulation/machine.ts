// A process as the simulation has it: its clocks (with their own drift, skew and sleep), whether it is alive or stopped, and
// the points at which it may die. What a dead process had begun never goes on.

import { StoreError, StoreUnavailableError } from "../../src/core/errors.ts";
import type { Clock, Log, Store } from "../../src/core/ports.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** What the wall clocks of all machines have been put forward by, all in all. */
export interface WallOffset {
  ms: number;
}

export interface MachineTraits {
  readonly name: string;
  /** How far its wall clock is from the others', and its clocks' rates from true time. */
  readonly skewMs: number;
  readonly drift: number;
  /** How often a call of the store takes time, and how much at most. */
  readonly slowShare: number;
  readonly slowMs: number;
}

export class Machine {
  /** Whose call of the store is being carried out. */
  static calling: Machine | undefined;
  readonly traits: MachineTraits;
  readonly clock: Clock;
  readonly log: Log;
  alive = true;
  /** Dies at the so-many-th point from now. */
  pointsToLive = Number.POSITIVE_INFINITY;
  onDeath: () => void = () => {};
  /** The share of the store's calls that fail now, and how. */
  storeTrouble: { readonly share: number; readonly permanent: boolean } | undefined;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #startedAt: number;
  #stoppedUntil = Number.NEGATIVE_INFINITY;
  readonly #stops: { readonly from: number; readonly until: number }[] = [];
  #asleepUntil = Number.NEGATIVE_INFINITY;
  /** For how long its monotonic clock stood still, all in all. */
  #sleptMs = 0;

  constructor(traits: MachineTraits, scheduler: Scheduler, random: Random, wall: WallOffset) {
    this.traits = traits;
    this.#scheduler = scheduler;
    this.#random = random;
    this.#startedAt = scheduler.now;
    this.clock = {
      now: () => Math.floor(this.#scheduler.now + wall.ms + traits.skewMs + this.#drifted),
      monotonic: () => this.#monotonic,
      setTimer: (delayMs, callback) => this.#setTimer(delayMs, callback),
    };
    const write = (level: string) => (message: string) => this.note(`${level}: ${namedAlike(message)}`);
    this.log = { debug() {}, info: write("info"), warn: write("warn"), error: write("error") };
  }

  note(what: string): void {
    if (this.alive) this.#scheduler.note(`${this.traits.name}  ${what}`);
  }

  get isStopped(): boolean {
    return this.#scheduler.now < this.#stoppedUntil;
  }

  /** As SIGSTOP does; `sleeping`: as a machine that is suspended, whose monotonic clock stands still. */
  stop(forMs: number, sleeping: boolean): void {
    this.note(`${sleeping ? "sleeps" : "stops"} for ${forMs} ms`);
    const { now } = this.#scheduler;
    const until = now + forMs;
    this.#stoppedUntil = Math.max(this.#stoppedUntil, until);
    this.#stops.push({ from: now, until });
    if (!sleeping) return;
    // Where it sleeps already, only what comes on top.
    const moreMs = Math.max(0, until - Math.max(now, this.#asleepUntil));
    this.#asleepUntil = Math.max(this.#asleepUntil, until);
    this.#scheduler.at(until, () => (this.#sleptMs += moreMs));
  }

  /** At some moment between these, TRUE time. */
  stoodStillWithin(from: number, until: number): boolean {
    return this.#stops.some((stop) => stop.from < until && stop.until > from);
  }

  die(why: string): void {
    if (!this.alive) return;
    this.note(`dies: ${why}`);
    this.alive = false;
    this.onDeath();
  }

  /** Something reaches the process: at its time, or when it goes on; never, where it has died. */
  later(delayMs: number, run: () => void): void {
    const arrive = () => {
      if (!this.alive) return;
      if (this.isStopped) this.#scheduler.at(this.#stoppedUntil, arrive);
      else if (this.survives()) run();
    };
    this.#scheduler.after(delayMs, arrive);
  }

  /** One more point at which the process may die. Returns whether it lives on. */
  survives(): boolean {
    if (this.alive && --this.pointsToLive < 0) this.die("killed");
    return this.alive;
  }

  /** The store as this process reaches it: calls take time, fail, and are where it dies. */
  storeOver(store: Store): Store {
    return new Proxy(store, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== "function") return value;
        return (...parameters: unknown[]) =>
          this.#call(String(key), () => value.apply(target, parameters) as Promise<unknown>);
      },
    });
  }

  async #call(name: string, work: () => Promise<unknown>): Promise<unknown> {
    await this.#point();
    const trouble = this.storeTrouble;
    if (trouble !== undefined && this.#random.chance(trouble.share)) {
      this.note(`${name} fails`);
      throw trouble.permanent
        ? new StoreError("the simulated store refuses")
        : new StoreUnavailableError("the simulated store is away");
    }
    this.note(name);
    Machine.calling = this;
    try {
      return await work();
    } finally {
      await this.#point();
    }
  }

  async #point(): Promise<void> {
    // Another promise each time: one for all would hold everything that ever waited for it.
    if (!this.survives()) await new Promise<never>(() => {});
    const { slowShare, slowMs } = this.traits;
    if (slowShare > 0 && this.#random.chance(slowShare))
      await new Promise<void>((resolve) => this.later(this.#random.whole(0, slowMs), resolve));
  }

  get #drifted(): number {
    return (this.#scheduler.now - this.#startedAt) * this.traits.drift;
  }

  get #monotonic(): number {
    return this.#scheduler.now - this.#startedAt - this.#sleptMs + this.#drifted;
  }

  #setTimer(delayMs: number, callback: () => void): () => void {
    const dueMs = this.#monotonic + Math.max(0, delayMs);
    let wanted = true;
    const ring = () => {
      const leftMs = dueMs - this.#monotonic;
      if (!wanted) return;
      // Never early by a rounding: whoever finds that nothing has passed would wait for ever. True time can't tell less than this.
      if (leftMs > 0) this.later(Math.max(leftMs, 0.001), ring);
      else callback();
    };
    this.later(Math.max(0, delayMs) / (1 + this.traits.drift), ring);
    return () => {
      wanted = false;
    };
  }
}

/** Without the name of the store's folder, which is another one each time. */
function namedAlike(message: string): string {
  return message.replace(/beat-simulation-\w+/, "beat-simulation");
}
