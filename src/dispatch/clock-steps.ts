// What happens to the clocks: the wall clock is set, the machine sleeps, the process stands still. Each is said once, counted,
// and shown by `beat status`.
//
//   wall ahead of monotonic    set forward, or a machine that slept: its monotonic clock stood still meanwhile
//   wall behind monotonic      set back
//   both ahead of the timers   stopped (SIGSTOP), a frozen virtual machine, or a blocked event loop
//
// Forward needs nothing more: what fell due in between is caught up by each entry's policy. Back: fire times that are in the
// ledger are never sent again. Intervals count elapsed time and are anchored anew; what goes by the wall clock waits for it.

import { compileEntry, type Entry } from "../core/entry.ts";
import { reasonOf } from "../core/errors.ts";
import type { Claim, Clock, Log, Store } from "../core/ports.ts";
import { formatDuration, type Instant, minuteMs, secondMs } from "../core/time.ts";
import { isElapsed, nextFireTime } from "../core/triggers/trigger.ts";
import { planAnchor } from "./planner.ts";

/** Since the process began. */
export interface ClockReport {
  /** How often the wall clock was seen to jump, how often of these back, and by how much last: negative, back. */
  readonly steps: number;
  readonly stepsBack: number;
  readonly lastStepMs: number | null;
  readonly lastStepAt: Instant | null;
  /** How often the process stood still, and for how long last. */
  readonly stops: number;
  readonly lastStopMs: number | null;
  readonly lastStopAt: Instant | null;
  /** The clock was put back: entries that go by the wall clock wait until it gets here again. */
  readonly waitingUntil: Instant | null;
}

export interface ClockStepsOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly log: Log;
  /** How far ahead of their due time fire times are claimed at most: so far ahead of the clock they are no sign of a step. */
  readonly longestLeadMs: number;
  /** Writes claims that run nothing. Returns how many were written. */
  readonly write: (claims: readonly Claim[]) => Promise<number>;
  /** Sets an entry aside, and says so. */
  readonly quarantine: (entry: Entry, reason: string) => Claim;
}

/** A step smaller than this is left to the timers. */
const stepMs = secondMs;
/** Somebody looks at the clocks at least so often, and is this late when the process stood still. */
const looksEveryMs = secondMs;
const lateMs = secondMs;
/** How long what happened is news. */
const newsMs = minuteMs;
const batchSize = 1_000;

