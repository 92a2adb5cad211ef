// The dispatch stage put together: while this node leads, the dispatcher claims and the relay carries out.

import { requestBroker } from "../core/broker-definition.ts";
import { policyOf } from "../core/definition.ts";
import { reasonOf } from "../core/errors.ts";
import type { Occurrence } from "../core/occurrence.ts";
import type { Broker, Clock, Closed, Lease, LeaseOwner, Log, Runner, Store } from "../core/ports.ts";
import { formatDuration, secondMs } from "../core/time.ts";
import type { Vitals } from "./alerts.ts";
import type { ClockReport } from "./clock-steps.ts";
import { Dispatcher } from "./dispatcher.ts";
import { EntryCache } from "./entry-cache.ts";
import { Herald, type Tell } from "./herald.ts";
import { Launcher } from "./launcher.ts";
import { Leader } from "./leader.ts";
import { Narrator } from "./narrator.ts";
import { Outbox } from "./outbox.ts";
import type { OutletOptions } from "./outlet.ts";
import { type Parked, Parking, type WhyMissing } from "./parking.ts";
import { planAnchor } from "./planner.ts";
import { Publisher } from "./publisher.ts";
import { type Encode, Relay } from "./relay.ts";
import { Retention } from "./retention.ts";
import { SetAside } from "./set-aside.ts";
import { Settlements } from "./settlements.ts";
import { Tally } from "./tally.ts";
import { type Alert, type AlertsReport, Watchdog } from "./watchdog.ts";
import { applyZoneRules } from "./zone-rules.ts";

export interface EngineOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly log: Log;
  /** None: tasks fail with that reason. */
  readonly brokers: readonly NamedBroker[];
  /** Makes what carries requests over HTTP, once there is one. Undefined: there are none. */
  readonly requests?: () => Broker;
  readonly runner: Runner;
  readonly encode: Encode;
  readonly owner: LeaseOwner;
  readonly isDead: (holder: LeaseOwner) => boolean;
  readonly random: () => number;
  /** How long the ledger is kept. */
  readonly retentionMs: number;
  /** How many rows the ledger keeps at most. Default 1,000,000. */
  readonly retentionRows?: number;
  /** The version of this process's time-zone data. */
  readonly timeZoneData: string;
  /** How late something may be before that is an alert. */
  readonly overdueToleranceMs?: number;
  readonly onAlert?: (alert: Alert) => void;
  /** What is wrong with the schedule files; undefined: nothing. */
  readonly filesTrouble?: () => string | undefined;
  /** Hears of runs, and of what becomes of entries, in order. */
  readonly onEvent?: Tell | undefined;
  /** Whether anybody hears of runs; default: always. */
  readonly isHeard?: () => boolean;
  /** Why a job can't run here. Default: all can. Entries of those that can't wait until `registered` is called. */
  readonly whyMissing?: WhyMissing;
  /** The engine stands still and will not go on by itself. It leads no more; it should be stopped. */
  readonly onStalled?: (reason: string) => void;
  readonly leaseTtlMs?: number;
  readonly leadMs?: number;
}

export interface Stopped extends Closed {
  /** How many messages and runs were due and are left in the outbox. They go out at the next start. */
  readonly left: number;
}

/** A broker by the name that entries give. */
export interface NamedBroker {
  readonly name: string;
  readonly broker: Broker;
  /** How many late messages may leave in a second. Default: as many as the broker takes. */
  readonly maxRate?: number;
}

/** What a leader says of itself, as `beat status` shows it. */
export type EngineReport = ReturnType<Relay["report"]> & {
  readonly overdueMs: number;
  /** How often the dispatcher's loop went round. */
  readonly ticks: number;
  readonly totals: Pick<Tally, "occurrences" | "publishes" | "connections" | "storeErrors" | "terms" | "lateness">;
  readonly clock: ClockReport;
  readonly alerts: AlertsReport;
  /** Entries that wait until their job is registered: how many, and some of them. */
  readonly parked: { readonly count: number; readonly entries: readonly Parked[] };
};

