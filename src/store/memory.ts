// The store in memory, for embedding without a file and for tests: the same contract, in plain maps that end with the process.

import { randomUUID } from "node:crypto";
import type { Definition } from "../core/definition.ts";
import { type Entry, type EntryStatus, firesAtStart, isScheduled, statusOf } from "../core/entry.ts";
import { StoreError } from "../core/errors.ts";
import type { Occurrence } from "../core/occurrence.ts";
import type {
  Claim,
  ClaimResult,
  DueEntry,
  EntryChange,
  Lease,
  LeaseOwner,
  PassedRange,
  Settlement,
  Store,
} from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import type { MemoryRows, RowNumber } from "./memory-rows.ts";
import { MemoryTables } from "./memory-tables.ts";
import { byDueTime, byFireTime, byOutboxOrder, compareText } from "./order.ts";
import {
  entryGone,
  manualConflict,
  nameConflict,
  revisionConflict,
  supersededReason,
  withdrawnReason,
} from "./wording.ts";

type EntryQuery = Parameters<Store["listEntries"]>[0];
type HistoryQuery = Parameters<Store["history"]>[0];
type OutboxGroup = Awaited<ReturnType<Store["outboxSummary"]>>[number];

export class MemoryStore implements Store {
  readonly id: string;
  readonly location = "memory";
  readonly claimMs: number = 0.01;
  #openTables: MemoryTables | undefined;

  /** `id`: the UUID that occurrences' ids are made with; random unless given. */
  constructor(id: string = randomUUID()) {
    this.id = id;
    this.#openTables = new MemoryTables(id);
  }

  // ------------------------------------------------------------------------------------------------------- entries

  async change(changes: readonly EntryChange[]): Promise<Entry[]> {
    return this.#tables.transaction(() => changes.map((change) => this.#change(change)));
  }

