// The only loop. A tick: notice what others changed, extend the timetable's horizon, take what is due, decide, claim in
// one transaction for the batch, hand over to the relay, and sleep until the next one is due.

import { type CompiledEntry, type Entry, isScheduled } from "../core/entry.ts";
import { LeaseLostError, reasonOf } from "../core/errors.ts";
import type { Claim, ClaimResult, Clock, Lease, Log, Store } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import type { Due } from "../core/timetable.ts";
import { ClockSteps } from "./clock-steps.ts";
import type { EntryCache } from "./entry-cache.ts";
import type { Herald } from "./herald.ts";
import type { Narrator } from "./narrator.ts";
import type { Parking } from "./parking.ts";
import { planBeyond, planClaim, planQuarantine } from "./planner.ts";
import type { Relay } from "./relay.ts";
import type { Tally } from "./tally.ts";
import { Upcoming } from "./upcoming.ts";

export interface DispatcherOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly log: Log;
  readonly entries: EntryCache;
  readonly relay: Relay;
  readonly herald: Herald;
  readonly narrator: Narrator;
  readonly parking: Parking;
  readonly tally: Tally;
  /** The lease while it can be trusted. */
  readonly lease: () => Lease | undefined;
  /** The lease is not trusted for the moment: it should be renewed. */
  readonly onUntrusted: () => void;
  /** The store refused our token. */
  readonly onLeaseLost: () => Promise<void>;
  readonly random: () => number;
  /** How long before their due time occurrences are claimed. */
  readonly leadMs?: number;
}

const batchSize = 1_000;
/** A change that another process made is noticed within this time. */
const changesEveryMs = 500;
const longestBackoffMs = 5_000;
const untrustedPauseMs = 50;
/** How long before their due time the first of a crowd are claimed at most. */
const longestLeadMs = 6_000;

/** How long one batch may be planned, and after how many in time that is looked at. */
const planningMs = 50;
const lookEach = 16;

