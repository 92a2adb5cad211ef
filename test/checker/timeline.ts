// One entry's nominal times under all that was done to it and to the clock, and whether each had to run.

import type { Change, EntryHistory, Evidence, Tolerance } from "./evidence.ts";
import { elapsedTimes, endOf, intervalMs, scheduleText, startOf, type Written, wallTimes } from "./nominal-times.ts";
import { policyOf, type WrittenPolicy } from "./policy.ts";
import type { WallClock } from "./wall-clock.ts";

export interface Nominal {
  /** WALL. */
  readonly fireAt: number;
  /** TRUE: when the clock first showed it, and the latest time at which jitter lets it be due. */
  readonly arrivesAt: number;
  readonly dueBy: number;
  /** `must` run (or be decided by policy); `never`: the entry was off; `may`: nobody can say. */
  readonly life: "must" | "may" | "never";
  readonly policy: WrittenPolicy;
  /** Times between two changes of the schedule belong together; of an interval, those that count from one anchor. */
  readonly era: number;
  readonly phase: number;
}

/** The longest time before its fire time at which an occurrence of a crowd is claimed. */
const longestLeadMs = 6_000;

/** A step of the clock is noticed within this time. */
const noticeMs = 1_100;

interface Era {
  readonly definition: Written;
  readonly changes: readonly Change[];
  /** TRUE: the first moment at which it may, and the last at which it may still, have been in force. */
  readonly from: number;
  readonly until: number;
}

/** What anything says of an entry's fire times: the phase of an interval is read off it where nothing else tells it. */
export interface Witness {
  /** Ascending. */
  readonly observed: readonly number[];
  /** When they were delivered first, TRUE time. */
  readonly sentAt: ReadonlyMap<number, number>;
  /** Those that a range of the ledger covers beside a row of their own. */
  readonly repeated: ReadonlySet<number>;
}

export function nominalTimes(
  history: EntryHistory,
  clock: WallClock,
  evidence: Pick<Evidence, "endAt" | "faults" | "tolerance">,
  witness: Witness,
): Nominal[] {
  const all = new Map<number, Nominal>();
  const known = new Set<number>();
  const { endAt, tolerance } = evidence;
  // Where a step of the clock was made just then, one machine may have seen a time come and another not.
  const isAtStep = (fireAt: number) =>
    clock.steps.some(({ at, byMs }) => Math.abs(clock.at(at) - byMs - fireAt) <= tolerance.earlyMs);
  // It came while nobody could decide, the clock was put back behind it, and before it came again the schedule was another.
  const cameInVain = (fireAt: number, arrivesAt: number, until: number) => {
    const isUndecided = evidence.faults.some(
      (fault) =>
        fault.deciding &&
        fault.from <= arrivesAt + tolerance.lateMs &&
        fault.until + (fault.recoveryMs ?? tolerance.recoveryMs) >= arrivesAt,
    );
    const step = clock.steps.find(({ at }) => at >= arrivesAt && at < until && clock.at(at) < fireAt);
    return isUndecided && step !== undefined && clock.arrival(fireAt, step.at) > until - tolerance.earlyMs;
  };
  // It came while the entry was off, and was off still when the clock was put back behind it: it comes once more.
  const undecidedUntil = (fireAt: number, arrivesAt: number): number => {
    const step = clock.steps.find(({ at }) => at >= arrivesAt && clock.at(at) < fireAt);
    const wasOff = (time: number) => !isOn(stateAt(history.changes, time, 0).change);
    if (step === undefined || !wasOff(arrivesAt) || !wasOff(step.at)) return arrivesAt;
    return undecidedUntil(fireAt, clock.arrival(fireAt, step.at));
  };
  for (const [index, era] of erasOf(history.changes, endAt).entries()) {
    const every = intervalMs(era.definition);
    const listed =
      every === undefined
        ? wallClockTimes(era, clock)
        : new Elapsed(era, every, clock, evidence, witness, new Set(known)).list();
    for (const [place, { fireAt, arrivesAt: cameAt, phase, optional }] of listed.entries()) {
      const arrivesAt = undecidedUntil(fireAt, cameAt);
      const { change, certain } = stateAt(history.changes, arrivesAt, tolerance.earlyMs);
      const policy = policyOf(change?.definition ?? era.definition);
      const gapMs = every ?? (listed[place + 1]?.fireAt ?? Number.POSITIVE_INFINITY) - fireAt;
      const earlier = all.get(fireAt);
      const delayMs = Math.max(
        0,
        Math.min(jitterAround(history.changes, arrivesAt, tolerance), gapMs),
        // An earlier schedule had it too, and said when it is due.
        earlier === undefined ? 0 : earlier.dueBy - earlier.arrivesAt,
      );
      const dueBy = clock.arrival(fireAt + delayMs, arrivesAt);
      // What may have been claimed ahead when the schedule changed is in the ledger, and must not run any more.
      const isAhead = arrivesAt > era.until + tolerance.earlyMs;
      // One that an earlier schedule had brought is in the ledger already.
      const isOpen =
        optional ||
        arrivesAt > cameAt ||
        isAtStep(fireAt) ||
        !certain ||
        known.has(fireAt) ||
        (isAhead && era.until === endAt) ||
        cameInVain(fireAt, arrivesAt, era.until);
      const life = isOpen ? "may" : isAhead ? "never" : lifeUnder(history.changes, change);
      all.set(fireAt, { fireAt, arrivesAt, dueBy, life, policy, era: index, phase });
      const wasClaimed = arrivesAt <= era.until + (tolerance.leadMs ?? 300) && witness.observed.includes(fireAt);
      if (!isAhead || wasClaimed) known.add(fireAt);
    }
  }
  return [...all.values()].sort((a, b) => a.fireAt - b.fireAt);
}

