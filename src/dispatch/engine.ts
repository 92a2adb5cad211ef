// The dispatch stage put together: while this node leads, the dispatcher claims and the relay carries out.

import type { Broker, Clock, Lease, LeaseOwner, Log, Runner, Store } from "../core/ports.ts";
import { Dispatcher } from "./dispatcher.ts";
import { EntryCache } from "./entry-cache.ts";
import { Launcher } from "./launcher.ts";
import { Leader } from "./leader.ts";
import { Narrator } from "./narrator.ts";
import { Outbox } from "./outbox.ts";
import { planAnchor } from "./planner.ts";
import { Publisher } from "./publisher.ts";
import { type Encode, Relay } from "./relay.ts";
import { Retention } from "./retention.ts";
import { Settlements } from "./settlements.ts";
import { applyZoneRules } from "./zone-rules.ts";

export interface EngineOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly log: Log;
  readonly broker: Broker | undefined;
  readonly runner: Runner;
  readonly encode: Encode;
  readonly owner: LeaseOwner;
  readonly isDead: (holder: LeaseOwner) => boolean;
  readonly random: () => number;
  /** How long the ledger is kept. */
  readonly retentionMs: number;
  /** The version of this process's time-zone data. */
  readonly timeZoneData: string;
  /** How many late messages may leave in a second. Default: as many as the broker takes. */
  readonly maxRate?: number;
  readonly leaseTtlMs?: number;
  readonly leadMs?: number;
}

/** What a leader says of itself, as `beat status` shows it. */
export type EngineReport = ReturnType<Relay["report"]> & { readonly overdueMs: number };

const outboxCapacity = 100_000;
const cachedEntries = 50_000;
const atStartLimit = 10_000;

export class Engine {
  readonly #options: EngineOptions;
  readonly #publisher: Publisher | undefined;
  readonly #relay: Relay;
  readonly #dispatcher: Dispatcher;
  readonly #leader: Leader;
  readonly #retention: Retention;
  /** Whether this process has not led yet. */
  #starting = true;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { clock, store, log, broker, runner, encode } = options;
    const outbox = new Outbox(outboxCapacity);
    const entries = new EntryCache(store, cachedEntries);
    const narrator = new Narrator(clock, log);
    const settlements = new Settlements(clock, store, log);
    const onRoom = () => this.#relay.room();
    const look = () => this.#dispatcher.look();
    const isOverdue = (entryId: number) => this.#dispatcher.isOverdue(entryId);
    const mayAct = () => this.leading;
    const stage = { clock, log, outbox, settlements, narrator, onRoom, look, isOverdue, mayAct };
    const { maxRate = Number.POSITIVE_INFINITY } = options;
    this.#publisher = broker && new Publisher({ ...stage, broker, maxRate });
    const launcher = new Launcher({ ...stage, runner });
    this.#relay = new Relay({
      clock,
      store,
      log,
      outbox,
      entries,
      settlements,
      narrator,
      publisher: this.#publisher,
      launcher,
      encode,
    });
    this.#leader = new Leader({
      ...options,
      ...(options.leaseTtlMs !== undefined && { ttlMs: options.leaseTtlMs }),
      report: () => this.report(),
      onLeading: (lease) => this.#lead(lease),
      onStandingBy: (holder) => this.#standBy(holder),
    });
    this.#dispatcher = new Dispatcher({
      ...options,
      entries,
      relay: this.#relay,
      lease: () => this.#leader.lease,
      onUntrusted: () => this.#leader.hurry(),
      onLeaseLost: () => this.#leader.lost(),
    });
    this.#retention = new Retention(clock, store, log, options.retentionMs);
  }

  /** Connects, and tries to lead. Resolves when the first attempt was made; a broker that is away does not hold it up. */
  async start(): Promise<void> {
    await this.#publisher?.open();
    await this.#leader.start();
    this.#retention.start();
  }

  /** Claims nothing more, lets what was claimed go out within `drainMs`, and gives the lease back. What is left is in the store. */
  async stop(drainMs: number): Promise<void> {
    this.#leader.retire();
    await this.#retention.stop();
    await this.#dispatcher.stop();
    await this.#relay.close(drainMs);
    await this.#leader.stop();
  }

  /** Something changed in this process: look now. */
  wake(): void {
    if (this.leading) this.#dispatcher.wake();
  }

  get leading(): boolean {
    return this.#leader.lease !== undefined;
  }

  report(): EngineReport {
    return { ...this.#relay.report(), overdueMs: this.#dispatcher.overdueMs };
  }

  async #lead(lease: Lease): Promise<void> {
    const { store, clock, log } = this.#options;
    log.debug(`Leading, term ${lease.token}.`);
    const abandoned = await store.abandonRunning("abandoned: the process ended while it ran", clock.now());
    if (abandoned > 0)
      log.warn(`${abandoned} local runs were going on when the last process ended; they are recorded as failed.`);
    await this.#dispatcher.start();
    await this.#relay.begin();
    if (this.#starting && !this.#leader.sawLiveHolder) await this.#fireAtStart();
    this.#starting = false;
    void applyZoneRules({ ...this.#options, write: (plans) => this.#dispatcher.write(plans) });
  }

  /** `cron: "@reboot"`: their one fire time is now. */
  async #fireAtStart(): Promise<void> {
    const { store, clock } = this.#options;
    const now = clock.now();
    const entries = await store.entriesAtStart(atStartLimit);
    await this.#dispatcher.write(entries.map((entry) => [entry, planAnchor(entry, now, now)] as const));
    this.#dispatcher.wake();
  }

  async #standBy(holder: Lease | undefined): Promise<void> {
    if (holder !== undefined) {
      this.#options.log.info(
        `Standing by: process ${holder.pid} on ${holder.host.split("/")[0]} leads. This one takes over when it ends.`,
      );
    }
    await this.#dispatcher.stop();
    this.#relay.end();
  }
}
