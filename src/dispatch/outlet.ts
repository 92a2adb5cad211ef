// The two ways out of the outbox, to the broker and to the local runner, stand on the same ground.

import type { Clock } from "../core/ports.ts";
import type { Narrator } from "./narrator.ts";
import type { Outbox } from "./outbox.ts";
import type { Settlements } from "./settlements.ts";

export interface OutletOptions {
  readonly clock: Clock;
  readonly outbox: Outbox;
  readonly settlements: Settlements;
  readonly narrator: Narrator;
  readonly onRoom: () => void;
  /** Hears of changes that were made since something was claimed. */
  readonly look: () => Promise<void>;
  /** Whether this node may act: its lease can be trusted. */
  readonly mayAct: () => boolean;
}
