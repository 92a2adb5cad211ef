// What is known of one entry, put beside its nominal times: each row of the ledger and each delivery stands for one of them, or
// is named as standing for none.

import type { FindingKind } from "./check.ts";
import type { Delivery, EntryHistory, Evidence, LedgerRow, ManualTrigger, Publish, Retry } from "./evidence.ts";
import type { Witness } from "./interval-times.ts";
import { type Outage, outageAt } from "./outages.ts";
import { retryOf } from "./retries.ts";
import { type Nominal, nominalTimes } from "./timeline.ts";
import type { WallClock } from "./wall-clock.ts";

export interface Case {
  readonly evidence: Evidence;
  readonly clock: WallClock;
  readonly outages: readonly Outage[];
  /** By id. */
  readonly publishes: ReadonlyMap<string, readonly Publish[]> | undefined;
  readonly history: EntryHistory;
  /** By time. */
  readonly deliveries: readonly Delivery[];
  /** By fire time. */
  readonly rows: readonly LedgerRow[];
  readonly triggers: readonly ManualTrigger[];
  readonly retries: readonly Retry[];
}

/** Names a difference; its parameters are those of a Finding. */
export type Tell = (kind: FindingKind, fireAt: number, at: number, text: string) => void;

/** A nominal time and all that is known of it. */
export interface Account {
  readonly nominal: Nominal;
  readonly place: number;
  readonly row: LedgerRow | undefined;
  readonly deliveries: readonly Delivery[];
  readonly outage: Outage | undefined;
  /** Where it had failed and was put back: the outage that this fell into. */
  readonly retried: { readonly outage: Outage | undefined } | undefined;
  /** TRUE: the latest moment at which it has to be done. */
  readonly deadline: number;
}

/** One for each nominal time, ascending. */
export interface Accounts {
  readonly all: readonly Account[];
  /** Those of which the ledger says anything but that they gave way. */
  readonly decided: readonly Account[];
  /** Those that were claimed, whatever became of them. */
  readonly claimed: readonly Account[];
}

export function accountsOf(given: Case, tell: Tell): Accounts {
  const { history, clock, evidence, rows, deliveries, triggers } = given;
  const asked = new Set(triggers.map(({ id }) => id));
  const witness = witnessOf(
    rows.filter((row) => !row.manual),
    deliveries.filter(({ id }) => !asked.has(id)),
  );
  const nominals = nominalTimes(history, clock, evidence, witness);
  const places = new Map(nominals.map(({ fireAt }, place) => [fireAt, place]));
  const delivered = placeDeliveries(given, nominals, places, tell);
  const covered = placeRows(given, nominals, places, tell);
  const all = nominals.map((nominal, place): Account => {
    const row = covered.get(place);
    return { nominal, place, row, deliveries: delivered.get(place) ?? [], ...deadlines(nominal, row, given) };
  });
  return {
    all,
    decided: all.filter(({ row }) => row !== undefined && row.state !== "coalesced"),
    claimed: all.filter(({ row }) => row !== undefined && row.id !== ""),
  };
}

function witnessOf(rows: readonly LedgerRow[], deliveries: readonly Delivery[]): Witness {
  const sentAt = new Map<number, number>();
  for (const { fireAt, at } of deliveries) if (fireAt !== null && !sentAt.has(fireAt)) sentAt.set(fireAt, at);
  const observed = [...rows.map(({ fireAt }) => fireAt), ...sentAt.keys()].sort((a, b) => a - b);
  const ranges = rows.filter(({ count }) => count > 1);
  const isWithin = (row: LedgerRow) =>
    row.count === 1 && ranges.some(({ fireAt, untilFireAt }) => fireAt < row.fireAt && row.fireAt <= untilFireAt);
  const repeated = new Set(rows.filter(isWithin).map(({ fireAt }) => fireAt));
  const rangeEnds = new Map(ranges.map(({ fireAt, untilFireAt }) => [fireAt, untilFireAt]));
  return { observed, sentAt, repeated, rangeEnds };
}

// ----------------------------------------------------------------------------------------------------------- placing

type Places = ReadonlyMap<number, number>;

