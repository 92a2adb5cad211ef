// An entry is a definition and its progress. The store is the truth; everything else holds copies of it.

import { type Definition, type Policy, policyOf } from "./definition.ts";
import { type Target, targetOf } from "./target.ts";
import type { Instant } from "./time.ts";
import { compileSchedule } from "./triggers/schedule.ts";
import type { Trigger } from "./triggers/trigger.ts";

/** Who owns an entry: a schedule file (`file:` and its path relative to the schedules' root), the command line, a program, an API client. */
export type Origin = `file:${string}` | "cli" | "code" | "api";

export interface Entry {
  /** Given by the store, never used again after a removal. */
  readonly id: number;
  readonly name: string;
  readonly origin: Origin;
  readonly definition: Definition;
  readonly createdAt: Instant;
  /** What an interval counts from: `start_at`, else the creation; moved when the wall clock was put back. */
  readonly anchorAt: Instant;
  /** The next nominal fire time; null: there is none any more. */
  readonly nextFireAt: Instant | null;
  /** The last nominal fire time that was decided (run, coalesced or missed). */
  readonly lastFireAt: Instant | null;
  /** How many occurrences were claimed to run. */
  readonly runCount: number;
  /** Set by an operator; files can't undo it. */
  readonly pausedAt: Instant | null;
  readonly pauseNote: string | null;
  /** Why this entry can't be scheduled; null: it can. */
  readonly quarantine: string | null;
  readonly removedAt: Instant | null;
  /** Grows with every change that is not progress; unique over all entries of a store. */
  readonly revision: number;
}

export type EntryStatus = "active" | "paused" | "disabled" | "finished" | "quarantined";

export function statusOf(entry: Entry): EntryStatus {
  if (entry.quarantine !== null) return "quarantined";
  if (entry.definition.enabled === false) return "disabled";
  if (entry.pausedAt !== null) return "paused";
  return entry.nextFireAt === null ? "finished" : "active";
}

/** What the timetable holds: entries that will fire by themselves. */
export function isScheduled(entry: Entry): boolean {
  return entry.removedAt === null && statusOf(entry) === "active";
}

/** An entry made ready for use: its texts parsed once. */
export interface CompiledEntry {
  readonly entry: Entry;
  readonly trigger: Trigger;
  readonly policy: Policy;
  readonly target: Target;
}

/** Throws DefinitionError where the stored definition can't be scheduled. */
export function compileEntry(entry: Entry): CompiledEntry {
  const { definition } = entry;
  return { entry, trigger: triggerOf(entry), policy: policyOf(definition), target: targetOf(definition) };
}

/** An interval that has begun counts from its stored anchor, which may have been moved; `start_at` has done its work. */
export function triggerOf(entry: Pick<Entry, "definition" | "name" | "anchorAt" | "lastFireAt">): Trigger {
  const { start_at, ...rest } = entry.definition;
  const begun = rest.every !== undefined && entry.lastFireAt !== null;
  const schedule = start_at === undefined || begun ? rest : { ...rest, start_at };
  // `@reboot` has one fire time: the start at which it was anchored last.
  return compileSchedule(schedule, { name: entry.name, anchorAt: entry.anchorAt, startedAt: entry.anchorAt });
}

/** Whether it fires when the scheduler starts, and at no other time. */
export function firesAtStart({ cron }: Definition): boolean {
  return cron?.trim().toLowerCase() === "@reboot";
}
