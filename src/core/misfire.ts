// Which of the fire times that have come are run, and what becomes of the others. One function decides, after a stop, a
// sleep, a jump of the clock, a failover or a slow moment alike. It is bounded: over an interval it is arithmetic.

import type { Policy } from "./definition.ts";
import type { CompiledEntry, Entry } from "./entry.ts";
import { BeatError } from "./errors.ts";
import type { PassedRange } from "./ports.ts";
import { formatDuration, type Instant, minuteMs } from "./time.ts";
import { fireTimesBetween, nextFireTime, previousFireTime, type Trigger } from "./triggers/trigger.ts";

const none: readonly never[] = [];

export interface Decision {
  /** Fire times to run, ascending. */
  readonly run: readonly Instant[];
  /** The others, as ranges, ascending. */
  readonly passed: readonly PassedRange[];
  /** The last fire time that this decision covers. */
  readonly lastFireAt: Instant;
  readonly nextFireAt: Instant | null;
}

/** What of an entry its decisions depend on. Dates that are given at its anchor may have passed already. */
export type Decided = Pick<CompiledEntry, "trigger" | "policy"> & {
  readonly entry: Pick<Entry, "definition" | "anchorAt" | "nextFireAt" | "runCount">;
};

/**
 * A date that is given while it passes runs. One of long ago is rather that of a program which starts anew and names it again:
 * unless its entry says how late it may be, it does not run.
 */
const passingMs = minuteMs;

/**
 * Decides every fire time from the entry's next one up to now; at least that one itself, which may lie a little ahead. `unsent`: how
 * many earlier ones are late and still to be sent. Throws BeatError where the trigger does not advance.
 */
export function decide({ trigger, policy, entry }: Decided, unsent: number, now: Instant): Decision {
  const firstFireAt = entry.nextFireAt!;
  const { runCount } = entry;
  const left = policy.maxRuns === null ? Number.POSITIVE_INFINITY : policy.maxRuns - runCount;
  const givenAt = entry.definition.at === undefined ? Number.NEGATIVE_INFINITY : entry.anchorAt;
  // Nearly always: nothing has passed, nothing came before it, and more will come.
  if (firstFireAt >= Math.max(now, givenAt) && unsent === 0 && left > 1)
    return { run: [firstFireAt], passed: none, lastFireAt: firstFireAt, nextFireAt: next(trigger, firstFireAt) };

  const until = Math.max(firstFireAt, now);
  const passed: PassedRange[] = [];
  const all = rangeOf(trigger, firstFireAt, until);
  let open: Range | undefined = all;

  const { misfireGraceMs } = policy;
  const earliest = misfireGraceMs === null ? givenAt - passingMs : now - misfireGraceMs;
  if (firstFireAt < earliest) {
    const missed = rangeOf(trigger, firstFireAt, earliest - 1);
    const reason = misfireGraceMs === null ? "it had passed when it was added" : missedReason(misfireGraceMs);
    passed.push({ ...missed, state: "missed", reason });
    open = missed.count < all.count ? rangeOf(trigger, next(trigger, missed.untilFireAt)!, until) : undefined;
  }

  let run: readonly Instant[] = [];
  if (open !== undefined && policy.coalesce === "earliest" && unsent > 0)
    passed.push({ ...open, state: "coalesced", reason: "an earlier one is still to be sent" });
  else if (open !== undefined && left > 0) run = choose(trigger, policy, open, left, passed);
  const finished = policy.maxRuns !== null && runCount + run.length >= policy.maxRuns;
  const lastFireAt = all.untilFireAt;
  return { run, passed, lastFireAt, nextFireAt: finished ? null : next(trigger, lastFireAt) };
}

/** Why an occurrence that is later than its `misfire_grace_time` does not run. */
export function missedReason(misfireGraceMs: number): string {
  return `found more than ${formatDuration(misfireGraceMs)} late`;
}

interface Range {
  readonly fromFireAt: Instant;
  readonly untilFireAt: Instant;
  readonly count: number;
}

/** `from` is a fire time, whatever the trigger says of it today: a zone's rules may have changed since it was computed. */
function rangeOf(trigger: Trigger, from: Instant, until: Instant): Range {
  const later = until > from ? fireTimesBetween(trigger, from + 1, until) : { count: 0, last: null };
  return { fromFireAt: from, untilFireAt: later.last ?? from, count: 1 + later.count };
}

function choose(trigger: Trigger, policy: Policy, open: Range, left: number, passed: PassedRange[]): Instant[] {
  if (open.count === 1) return [open.fromFireAt];
  if (policy.coalesce === "earliest") {
    const fromFireAt = next(trigger, open.fromFireAt)!;
    const range = { fromFireAt, untilFireAt: open.untilFireAt, count: open.count - 1 };
    passed.push({ ...range, state: "coalesced", reason: "the earliest of them ran" });
    return [open.fromFireAt];
  }
  const limit = policy.coalesce === "all" ? Math.min(policy.catchUpLimit, left) : 1;
  const run = [open.untilFireAt];
  while (run.length < Math.min(limit, open.count)) run.unshift(previous(trigger, run[0]!, open.fromFireAt));
  if (run.length < open.count) {
    const untilFireAt = previous(trigger, run[0]!, open.fromFireAt);
    const reason =
      policy.coalesce === "all" ? `over the limit of ${limit} runs to catch up with` : "the latest of them ran";
    const range = { fromFireAt: open.fromFireAt, untilFireAt, count: open.count - run.length };
    passed.push({ ...range, state: "coalesced", reason });
  }
  return run;
}

function next(trigger: Trigger, after: Instant): Instant | null {
  const fireAt = nextFireTime(trigger, after);
  if (fireAt !== null && !(fireAt > after)) {
    throw new BeatError(`its trigger does not advance: after ${after} it names ${fireAt}`, {
      remedy: "This is a fault in Beat: please report it with the entry's definition.",
    });
  }
  return fireAt;
}

function previous(trigger: Trigger, before: Instant, first: Instant): Instant {
  return Math.max(previousFireTime(trigger, before) ?? first, first);
}
