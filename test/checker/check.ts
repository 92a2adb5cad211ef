// The judge. It lists the nominal times that the schedule had (timeline.ts), puts beside each what the ledger says and what
// consumers wrote down, and names every difference. It is pure, and shares nothing with Beat.
//
// A nominal time is certain where nothing was wrong; within an outage (a fault and its recovery) policy decides which of the
// times run, and the ledger has to say so of each; during a change of its entry nobody can know, and either is right.

import { EntryJudge } from "./entry-judge.ts";
import type { Change, Evidence, Fault } from "./evidence.ts";
import { livesOf } from "./lives.ts";
import { outagesOf } from "./outages.ts";
import { WallClock } from "./wall-clock.ts";

export type FindingKind =
  | "missing: never decided"
  | "missing: decided, not sent"
  | "missing: sent, not delivered"
  | "missing: given up without cause"
  | "late"
  | "early"
  | "extra: unknown"
  | "extra: forbidden"
  | "duplicate: second id"
  | "duplicate: without doubt"
  | "overlap"
  | "lie: says sent"
  | "lie: says not sent"
  | "lie: no row"
  | "lie: two rows"
  | "lie: no such time"
  | "lie: wrong count";

export interface Finding {
  readonly kind: FindingKind;
  readonly entry: string;
  /** The nominal time, WALL; of a manual run: when it was asked for. */
  readonly fireAt: number;
  /** Orders the findings: the first one is the first witness. TRUE time. */
  readonly at: number;
  readonly text: string;
}

export interface Verdict {
  readonly title: string;
  readonly outcome: "valid" | "invalid" | "void";
  readonly findings: readonly Finding[];
  readonly counts: {
    /** Nominal times: certain, decided by policy, uncertain, forbidden. */
    readonly certain: number;
    readonly byPolicy: number;
    readonly uncertain: number;
    readonly forbidden: number;
    readonly delivered: number;
    /** The same id again after a doubtful confirmation, and brokers' own redeliveries. */
    readonly repeats: number;
    /** Withdrawn while it was in doubt whether it had been sent; it had. */
    readonly withdrawnInDoubt: number;
  };
  /** The latest that something came after it was due, outside outages and at all. */
  readonly worstLateMs: { readonly undisturbed: number; readonly atAll: number };
}

export function check(evidence: Evidence): Verdict {
  const clock = new WallClock(evidence.faults);
  const names = new Set([
    ...evidence.schedule.map(({ entry }) => entry),
    ...evidence.deliveries.map(({ entry }) => entry),
    ...(evidence.ledger ?? []).map(({ entryName }) => entryName),
  ]);
  const deliveries = Map.groupBy(evidence.deliveries, ({ entry }) => entry);
  const ledger = Map.groupBy(evidence.ledger ?? [], ({ entryName }) => entryName);
  const triggers = Map.groupBy(evidence.triggers ?? [], ({ entry }) => entry);
  const publishes = evidence.publishes && Map.groupBy(evidence.publishes, ({ id }) => id);
  const retries = Map.groupBy(evidence.retries ?? [], ({ entry }) => entry);
  const schedule = new Map(evidence.schedule.map((one) => [one.entry, one]));
  const outages = outagesOf(evidence);
  const lives = [...names].flatMap((entry) =>
    livesOf({
      history: schedule.get(entry) ?? { entry, changes: [] },
      deliveries: (deliveries.get(entry) ?? []).toSorted((a, b) => a.at - b.at),
      rows: (ledger.get(entry) ?? []).toSorted((a, b) => a.fireAt - b.fireAt),
      triggers: triggers.get(entry) ?? [],
      retries: retries.get(entry) ?? [],
    }),
  );
  const judges = lives.map((life) => {
    const pauses = pausesCaughtUp(life.history.changes);
    const own = { ...evidence, faults: [...evidence.faults, ...pauses] };
    const outagesOfIt = pauses.length === 0 ? outages : outagesOf(own);
    return new EntryJudge({ ...life, evidence: own, clock, outages: outagesOfIt, publishes }).judge();
  });
  const sum = (key: keyof Verdict["counts"]) => judges.reduce((total, { counts }) => total + counts[key], 0);
  const counts = {
    certain: sum("certain"),
    byPolicy: sum("byPolicy"),
    uncertain: sum("uncertain"),
    forbidden: sum("forbidden"),
    delivered: sum("delivered"),
    repeats: sum("repeats"),
    withdrawnInDoubt: sum("withdrawnInDoubt"),
  };
  const findings = judges.flatMap((judge) => judge.findings).sort((a, b) => a.at - b.at);
  const judged = counts.certain + counts.byPolicy;
  const isVoid = judged < (evidence.tolerance.minCertainShare ?? 0.99) * (judged + counts.uncertain);
  const most = (key: keyof Verdict["worstLateMs"]) => Math.max(0, ...judges.map(({ late }) => late[key]));
  return {
    title: evidence.title,
    outcome: findings.length > 0 ? "invalid" : isVoid ? "void" : "valid",
    findings,
    counts,
    worstLateMs: { undisturbed: most("undisturbed"), atAll: most("atAll") },
  };
}

/** A pause whose times are caught up with is to its entry what a stop of everything is to all. */
function pausesCaughtUp(changes: readonly Change[]): Fault[] {
  return changes.flatMap((change, end) => {
    if (!change.catchesUp) return [];
    const begin = changes.findLastIndex(({ paused }, index) => index < end && paused !== true) + 1;
    const until = change.acknowledgedAt ?? Number.POSITIVE_INFINITY;
    return [{ what: "pause", from: changes[begin]!.invokedAt, until, deciding: true }];
  });
}