function placeDeliveries(
  { clock, evidence, rows, deliveries, triggers }: Case,
  nominals: readonly Nominal[],
  places: Places,
  tell: Tell,
): Map<number, Delivery[]> {
  const manual = new Set([...triggers.map(({ id }) => id), ...rows.flatMap((row) => (row.manual ? [row.id] : []))]);
  const placed = new Map<number, Delivery[]>();
  for (const delivery of deliveries) {
    if (manual.has(delivery.id)) continue;
    const place =
      delivery.fireAt === null
        ? nominals.findLastIndex(({ fireAt }) => fireAt <= clock.at(delivery.at) + evidence.tolerance.earlyMs)
        : (places.get(delivery.fireAt) ?? -1);
    if (place < 0) {
      if (delivery.at <= evidence.endAt)
        tell("extra: unknown", delivery.fireAt ?? delivery.at, delivery.at, "the schedule has no such time");
    } else if (placed.has(place)) placed.get(place)!.push(delivery);
    else placed.set(place, [delivery]);
  }
  return placed;
}

/** Each row stands for one nominal time or for a counted range of them, and no time has two. */
function placeRows(
  { clock, rows, evidence: { tolerance } }: Case,
  nominals: readonly Nominal[],
  places: Places,
  tell: Tell,
): Map<number, LedgerRow> {
  const covered = new Map<number, LedgerRow>();
  // It had come, or was claimed ahead.
  const wasPutBackBehind = ({ fireAt }: Nominal) =>
    clock.steps.some(
      ({ at, byMs }) => clock.at(at) < fireAt && fireAt <= clock.at(at) - byMs + (tolerance.leadMs ?? 300),
    );
  for (const row of rows) {
    if (row.manual) continue;
    const { state, fireAt } = row;
    const first = places.get(fireAt);
    if (first === undefined) {
      tell("lie: no such time", fireAt, fireAt, `a row (${state}) of a time that the schedule does not have`);
      continue;
    }
    const { era, phase, arrivesAt } = nominals[first]!;
    let count = 0;
    let otherPhases = 0;
    for (let place = first; place < nominals.length; place++) {
      const nominal = nominals[place]!;
      if (nominal.fireAt > row.untilFireAt) break;
      const other = covered.get(place);
      if (nominal.era !== era) continue;
      if (nominal.phase !== phase) otherPhases++;
      if (nominal.phase !== phase || (other !== undefined && other.count === 1 && row.count > 1)) continue;
      count++;
      const cameAgain = other !== undefined && other.count > 1 && wasPutBackBehind(nominal);
      if (other !== undefined && !cameAgain) {
        const text = `rows ${other.state} and ${state} are of the same time`;
        tell("lie: two rows", nominal.fireAt, nominal.arrivesAt, text);
      }
      covered.set(place, row);
    }
    // Where the clock was put back, a range may step over times that were decided before.
    if (count > row.count || count + otherPhases < row.count)
      tell("lie: wrong count", fireAt, arrivesAt, `a row (${state}) says ${row.count}, and there are ${count}`);
  }
  return covered;
}

// --------------------------------------------------------------------------------------------------------- deadlines

function deadlines(
  nominal: Nominal,
  row: LedgerRow | undefined,
  given: Case,
): Pick<Account, "outage" | "retried" | "deadline"> {
  const { outage, deadline } = deadlineOf(nominal, given);
  const retry = row && retryOf(row, given);
  if (retry === undefined) return { outage, retried: undefined, deadline };
  const again = deadlineOf({ fireAt: row!.dueAt, arrivesAt: retry.invokedAt, dueBy: retry.acknowledgedAt }, given);
  return { outage, retried: { outage: again.outage }, deadline: Math.max(deadline, again.deadline) };
}

function deadlineOf(
  { fireAt, arrivesAt, dueBy }: Pick<Nominal, "fireAt" | "arrivesAt" | "dueBy">,
  given: Case,
): Pick<Account, "outage" | "deadline"> {
  const { outages, clock, evidence } = given;
  const { tolerance } = evidence;
  const outage = outageAt(outages, arrivesAt - (tolerance.leadMs ?? 300), dueBy + tolerance.lateMs);
  const since = Math.max(dueBy, outage?.until ?? 0);
  const deadline = since + tolerance.lateMs;
  // It came while nobody could decide on it, and then the clock was put back behind it: it comes once more.
  const step = clock.steps.find(({ at }) => at >= arrivesAt && at <= deadline && clock.at(at) < fireAt);
  if (!outage?.deciding || step === undefined) return { outage, deadline };
  const again = clock.arrival(fireAt, step.at);
  const later = deadlineOf({ fireAt, arrivesAt: again, dueBy: again + dueBy - arrivesAt }, given);
  return { outage, deadline: Math.max(deadline, later.deadline) };
}
