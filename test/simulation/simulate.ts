// One simulation from its seed to the checker's verdict: real engines on simulated machines, over one store and one broker.

import { createHash } from "node:crypto";
import type { LeaseOwner, Store } from "../../src/core/ports.ts";
import { Operations } from "../../src/definitions/operations.ts";
import { Engine, type EngineOptions } from "../../src/dispatch/engine.ts";
import { createRunner, type JobFunction } from "../../src/runner/runner.ts";
import { check, type Verdict } from "../checker/check.ts";
import type { Delivery, Evidence, Fault } from "../checker/evidence.ts";
import { encodeTask } from "../dispatch/world.ts";
import { confirmDeadlineMs, publishesOf, SimulatedConnection, SimulatedServer } from "./broker.ts";
import { History } from "./history.ts";
import { Machine, type WallOffset } from "./machine.ts";
import { Random } from "./random.ts";
import { drawScenario, type Scenario, type Trouble } from "./scenario.ts";
import { Scheduler } from "./scheduler.ts";
import { openStore, type SimulatedStore } from "./store.ts";

export interface Outcome {
  readonly scenario: Scenario;
  readonly verdict: Verdict;
  /** The same for two runs of a seed. */
  readonly fingerprint: string;
  readonly lines: readonly string[];
  readonly evidence: Evidence;
}

export interface SimulateOptions {
  /** Keeps a line for each event. */
  readonly keepLines?: boolean;
  /** The share of the scenarios that run on SQLite. Default 0.05. */
  readonly sqliteShare?: number;
  /** Planted bugs come in here: each changes what an engine is made of. */
  readonly plant?: (options: EngineOptions) => EngineOptions;
}

export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Outcome> {
  const scenario = drawScenario(seed, options.sqliteShare ?? 0.05);
  const simulation = new Simulation(scenario, options);
  // Nothing in a simulation lets the event loop turn: it does between two of them.
  await new Promise((resolve) => setImmediate(resolve));
  return simulation.run();
}

/** After the last trouble: until all that is to come has come. */
const calmMs = 40_000;
const drainMs = 3_000;
/** All that five entries catch up with at most: runs that wait for a place are late, and nothing is wrong. */
const maxConcurrentRuns = 5_000;

type LocalRun = Delivery & { readonly machine: Machine; endedAt?: number };

interface Seat {
  machine: Machine | undefined;
  incarnation: number;
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #options: SimulateOptions;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #wall: WallOffset = { ms: 0 };
  readonly #server: SimulatedServer;
  readonly #seats: Seat[];
  readonly #faults: Fault[] = [];
  readonly #runs: LocalRun[] = [];
  readonly #living = new Map<string, boolean>();
  #store!: SimulatedStore;
  #history!: History;
  #pids = 0;

  constructor(scenario: Scenario, options: SimulateOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.#scheduler = new Scheduler(scenario.startAt, options.keepLines ?? false);
    this.#random = new Random(scenario.seed ^ 0x5eed);
    this.#server = new SimulatedServer(this.#scheduler, this.#random.fork());
    this.#seats = Array.from({ length: scenario.machines }, () => ({ machine: undefined, incarnation: 0 }));
  }