export class Dispatcher {
  readonly clockSteps: ClockSteps;
  readonly #options: DispatcherOptions;
  readonly #leadMs: number;
  readonly #upcoming: Upcoming;
  #revision = 0;
  #changesAt = 0;
  #failures = 0;
  #trouble: { readonly reason: string; readonly since: number } | undefined;
  #turns = 0;
  #running = false;
  #cancelTimer: (() => void) | undefined;
  #ticking: Promise<void> = Promise.resolve();

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#leadMs = options.leadMs ?? 250;
    this.#upcoming = new Upcoming(options.clock, options.store);
    this.clockSteps = new ClockSteps({
      ...options,
      longestLeadMs,
      write: (claims) => this.write(claims),
      quarantine: (entry, reason) => this.#quarantine(entry, reason),
    });
  }

  /** The beginning of a term: the timetable is made anew from the store. */
  async start(): Promise<void> {
    const { store, clock } = this.#options;
    this.#options.entries.clear();
    this.#options.parking.clear();
    this.#revision = await store.currentRevision();
    await this.clockSteps.begin();
    this.#changesAt = clock.monotonic();
    await this.#upcoming.begin();
    this.#running = true;
    this.wake();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelTimer?.();
    await this.#ticking;
  }

  /** Ticks as soon as possible: something changed in this process. */
  wake(): void {
    this.#changesAt = Number.NEGATIVE_INFINITY;
    this.#sleep(0);
  }

  /** Entries that waited for something outside the store go on. Rejects where the store does. */
  async goOn(entryIds: readonly number[]): Promise<void> {
    if (entryIds.length === 0) return;
    for (const entry of await this.#options.store.entriesById(entryIds)) this.#upcoming.place(entry);
    this.wake();
  }

  /** Before something goes out that was claimed a while ago: whoever changed its entry meanwhile is heard first. Never rejects. */
  async look(): Promise<void> {
    this.#changesAt = Number.NEGATIVE_INFINITY;
    try {
      await this.#noticeChanges();
    } catch (error) {
      this.#options.log.debug(`Changes could not be read: ${reasonOf(error)}. The next tick tries again.`);
    }
  }

  /** Whether this entry's next fire time has come, and is still to be claimed. */
  isOverdue(entryId: number, now: Instant): boolean {
    return this.#upcoming.isOverdue(entryId, now);
  }

  /** Whether a term goes on, so that ticks have to come. */
  get running(): boolean {
    return this.#running;
  }

  /** Grows as long as the loop does its work. */
  get turns(): number {
    return this.#turns;
  }

  /** The last change of an entry that was noticed. */
  get revision(): number {
    return this.#revision;
  }

  /** Why ticks fail now, and since when on the monotonic clock. */
  get trouble(): { readonly reason: string; readonly since: number } | undefined {
    return this.#running ? this.#trouble : undefined;
  }

  /** How long the most overdue entry has waited to be decided, ms; 0 where none is overdue. */
  get overdueMs(): number {
    const { nextDueAt } = this.#upcoming;
    return nextDueAt === undefined || !this.#running ? 0 : Math.max(0, this.#options.clock.now() - nextDueAt);
  }

  /** One pass. Rejects where the store does; the loop backs off and tries again. */
  async tick(): Promise<void> {
    for (;;) {
      this.#turns++;
      this.clockSteps.notice();
      await this.clockSteps.anchorAnew();
      await this.#noticeChanges();
      await this.#upcoming.extend();
      const lease = this.#options.lease();
      if (lease === undefined || !this.#running) return;
      const hasMore = await this.#options.relay.readPage();
      await this.#options.relay.pump();
      const until = this.#options.clock.now() + this.#leadMs;
      const due = this.#upcoming.takeDue(until, batchSize);
      if (due.length > 0) await this.#claim(lease, due, until);
      else if (!(await this.#claimCrowd(lease)) && !hasMore) return;
      // Let confirmations and signals in between two batches.
      await new Promise<void>((resolve) => this.#options.clock.setTimer(0, resolve));
    }
  }

  #sleep(delayMs: number): void {
    this.#cancelTimer?.();
    if (!this.#running) return;
    this.#cancelTimer = this.#options.clock.setTimer(delayMs, () => {
      this.#ticking = this.#ticking.then(() => this.#pass());
    });
  }

  async #pass(): Promise<void> {
    if (!this.#running) return;
    const { log, random, tally } = this.#options;
    try {
      await this.tick();
      if (this.#failures > 0) log.info("Dispatching again.");
      this.#failures = 0;
      this.#trouble = undefined;
    } catch (error) {
      if (error instanceof LeaseLostError) {
        void this.#options.onLeaseLost();
        return;
      }
      const reason = reasonOf(error);
      tally.storeErrors.tick++;
      if (this.#failures++ === 0) log.error(`A tick failed; trying again: ${reason}`);
      this.#trouble = { reason, since: this.#trouble?.since ?? this.#options.clock.monotonic() };
      this.#sleep(Math.min(100 * 2 ** this.#failures, longestBackoffMs) * (0.5 + random() / 2));
      return;
    }
    if (this.#options.lease() === undefined) {
      this.#options.onUntrusted();
      this.#sleep(untrustedPauseMs);
      return;
    }
    const { nextDueAt } = this.#upcoming;
    const untilDueMs = nextDueAt === undefined ? changesEveryMs : nextDueAt - this.#leadMs - this.#options.clock.now();
    // What falls due one after the other is claimed together, within the lead.
    this.#sleep(Math.min(Math.max(untilDueMs, this.#leadMs / 5), changesEveryMs));
  }

  // ------------------------------------------------------------------------------------------------------- claiming

  async #claim(lease: Lease, due: readonly Due[], until: Instant): Promise<void> {
    const { store, clock, relay, entries, parking } = this.#options;
    const now = clock.now();
    const claims: Claim[] = [];
    /** What they are of; undefined: an entry that can't be used. */
    const claimed: (CompiledEntry | undefined)[] = [];
    try {
      const { compiled, broken } = await entries.load(due.map(({ id }) => id));
      for (const { entry, reason } of broken) {
        claims.push(this.#quarantine(entry, reason));
        claimed.push(undefined);
      }
      const endsAt = clock.monotonic() + planningMs;
      let isLong = false;
      for (let index = 0; index < due.length; index++) {
        const one = compiled[index];
        if (isLong) this.#upcoming.putBack(due[index]!);
        else if (one === undefined) continue;
        else if (!isScheduled(one.entry) || one.entry.nextFireAt! > until) this.#upcoming.place(one.entry);
        else if (!parking.holds(one)) {
          claims.push(this.#plan(one, now));
          claimed.push(one);
          // A long absence takes long to count: the rest follows in the next batch, after others had their turn. What is in time
          // takes so little that a look at the clock for each would show.
          const isLate = one.entry.nextFireAt! < now;
          if (isLate || claims.length % lookEach === 0) isLong = clock.monotonic() > endsAt;
        }
      }
      await this.#applyResults(claims, claimed, await store.claim(lease.token, claims, now), now);
    } catch (error) {
      for (const { id, dueAt } of due) {
        relay.release(id, false);
        this.#upcoming.putBack({ id, dueAt });
      }
      throw error;
    }
    await relay.pump();
  }

  /**
   * Where more fall due together than can be claimed within the lead, they are begun with so much earlier: when they are
   * due, nothing is left but to send. Only entries with nothing in the outbox: none is claimed twice ahead. Returns
   * whether there were any.
   */
  async #claimCrowd(lease: Lease): Promise<boolean> {
    const { clock, relay, store } = this.#options;
    const now = clock.now();
    const crowd = this.#upcoming.crowdDue(now + longestLeadMs, this.#leadMs / store.claimMs);
    if (crowd === 0) return false;
    const until = now + Math.min(longestLeadMs, crowd * store.claimMs + changesEveryMs);
    const due: Due[] = [];
    for (const one of this.#upcoming.takeDue(until, batchSize)) {
      if (relay.holds(one.id)) this.#upcoming.putBack(one);
      else due.push(one);
    }
    if (due.length > 0) await this.#claim(lease, due, until);
    return due.length > 0;
  }

  #plan(compiled: CompiledEntry, now: Instant): Claim {
    const { relay, store } = this.#options;
    const { coalesce, catchUpLimit } = compiled.policy;
    const unsent = relay.reserve(compiled.entry.id, coalesce === "all" ? catchUpLimit - 1 : 0);
    const claim = planClaim(store.id, compiled, unsent, now);
    if (claim.becomes.quarantine !== null) this.#quarantine(compiled.entry, claim.becomes.quarantine);
    return claim;
  }

  /** `claimed`: what the claims are of; undefined: an entry that can't be used. */
  async #applyResults(
    claims: readonly Claim[],
    claimed: readonly (CompiledEntry | undefined)[],
    results: readonly ClaimResult[],
    now: Instant,
  ): Promise<void> {
    const { relay, entries, store, tally, herald, narrator } = this.#options;
    const stale: number[] = [];
    for (let index = 0; index < claims.length; index++) {
      const claim = claims[index]!;
      const one = claimed[index];
      const result = results[index];
      const { entry, becomes } = claim;
      relay.release(entry.id, result === "claimed" && claim.superseded.length > 0);
      if (result === "stale" || one === undefined) {
        entries.drop(entry.id);
        stale.push(entry.id);
      } else if (result === "duplicate") {
        void this.#goBeyond(one);
      } else {
        tally.claimed(claim);
        const kept = { ...one, entry: becomes };
        entries.keep(kept);
        this.#upcoming.place(becomes);
        herald.passed(kept, claim.passed);
        narrator.passed(entry.name, claim.passed);
        if (becomes.nextFireAt === null) herald.finished(becomes);
        for (const occurrence of claim.due) relay.offer(kept, occurrence, now);
      }
    }
    // Somebody changed them meanwhile: what they are now decides.
    if (stale.length > 0) for (const entry of await store.entriesById(stale)) this.#upcoming.place(entry);
  }

  async #goBeyond(compiled: CompiledEntry): Promise<void> {
    const { log } = this.#options;
    const { entry } = compiled;
    log.warn(
      `${entry.name}: ${new Date(entry.nextFireAt!).toISOString()} is in the ledger already; going on with the next time.`,
    );
    try {
      await this.write([planBeyond(compiled)]);
    } catch (error) {
      log.error(`${entry.name} could not be moved on; trying again: ${reasonOf(error)}`);
      this.#upcoming.place(entry);
    }
  }

  /** Writes claims that run nothing, and puts the entries into their new places. Returns how many were written; rejects where the store does. */
  async write(claims: readonly Claim[]): Promise<number> {
    const { store, clock, lease, entries } = this.#options;
    const held = lease();
    if (held === undefined || claims.length === 0) return 0;
    const results = await store.claim(held.token, claims, clock.now());
    this.#turns++;
    for (const [index, { entry, becomes }] of claims.entries()) {
      entries.drop(entry.id);
      if (results[index] === "claimed") this.#upcoming.place(becomes);
      else this.#changesAt = Number.NEGATIVE_INFINITY;
    }
    return results.filter((result) => result === "claimed").length;
  }

  #quarantine(entry: Entry, reason: string): Claim {
    this.#options.log.error(`${entry.name} is set aside: ${reason}`, { entry: entry.name, reason });
    this.#options.herald.parked(entry, reason);
    return planQuarantine(entry, reason);
  }

  // -------------------------------------------------------------------------------------------------------- noticing

  async #noticeChanges(): Promise<void> {
    const { clock, store, entries, relay, parking } = this.#options;
    if (clock.monotonic() - this.#changesAt < changesEveryMs) return;
    const all: Entry[] = [];
    for (;;) {
      const changed = await store.changedSince(this.#revision, 1_000);
      for (const entry of changed) {
        entries.drop(entry.id);
        all.push(entry);
        this.#upcoming.place(entry);
        this.#revision = entry.revision;
      }
      if (changed.length < 1_000) break;
    }
    this.#changesAt = clock.monotonic();
    if (all.length === 0) return;
    // In one go: what waits for a job must not begin before it is known what the entry has now.
    for (const entry of all) parking.notice(entry);
    relay.forget(new Set(all.map(({ id }) => id)));
  }
}
