// One node dispatches; the others stand by.
//
//            acquire: free, given back, or its holder is known to be dead
//   standby ───────────────────────────────────────────────────────────────────────▶ leading
//      ▲                                                                                │ renews every quarter of the TTL
//      └───────────────────── a renewal is refused, or trust ran out ◀──────────────────┘
//
// A lease is a term with an identity: its fencing token grows with each holder, and the store refuses claims under an old
// one. Trust in one's own lease ends before the lease does (attemptStarted + TTL - margin, on the monotonic clock, which no
// step of the wall clock moves), so a leader that was stopped for a while knows on waking that it may be one no more.
//
// Three proofs free a lease: its holder gave it back; its process is gone from this machine; or it was seen unchanged for a
// whole TTL on our monotonic clock, which holds however the wall clocks were set.

import { LeaseLostError, reasonOf, StoreUnavailableError } from "../core/errors.ts";
import type { Clock, Lease, LeaseOwner, Log, Store } from "../core/ports.ts";
import { formatDuration, minuteMs } from "../core/time.ts";
import type { Tally } from "./tally.ts";

export interface LeaderOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly log: Log;
  readonly owner: LeaseOwner;
  /** Whether the holder's process is known to be dead: only ever true for a process of this machine. */
  readonly isDead: (holder: LeaseOwner) => boolean;
  readonly tally: Tally;
  readonly ttlMs?: number;
  /** What the leader says of itself for `beat status`, written with each renewal. */
  readonly report: () => unknown;
  readonly onLeading: (lease: Lease) => Promise<void>;
  readonly onStandingBy: (holder: Lease | undefined) => Promise<void>;
}