export class ClockSteps {
  readonly #options: ClockStepsOptions;
  #seen: { readonly wall: Instant; readonly monotonic: number } | undefined;
  /** The wall clock was put back by so much, and intervals are still to be anchored anew; NaN: by how much is not known. */
  #backByMs: number | undefined;
  /** What was said last, and when on the monotonic clock. */
  #news: { readonly text: string; readonly at: number } | undefined;
  #report: ClockReport = {
    steps: 0,
    stepsBack: 0,
    lastStepMs: null,
    lastStepAt: null,
    stops: 0,
    lastStopMs: null,
    lastStopAt: null,
    waitingUntil: null,
  };

  constructor(options: ClockStepsOptions) {
    this.#options = options;
  }

  report(): ClockReport {
    const { waitingUntil } = this.#report;
    const isOver = waitingUntil === null || waitingUntil <= this.#options.clock.now();
    return isOver ? { ...this.#report, waitingUntil: null } : this.#report;
  }

  /** What happened within the last minute, or has its effect still. */
  get news(): string | undefined {
    if (this.#news === undefined) return undefined;
    const isNew = this.#options.clock.monotonic() - this.#news.at < newsMs;
    return isNew || this.report().waitingUntil !== null ? this.#news.text : undefined;
  }

  /** The beginning of a term: the clock may have been put back while nothing ran. The ledger knows how far it had come. */
  async begin(): Promise<void> {
    const { store, clock, longestLeadMs } = this.#options;
    this.#backByMs = Number.NaN;
    const [latest] = await store.history({ limit: 1 });
    const now = clock.now();
    const reached = latest?.untilFireAt ?? now;
    if (reached <= Math.max(now + longestLeadMs, this.#report.waitingUntil ?? 0)) return;
    this.#stepped(now - reached, now);
    const text = `the ledger has got to ${iso(reached)}, ${formatDuration(reached - now)} ahead of the clock: it was put back while nothing ran here`;
    this.#say(text, waiting(reached), { byMs: now - reached });
  }

  /** Looks at the clocks; to be called once a second at least. */
  notice(): void {
    const { clock } = this.#options;
    const seen = this.#seen;
    const now = { wall: clock.now(), monotonic: clock.monotonic() };
    this.#seen = now;
    if (seen === undefined) return;
    const passedMs = Math.round(now.monotonic - seen.monotonic);
    if (passedMs > looksEveryMs + lateMs) this.#stoodStill(passedMs, now.wall);
    const byMs = Math.round(now.wall - seen.wall) - passedMs;
    if (Math.abs(byMs) < stepMs) return;
    this.#stepped(byMs, now.wall);
    const by = formatDuration(Math.abs(byMs));
    if (byMs > 0)
      this.#say(`the wall clock went forward by ${by}: it was set, or the machine slept`, catchUp, { byMs });
    else this.#say(`the wall clock was put back by ${by}`, waiting(this.#report.waitingUntil!), { byMs });
    if (byMs < 0) this.#backByMs = (this.#backByMs ?? 0) - byMs;
  }

  /**
   * Intervals that fired at times which lie ahead of the clock now would fall silent until it gets there. They go on from
   * here: as far from their next run as they were where the size of the step is known, else one interval from now.
   */
  async anchorAnew(): Promise<void> {
    const backByMs = this.#backByMs;
    if (backByMs === undefined) return;
    // A step that is noticed meanwhile comes on top.
    this.#backByMs = undefined;
    let isDone = false;
    try {
      isDone = await this.#anchorAll(backByMs);
    } finally {
      if (!isDone) this.#backByMs = backByMs + (this.#backByMs ?? 0);
    }
  }

  /** Whether all were written: not where the lease is not trusted for the moment. */
  async #anchorAll(backByMs: number): Promise<boolean> {
    const { store, clock, log, write, longestLeadMs } = this.#options;
    for (;;) {
      const now = clock.now();
      // At the beginning of a term nobody knows of a step: what the last leader claimed ahead is no sign of one.
      const claimedUntil = Number.isNaN(backByMs) ? now + longestLeadMs : now;
      const ahead = await store.entriesAheadOf(claimedUntil, batchSize);
      const written = await write(ahead.map((entry) => this.#planGoingOn(entry, backByMs, now)));
      if (written > 0) log.warn(`${written} interval entries go on from now: their last runs lie ahead of the clock.`);
      if (written < ahead.length) return false;
      if (ahead.length < batchSize) return true;
    }
  }

  #stoodStill(forMs: number, at: Instant): void {
    this.#report = { ...this.#report, stops: this.#report.stops + 1, lastStopMs: forMs, lastStopAt: at };
    const why = "it was stopped, its machine slept, or its event loop was blocked";
    this.#say(`the process stood still for ${formatDuration(forMs)}: ${why}`, catchUp, { stoodStillMs: forMs });
  }

  #say(text: string, andNow: string, fields: Readonly<Record<string, number>>): void {
    this.#news = { text, at: this.#options.clock.monotonic() };
    this.#options.log.warn(`${text[0]!.toUpperCase()}${text.slice(1)}. ${andNow}`, fields);
  }

  #stepped(byMs: number, at: Instant): void {
    const { steps, stepsBack, waitingUntil } = this.#report;
    const reached = byMs < 0 ? Math.max(at - byMs, waitingUntil ?? 0) : waitingUntil;
    this.#report = {
      ...this.#report,
      steps: steps + 1,
      stepsBack: stepsBack + (byMs < 0 ? 1 : 0),
      lastStepMs: byMs,
      lastStepAt: at,
      waitingUntil: reached,
    };
  }

  #planGoingOn(entry: Entry, backByMs: number, now: Instant): Claim {
    try {
      const { trigger } = compileEntry(entry);
      if (entry.nextFireAt === null || !isElapsed(trigger)) return planAnchor(entry, entry.nextFireAt, now);
      const intervalMs = (nextFireTime(trigger, entry.nextFireAt) ?? entry.nextFireAt) - entry.nextFireAt;
      const elapsed = Number.isNaN(backByMs) ? now + intervalMs : entry.nextFireAt - backByMs;
      return planAnchor(entry, Math.max(now, elapsed), now);
    } catch (error) {
      return this.#options.quarantine(entry, reasonOf(error));
    }
  }
}

const catchUp = "What fell due meanwhile is caught up as each entry's policy says.";

function waiting(until: Instant): string {
  return `Intervals go on; what goes by the wall clock waits until it is ${iso(until)} again.`;
}

function iso(at: Instant): string {
  return new Date(at).toISOString();
}
