// One entry's nominal times under all that was done to it and to the clock, and whether each had to run.

import { type Era, erasOf, isBeforeWritten, isOn, type Listed, longestLeadMs, textOf } from "./eras.ts";
import type { Change, EntryHistory, Evidence, Tolerance } from "./evidence.ts";
import { Elapsed, type Witness } from "./interval-times.ts";
import { intervalMs, wallTimes } from "./nominal-times.ts";
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
    if (!isUndecided || step === undefined) return false;
    const wasSent = (witness.sentAt.get(fireAt) ?? Number.POSITIVE_INFINITY) < step.at;
    return !wasSent && clock.arrival(fireAt, step.at) > until - tolerance.earlyMs;
  };
  // It came while the entry was off, and was off still when the clock was put back behind it: it comes once more. The end of its
  // schedule decides it.
  const undecidedUntil = (fireAt: number, arrivesAt: number, until: number): number => {
    const step = clock.steps.find(({ at }) => at >= arrivesAt && at < until && clock.at(at) < fireAt);
    const wasOff = (time: number) => !isOn(stateAt(history.changes, time, 0).change);
    if (step === undefined || !wasOff(arrivesAt) || !wasOff(step.at)) return arrivesAt;
    return undecidedUntil(fireAt, clock.arrival(fireAt, step.at), until);
  };
  // Where the clock was put back behind it, it may come under another definition.
  const jitterAfterStep = (fireAt: number, arrivesAt: number): number => {
    const step = clock.steps.find(({ at }) => at >= arrivesAt && clock.at(at) < fireAt);
    return step === undefined ? 0 : jitterAround(history.changes, clock.arrival(fireAt, step.at), tolerance);
  };
  for (const [index, era] of erasOf(history.changes, endAt).entries()) {
    const every = intervalMs(era.definition);
    const listed =
      every === undefined
        ? wallClockTimes(era, clock, witness, tolerance)
        : new Elapsed(era, every, clock, evidence, witness, new Set(known)).list();
    for (const [place, { fireAt, arrivesAt: cameAt, phase, optional }] of listed.entries()) {
      const arrivesAt = undecidedUntil(fireAt, cameAt, era.until);
      const { change, certain } = stateAt(history.changes, arrivesAt, tolerance.earlyMs);
      const policy = policyOf(change?.definition ?? era.definition);
      const gapMs = every ?? (listed[place + 1]?.fireAt ?? Number.POSITIVE_INFINITY) - fireAt;
      const earlier = all.get(fireAt);
      const jitterMs = Math.max(
        jitterAround(history.changes, arrivesAt, tolerance),
        jitterAfterStep(fireAt, arrivesAt),
      );
      const delayMs = Math.max(
        0,
        Math.min(jitterMs, gapMs),
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
    const matters = change === undefined || actsOf(change) !== actsOf(next);
    const acknowledgedAt = next.acknowledgedAt ?? Number.POSITIVE_INFINITY;
    if (matters) certain = time > acknowledgedAt + slackMs;
    change = next;
  }
  return { change, certain };
}

/** The same for two changes under which the same times come. */
function actsOf(change: Change): string {
  return `${isOn(change)} ${change.definition?.["max_runs"]} ${textOf(change)}`;
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

/** How far ahead of the clock an entry's last time lies at least when the end of a pause says that the clock is right now. */
const returnsFromMs = 60_000;

function wallClockTimes(era: Era, clock: WallClock, { sentAt }: Witness, { earlyMs, lateMs }: Tolerance): Listed[] {
  const from = clock.at(era.from);
  const writtenAt = era.changes[0]!.acknowledgedAt ?? era.until;
  const highest = clock.highest(era.from, era.until) + longestLeadMs;
  const listed = new Map<number, Listed>();
  // The clock may be put back while it is written.
  for (const fireAt of wallTimes(era.definition, Math.min(from, clock.at(writtenAt)), highest)) {
    const arrivesAt = clock.arrival(fireAt, fireAt > from ? era.from : writtenAt);
    listed.set(fireAt, { fireAt, arrivesAt, phase: 0, optional: isBeforeWritten(era, clock, fireAt) });
  }
  for (const { invokedAt, acknowledgedAt } of endsOfPauses(era)) {
    const since = acknowledgedAt ?? era.until;
    const came = [...listed.values()].filter(({ arrivesAt }) => arrivesAt < invokedAt).map(({ fireAt }) => fireAt);
    const aheadMs = Math.max(Number.NEGATIVE_INFINITY, ...came) - clock.at(since);
    if (aheadMs <= returnsFromMs - lateMs) continue;
    // It goes on from now: what had come before comes again unless it was decided, and all before it for the first time.
    for (const fireAt of wallTimes(era.definition, clock.at(since), clock.highest(since, era.until) + longestLeadMs)) {
      const arrivesAt = clock.arrival(fireAt, since);
      const isNew = !listed.has(fireAt);
      const cameNow = (sentAt.get(fireAt) ?? Number.NEGATIVE_INFINITY) >= arrivesAt - earlyMs;
      const isUnsure = !isNew || aheadMs <= returnsFromMs + lateMs || fireAt <= clock.highest(invokedAt, since);
      if (isNew || cameNow) listed.set(fireAt, { fireAt, arrivesAt, phase: 0, optional: isUnsure });
    }
  }
  return [...listed.values()].sort((a, b) => a.fireAt - b.fireAt);
}

function endsOfPauses({ changes }: Era): readonly Change[] {
  return changes.filter(
    (change, index) => index > 0 && isOn(change) && !isOn(changes[index - 1]) && change.catchesUp !== true,
  );
}
