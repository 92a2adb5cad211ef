// From what was done and what arrived to a verdict, and to the figures of a row.

import assert from "node:assert/strict";
import type { Verdict } from "../checker/check.ts";
import type { Delivery, Evidence, Fault, LedgerRow, Tolerance } from "../checker/evidence.ts";
import { durationMs } from "../checker/nominal-times.ts";
import { reportOf } from "../checker/report.ts";
import type { Named } from "./timetable.ts";

/** It was done some time between the two. */
export interface Moment {
  readonly invokedAt: number;
  readonly acknowledgedAt: number;
}

export interface Trial {
  readonly title: string;
  readonly startAt: number;
  /** From when on nothing was to be sent any more: the last daemon was told to end, and has ended. */
  readonly stopped: Moment;
  /** Watching ended. */
  readonly endAt: number;
  readonly planned: readonly Named[];
  /** When they were written. */
  readonly added: Moment;
  readonly faults: readonly Fault[];
  readonly deliveries: readonly Delivery[];
  /** Undefined: the scheduler keeps none. */
  readonly ledger: readonly LedgerRow[] | undefined;
  readonly tolerance?: Partial<Tolerance>;
}

const isFull = process.env["FAULTS"] === "full";

/** What Beat promises everywhere; a machine that tests other things at the same time may be later. */
export const promised: Tolerance = {
  earlyMs: 0,
  lateMs: isFull ? 1_000 : 3_000,
  recoveryMs: isFull ? 5_000 : 8_000,
  // A busy machine takes its time to write the first entries, and to end the last daemon: what is due meanwhile is not certain.
  minCertainShare: isFull ? 0.99 : 0.9,
};

export function evidenceOf(trial: Trial): Evidence {
  const { title, startAt, stopped, endAt, planned, added, faults, deliveries, ledger, tolerance } = trial;
  return {
    title,
    startAt,
    endAt,
    tolerance: { ...promised, ...tolerance },
    schedule: planned.map(({ name, definition }) => ({
      entry: name,
      changes: [
        { ...added, definition },
        // What jitter puts off may be claimed by then, and not due.
        { ...stopped, invokedAt: stopped.invokedAt - durationMs(definition["jitter"] ?? 0), definition: null },
      ],
    })),
    faults,
    deliveries,
    ...(ledger && { ledger }),
  };
}

/** Asserts that nothing is wrong. */
export function assertValid(verdict: Verdict): void {
  assert.equal(verdict.outcome, "valid", reportOf(verdict));
}

/** Of the table in docs/reliability.md: nominal times, sent, missing, twice, second ids, early, late, said after, back after. */
export function figuresOf(
  verdict: Verdict,
  { faults, deliveries }: Pick<Evidence, "faults" | "deliveries">,
  complaints: readonly number[],
): string {
  const { counts, findings, worstLateMs } = verdict;
  const count = (kind: RegExp) => findings.filter((finding) => kind.test(finding.kind)).length;
  return [
    counts.certain + counts.byPolicy,
    counts.delivered,
    count(/^missing|^lie/),
    counts.repeats + count(/^duplicate: without/),
    count(/second id/),
    count(/early|extra/),
    seconds(worstLateMs.undisturbed),
    saidAfter(faults, complaints),
    seconds(backAfterMs(faults, deliveries)),
  ].join(" | ");
}

/** How long after a fault began the first warning was logged. */
function saidAfter(faults: readonly Fault[], complaints: readonly number[]): string {
  const [fault] = faults;
  // Under another clock the log has other times.
  if (fault === undefined || faults.some(({ clockStepMs }) => clockStepMs !== undefined)) return "";
  const first = complaints.find((at) => at >= fault.from);
  return first === undefined ? "" : seconds(first - fault.from);
}

/** How long after the end of a fault the last message came that had been due before it. */
function backAfterMs(faults: readonly Fault[], deliveries: readonly Delivery[]): number {
  const seen = new Set<string>();
  let worst = 0;
  for (const { id, at, fireAt } of deliveries) {
    if (seen.has(id)) continue;
    seen.add(id);
    const fault = faults.findLast(({ from, until }) => at >= until && fireAt! >= from - 2_000 && fireAt! < until);
    if (fault !== undefined) worst = Math.max(worst, at - fault.until);
  }
  return worst;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
