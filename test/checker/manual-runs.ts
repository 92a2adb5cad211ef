// Runs that somebody asked for: each comes in time, and none that nobody asked for.

import type { Case, Tell } from "./accounts.ts";
import { outageAt } from "./outages.ts";
import { judgeRepeats } from "./repeats.ts";
import { retryOf } from "./retries.ts";

const givenUpStates = new Set(["abandoned", "cancelled", "failed", "missed", "skipped"]);

/** Returns how many came again. */
export function judgeManualRuns(given: Case, tell: Tell): number {
  const { triggers, deliveries, evidence, outages } = given;
  const { endAt, tolerance } = evidence;
  const rows = given.rows.filter((row) => row.manual);
  const asked = new Set(triggers.map(({ id }) => id));
  for (const row of rows)
    if (!asked.has(row.id)) tell("lie: no such time", row.fireAt, row.fireAt, "a manual run that nobody asked for");
  const doneBy = (from: number, until: number) =>
    Math.max(outageAt(outages, from, until + tolerance.lateMs)?.until ?? 0, until) + tolerance.lateMs;
  let repeats = 0;
  for (const { id, invokedAt, acknowledgedAt } of triggers) {
    const came = deliveries.filter((delivery) => delivery.id === id);
    const row = rows.find((one) => one.id === id);
    repeats += judgeRepeats(invokedAt, came, given, tell);
    if (acknowledgedAt === null) continue;
    const retry = row && retryOf(row, given);
    const deadline = Math.max(
      doneBy(invokedAt, acknowledgedAt),
      retry === undefined ? 0 : doneBy(retry.invokedAt, retry.acknowledgedAt),
    );
    if (deadline > endAt) continue;
    if (came.length > 0 && came[0]!.at > deadline)
      tell("late", invokedAt, came[0]!.at, `a manual run came ${came[0]!.at - acknowledgedAt} ms late`);
    if (came.length > 0 || (row !== undefined && givenUpStates.has(row.state))) continue;
    const kind = row === undefined ? "missing: never decided" : "missing: decided, not sent";
    tell(kind, invokedAt, invokedAt, `a manual run did not come; its row: ${row?.state ?? "none"}`);
  }
  return repeats;
}
