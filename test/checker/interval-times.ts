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
      if (this.#phase > 0 && !this.#isObserved(this.#next) && this.#isObserved(this.#next + 1)) this.#next++;
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

  #isRepeated(fireAt: number, since: number): boolean {
    const { repeated, sentAt } = this.#witness;
    return repeated.has(fireAt) && (sentAt.get(fireAt) ?? Number.NEGATIVE_INFINITY) > since;
  }

  #add(fireAt: number, optional: boolean): void {
    this.#known.add(fireAt);
    const arrivesAt = this.#clock.arrival(fireAt, this.#since);
    const unsure = optional || (this.#since === this.#era.from && isBeforeWritten(this.#era, this.#clock, fireAt));
    this.#listed.push({ fireAt, arrivesAt, phase: this.#phase, optional: unsure });
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
    // What was sent after a further step back need not have to do with this one.
    const nextStepAt = this.#clock.steps.find((step) => step.at > at && step.byMs < 0)?.at ?? Number.POSITIVE_INFINITY;
    const seen = this.#witness.observed.find(
      (time) =>
        (this.#witness.sentAt.get(time) ?? at) <= nextStepAt &&
        time > now - 50 &&
        time <= now + 2 * this.#every + slackMs &&
        (!this.#known.has(time) || this.#isRepeated(time, at)) &&
        !(time >= next && (time - next) % this.#every === 0),
    );
    const isAhead = last !== undefined && last > now;
    // It is looked for within a second after the step: the clock may have got there by then.
    const isNear = isAhead && last - now <= noticeMs;
    const wasOff = !isOn(this.#era.changes.findLast(({ invokedAt }) => invokedAt <= at));
    const unsure = claimedAhead || window.length > 0 || isNear || wasOff;
    // What came at its old time, and nobody had claimed before the step, was not anchored anew.
    const wentOn = (!isAhead || isNear) && !claimedAhead && this.#isObserved(next);
    if (claimedAhead && this.#isObserved(next) && !this.#known.has(next)) this.#add(next, true);
    if (!(isAhead || unsure) || (unsure && seen === undefined) || wentOn) return;
    const expected = [next - byMs, next + this.#every - byMs];
    const fits = seen !== undefined && (unsure || expected.some((time) => Math.abs(time - seen) <= 50));
    // What came so late that nobody need have decided it by then may have given way to the new beginning. What was sent was decided.
    const from = window.reduce((least, fault) => Math.min(least, fault.from), at) - this.#evidence.tolerance.lateMs;
    const wasSent = (fireAt: number) => (this.#witness.sentAt.get(fireAt) ?? Number.POSITIVE_INFINITY) < at;
    for (const [place, one] of this.#listed.entries())
      if (one.arrivesAt >= from && !wasSent(one.fireAt)) this.#listed[place] = { ...one, optional: true };
    this.#next = fits ? seen : expected[0]!;
    this.#since = at;
    this.#phase++;
  }
}