const outboxCapacity = 100_000;
const cachedEntries = 50_000;
/** The report goes into the lease's row every second. */
const reportedParked = 20;
const atStartLimit = 10_000;
/** What ends in time ends within so much more than its time: runs that were aborted have 5 s to end. */
const closingMs = 6 * secondMs;

export class Engine {
  readonly #options: EngineOptions;
  readonly #publishers = new Map<string, Publisher>();
  readonly #stage: OutletOptions & { readonly log: Log };
  readonly #relay: Relay;
  readonly #dispatcher: Dispatcher;
  readonly #leader: Leader;
  readonly #retention: Retention;
  readonly #outbox: Outbox;
  readonly #tally = new Tally();
  readonly #herald: Herald;
  readonly #parking: Parking;
  readonly #launcher: Launcher;
  readonly #settlements: Settlements;
  readonly #watchdog: Watchdog;
  readonly #setAside: SetAside;
  /** Whether this process has not led yet. */
  #starting = true;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { clock, store, log, brokers, runner, encode } = options;
    const outbox = new Outbox(store.id, outboxCapacity);
    this.#outbox = outbox;
    const tally = this.#tally;
    const narrator = new Narrator(clock, log);
    const settlements = new Settlements(clock, store, log, tally);
    this.#settlements = settlements;
    const herald = new Herald(clock, options.onEvent, options.isHeard);
    this.#herald = herald;
    const parking = new Parking(options.whyMissing, log, herald);
    this.#parking = parking;
    const entries = new EntryCache(store, cachedEntries, encode, parking);
    const onRoom = () => this.#relay.mayRead && this.wake();
    const look = () => this.#dispatcher.look();
    const isOverdue: OutletOptions["isOverdue"] = (entryId, now) => this.#dispatcher.isOverdue(entryId, now);
    const mayAct = () => this.leading;
    this.#stage = { clock, log, outbox, settlements, narrator, herald, tally, onRoom, look, isOverdue, mayAct };
    for (const each of brokers) this.#addPublisher(each);
    this.#launcher = new Launcher({ ...this.#stage, runner, parking });
    this.#relay = new Relay({
      clock,
      store,
      log,
      outbox,
      entries,
      settlements,
      narrator,
      herald,
      tally,
      publishers: this.#publishers,
      publisherOf: (name) => this.#publisherOf(name),
      launcher: this.#launcher,
      encode,
    });
    this.#leader = new Leader({
      ...options,
      ...(options.leaseTtlMs !== undefined && { ttlMs: options.leaseTtlMs }),
      tally,
      report: () => this.report(),
      onLeading: (lease) => this.#lead(lease),
      onStandingBy: (holder) => this.#standBy(holder),
    });
    this.#dispatcher = new Dispatcher({
      ...options,
      entries,
      herald,
      narrator,
      parking,
      tally,
      relay: this.#relay,
      lease: () => this.#leader.lease,
      onUntrusted: () => this.#leader.hurry(),
      onLeaseLost: () => this.#leader.lost(),
    });
    this.#retention = new Retention(clock, store, log, options.retentionMs, options.retentionRows ?? 1_000_000);
    this.#setAside = new SetAside(clock, store, log);
    this.#watchdog = new Watchdog({
      clock,
      log,
      toleranceMs: options.overdueToleranceMs ?? 10 * secondMs,
      vitals: (stalledMs) => this.#vitals(stalledMs),
      turns: () => [this.#leader.turns, ...(this.#dispatcher.running ? [this.#dispatcher.turns] : [])],
      onAlert: (alert) => options.onAlert?.(alert),
      onStalled: (reason) => void this.#standStill(reason),
    });
  }

  /** Connects, and tries to lead. Resolves when the first attempt was made; a broker that is away does not hold it up. */
  async start(): Promise<void> {
    this.#watchdog.start();
    await Promise.all([...this.#publishers.values()].map((publisher) => publisher.open()));
    await this.#leader.start();
    this.#retention.start();
  }

  /** One more broker, for entries that name it from now on. */
  async addBroker(broker: NamedBroker): Promise<void> {
    await this.#addPublisher(broker).open();
  }

  #publisherOf(name: string): Publisher | undefined {
    const { requests, log } = this.#options;
    const known = this.#publishers.get(name);
    if (known !== undefined || name !== requestBroker || requests === undefined) return known;
    const publisher = this.#addPublisher({ name, broker: requests() });
    publisher.open().catch((error) => log.error(reasonOf(error)));
    return publisher;
  }

  #addPublisher({ maxRate = Number.POSITIVE_INFINITY, ...broker }: NamedBroker): Publisher {
    const publisher = new Publisher({ ...this.#stage, ...broker, maxRate });
    this.#publishers.set(broker.name, publisher);
    return publisher;
  }

  /**
   * Claims nothing more, lets what was claimed go out within `drainMs`, and gives the lease back. Returns what became of the runs
   * that went on, and how many that were due when it was asked are left in the store. The lease is kept as long as something goes out or runs here: a successor would take local
   * runs for abandoned, and begin the next ones beside them.
   */
  async stop(drainMs: number): Promise<Stopped> {
    const askedAt = this.#options.clock.now();
    this.#leader.retire();
    let runs: Closed = { finished: 0, aborted: 0 };
    const drained = this.#drain(drainMs).then((closed) => {
      runs = closed;
    });
    await this.#inTime(drained, drainMs + closingMs);
    const left = this.#outbox.late(askedAt).count;
    await this.#inTime(this.#leader.stop(), closingMs);
    this.#watchdog.stop();
    return { ...runs, left };
  }

  async #drain(drainMs: number): Promise<Closed> {
    await this.#retention.stop();
    await this.#dispatcher.stop();
    return this.#relay.close(drainMs);
  }

  /** Whatever stands still or fails, a stop goes on to its end. */
  async #inTime(work: Promise<void>, limitMs: number): Promise<void> {
    const { clock, log } = this.#options;
    let cancel = () => {};
    const tooLate = new Promise<void>((resolve) => {
      cancel = clock.setTimer(limitMs, () => {
        log.error(`What goes on did not end within ${formatDuration(limitMs)}; it is left as it is.`);
        resolve();
      });
    });
    const done = work.catch((error) => log.error(`Not all could be ended as it should: ${reasonOf(error)}`));
    await Promise.race([done, tooLate]).finally(cancel);
  }

  /** Something changed in this process: look now. */
  wake(): void {
    if (this.leading) this.#dispatcher.wake();
  }

  /** A job can run here from now on: what waited for it goes on. */
  registered(job: string): void {
    const released = this.#parking.release(job);
    this.#launcher.registered(job);
    this.#dispatcher
      .goOn(released)
      .catch((error) => this.#options.log.error(`Entries of ${job} could not be read: ${reasonOf(error)}`));
  }

  /** Entries that wait until their job is registered. */
  parked(limit: number): Parked[] {
    return this.#parking.list(limit);
  }

  /** What became of runs is in the ledger, or the store is away. */
  async flush(): Promise<void> {
    await this.#settlements.flush();
  }

  /** Whether something is on its way out, or runs here. */
  get busy(): boolean {
    return this.#outbox.size > 0;
  }

  get leading(): boolean {
    return this.#leader.lease !== undefined;
  }

  /** Whether its loops go on, leading or standing by. */
  get alive(): boolean {
    return this.#watchdog.alive;
  }

  report(): EngineReport {
    return {
      ...this.#relay.report(),
      overdueMs: this.#dispatcher.overdueMs,
      ticks: this.#dispatcher.turns,
      totals: this.#tally,
      clock: this.#dispatcher.clockSteps.report(),
      alerts: this.#watchdog.report(),
      parked: { count: this.#parking.size, entries: this.#parking.list(reportedParked) },
    };
  }

  #vitals(stalledMs: number): Vitals {
    const dispatcher = this.#dispatcher;
    const now = this.#options.clock.now();
    dispatcher.clockSteps.notice();
    if (dispatcher.running) void this.#setAside.look(dispatcher.revision);
    return {
      now,
      stalledMs,
      overdueMs: dispatcher.overdueMs,
      outbox: this.#outbox.late(now),
      brokers: [...this.#publishers.values()].map((publisher) => publisher.report()),
      storeTrouble: this.#storeTrouble(),
      terms: this.#leader.terms,
      clockNews: dispatcher.clockSteps.news,
      quarantined: this.#setAside.count,
      filesTrouble: this.#options.filesTrouble?.(),
    };
  }

  #storeTrouble(): Vitals["storeTrouble"] {
    const trouble = this.#leader.trouble ?? this.#dispatcher.trouble;
    if (trouble !== undefined)
      return { reason: trouble.reason, forMs: this.#options.clock.monotonic() - trouble.since };
    const { waitingMs } = this.#settlements;
    return waitingMs > 0 ? { reason: "the ledger is not written", forMs: waitingMs } : undefined;
  }

  /** Gives the lead to whoever is there; the rest is left to the process. */
  async #standStill(reason: string): Promise<void> {
    this.#options.log.error(`It will not go on by itself, so it ends: ${reason}.`);
    await this.#inTime(this.#leader.abandon(), closingMs);
    this.#options.onStalled?.(reason);
  }

  async #lead(lease: Lease): Promise<void> {
    const { store, clock, log } = this.#options;
    log.debug(`Leading, term ${lease.token}.`);
    const abandoned = await store.abandonRunning("the process ended while it ran", clock.now());
    this.#herald.leads(true);
    await this.#takeUp(abandoned);
    await this.#dispatcher.start();
    this.#relay.begin();
    if (this.#starting && !this.#leader.sawLiveHolder) await this.#fireAtStart();
    this.#starting = false;
    void applyZoneRules({ ...this.#options, write: (claims) => this.#dispatcher.write(claims) });
  }

  /** Runs that a process left: those whose entries allow it go back into the outbox, the others are over. */
  async #takeUp(abandoned: readonly Occurrence[]): Promise<void> {
    if (abandoned.length === 0) return;
    const { store, clock, log } = this.#options;
    const ids = new Set(abandoned.map(({ entryId }) => entryId));
    const entries = new Map((await store.entriesById([...ids])).map((entry) => [entry.id, entry]));
    let again = 0;
    for (const occurrence of abandoned) {
      const { entryId, fireAt, attempts } = occurrence;
      const entry = entries.get(entryId);
      if (entry === undefined) continue;
      const isTriedAgain = attempts < policyOf(entry.definition).maxAbandonedAttempts;
      if (isTriedAgain) again += await store.requeueFailed({ entryId, fireAt, limit: 2 }, clock.now());
      this.#herald.abandoned(entry, occurrence, isTriedAgain);
    }
    const rest = abandoned.length - again;
    log.warn(
      `${abandoned.length} local runs were going on when the last process ended: ${again} begin again, ${rest} are abandoned.`,
    );
  }

  /** `cron: "@reboot"`: their one fire time is now. */
  async #fireAtStart(): Promise<void> {
    const { store, clock } = this.#options;
    const now = clock.now();
    const entries = await store.entriesAtStart(atStartLimit);
    await this.#dispatcher.write(entries.map((entry) => planAnchor(entry, now, now)));
    this.#dispatcher.wake();
  }

  async #standBy(holder: Lease | undefined): Promise<void> {
    if (holder !== undefined) {
      this.#options.log.info(
        `Standing by: process ${holder.pid} on ${holder.host.split("/")[0]} leads. This one takes over when it ends.`,
      );
    }
    this.#herald.leads(false);
    await this.#dispatcher.stop();
    this.#relay.end();
  }
}
