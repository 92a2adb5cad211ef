// From entries that are due to the claims that will be written. Pure: given the same entries and the same now, the same
// claims.

import type { CompiledEntry, Entry } from "../core/entry.ts";
import { reasonOf } from "../core/errors.ts";
import { dueTime } from "../core/jitter.ts";
import { decide } from "../core/misfire.ts";
import type { Occurrence } from "../core/occurrence.ts";
import { occurrenceId } from "../core/occurrence-id.ts";
import type { Claim, PassedRange } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { leftOutBetween } from "../core/triggers/left-out.ts";
import { isElapsed, nextFireTime } from "../core/triggers/trigger.ts";

/** What waits in the outbox and is late. */
export type Unsent = Pick<Occurrence, "fireAt" | "missedCount">;

/** What to write for one entry that is due at `now` or a little later. */
export function planClaim(storeId: string, compiled: CompiledEntry, unsent: readonly Unsent[], now: Instant): Claim {
  const { entry } = compiled;
  try {
    const { run, passed, lastFireAt, nextFireAt } = decide(compiled, unsent.length, now);
    // The first that runs stands for what does not.
    let missedCount = countOf(passed);
    for (const one of unsent) missedCount += 1 + one.missedCount;
    const due =
      run.length === 1 ? [dueOf(storeId, compiled, run[0]!, missedCount)] : allDue(storeId, compiled, run, missedCount);
    const excluded = leftOut(compiled, lastFireAt, run.length + countOf(passed));
    return claimOf(
      entry,
      { ...entry, nextFireAt, lastFireAt, runCount: entry.runCount + run.length },
      due,
      excluded === undefined ? passed : [...passed, excluded],
      run.length > 0 && unsent.length > 0 ? unsent.map(({ fireAt }) => fireAt) : none,
    );
  } catch (error) {
    return planQuarantine(entry, reasonOf(error));
  }
}

function dueOf(storeId: string, compiled: CompiledEntry, fireAt: Instant, missedCount: number): Claim["due"][number] {
  const dueAt = compiled.policy.jitterMs === 0 ? fireAt : jittered(storeId, compiled, fireAt);
  return { fireAt, dueAt, missedCount };
}

function allDue(storeId: string, compiled: CompiledEntry, run: readonly Instant[], missedCount: number): Claim["due"] {
  return run.map((fireAt, index) => dueOf(storeId, compiled, fireAt, index === 0 ? missedCount : 0));
}

/** Before the next time of the schedule, also where that one gave way: the delay of a fire time is always the same. */
function jittered(storeId: string, { entry, trigger, policy }: CompiledEntry, fireAt: Instant): Instant {
  const id = occurrenceId(storeId, entry.id, fireAt);
  return dueTime(id, fireAt, policy.jitterMs, nextFireTime(trigger, fireAt));
}

function countOf(ranges: readonly PassedRange[]): number {
  let sum = 0;
  for (const { count } of ranges) sum += count;
  return sum;
}

/** What `except` left out since the last decision, for the ledger. After a change of the schedule nobody knows since when it holds. */
function leftOut({ entry, trigger }: CompiledEntry, until: Instant, kept: number): PassedRange | undefined {
  const { lastFireAt, anchorAt, definition } = entry;
  if (definition.except === undefined) return undefined;
  const after = lastFireAt ?? (definition.start_at === undefined ? anchorAt : undefined);
  const range = after === undefined ? undefined : leftOutBetween(trigger, after, until, kept);
  return range && { ...range, state: "excluded", reason: "left out by its `except`" };
}

/** An entry that can't be scheduled is set aside with the reason; all others go on. */
export function planQuarantine(entry: Entry, reason: string): Claim {
  return claimOf(entry, { ...entry, quarantine: reason });
}

/**
 * The next fire time is in the ledger already: the wall clock was put back. An interval goes on beside its old times, a
 * millisecond later; any other trigger goes on with its next time.
 */
export function planBeyond(compiled: CompiledEntry): Claim {
  const { entry, trigger } = compiled;
  const nextFireAt = entry.nextFireAt! + 1;
  return isElapsed(trigger)
    ? planAnchor(entry, nextFireAt, entry.nextFireAt!)
    : advanceTo(entry, nextFireTime(trigger, entry.nextFireAt!));
}

/** The interval goes on from this fire time. `lastFireAt` is put at `now` at the latest: what lies ahead was another clock's. */
export function planAnchor(entry: Entry, nextFireAt: Instant | null, now: Instant): Claim {
  const lastFireAt = entry.lastFireAt === null ? null : Math.min(entry.lastFireAt, now);
  return claimOf(entry, { ...entry, nextFireAt, lastFireAt, anchorAt: nextFireAt ?? entry.anchorAt });
}

/**
 * The rules of a zone changed: the claim that moves the next fire time to where they put it now. Undefined where it stays.
 * Only times to come move, and elapsed time knows no zones.
 */
export function planUnderNewRules({ entry, trigger }: CompiledEntry, now: Instant): Claim | undefined {
  if (entry.nextFireAt === null || entry.nextFireAt <= now || isElapsed(trigger)) return undefined;
  const nextFireAt = nextFireTime(trigger, Math.max(now, entry.lastFireAt ?? now));
  return nextFireAt === entry.nextFireAt ? undefined : advanceTo(entry, nextFireAt);
}

function advanceTo(entry: Entry, nextFireAt: Instant | null): Claim {
  return claimOf(entry, { ...entry, nextFireAt });
}

const none: readonly never[] = [];

function claimOf(
  entry: Entry,
  becomes: Entry,
  due: Claim["due"] = none,
  passed: Claim["passed"] = none,
  superseded: Claim["superseded"] = none,
): Claim {
  return { entry, becomes, due, passed, superseded };
}
