// What came more than once: under one id, and no more often than it was in doubt whether it had come.

import type { Case, Tell } from "./accounts.ts";
import type { Delivery } from "./evidence.ts";
import { outageAt } from "./outages.ts";
import { timesRetried } from "./retries.ts";

/** Returns how many came again. */
export function judgeRepeats(fireAt: number, deliveries: readonly Delivery[], given: Case, tell: Tell): number {
  const byId = Map.groupBy(deliveries, ({ id }) => id);
  const [first, second] = [...byId.keys()];
  if (second !== undefined)
    tell("duplicate: second id", fireAt, byId.get(second)![0]!.at, `it was sent as ${first} and as ${second}`);
  for (const [id, same] of byId) {
    const unexplained = same.length - 1 - same.filter(({ redelivered }) => redelivered).length;
    const { at } = same.at(-1)!;
    if (unexplained > 0 && unexplained > doubts(id, at, given) + timesRetried(id, given))
      tell("duplicate: without doubt", fireAt, at, `${id} came ${same.length} times`);
  }
  return deliveries.length - byId.size;
}

/** How often it was in doubt whether a message had arrived. */
export function doubts(id: string, at: number, { publishes, evidence, outages }: Case): number {
  if (publishes !== undefined) return (publishes.get(id) ?? []).filter(({ outcome }) => outcome === "doubtful").length;
  return outageAt(outages, at - evidence.tolerance.lateMs, at) === undefined ? 0 : Number.POSITIVE_INFINITY;
}
