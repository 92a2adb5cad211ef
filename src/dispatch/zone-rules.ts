// Governments change the clocks, and new time-zone data arrives with a new Node. Next fire times are stored, so those that
// the new rules put elsewhere are moved once, in the background, and named.

import { compileEntry, type Entry } from "../core/entry.ts";
import { reasonOf } from "../core/errors.ts";
import type { Claim, Clock, Log, Store } from "../core/ports.ts";
import { planUnderNewRules } from "./planner.ts";

const pageSize = 1_000;
const namedAtMost = 20;

export interface ZoneRulesOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly log: Log;
  /** The version of the data in this process: `2026c`. */
  readonly timeZoneData: string;
  /** Writes claims that run nothing. */
  readonly write: (claims: readonly Claim[]) => Promise<unknown>;
}

/** Moves what the process's time-zone data puts elsewhere than the data did that was used last. Never rejects. */
export async function applyZoneRules({ clock, store, log, timeZoneData, write }: ZoneRulesOptions): Promise<void> {
  try {
    const last = await store.timeZoneData();
    if (last === timeZoneData) return;
    if (last !== null) {
      const moved = await moveAll(clock, store, write);
      const named = moved.slice(0, namedAtMost).join("; ");
      const more = moved.length > namedAtMost ? `; and ${moved.length - namedAtMost} more` : "";
      log.info(
        `Time-zone data ${last} became ${timeZoneData}: ${moved.length === 0 ? "no entry moved" : named + more}.`,
      );
    }
    await store.setTimeZoneData(timeZoneData);
  } catch (error) {
    log.error(`New time-zone data could not be applied; the next start tries again: ${reasonOf(error)}`);
  }
}

async function moveAll(clock: Clock, store: Store, write: ZoneRulesOptions["write"]): Promise<string[]> {
  const moved: string[] = [];
  let page = await store.listEntries({ limit: pageSize });
  while (page.length > 0) {
    const claims = page.flatMap((entry) => planOf(entry, clock.now()));
    for (const { entry, becomes } of claims)
      moved.push(`${entry.name} from ${iso(entry.nextFireAt)} to ${iso(becomes.nextFireAt)}`);
    await write(claims);
    // Let the loop have its turn.
    await new Promise<void>((resolve) => clock.setTimer(0, resolve));
    page = page.length < pageSize ? [] : await store.listEntries({ afterName: page.at(-1)!.name, limit: pageSize });
  }
  return moved;
}

function planOf(entry: Entry, now: number): Claim[] {
  try {
    const claim = planUnderNewRules(compileEntry(entry), now);
    return claim === undefined ? [] : [claim];
  } catch {
    // An entry that can't be compiled is set aside, with its reason, when it falls due.
    return [];
  }
}

function iso(at: number | null): string {
  return at === null ? "never" : new Date(at).toISOString();
}
