// The nominal times of an interval, whatever was done to the clock that it counts by.

import { type Era, isBeforeWritten, isOn, type Listed, longestLeadMs } from "./eras.ts";
import type { Evidence } from "./evidence.ts";
import { elapsedTimes, endOf, startOf } from "./nominal-times.ts";
import type { WallClock } from "./wall-clock.ts";

/** A step of the clock is noticed within this time. */
const noticeMs = 1_100;

/** What anything says of an entry's fire times: the phase of an interval is read off it where nothing else tells it. */
export interface Witness {
  /** Ascending. */
  readonly observed: readonly number[];
  /** When they were delivered first, TRUE time. */
  readonly sentAt: ReadonlyMap<number, number>;
  /** Those that a range of the ledger covers beside a row of their own. */
  readonly repeated: ReadonlySet<number>;
  /** The last time of each range, by its first one. */
  readonly rangeEnds: ReadonlyMap<number, number>;
}

/**
 * Intervals count elapsed time. Where the wall clock is put back behind their last run they are anchored anew, as far from
 * the next one as they were; where a new time meets an old one, they go on a millisecond beside it.
 */
export class Elapsed {
  readonly #era: Era;
  readonly #every: number;
  readonly #clock: WallClock;
  readonly #evidence: Pick<Evidence, "faults" | "tolerance">;
  readonly #witness: Witness;
  readonly #known: Set<number>;
  readonly #listed: Listed[] = [];
  #next: number;
  #since: number;
  #phase = 0;
  /** Nothing showed what the last step back did. */
  #isOpen = false;

  constructor(
    era: Era,
    every: number,
    clock: WallClock,
    evidence: Pick<Evidence, "faults" | "tolerance">,
    witness: Witness,
    known: Set<number>,
  ) {
    this.#era = era;
    this.#every = every;
    this.#clock = clock;
    this.#evidence = evidence;
    this.#witness = witness;
    this.#known = known;
    this.#since = era.from;
    this.#next = this.#first();
  }

  list(): Listed[] {
    const { from, until } = this.#era;
    let offsetMs = this.#clock.at(from) - from;
    for (const step of this.#clock.steps) {
      if (step.at <= from || step.at >= until) continue;
      this.#listUntil(step.at + offsetMs);
      offsetMs = step.offsetMs;
      if (step.byMs < 0) this.#stepBack(step.at, -step.byMs);
    }
    this.#listUntil(until + offsetMs + longestLeadMs);
    return this.#listed.filter(({ fireAt }) => fireAt <= endOf(this.#era.definition));
  }

  #first(): number {
    const after = this.#clock.at(this.#era.from);
    const start = startOf(this.#era.definition);
    if (start !== undefined) {
      const [first] = elapsedTimes(start, this.#every, true, after, Math.max(start, after + this.#every));
      return first!;
    }
    const { anchorAt, acknowledgedAt } = this.#era.changes[0]!;
    if (anchorAt !== undefined) return anchorAt + this.#every;
    const latest = this.#clock.at(acknowledgedAt ?? this.#era.until);
    const seen = this.#witness.observed.find((time) => time >= after + this.#every && time <= latest + this.#every);
    return seen ?? latest + this.#every;
  }

  #listUntil(wall: number): void {
    for (; this.#next <= wall; this.#next += this.#every) {
      // The run of a range met an old one, and so the whole range begins a millisecond beside.
      const isBeside = !this.#isObserved(this.#next) && this.#isObserved(this.#next + 1);
      if (this.#phase > 0 && isBeside && !this.#isWithinRange(this.#next)) this.#next++;
      const isMet = this.#known.has(this.#next);
      // Of what did not run before, only a range is in the ledger: it has a row of its own now.
      if (isMet && this.#isRepeated(this.#next, this.#since)) {
        this.#add(this.#next, false);
        continue;
      }
      // A range of times that did not run steps over what is there already.
      if (isMet && !this.#isObserved(this.#next + 1)) continue;
      while (this.#known.has(this.#next)) this.#next++;
      this.#add(this.#next, false);
    }
  }

  #isObserved(fireAt: number): boolean {
    return this.#witness.observed.includes(fireAt);
  }

  /** In one that begins in this phase. */
  #isWithinRange(fireAt: number): boolean {
    const { rangeEnds } = this.#witness;
    const first = this.#listed.findLast((one) => rangeEnds.has(one.fireAt));
    return first?.phase === this.#phase && fireAt <= rangeEnds.get(first.fireAt)!;
  }

  #isRepeated(fireAt: number, since: number): boolean {
    const { repeated, sentAt } = this.#witness;
    const cameAgainAt = this.#clock.arrival(fireAt, since) - this.#evidence.tolerance.earlyMs;
    return repeated.has(fireAt) && (sentAt.get(fireAt) ?? Number.NEGATIVE_INFINITY) >= cameAgainAt;
  }

