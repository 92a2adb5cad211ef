// The dispatch stage in a small world: a simulated clock, a store in memory, and a broker and a runner that do what the test says.

import { prepareMessage } from "../../src/celery/message.ts";
import { type Definition, parseDefinition } from "../../src/core/definition.ts";
import { type Entry, triggerOf } from "../../src/core/entry.ts";
import { BeatError } from "../../src/core/errors.ts";
import type { Occurrence } from "../../src/core/occurrence.ts";
import type {
  Broker,
  BrokerListener,
  Closed,
  LeaseOwner,
  Log,
  Message,
  Place,
  PublishOutcome,
  Run,
  Runner,
  RunOutcome,
  Settle,
  Store,
} from "../../src/core/ports.ts";
import type { Instant } from "../../src/core/time.ts";
import { nextFireTime } from "../../src/core/triggers/trigger.ts";
import { Engine, type EngineOptions, type NamedBroker } from "../../src/dispatch/engine.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";

export const start = Date.UTC(2027, 0, 1, 12);

/** Answers each message as `answer` says; `hold` keeps answers back until `answerAll`. */
export class ScriptedBroker implements Broker {
  readonly url = "scripted://";
  readonly window: number;
  readonly sent: { readonly message: Message; readonly at: Instant }[] = [];
  answer: (message: Message) => PublishOutcome = () => ({ result: "confirmed" });
  hold = false;
  #held: (() => void)[] = [];
  #listener: BrokerListener | undefined;
  readonly #clock: SimulatedClock;

  constructor(clock: SimulatedClock, window = 100) {
    this.#clock = clock;
    this.window = window;
  }

  get listener(): BrokerListener {
    return this.#listener!;
  }

  async open(listener: BrokerListener): Promise<void> {
    this.#listener = listener;
    this.#clock.setTimer(0, () => listener.available());
  }