export function isOn(change: Change | undefined): boolean {
  return change?.definition != null && change.paused !== true && change.definition["enabled"] !== false;
}

/** Whether what came while this change was in force had to run; in a pause: where its end says that its times are caught up with. */
function lifeUnder(changes: readonly Change[], change: Change | undefined): Nominal["life"] {
  if (isOn(change)) return "must";
  if (change?.definition == null || change.paused !== true) return "never";
  const later = changes.slice(changes.indexOf(change) + 1);
  const end = later.findIndex(({ paused, definition }) => paused !== true || definition === null);
  if (end < 0 || !later[end]!.catchesUp) return "never";
  const all = [change, ...later.slice(0, end + 1)];
  if (all.some((one) => textOf(one) !== textOf(change))) return "never";
  return all.some(({ definition }) => definition!["enabled"] === false) ? "may" : "must";
}

/** The change in force at a true time, and whether anybody can know. */
function stateAt(
  changes: readonly Change[],
  time: number,
  slackMs: number,
): { change: Change | undefined; certain: boolean } {
  let change: Change | undefined;
  let certain = true;
  for (const next of changes) {
    if (time < next.invokedAt - slackMs) break;
    const matters = change === undefined || isOn(change) !== isOn(next) || textOf(change) !== textOf(next);
    const acknowledgedAt = next.acknowledgedAt ?? Number.POSITIVE_INFINITY;
    certain = !matters || time > acknowledgedAt + slackMs;
    change = next;
  }
  return { change, certain };
}

/** The longest jitter of all the definitions that may have been in force when a time was claimed. */
function jitterAround(changes: readonly Change[], time: number, { leadMs = 300, earlyMs }: Tolerance): number {
  const around = changes.filter(
    ({ invokedAt }, index) =>
      invokedAt <= time + earlyMs &&
      (changes[index + 1]?.acknowledgedAt ?? Number.POSITIVE_INFINITY) >= time - leadMs - earlyMs,
  );
  return Math.max(0, ...around.map(({ definition }) => (definition === null ? 0 : policyOf(definition).jitterMs)));
}

function textOf({ definition }: Change): string | undefined {
  return definition === null ? undefined : scheduleText(definition);
}

function erasOf(changes: readonly Change[], endAt: number): Era[] {
  const eras: Era[] = [];
  for (let first = 0; first < changes.length; ) {
    const { definition, invokedAt } = changes[first]!;
    let next = first + 1;
    while (next < changes.length && textOf(changes[next]!) === textOf(changes[first]!)) next++;
    const until = next === changes.length ? endAt : (changes[next]!.acknowledgedAt ?? endAt);
    if (definition !== null) eras.push({ definition, changes: changes.slice(first, next), from: invokedAt, until });
    first = next;
  }
  return eras;
}

interface Listed {
  readonly fireAt: number;
  readonly arrivesAt: number;
  readonly phase: number;
  readonly optional: boolean;
}

/** An entry's first time lies after the moment at which it was written, which is only known to lie between two. */
function isBeforeWritten(era: Era, clock: WallClock, fireAt: number): boolean {
  return fireAt <= clock.at(era.changes[0]!.acknowledgedAt ?? era.until);
}

function wallClockTimes(era: Era, clock: WallClock): Listed[] {
  const after = clock.at(era.from);
  return wallTimes(era.definition, after, clock.highest(era.from, era.until) + longestLeadMs).map((fireAt) => {
    const arrivesAt = clock.arrival(fireAt, era.from);
    return { fireAt, arrivesAt, phase: 0, optional: isBeforeWritten(era, clock, fireAt) };
  });
}

/**
 * Intervals count elapsed time. Where the wall clock is put back behind their last run they are anchored anew, as far from
 * the next one as they were; where a new time meets an old one, they go on a millisecond beside it.
 */
class Elapsed {
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