export class Leader {
  readonly #options: LeaderOptions;
  readonly #ttlMs: number;
  #lease: Lease | undefined;
  #trustedUntil = Number.NEGATIVE_INFINITY;
  #seen: { lease: Lease; at: number } | undefined;
  #toldOf: string | undefined;
  #cancelTimer: (() => void) | undefined;
  #working: Promise<void> = Promise.resolve();
  /** Whether another node was seen at work, so that leading after it is a takeover, not a start. */
  sawLiveHolder = false;
  #passing = false;
  #turns = 0;
  #trouble: { readonly reason: string; readonly since: number } | undefined;
  /** When terms of any node were seen to begin, within the last minute; monotonic. */
  #terms: number[] = [];
  #retired = false;
  #stopped = false;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#ttlMs = options.ttlMs ?? 4_000;
  }

  /** The lease, while it can be trusted: by elapsed time, and by the wall clock, which goes on while a machine sleeps. */
  get lease(): Lease | undefined {
    const { clock } = this.#options;
    if (this.#lease === undefined || clock.monotonic() >= this.#trustedUntil) return undefined;
    return clock.now() < this.#lease.expiresAt ? this.#lease : undefined;
  }

  /** Grows with each attempt to take or to renew the lease. */
  get turns(): number {
    return this.#turns;
  }

  /** Why the lease can't be read or written now, and since when on the monotonic clock. */
  get trouble(): { readonly reason: string; readonly since: number } | undefined {
    return this.#trouble;
  }

  /** How many terms of any node began within the last minute. */
  get terms(): number {
    const now = this.#options.clock.monotonic();
    return this.#terms.filter((at) => now - at < minuteMs).length;
  }

  /** Makes the first attempt and keeps at it until stopped. */
  async start(): Promise<void> {
    await this.#pass();
  }

  /** The store refused our token: step down at once. */
  async lost(): Promise<void> {
    await this.#stepDown("another node took the lease");
  }

  /** The lease is not trusted any more, by the clock: renews it now. */
  hurry(): void {
    if (this.#passing || this.#stopped) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.setTimer(0, () => void this.#pass());
  }

  /** Takes the lead no more; a lease that is held is still renewed. */
  retire(): void {
    this.#retired = true;
  }

  /** Gives the lease back, so that a standby can take over at once. */
  async stop(): Promise<void> {
    this.#end();
    await this.#working;
    await this.#giveBack();
  }

  /** As stop(), where what goes on may never end. */
  async abandon(): Promise<void> {
    this.#end();
    await this.#giveBack();
  }

  #end(): void {
    this.#retired = true;
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  async #giveBack(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease === undefined) return;
    try {
      await this.#options.store.releaseLease(lease);
    } catch (error) {
      this.#options.log.warn(
        `The lease could not be given back; it ends by itself in ${formatDuration(this.#ttlMs)}: ${reasonOf(error)}`,
      );
    }
  }

  async #pass(): Promise<void> {
    this.#passing = true;
    this.#working = (this.#lease === undefined ? this.#tryToLead() : this.#renew(this.#lease)).catch((error) =>
      this.#options.log.error(`The lead is in trouble; trying again: ${reasonOf(error)}`),
    );
    await this.#working;
    this.#passing = false;
    this.#turns++;
    if (this.#stopped) return;
    this.#cancelTimer = this.#options.clock.setTimer(this.#ttlMs / 4, () => void this.#pass());
  }

  async #tryToLead(): Promise<void> {
    if (this.#retired) return;
    const { clock, store, owner } = this.#options;
    const attemptStarted = clock.monotonic();
    try {
      const holder = await store.currentLease();
      const isForeign = holder !== undefined && holder.ownerId !== owner.ownerId;
      // A wall clock that was put forward makes a live leader's lease look as if it had run out: only proof counts.
      if (isForeign && !this.#isDead(holder)) {
        this.#recover();
        await this.#standBy(holder);
        return;
      }
      const lease = await store.acquireLease(owner, this.#ttlMs, clock.now(), holder?.token);
      if (lease.ownerId !== owner.ownerId) return;
      this.#trust(lease, attemptStarted);
      this.#countTerm("own");
      this.#toldOf = undefined;
      await this.#options.onLeading(lease);
    } catch (error) {
      if (this.#lease === undefined) this.#complain("error", "taken", error);
      else await this.#stepDown(`the work could not begin: ${reasonOf(error)}`);
    }
  }

  async #renew(lease: Lease): Promise<void> {
    const { clock, store, report } = this.#options;
    const attemptStarted = clock.monotonic();
    try {
      this.#trust(await store.renewLease(lease, this.#ttlMs, clock.now(), report()), attemptStarted);
    } catch (error) {
      if (error instanceof LeaseLostError) await this.#stepDown("another node took the lease");
      else if (this.lease === undefined) await this.#stepDown(`it could not be renewed in time: ${reasonOf(error)}`);
      else this.#complain(error instanceof StoreUnavailableError ? "warn" : "error", "renewed", error);
    }
  }

  /** Once for each reason: it is tried every second. */
  #complain(level: "warn" | "error", verb: "taken" | "renewed", error: unknown): void {
    const { clock, log, tally } = this.#options;
    const reason = reasonOf(error);
    tally.storeErrors.lease++;
    if (reason !== this.#trouble?.reason) log[level](`The lease could not be ${verb}; trying again: ${reason}`);
    this.#trouble = { reason, since: this.#trouble?.since ?? clock.monotonic() };
  }

  /** The lease could be read or written. */
  #recover(): void {
    if (this.#trouble !== undefined) this.#options.log.info("The lease is in reach again.");
    this.#trouble = undefined;
  }

  #countTerm(whose: keyof Tally["terms"]): void {
    const now = this.#options.clock.monotonic();
    this.#options.tally.terms[whose]++;
    this.#terms = [...this.#terms.filter((at) => now - at < minuteMs), now];
  }

  #trust(lease: Lease, attemptStarted: number): void {
    this.#recover();
    this.#lease = lease;
    this.#trustedUntil = attemptStarted + this.#ttlMs * 0.75;
  }

  async #stepDown(reason: string): Promise<void> {
    if (this.#lease === undefined) return;
    this.#lease = undefined;
    this.#seen = undefined;
    this.#options.log.warn(`Lost the lead, standing by: ${reason}`);
    await this.#options.onStandingBy(undefined);
  }

  async #standBy(holder: Lease): Promise<void> {
    if (this.#toldOf === holder.ownerId) return;
    this.#toldOf = holder.ownerId;
    await this.#options.onStandingBy(holder);
  }

  /** Whether a holder is proved to be dead: its process is gone, or its lease was not renewed for a whole term before our eyes. */
  #isDead(holder: Lease): boolean {
    const now = this.#options.clock.monotonic();
    const same = this.#seen?.lease.token === holder.token && this.#seen.lease.renewedAt === holder.renewedAt;
    if (this.#seen?.lease.token === holder.token && !same) this.sawLiveHolder = true;
    if (this.#seen !== undefined && this.#seen.lease.token !== holder.token) this.#countTerm("others");
    if (this.#seen === undefined || !same) this.#seen = { lease: holder, at: now };
    return now - this.#seen.at > this.#ttlMs || this.#options.isDead(holder);
  }
}
