// What had failed and was put back into the outbox by hand.

import type { Case, Tell } from "./accounts.ts";
import type { LedgerRow, Retry } from "./evidence.ts";

/** The last time that this row was put back: it is due since then. */
export function retryOf({ id, dueAt }: LedgerRow, { clock, retries }: Case): Retry | undefined {
  return retries.findLast(({ invokedAt, acknowledgedAt }) => {
    const [from, until] = [clock.at(invokedAt), clock.at(acknowledgedAt)].sort((a, b) => a - b);
    return id !== "" && dueAt >= from! - 1 && dueAt <= until!;
  });
}

export function timesRetried(id: string, given: Case): number {
  const row = given.rows.find((one) => one.id === id);
  const last = row && retryOf(row, given);
  return given.retries.filter((retry) => retry === last || retry.ids.includes(id)).length;
}

export function judgeRetries(given: Case, tell: Tell): void {
  const asked = new Set(given.retries.flatMap(({ ids }) => ids));
  for (const row of given.rows)
    if (asked.has(row.id) && retryOf(row, given) === undefined) {
      const text = "it was to be tried again, and was not put back";
      tell("missing: decided, not sent", row.fireAt, row.fireAt, text);
    }
}