  async run(): Promise<Outcome> {
    const scenario = this.#scenario;
    this.#store = await openStore(scenario.store, uuidOf(scenario.seed), () => this.#scheduler.now);
    try {
      return await this.#play(scenario);
    } finally {
      for (const { machine } of this.#seats) machine?.die("the simulation ends");
      await this.#store.close();
    }
  }

  async #play(scenario: Scenario): Promise<Outcome> {
    const scheduler = this.#scheduler;
    const operator = this.#machine("operator");
    this.#history = new History(scheduler, this.#wall, this.#operations(operator), (name) => this.#failedIds(name));
    for (const { atMs, act } of scenario.acts) scheduler.after(atMs, () => void this.#history.perform(act));
    for (const { atMs, trouble } of scenario.troubles) scheduler.after(atMs, () => this.#befall(trouble));
    for (const seat of this.#seats) scheduler.after(this.#random.whole(0, 300), () => this.#boot(seat));
    await scheduler.run(scenario.startAt + scenario.wildMs);
    this.#heal();
    await scheduler.run(scheduler.now + calmMs);
    const evidence = await this.#evidence();
    const verdict = check(evidence);
    return { scenario, verdict, fingerprint: scheduler.fingerprint, lines: scheduler.lines ?? [], evidence };
  }

  // ------------------------------------------------------------------------------------------------------ machines

  #machine(name: string): Machine {
    const { skewMs, drift, slowShare, slowMs } = this.#scenario;
    const random = this.#random.fork();
    const isOperator = name === "operator";
    const traits = {
      name,
      skewMs: isOperator ? 0 : random.whole(-skewMs, skewMs),
      drift: isOperator ? 0 : random.pick([-drift, 0, drift]),
      slowShare,
      slowMs,
    };
    return new Machine(traits, this.#scheduler, random, this.#wall);
  }

  async #failedIds(name: string): Promise<string[]> {
    const { store } = this.#store;
    const entry = await store.entryByName(name);
    const rows = await store.history({ name, states: ["failed", "abandoned"], limit: 1_000_000 });
    return rows.flatMap(({ entryId, id }) => (entryId === entry?.id ? [id] : []));
  }

  #operations(operator: Machine): Operations {
    return new Operations({ store: operator.storeOver(this.#store.store), clock: operator.clock });
  }

  #boot(seat: Seat): void {
    if (seat.machine?.alive) return;
    const machine = this.#machine(`node-${this.#seats.indexOf(seat)}.${++seat.incarnation}`);
    const { name } = machine.traits;
    seat.machine = machine;
    this.#living.set(name, true);
    machine.note("starts");
    const connection = new SimulatedConnection(this.#server, machine);
    machine.onDeath = () => {
      this.#living.set(name, false);
      connection.abandon();
      for (const run of this.#runs) if (run.machine === machine) run.endedAt ??= this.#scheduler.now;
    };
    const host = this.#scenario.isOneHost ? "host" : `host-${this.#seats.indexOf(seat)}`;
    const owner: LeaseOwner = { ownerId: name, host, pid: ++this.#pids };
    const random = this.#random.fork();
    const { maxRate } = this.#scenario;
    const made: EngineOptions = {
      clock: machine.clock,
      store: machine.storeOver(this.#store.store),
      log: machine.log,
      brokers: [{ name: "default", broker: connection, ...(maxRate !== undefined && { maxRate }) }],
      runner: createRunner({
        clock: machine.clock,
        log: machine.log,
        jobs: this.#jobs(machine),
        jobsDir: undefined,
        maxConcurrentRuns,
      }),
      encode: encodeTask,
      owner,
      isDead: (holder) => holder.host === host && this.#living.get(holder.ownerId) === false,
      random: () => random.share(),
      retentionMs: 86_400_000,
      retentionRows: Number.POSITIVE_INFINITY,
      timeZoneData: "2027a",
    };
    const engine = new Engine(this.#options.plant?.(made) ?? made);
    this.#engines.set(machine, engine);
    void engine.start();
  }

  readonly #engines = new WeakMap<Machine, Engine>();

  #jobs(machine: Machine): ReadonlyMap<string, JobFunction> {
    const job =
      (lastsMs: number): JobFunction =>
      async ({ entry: { name }, fireTime, runId }) => {
        const run: LocalRun = {
          entry: name,
          fireAt: fireTime.getTime(),
          id: runId,
          redelivered: false,
          at: this.#scheduler.now,
          machine,
        };
        this.#runs.push(run);
        machine.note(`runs ${name} of ${fireTime.toISOString()}`);
        await new Promise<void>((resolve) => machine.clock.setTimer(lastsMs, resolve));
        run.endedAt = this.#scheduler.now;
      };
    return new Map([
      ["quick", job(10)],
      ["long", job(6_500)],
    ]);
  }

  // ------------------------------------------------------------------------------------------------------ troubles

  #befall(trouble: Trouble): void {
    this.#scheduler.note(`trouble: ${JSON.stringify(trouble)}`);
    const begin = this.#troubles[trouble.kind] as (trouble: Trouble, now: number) => void;
    begin(trouble, this.#scheduler.now);
  }

  /** What each does, and what the checker is told of it. */
  readonly #troubles: {
    readonly [Kind in Trouble["kind"]]: (trouble: Extract<Trouble, { readonly kind: Kind }>, now: number) => void;
  } = {
    crash: ({ machine, points, downMs }) => this.#crash(this.#seats[machine]!.machine, points, downMs),
    restart: ({ machine, downMs }) => this.#restart(this.#seats[machine]!, downMs),
    stop: ({ machine, forMs }, now) => this.#stop(machine, forMs, false, now),
    sleep: ({ machine, forMs }, now) => this.#stop(machine, forMs, true, now),
    cut: ({ forMs, loses }, now) => {
      this.#server.up = false;
      this.#server.cut(loses);
      this.#endAfter("no broker", now, forMs, () => {
        this.#server.up = true;
      });
    },
    blocked: ({ forMs }, now) => {
      this.#server.blocked = true;
      this.#endAfter("blocked", now, forMs, () => this.#server.unblock());
    },
    forgetful: ({ forMs }, now) => {
      this.#server.forgetfulShare = 0.3;
      // What is not confirmed is noticed when the deadline of its confirmation has passed.
      this.#endAfter(
        "forgets confirmations",
        now,
        forMs,
        () => {
          this.#server.forgetfulShare = 0;
        },
        confirmDeadlineMs,
      );
    },
    refusing: ({ forMs }, now) => {
      this.#server.refusedShare = 0.3;
      this.#endAfter("refuses", now, forMs, () => {
        this.#server.refusedShare = 0;
      });
    },
    "no-queue": ({ forMs }, now) => {
      this.#server.missingQueues.add("other");
      this.#endAfter("no queue", now, forMs, () => this.#server.missingQueues.delete("other"));
    },
    slow: ({ forMs, byMs }, now) => {
      this.#server.slowMs = byMs;
      this.#endAfter(
        "slow",
        now,
        forMs,
        () => {
          this.#server.slowMs = 0;
        },
        byMs,
      );
    },
    store: (trouble, now) => {
      for (const { machine } of this.#seats) if (machine !== undefined) machine.storeTrouble = trouble;
      this.#endAfter("store", now, trouble.forMs, () => this.#mendStore(), 0, {
        deciding: true,
        partly: trouble.share < 1,
      });
    },
    statement: ({ nth, kills }) =>
      this.#store.failStatement(nth, () => {
        if (kills) this.#crash(Machine.calling, 0, 2_000);
        this.#blame("statement", this.#scheduler.now, this.#scheduler.now, { deciding: true });
      }),
    clock: ({ byMs }, now) => {
      this.#wall.ms += byMs;
      this.#blame("clock", now, now, { clockStepMs: byMs });
    },
  };

  #endAfter(what: string, now: number, forMs: number, end: () => void, echoMs = 0, more: Partial<Fault> = {}): void {
    this.#scheduler.after(forMs, end);
    this.#blame(what, now, now + forMs + echoMs, more);
  }

  #stop(index: number, forMs: number, sleeping: boolean, now: number): void {
    this.#seats[index]!.machine?.stop(forMs, sleeping);
    this.#blame(sleeping ? "sleep" : "stop", now, now + forMs, { deciding: true });
  }

  #blame(what: string, from: number, until: number, more: Partial<Fault> = {}): void {
    this.#faults.push({ what, from, until, ...more });
  }

  #mendStore(): void {
    for (const { machine } of this.#seats) if (machine !== undefined) machine.storeTrouble = undefined;
  }

  /** Dies at a point soon, and comes again after a time. */
  #crash(machine: Machine | undefined, points: number, downMs: number): void {
    const seat = this.#seats.find((one) => one.machine === machine);
    if (machine === undefined || seat === undefined) return;
    machine.pointsToLive = Math.min(machine.pointsToLive, points);
    const { onDeath } = machine;
    machine.onDeath = () => {
      onDeath();
      const { now } = this.#scheduler;
      this.#blame("crash", now, now + downMs, { deciding: true });
      this.#scheduler.after(downMs, () => this.#boot(seat));
    };
  }

  #restart(seat: Seat, downMs: number): void {
    const { machine } = seat;
    if (!machine?.alive) return;
    const from = this.#scheduler.now;
    const { onDeath } = machine;
    // Also where it is killed before it has stopped.
    machine.onDeath = () => {
      onDeath();
      this.#blame("restart", from, this.#scheduler.now + downMs, { deciding: true });
    };
    void this.#engines
      .get(machine)!
      .stop(drainMs)
      .then(() => {
        machine.note("stopped");
        machine.die("it was stopped");
        this.#scheduler.after(downMs, () => this.#boot(seat));
      });
  }

  #heal(): void {
    const server = this.#server;
    server.up = true;
    server.unblock();
    server.slowMs = 0;
    server.forgetfulShare = 0;
    server.refusedShare = 0;
    server.missingQueues.clear();
    this.#mendStore();
    this.#scheduler.note("all is well again");
  }

  // ------------------------------------------------------------------------------------------------------ evidence

  async #evidence(): Promise<Evidence> {
    const scenario = this.#scenario;
    const store: Store = this.#store.store;
    const { now: endAt } = this.#scheduler;
    return {
      title: `seed ${scenario.seed}`,
      startAt: scenario.startAt,
      endAt,
      tolerance: {
        earlyMs: 1 + 2 * scenario.skewMs + 4 * scenario.drift * (endAt - scenario.startAt),
        lateMs: 1_000 + 20 * scenario.slowMs * (scenario.slowShare > 0 ? 1 : 0),
        // Where late messages are paced, they take longer.
        recoveryMs: scenario.maxRate === undefined ? 8_000 : 30_000,
        minCertainShare: 0,
        ...(scenario.maxRate !== undefined && { ratePerSecond: scenario.maxRate }),
      },
      schedule: this.#history.entries,
      triggers: this.#history.triggers,
      retries: this.#history.retries,
      faults: this.#faults,
      deliveries: [...this.#server.deliveries, ...this.#runs.map(({ machine: _, ...run }) => run)],
      publishes: publishesOf(this.#server.attempts, (id) => this.#store.publishedAt(id)),
      ledger: await store.history({ limit: 1_000_000 }),
    };
  }
}

/** A store's id that a seed always gets. */
function uuidOf(seed: number): string {
  const hex = createHash("sha1").update(`store ${seed}`).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