  publish(messages: readonly Message[], settle: (message: Message, outcome: PublishOutcome) => void): void {
    for (const message of messages) {
      this.sent.push({ message, at: this.#clock.now() });
      const answer = () => settle(message, this.answer(message));
      if (this.hold) this.#held.push(answer);
      else this.#clock.setTimer(0, answer);
    }
  }

  answerAll(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  async close(): Promise<void> {
    for (const answer of this.#held.splice(0)) answer();
  }
}

/** Runs go on until `finish` ends them; without `manual`, each ends at once. */
export class ScriptedRunner implements Runner {
  readonly started: Run[] = [];
  readonly going = new Map<string, (outcome: RunOutcome) => void>();
  manual = false;
  limit = 100;
  readonly #reserved = new Set<string>();
  readonly #clock: SimulatedClock;

  constructor(clock: SimulatedClock) {
    this.#clock = clock;
  }

  get running(): number {
    return this.going.size;
  }

  admit(run: Run): ReturnType<Runner["admit"]> {
    const same = this.started.find(({ id, entry }) => entry.id === run.entry.id && this.going.has(id));
    if (same)
      return { result: "skipped", reason: `the run of ${new Date(same.fireAt).toISOString()} is still going on` };
    return this.going.size + this.#reserved.size >= this.limit
      ? { result: "wait", reason: "too many runs" }
      : undefined;
  }

  reserve<R extends Run>(run: R, settle: Settle<R>): Place {
    this.#reserved.add(run.id);
    const onEnd = (outcome: RunOutcome) => settle(run, outcome, this.#clock.now());
    return { start: () => this.#start(run, onEnd), giveBack: () => this.#reserved.delete(run.id) };
  }

  #start(run: Run, settle: (outcome: RunOutcome) => void): void {
    this.#reserved.delete(run.id);
    this.started.push(run);
    this.going.set(run.id, (outcome) => {
      this.going.delete(run.id);
      settle(outcome);
    });
    if (!this.manual) this.#clock.setTimer(0, () => this.finish(run.id));
  }

  finish(id: string, outcome: RunOutcome = { result: "ran", reason: null }): void {
    this.going.get(id)?.(outcome);
  }

  async close(): Promise<Closed> {
    const aborted = this.going.size;
    for (const end of [...this.going.values()]) end({ result: "failed", reason: "the scheduler stopped" });
    return { finished: 0, aborted };
  }
}

/** As the scheduler encodes, without its cache. */
export const encodeTask: EngineOptions["encode"] = ({ entry, target, trigger }, { id, fireAt, dueAt }) => {
  if (target.kind !== "task") throw new BeatError("not a task");
  const build = prepareMessage({ entryName: entry.name, target, defaultQueue: "celery", origin: "beat@test" });
  return build({ id, fireAt, dueAt, nextFireAt: nextFireTime(trigger, dueAt) });
};

/** `broker`: instead of the world's own. */
type WorldOptions = Partial<EngineOptions & Omit<NamedBroker, "name">>;

export class World {
  readonly clock = new SimulatedClock(start);
  readonly store: Store = new MemoryStore();
  readonly broker = new ScriptedBroker(this.clock);
  readonly runner = new ScriptedRunner(this.clock);
  readonly lines: string[] = [];
  readonly dead = new Set<string>();
  #nodes = 0;

  readonly log: Log = {
    debug() {},
    info: (message) => void this.lines.push(message),
    warn: (message) => void this.lines.push(`warn: ${message}`),
    error: (message) => void this.lines.push(`error: ${message}`),
  };

  engine({ broker = this.broker, maxRate, ...options }: WorldOptions = {}): Engine {
    const owner: LeaseOwner = { ownerId: `node-${++this.#nodes}`, host: "here", pid: this.#nodes };
    return new Engine({
      clock: this.clock,
      store: this.store,
      log: this.log,
      brokers: [{ name: "default", broker, ...(maxRate !== undefined && { maxRate }) }],
      runner: this.runner,
      owner,
      isDead: ({ ownerId }) => this.dead.has(ownerId),
      random: () => 0.5,
      retentionMs: 7 * 86_400_000,
      timeZoneData: "2027a",
      encode: encodeTask,
      ...options,
    });
  }

  async add(name: string, written: Record<string, unknown>): Promise<Entry> {
    const definition: Definition = parseDefinition({ timezone: "UTC", ...written }, { entry: name });
    const createdAt = this.clock.now();
    const trigger = triggerOf({ definition, name, anchorAt: createdAt, lastFireAt: null });
    const [entry] = await this.store.change([
      {
        change: "insert",
        name,
        origin: "code",
        definition,
        createdAt,
        anchorAt: createdAt,
        nextFireAt: nextFireTime(trigger, createdAt),
        quarantine: null,
      },
    ]);
    return entry!;
  }

  /** The broker is away for so long. */
  async outage(forMs: number): Promise<void> {
    this.broker.listener.unavailable("gone", false);
    await this.clock.advance(forMs);
    this.broker.listener.available();
  }

  /** Rows of the ledger, oldest first: state, seconds since the start, count, reason. */
  async ledger(
    name?: string,
  ): Promise<readonly (readonly [state: string, seconds: number, count: number, reason: string | null])[]> {
    const rows = await this.store.history({ ...(name !== undefined && { name }), limit: 10_000 });
    return rows
      .toSorted((a, b) => a.fireAt - b.fireAt)
      .map(({ state, fireAt, count, reason }: Occurrence) => [state, (fireAt - start) / 1_000, count, reason] as const);
  }

  /** Seconds since the start at which messages went out, and their nominal times. */
  get sent(): {
    readonly name: string;
    readonly id: string;
    readonly atSeconds: number;
    readonly forSeconds: number;
  }[] {
    return this.broker.sent.map(({ message, at }) => ({
      name: String(message.headers["periodic_task_name"]),
      id: message.id,
      atSeconds: (at - start) / 1_000,
      forSeconds: (Date.parse(String(message.headers["beat_fire_time"])) - start) / 1_000,
    }));
  }
}
