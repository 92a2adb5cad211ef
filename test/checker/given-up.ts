// The ledger says why a nominal time did not run: whether what happened bears it out.

import type { Account, Accounts, Case } from "./accounts.ts";
import type { LedgerRow } from "./evidence.ts";

/** Undefined where the reason holds; else why it does not. */
export function judgeGivenUp(account: Account, row: LedgerRow, accounts: Accounts, given: Case): string | undefined {
  if (wasChanged(account, given)) return undefined;
  switch (row.state) {
    case "coalesced":
      return judgeCoalesced(account, accounts, given);
    case "missed":
      return judgeMissed(account, row, accounts, given);
    case "paused":
    case "cancelled":
      return "nobody had switched it off or changed it";
    case "skipped":
      return judgeSkipped(account, given);
    case "failed":
    case "abandoned":
      return judgeFailed(account, row, given);
    default:
      return `the ledger has no state "${row.state}"`;
  }
}

/** Somebody changed the entry while this time was still to be done: then either is right. The end of a pause that is caught up with takes nothing back. */
function wasChanged({ nominal, deadline }: Account, { history, clock, evidence: { tolerance } }: Case): boolean {
  const leadMs = tolerance.leadMs ?? 300;
  // The clock may have come so near that it was claimed, and then have been put back.
  const claimedFrom = clock.arrival(nominal.fireAt - leadMs, history.changes[0]!.invokedAt);
  const from = Math.min(nominal.arrivesAt - leadMs, claimedFrom) - tolerance.earlyMs;
  return history.changes.some(
    (change, index) =>
      index > 0 &&
      !change.catchesUp &&
      change.invokedAt <= deadline &&
      (change.acknowledgedAt ?? Number.POSITIVE_INFINITY) >= from,
  );
}

function judgeCoalesced(
  account: Account,
  { all, decided }: Accounts,
  { evidence: { tolerance } }: Case,
): string | undefined {
  const { nominal, place, outage, deadline } = account;
  const { policy } = nominal;
  const newer = decided.find((one) => one.place > place);
  if (policy.coalesce === "all") {
    const kept = decided.filter((one) => one.place > place && one.outage === outage);
    const made = decided.filter((one) => one.nominal.era === nominal.era);
    return outage !== undefined && (kept.length >= policy.catchUpLimit || made.length >= policy.maxRuns)
      ? undefined
      : `all were to be made, up to ${policy.catchUpLimit}, and ${kept.length} newer ones were`;
  }
  const isNear = newer !== undefined && newer.nominal.arrivesAt - nominal.arrivesAt <= tolerance.lateMs;
  if (outage === undefined && !isNear) return "nothing kept it from being made in time";
  const older = decided.findLast((one) => one.place < place);
  if (policy.coalesce === "earliest" && older !== undefined && older.outage === outage) return undefined;
  if (newer === undefined) return "no other run was made in its place";
  if (isNear || outage === undefined) return undefined;
  // Where the clock was put back behind it, it was only decided when it came once more.
  const until = Math.max(outage.until, deadline - tolerance.lateMs);
  const between = newer.nominal.arrivesAt > until && all[newer.place - 1]!.nominal.arrivesAt > until;
  return between ? "the run that was made in its place belongs to another time" : undefined;
}

function judgeMissed(
  { nominal, place, outage, deadline }: Account,
  { dueAt }: LedgerRow,
  { all }: Accounts,
  { clock, evidence: { tolerance } }: Case,
): string | undefined {
  const { policy, fireAt, arrivesAt } = nominal;
  const latest = clock.highest(arrivesAt, deadline);
  const next = all[place + 1]?.nominal.fireAt ?? Number.POSITIVE_INFINITY;
  const expiresAt = policy.expiresMs === "next" ? next : fireAt + (policy.expiresMs ?? Number.POSITIVE_INFINITY);
  // Jitter may leave it less time than anything may be late.
  if (outage === undefined && expiresAt - dueAt >= tolerance.lateMs) return "nothing kept it from being made in time";
  if (outage !== undefined && policy.graceMs !== null && latest - fireAt > policy.graceMs) return undefined;
  return expiresAt <= latest ? undefined : "its grace time had not passed, and it had not expired";
}

function judgeSkipped({ nominal, deadline }: Account, { deliveries, evidence }: Case): string | undefined {
  if (!nominal.policy.overlapSkips) return "its runs may overlap";
  const wentOn = deliveries.some(
    ({ at, endedAt = Number.POSITIVE_INFINITY }) =>
      at <= deadline && endedAt >= nominal.arrivesAt - evidence.tolerance.earlyMs,
  );
  return wentOn ? undefined : "no run of it was going on";
}

function judgeFailed(
  { nominal, outage, retried }: Account,
  { id }: LedgerRow,
  { publishes }: Case,
): string | undefined {
  const { policy } = nominal;
  const isDeciding = outage?.deciding === true || retried?.outage?.deciding === true;
  if (policy.isLocal) return isDeciding ? undefined : "its run never began";
  if (publishes === undefined) return outage === undefined ? "nothing was wrong with the broker" : undefined;
  const outcomes = publishes.get(id)?.map(({ outcome }) => outcome) ?? [];
  // What another process may have sent is in doubt too.
  const wasInDoubt = outcomes.includes("doubtful") || isDeciding;
  const wasGivenUp = wasInDoubt && (policy.givesUp || policy.expiresMs !== null);
  return wasGivenUp || outcomes.includes("refused") ? undefined : "the broker never refused it";
}
