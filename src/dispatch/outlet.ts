// The two ways out of the outbox, to the broker and to the local runner, stand on the same ground.

import type { Clock } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import type { Herald } from "./herald.ts";
import type { Narrator } from "./narrator.ts";
import type { Held, Outbox } from "./outbox.ts";
import type { Settlements } from "./settlements.ts";
import type { Tally } from "./tally.ts";

export interface OutletOptions {
  readonly clock: Clock;
  readonly outbox: Outbox;
  readonly settlements: Settlements;
  readonly narrator: Narrator;
  readonly herald: Herald;
  readonly tally: Tally;
  readonly onRoom: () => void;
  /** Hears of changes that were made since something was claimed. */
  readonly look: () => Promise<void>;
  /** Whether the entry's next fire time has come too, and is about to be claimed. */
  readonly isOverdue: (entryId: number, now: Instant) => boolean;
  /** Whether this node may act: its lease can be trusted. */
  readonly mayAct: () => boolean;
}

/** Whether a newer occurrence is about to be claimed in its place. The claim decides then which of them goes out. */
export function givesWay(
  { doubtful, manual, policy, entry }: Held,
  now: Instant,
  { isOverdue }: OutletOptions,
): boolean {
  return !doubtful && !manual && policy.coalesce === "latest" && isOverdue(entry.id, now);
}
