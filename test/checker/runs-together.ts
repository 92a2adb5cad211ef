// What no run tells by itself: how many were made of one outage, how many at all, and which went on at once.

import type { Account, Case, Tell } from "./accounts.ts";
import { outageAt } from "./outages.ts";

/** In a time without a broker or a leader only one of several runs was to be kept: others went out that nobody had begun to send. */
export function judgeFlood(accounts: readonly Account[], { evidence, publishes }: Case, tell: Tell): void {
  if (publishes === undefined) return;
  const { lateMs } = evidence.tolerance;
  for (const fault of evidence.faults) {
    const others = evidence.faults.filter(
      (one) => (one !== fault || one.partly) && (one.deciding || one.clockStepMs !== undefined),
    );
    const within = accounts.filter(
      ({ nominal: { arrivesAt, dueBy, policy }, retried }) =>
        retried === undefined &&
        policy.coalesce !== "all" &&
        arrivesAt >= fault.from + lateMs &&
        dueBy < fault.until - lateMs,
    );
    const kept = within.filter(({ nominal, deliveries: [first] }) => {
      if (first === undefined || first.at < fault.until) return false;
      const wasTried = (publishes.get(first.id) ?? []).some(({ at }) => at < fault.until);
      const wasHandedOver = others.some(({ from, until }) => from <= first.at && until >= nominal.arrivesAt - lateMs);
      return !wasTried && !wasHandedOver && nominal.dueBy - nominal.arrivesAt < lateMs;
    });
    const [, second] = kept;
    if (second === undefined) continue;
    const text = `${kept.length} runs of the time in which ${fault.what} were made; its policy keeps one`;
    tell("extra: forbidden", second.nominal.fireAt, second.deliveries[0]!.at, text);
  }
}

export function judgeMaxRuns(accounts: readonly Account[], tell: Tell): void {
  for (const era of Map.groupBy(accounts, ({ nominal }) => nominal.era).values()) {
    const most = Math.max(...era.map(({ nominal }) => nominal.policy.maxRuns));
    const { nominal } = era.filter(({ deliveries }) => deliveries.length > 0)[most] ?? {};
    if (nominal === undefined) continue;
    tell("extra: forbidden", nominal.fireAt, nominal.arrivesAt, `it had run ${most} times, as its max_runs says`);
  }
}

/** Local runs of an entry that must not run twice at once. A run whose machine stood still may meet one of the next leader. */
export function judgeOverlap(accounts: readonly Account[], { history, outages }: Case, tell: Tell): void {
  const runs = accounts
    .filter(({ nominal: { policy } }) => policy.isLocal && policy.overlapSkips)
    .flatMap(({ nominal, deliveries }) => deliveries.map((run) => ({ nominal, run })))
    .sort((a, b) => a.run.at - b.run.at);
  for (const [index, { nominal, run }] of runs.entries()) {
    const before = runs[index - 1]?.run;
    if (before === undefined || (before.endedAt ?? run.at) <= run.at) continue;
    const wasRemoved = history.changes.some(
      ({ definition, invokedAt }) => definition === null && invokedAt <= run.at && invokedAt >= before.at - 1,
    );
    if (wasRemoved || outageAt(outages, before.at, run.at)?.deciding) continue;
    tell("overlap", nominal.fireAt, run.at, `the run of ${new Date(before.fireAt!).toISOString()} was going on`);
  }
}
