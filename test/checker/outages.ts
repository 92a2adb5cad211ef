// Faults with their recovery, joined where they touch: within them, policy decides what runs.

import type { Evidence, Fault } from "./evidence.ts";

export interface Outage {
  readonly from: number;
  readonly until: number;
  readonly deciding: boolean;
  readonly faults: readonly Fault[];
}

type Given = Pick<Evidence, "faults" | "tolerance" | "deliveries" | "ledger">;

export function outagesOf(evidence: Given): Outage[] {
  const { faults, tolerance } = evidence;
  const pacedMs = pacedFor(evidence);
  const outages: Outage[] = [];
  for (const fault of faults.toSorted((a, b) => a.from - b.from)) {
    const until = fault.until + (fault.recoveryMs ?? tolerance.recoveryMs) + pacedMs;
    // The wall clock was moved: what became due at once is for policy, as after a stop.
    const deciding = fault.deciding === true || fault.clockStepMs !== undefined;
    const last = outages.at(-1);
    if (last === undefined || fault.from > last.until + tolerance.lateMs) {
      outages.push({ from: fault.from, until, deciding, faults: [fault] });
    } else {
      outages[outages.length - 1] = {
        from: last.from,
        until: Math.max(last.until, until),
        deciding: last.deciding || deciding,
        faults: [...last.faults, fault],
      };
    }
  }
  return outages;
}

/** How long it takes, where late messages are paced, until all of them have left: until then, newer ones of their entries wait. */
function pacedFor({ tolerance: { ratePerSecond }, deliveries, ledger = [] }: Given): number {
  if (ratePerSecond === undefined) return 0;
  const waiting = ledger.filter(({ state }) => state === "claimed").length;
  return (1_000 * (deliveries.length + waiting)) / ratePerSecond;
}

/** The last outage that touches [from, until]. */
export function outageAt(outages: readonly Outage[], from: number, until: number): Outage | undefined {
  return outages.findLast((outage) => outage.from <= until && outage.until >= from);
}