  #change(change: EntryChange): Entry {
    if (change.change === "insert") {
      const { change: _, ...given } = change;
      if (this.#tables.presentByName(given.name)) throw nameConflict(given.name);
      const progress = { lastFireAt: null, runCount: 0, pausedAt: null, pauseNote: null, removedAt: null };
      const definition = copyOf(given.definition);
      return this.#tables.putEntry({
        ...given,
        ...progress,
        definition,
        id: ++this.#tables.lastId,
        revision: ++this.#tables.revision,
      });
    }
    const entry = this.#tables.presentById(change.id);
    if (entry?.revision !== change.expectedRevision)
      throw revisionConflict(change.id, this.#tables.entries.get(change.id)?.name);
    const fields = change.change === "update" ? change.fields : { removedAt: change.at };
    const definition =
      change.change === "update" && change.fields.definition ? copyOf(change.fields.definition) : entry.definition;
    const changed = this.#tables.putEntry({ ...entry, ...fields, definition, revision: ++this.#tables.revision });
    if (change.withdraw !== undefined) {
      const isTask = entry.definition.task !== undefined;
      for (const row of this.#tables.ledger.ofEntry(entry.id)) {
        if (this.#rows.stateOf(row) !== "claimed") continue;
        const reason = withdrawnReason(change.withdraw, this.#rows.read(row), isTask, change.at);
        this.#withdraw(row, "cancelled", reason, change.at);
      }
    }
    // A fire time that has a row already was decided already: that row stays.
    for (const range of change.passed ?? []) {
      if (!this.#has(entry.id, range.fromFireAt)) this.#pass(entry, range, change.at);
    }
    return changed;
  }

  async entryByName(name: string): Promise<Entry | undefined> {
    return this.#tables.presentByName(name);
  }

  async entriesById(ids: readonly number[]): Promise<Entry[]> {
    const found = [...new Set(ids)].map((id) => this.#tables.presentById(id));
    return found.filter((entry) => entry !== undefined);
  }

  async listEntries({ origin, originPrefix = "", afterName = "", limit }: EntryQuery): Promise<Entry[]> {
    const wanted = (entry: Entry) =>
      (origin === undefined || entry.origin === origin) &&
      entry.origin.startsWith(originPrefix) &&
      compareText(entry.name, afterName) > 0;
    return this.#tables
      .present()
      .filter(wanted)
      .sort((a, b) => compareText(a.name, b.name))
      .slice(0, limit);
  }

  async dueEntries(query: { readonly before: Instant; readonly after?: DueEntry; readonly limit: number }) {
    const { before, after, limit } = query;
    const due: DueEntry[] = [];
    for (const entry of this.#tables.present()) {
      const { id, nextFireAt } = entry;
      if (nextFireAt !== null && nextFireAt < before && isScheduled(entry)) due.push({ id, nextFireAt });
    }
    return due
      .sort(byDueTime)
      .filter((entry) => after === undefined || byDueTime(entry, after) > 0)
      .slice(0, limit);
  }

  async changedSince(revision: number, limit: number): Promise<Entry[]> {
    if (this.#tables.revision <= revision) return [];
    const changed = this.#tables.entries.values().filter((entry) => entry.revision > revision);
    return changed.sort((a, b) => a.revision - b.revision).slice(0, limit);
  }

  async currentRevision(): Promise<number> {
    return this.#tables.revision;
  }

  async entriesAheadOf(now: Instant, limit: number): Promise<Entry[]> {
    return this.#tables
      .present()
      .filter((entry) => entry.definition.every !== undefined && entry.lastFireAt !== null && entry.lastFireAt > now)
      .sort((a, b) => a.lastFireAt! - b.lastFireAt! || a.id - b.id)
      .slice(0, limit);
  }

  async countEntries(): Promise<Record<EntryStatus, number>> {
    const counts = { active: 0, paused: 0, disabled: 0, finished: 0, quarantined: 0 };
    for (const entry of this.#tables.present()) counts[statusOf(entry)]++;
    return counts;
  }

  // --------------------------------------------------------------------------------------------- outbox and ledger

  async claim(token: number, claims: readonly Claim[], now: Instant): Promise<ClaimResult[]> {
    this.#tables.lease.assertCurrent(token);
    return claims.map((claim) => this.#claim(claim, now));
  }

  #claim({ entry, becomes, due, passed, superseded }: Claim, now: Instant): ClaimResult {
    const entryId = entry.id;
    const present = this.#tables.presentById(entryId);
    if (present?.revision !== entry.revision || present.nextFireAt !== entry.nextFireAt) return "stale";
    for (const { fireAt } of due) if (this.#has(entryId, fireAt)) return "duplicate";
    const ranges = passed.length === 0 ? passed : this.#newRanges(entryId, passed);
    for (const { fromFireAt } of ranges) if (this.#has(entryId, fromFireAt)) return "duplicate";
    if (due.length + ranges.length > 1 && hasTwins(due, ranges)) return "duplicate";
    for (const one of due) this.#tables.addRow(entry, one, false, now);
    for (const range of ranges) this.#pass(entry, range, now);
    for (const fireAt of superseded) {
      const older = this.#tables.ledger.find(entryId, fireAt, false);
      if (older !== undefined) this.#withdraw(older, "coalesced", supersededReason, now);
    }
    const isChange = becomes.quarantine !== null;
    this.#tables.advanceEntry(isChange ? { ...becomes, revision: ++this.#tables.revision } : becomes);
    return "claimed";
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const { ledger } = this.#tables;
    for (const settlement of settlements) {
      const row = ledger.find(settlement.entryId, settlement.fireAt, settlement.manual);
      if (row !== undefined && maySettle(ledger.rows, row, settlement)) ledger.settle(row, settlement);
    }
  }

  async outbox({ after, limit }: { readonly after?: Occurrence; readonly limit: number }): Promise<Occurrence[]> {
    return this.#keysOf(this.#tables.ledger.inState("claimed"))
      .filter((key) => after === undefined || byOutboxOrder(key, after) > 0)
      .sort(byOutboxOrder)
      .slice(0, limit)
      .map(({ row }) => this.#rows.read(row));
  }

  async enqueueManual(
    entryId: number,
    manual: { readonly id: string; readonly fireAt: Instant; readonly params?: string },
    now: Instant,
  ) {
    const entry = this.#tables.presentById(entryId);
    if (!entry) throw entryGone(entryId);
    if (this.#has(entryId, manual.fireAt, true)) throw manualConflict(entry.name);
    const { id, fireAt, params = null } = manual;
    const row = this.#tables.addRow(entry, { fireAt, dueAt: fireAt }, true, now);
    this.#tables.updateRow(row, { id, params });
    this.#tables.putEntry({ ...entry, revision: ++this.#tables.revision });
  }

  async entriesAtStart(limit: number): Promise<Entry[]> {
    const waiting = this.#tables.entries
      .values()
      .filter((entry) => entry.removedAt === null && statusOf(entry) === "finished" && firesAtStart(entry.definition));
    return waiting.sort((a, b) => a.id - b.id).slice(0, limit);
  }

  async timeZoneData(): Promise<string | null> {
    return this.#tables.timeZoneData;
  }

  async setTimeZoneData(version: string): Promise<void> {
    this.#tables.timeZoneData = version;
  }

  async requeueFailed(
    { entryId, fireAt, limit }: Parameters<Store["requeueFailed"]>[0],
    now: Instant,
  ): Promise<number> {
    const { ledger } = this.#tables;
    const rows = [...(entryId === undefined ? ledger.all() : ledger.ofEntry(entryId))];
    const failed = this.#keysOf(
      rows.filter((row) => ["failed", "abandoned"].includes(this.#rows.stateOf(row)) && this.#rows.hasId(row)),
    )
      .filter((one) => (fireAt ?? one.fireAt) === one.fireAt && this.#tables.presentById(one.entryId) !== undefined)
      .sort((a, b) => byFireTime(b, a))
      .slice(0, limit);
    const again = {
      state: "claimed",
      reason: null,
      result: null,
      dueAt: now,
      startedAt: null,
      settledAt: null,
    } as const;
    for (const { row } of failed)
      this.#tables.updateRow(row, { ...again, attempts: Math.max(1, this.#rows.attemptsOf(row)) });
    for (const id of new Set(failed.map((one) => one.entryId)))
      this.#tables.putEntry({ ...this.#tables.presentById(id)!, revision: ++this.#tables.revision });
    return failed.length;
  }

  async abandonRunning(reason: string, now: Instant): Promise<Occurrence[]> {
    const running = this.#keysOf(this.#tables.ledger.inState("running")).sort(byOutboxOrder);
    return running.map(({ row }) => {
      const attempts = this.#rows.attemptsOf(row) + 1;
      this.#tables.updateRow(row, { state: "abandoned", reason, attempts, settledAt: now });
      return this.#rows.read(row);
    });
  }

  async outboxSummary(): Promise<OutboxGroup[]> {
    const groups = new Map<string, OutboxGroup>();
    for (const state of ["claimed", "running"] as const) {
      for (const row of this.#tables.ledger.inState(state)) {
        const [reason, dueAt] = [this.#rows.reasonOf(row), this.#rows.dueAtOf(row)];
        const key = JSON.stringify([state, reason]);
        const { count, oldestDueAt } = groups.get(key) ?? { count: 0, oldestDueAt: dueAt };
        groups.set(key, { state, reason, count: count + 1, oldestDueAt: Math.min(oldestDueAt, dueAt) });
      }
    }
    return [...groups.values()].sort((a, b) => compareText(a.state, b.state) || compareText(a.reason, b.reason));
  }

  async history({ name, states, before = Number.MAX_SAFE_INTEGER, limit }: HistoryQuery): Promise<Occurrence[]> {
    const rows =
      name === undefined
        ? this.#tables.ledger.all()
        : this.#tables.idsOfName(name).flatMap((id) => [...this.#tables.ledger.ofEntry(id)]);
    const wanted = [...rows]
      .filter((row) => states === undefined || states.includes(this.#rows.stateOf(row)))
      .filter((row) => this.#rows.fireAtOf(row) < before);
    return this.#keysOf(wanted)
      .sort((a, b) => byFireTime(b, a))
      .slice(0, limit)
      .map(({ row }) => this.#rows.read(row));
  }

  async countSettled(): Promise<number> {
    return this.#tables.ledger.settledCount;
  }

  async prune(before: Instant, limit: number): Promise<number> {
    const { ledger } = this.#tables;
    const count = ledger.prune(before, limit);
    const gone = [...this.#tables.removed].filter(
      (id) => this.#tables.entries.get(id)!.removedAt! < before && !ledger.names(id),
    );
    for (const id of gone.sort((a, b) => a - b).slice(0, limit)) this.#tables.forgetEntry(id);
    return count;
  }

  // --------------------------------------------------------------------------------------------------------- lease

  async acquireLease(owner: LeaseOwner, ttlMs: number, now: Instant, evenIf?: number): Promise<Lease> {
    return this.#tables.lease.acquire(owner, ttlMs, now, evenIf);
  }

  async renewLease(lease: Lease, ttlMs: number, now: Instant, report: unknown): Promise<Lease> {
    return this.#tables.lease.renew(lease, ttlMs, now, report);
  }

  async releaseLease(lease: Lease): Promise<void> {
    this.#tables.lease.release(lease);
  }

  async currentLease(): Promise<Lease | undefined> {
    return this.#tables.lease.current;
  }

  async close(): Promise<void> {
    this.#openTables = undefined;
  }

  // -------------------------------------------------------------------------------------------------------- within

  get #tables(): MemoryTables {
    if (!this.#openTables) throw new StoreError("the store in memory was closed", { remedy: "Open another one." });
    return this.#openTables;
  }

  get #rows(): MemoryRows {
    return this.#tables.ledger.rows;
  }

  #keysOf(rows: readonly RowNumber[]): ReturnType<MemoryRows["keyOf"]>[] {
    return rows.map((row) => this.#rows.keyOf(row));
  }

  #has(entryId: number, fireAt: Instant, manual = false): boolean {
    return this.#tables.ledger.find(entryId, fireAt, manual) !== undefined;
  }

  /** What is left out may be in the ledger already. */
  #newRanges(entryId: number, passed: readonly PassedRange[]): PassedRange[] {
    return passed.filter(({ state, fromFireAt }) => state !== "excluded" || !this.#has(entryId, fromFireAt));
  }

  #withdraw(row: RowNumber, state: "cancelled" | "coalesced", reason: string, at: Instant): void {
    if (this.#rows.stateOf(row) === "claimed") this.#tables.updateRow(row, { state, reason, settledAt: at });
  }

  #pass(entry: Entry, { fromFireAt, untilFireAt, count, state, reason }: PassedRange, now: Instant): void {
    const row = this.#tables.addRow(entry, { fireAt: fromFireAt, dueAt: fromFireAt }, false, now);
    this.#tables.updateRow(row, { id: "", untilFireAt, count, state, reason, settledAt: now });
  }
}

/** Whether two of them would be the same row. */
function hasTwins(due: Claim["due"], ranges: readonly PassedRange[]): boolean {
  const times = [...due.map(({ fireAt }) => fireAt), ...ranges.map(({ fromFireAt }) => fromFireAt)];
  return new Set(times).size < times.length;
}

const ends: ReadonlySet<string> = new Set(["published", "ran"]);

/** The contract of `settle`, of one row. */
function maySettle(rows: MemoryRows, row: RowNumber, { state, attempts }: Settlement): boolean {
  const before = rows.stateOf(row);
  if (before === "running") return attempts > 0 || state === "running" || state === "claimed";
  if (!rows.isSettled(row)) return true;
  if (ends.has(state)) return rows.hasId(row) && !ends.has(before);
  return state === "failed" && (before === "cancelled" || before === "abandoned");
}

/** What a database would give back, and nothing that the caller can alter. */
function copyOf(definition: Definition): Definition {
  return JSON.parse(JSON.stringify(definition));
}