  #add(fireAt: number, optional: boolean): void {
    this.#known.add(fireAt);
    const arrivesAt = this.#clock.arrival(fireAt, this.#since);
    const unsure = optional || (this.#since === this.#era.from && isBeforeWritten(this.#era, this.#clock, fireAt));
    this.#listed.push({ fireAt, arrivesAt, phase: this.#phase, optional: unsure });
  }

  /** Since when, without a gap, nobody need have decided anything. */
  #undecidedSince(time: number): number {
    const { faults, tolerance } = this.#evidence;
    const earlier = faults.find(
      ({ deciding, from, until, recoveryMs = tolerance.recoveryMs }) =>
        deciding && from < time && until + recoveryMs >= time,
    );
    return earlier === undefined ? time - tolerance.lateMs : this.#undecidedSince(earlier.from);
  }

  #stepBack(at: number, byMs: number): void {
    const before = this.#clock.at(at) + byMs;
    const now = before - byMs;
    const last = this.#listed.at(-1)?.fireAt;
    const next = this.#next;
    const claimedAhead = next - before <= (this.#evidence.tolerance.leadMs ?? 300);
    const window = this.#evidence.faults.filter(
      ({ from, until, deciding, recoveryMs = this.#evidence.tolerance.recoveryMs }) =>
        deciding && from <= at + recoveryMs && until + recoveryMs >= at - this.#every,
    );
    const slackMs =
      window.length === 0 && !claimedAhead
        ? noticeMs
        : window.reduce((most, { until }) => Math.max(most, until - at), 0) + this.#evidence.tolerance.recoveryMs;
    const expected = [next - byMs, next + this.#every - byMs];
    const isExpected = (time: number) => expected.some((one) => Math.abs(time - one) <= 50);
    const candidates = this.#witness.observed.filter(
      (time) =>
        time > now - 50 &&
        time <= now + 2 * this.#every + slackMs &&
        (!this.#known.has(time) || this.#isRepeated(time, at)) &&
        !(time >= next && (time - next) % this.#every === 0),
    );
    // What was sent after a further step back need not have to do with this one; nor what was never sent, unless it lies where it should.
    const nextStepAt = this.#clock.steps.find((step) => step.at > at && step.byMs < 0)?.at ?? Number.POSITIVE_INFINITY;
    const likely = candidates.find(
      (time) => (this.#witness.sentAt.get(time) ?? this.#clock.arrival(time, at)) <= nextStepAt,
    );
    const isSure = likely !== undefined && this.#witness.sentAt.has(likely);
    const seen = candidates.find((time) => time === likely || (!isSure && isExpected(time)));
    const isAhead = last !== undefined && last > now;
    // It is looked for within a second after the step: the clock may have got there by then.
    const isNear = isAhead && last - now <= noticeMs;
    const wasOff = !isOn(this.#era.changes.findLast(({ invokedAt }) => invokedAt <= at));
    const unsure = claimedAhead || window.length > 0 || isNear || wasOff || this.#isOpen;
    this.#isOpen = unsure && seen === undefined;
    // What came at its old time, and nobody had claimed before the step, was not anchored anew.
    const wentOn = (!isAhead || isNear) && !claimedAhead && this.#isObserved(next);
    let ahead = next;
    while (this.#known.has(ahead)) ahead++;
    if (claimedAhead && this.#isObserved(ahead)) this.#add(ahead, true);
    if (!(isAhead || unsure) || (unsure && seen === undefined) || wentOn) return;
    const fits = seen !== undefined && (unsure || isExpected(seen));
    // What came so late that nobody need have decided it by then may have given way to the new beginning. What was sent was decided.
    const from = this.#undecidedSince(window.reduce((least, fault) => Math.min(least, fault.from), at));
    const wasSent = (fireAt: number) => (this.#witness.sentAt.get(fireAt) ?? Number.POSITIVE_INFINITY) < at;
    for (const [place, one] of this.#listed.entries())
      if (one.arrivesAt >= from && !wasSent(one.fireAt)) this.#listed[place] = { ...one, optional: true };
    this.#next = fits ? seen : expected[0]!;
    this.#since = at;
    this.#phase++;
  }
}
