// A process that can die: one engine with a runner of its own, over a store and a clock that outlive it. What it had begun
// when it was killed never goes on: no timer of it rings, and nothing of it reaches the store.

import type { BeatEvent } from "../../src/core/events.ts";
import type { Clock, Store } from "../../src/core/ports.ts";
import type { Engine } from "../../src/dispatch/engine.ts";
import { createRunner, type JobFunction, type JobLimits } from "../../src/runner/runner.ts";
import type { World } from "./world.ts";

export class Process {
  readonly clock: Clock;
  readonly engine: Engine;
  /** All that it told, in order. */
  readonly events: BeatEvent[] = [];
  #alive = true;

  constructor(
    world: World,
    jobs: ReadonlyMap<string, (process: Process) => JobFunction>,
    limits: ReadonlyMap<string, JobLimits> = new Map(),
  ) {
    this.clock = {
      now: () => world.clock.now(),
      monotonic: () => world.clock.monotonic(),
      setTimer: (delayMs, callback) => world.clock.setTimer(delayMs, () => this.#alive && callback()),
    };
    const own = new Map([...jobs].map(([name, make]) => [name, make(this)]));
    const { clock, log } = { clock: this.clock, log: world.log };
    this.engine = world.engine({
      clock,
      store: this.#storeOver(world.store),
      onEvent: (event) => this.events.push(event),
      runner: createRunner({ clock, log, jobs: own, limits, jobsDir: undefined }),
    });
  }

  /** As SIGKILL does. */
  kill(): void {
    this.#alive = false;
  }

  #storeOver(store: Store): Store {
    return new Proxy(store, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== "function") return value;
        return (...parameters: unknown[]) => (this.#alive ? value.apply(target, parameters) : new Promise(() => {}));
      },
    });
  }
}
