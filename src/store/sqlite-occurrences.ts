// The outbox and the ledger as SQLite holds them: one table. What is not settled is the outbox (and what runs); the rest is
// the ledger. Claims are in sqlite-claims.ts.

import type { Statement } from "better-sqlite3";
import type { Occurrence, OccurrenceState } from "../core/occurrence.ts";
import type { PassedRange, Settlement, Store } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { firstInstant, lastInstant, untimed } from "./readable.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import type { SqliteEntries } from "./sqlite-entries.ts";
import { entryGone, manualConflict } from "./wording.ts";

type HistoryQuery = Parameters<Store["history"]>[0];
type FailedQuery = Parameters<Store["requeueFailed"]>[0];
type OutboxGroup = Awaited<ReturnType<Store["outboxSummary"]>>[number];
type OccurrenceRow = Omit<Occurrence, "manual"> & { readonly manual: number };
/** What waits in the outbox, as whoever withdraws it has to know it. */
export type UnsentRow = Pick<
  OccurrenceRow,
  "entryId" | "fireAt" | "manual" | "reason" | "attempts" | "dueAt" | "claimedAt"
> & { readonly isTask: number };
type Settled = Required<Omit<Settlement, "manual">> & { readonly manual: number };
/** fireAt, entryId, manual: the primary key. */
type Key = [Instant, number, number];

const columns = `o.id, o.entry_id AS entryId, coalesce(e.name, '#' || o.entry_id) AS entryName, o.fire_at AS fireAt,
  coalesce(o.until_fire_at, o.fire_at) AS untilFireAt, o.count, o.manual, o.due_at AS dueAt, o.state, o.reason, o.attempts,
  o.missed_count AS missedCount, o.params, o.result,
  o.claimed_at AS claimedAt, o.started_at AS startedAt, o.settled_at AS settledAt, o.time_zone_data AS timeZoneData`;
const newestFirst = "o.fire_at DESC, o.entry_id DESC, o.manual DESC";
/** What has no time can't be told of; `beat doctor` finds it. */
const isTimed = `o.fire_at BETWEEN ${firstInstant} AND ${lastInstant}`;
const ofStates = "(? IS NULL OR o.state IN (SELECT value FROM json_each(?)))";

export class SqliteOccurrences {
  readonly #connection: SqliteConnection;
  readonly #entries: SqliteEntries;
  readonly #insertDue: Statement<[...Key, string, Instant, number, string | null, Instant]>;
  readonly #insertPassed: Statement<
    [Instant, number, Instant | null, number, Instant, string, string, Instant, Instant]
  >;
  readonly #withdraw: Statement<[string, string, Instant, ...Key]>;
  readonly #settle: Statement<[Settled]>;
  readonly #correct: Statement<[Settled]>;
  readonly #start: Statement<[string | null, number, Instant, ...Key]>;
  readonly #keep: Statement<[string | null, number, ...Key]>;
  readonly #failed: Statement<[number | null, number | null, Instant | null, Instant | null, number], Key>;
  readonly #requeue: Statement<[Instant, ...Key]>;
  readonly #running: Statement<[], OccurrenceRow>;
  readonly #abandon: Statement<[string, Instant]>;
  readonly #giveUpTimeless: Statement<[Instant]>;
  readonly #unsent: Statement<[], UnsentRow>;
  readonly #outbox: Statement<[Instant, number, Instant, number, number], OccurrenceRow>;
  readonly #summary: Statement<[], OutboxGroup>;
  readonly #history: Statement<[string | null, string | null, Instant, number], OccurrenceRow>;
  readonly #historyOfEntry: Statement<[string | null, string | null, Instant, number, number], OccurrenceRow>;
  readonly #idsOfName: Statement<[string, string], number>;
  readonly #countSettled: Statement<[], number>;
  readonly #pruneRows: Statement<[Instant, number]>;
  readonly #pruneEntries: Statement<[Instant, number]>;

  constructor(connection: SqliteConnection, entries: SqliteEntries) {
    this.#connection = connection;
    this.#entries = entries;
    const { database } = connection;
    this.#insertDue = database.prepare(
      `INSERT INTO occurrences (fire_at, entry_id, manual, id, due_at, missed_count, params, state, claimed_at, time_zone_data)
       VALUES (?, ?, ?, ?, ?, ?, ?, 'claimed', ?, (SELECT time_zone_data FROM meta)) ON CONFLICT (fire_at, entry_id, manual) DO NOTHING`,
    );
    this.#insertPassed = database.prepare(
      `INSERT INTO occurrences (fire_at, entry_id, manual, id, until_fire_at, count, due_at, state, reason, claimed_at, settled_at, time_zone_data)
       VALUES (?, ?, 0, '', ?, ?, ?, ?, ?, ?, ?, (SELECT time_zone_data FROM meta)) ON CONFLICT (fire_at, entry_id, manual) DO NOTHING`,
    );
    const key = "WHERE fire_at = ? AND entry_id = ? AND manual = ? AND settled_at IS NULL";
    this.#withdraw = database.prepare(
      `UPDATE occurrences SET state = ?, reason = ?, settled_at = ? ${key} AND state = 'claimed'`,
    );
    const settle = `UPDATE occurrences SET state = @state, reason = @reason, attempts = @attempts, result = @result, settled_at = @at
       WHERE fire_at = @fireAt AND entry_id = @entryId AND manual = @manual`;
    this.#settle = database.prepare(`${settle} AND settled_at IS NULL AND (state <> 'running' OR @attempts > 0)`);
    this.#correct = database.prepare(
      `${settle} AND settled_at IS NOT NULL AND CASE WHEN @state IN ('published', 'ran') THEN id <> '' AND state NOT IN ('published', 'ran')
         ELSE @state = 'failed' AND state IN ('cancelled', 'abandoned') END`,
    );
    this.#start = database.prepare(
      `UPDATE occurrences SET state = 'running', reason = ?, attempts = ?, started_at = ? ${key}`,
    );
    this.#keep = database.prepare(`UPDATE occurrences SET state = 'claimed', reason = ?, attempts = ? ${key}`);
    this.#failed = database
      .prepare<[number | null, number | null, Instant | null, Instant | null, number], Key>(
        `SELECT o.fire_at, o.entry_id, o.manual FROM occurrences o CROSS JOIN entries e ON e.id = o.entry_id
         WHERE o.state IN ('failed', 'abandoned') AND o.id <> '' AND e.removed_at IS NULL AND ${isTimed}
         AND (? IS NULL OR o.entry_id = ?) AND (? IS NULL OR o.fire_at = ?) ORDER BY ${newestFirst} LIMIT ?`,
      )
      .raw();
    this.#requeue = database.prepare(
      `UPDATE occurrences SET state = 'claimed', reason = NULL, due_at = ?, attempts = max(attempts, 1), result = NULL, started_at = NULL, settled_at = NULL
       WHERE fire_at = ? AND entry_id = ? AND manual = ?`,
    );
    this.#running = database.prepare(
      `SELECT ${columns} FROM occurrences o INDEXED BY occurrences_outbox CROSS JOIN entries e ON e.id = o.entry_id
       WHERE o.state = 'running' AND o.settled_at IS NULL ORDER BY o.due_at, o.entry_id, o.fire_at, o.manual`,
    );
    this.#abandon = database.prepare(
      `UPDATE occurrences SET state = 'abandoned', reason = ?, attempts = attempts + 1, settled_at = ?
       WHERE state = 'running' AND settled_at IS NULL`,
    );
    this.#giveUpTimeless = database.prepare(
      `UPDATE occurrences SET state = 'failed', reason = 'its times in the database are none', settled_at = ?
       WHERE settled_at IS NULL AND (${untimed("fire_at")} OR ${untimed("due_at")})`,
    );
    this.#unsent = database.prepare(
      `SELECT o.entry_id AS entryId, o.fire_at AS fireAt, o.manual, o.reason, o.attempts, o.due_at AS dueAt,
         o.claimed_at AS claimedAt, CASE WHEN json_valid(e.definition) THEN e.definition ->> 'task' END IS NOT NULL AS isTask
       FROM occurrences o INDEXED BY occurrences_outbox CROSS JOIN entries e ON e.id = o.entry_id
       WHERE o.state = 'claimed' AND o.settled_at IS NULL`,
    );
    this.#outbox = database.prepare(
      `SELECT ${columns} FROM occurrences o INDEXED BY occurrences_outbox LEFT JOIN entries e ON e.id = o.entry_id
       WHERE o.state = 'claimed' AND o.settled_at IS NULL AND (o.due_at, o.entry_id, o.fire_at, o.manual) > (?, ?, ?, ?)
       AND o.due_at <= ${lastInstant} AND ${isTimed}
       ORDER BY o.due_at, o.entry_id, o.fire_at, o.manual LIMIT ?`,
    );
    this.#summary = database.prepare(
      `SELECT state, reason, count(*) AS count, min(due_at) AS oldestDueAt FROM occurrences INDEXED BY occurrences_outbox
       WHERE settled_at IS NULL GROUP BY state, reason ORDER BY state, reason`,
    );
    this.#history = database.prepare(
      `SELECT ${columns} FROM occurrences o LEFT JOIN entries e ON e.id = o.entry_id
       WHERE ${ofStates} AND ${isTimed} AND o.fire_at < ? ORDER BY ${newestFirst} LIMIT ?`,
    );
    this.#historyOfEntry = database.prepare(
      `SELECT ${columns} FROM occurrences o INDEXED BY occurrences_by_entry LEFT JOIN entries e ON e.id = o.entry_id
       WHERE ${ofStates} AND ${isTimed} AND o.fire_at < ? AND o.entry_id = ? ORDER BY ${newestFirst} LIMIT ?`,
    );
    this.#idsOfName = database
      .prepare<[string, string], number>(
        `SELECT id FROM entries WHERE name = ? AND removed_at IS NULL
         UNION ALL SELECT id FROM entries WHERE name = ? AND removed_at IS NOT NULL`,
      )
      .pluck();
    this.#countSettled = database
      .prepare<[], number>(
        "SELECT count(*) FROM occurrences INDEXED BY occurrences_settled WHERE settled_at IS NOT NULL",
      )
      .pluck();
    this.#pruneRows = database.prepare(
      `DELETE FROM occurrences WHERE (fire_at, entry_id, manual) IN (
         SELECT fire_at, entry_id, manual FROM occurrences INDEXED BY occurrences_settled
         WHERE settled_at IS NOT NULL AND settled_at < ? ORDER BY settled_at, fire_at, entry_id, manual LIMIT ?)`,
    );
    this.#pruneEntries = database.prepare(
      `DELETE FROM entries WHERE id IN (
         SELECT id FROM entries e INDEXED BY entries_removed WHERE removed_at IS NOT NULL AND removed_at < ?
         AND NOT EXISTS (SELECT 1 FROM occurrences o WHERE o.entry_id = e.id) ORDER BY id LIMIT ?)`,
    );
  }

  // The first four belong to the transaction of somebody else's write.

  /** False where the entry has that fire time already. */
  insertDue(
    entryId: number,
    due: Pick<Occurrence, "id" | "fireAt" | "dueAt" | "manual"> & Partial<Pick<Occurrence, "missedCount" | "params">>,
    now: Instant,
  ): boolean {
    const { id, fireAt, dueAt, manual, missedCount = 0, params = null } = due;
    return this.#insertDue.run(fireAt, entryId, manual ? 1 : 0, id, dueAt, missedCount, params, now).changes === 1;
  }

  /** False where the entry has the range's first fire time already. */
  insertPassed(entryId: number, range: PassedRange, now: Instant): boolean {
    const { fromFireAt, untilFireAt, count, state, reason } = range;
    const until = untilFireAt === fromFireAt ? null : untilFireAt;
    return this.#insertPassed.run(fromFireAt, entryId, until, count, fromFireAt, state, reason, now, now).changes === 1;
  }

  /** Takes an unsent occurrence out of the outbox; nothing happens where it is not in there. */
  withdraw(
    entryId: number,
    fireAt: Instant,
    manual: number,
    state: OccurrenceState,
    reason: string,
    now: Instant,
  ): void {
    this.#withdraw.run(state, reason, now, fireAt, entryId, manual);
  }

  unsentByEntry(): ReadonlyMap<number, readonly UnsentRow[]> {
    return Map.groupBy(this.#unsent.all(), ({ entryId }) => entryId);
  }

  settle(settlements: readonly Settlement[]): void {
    if (settlements.length === 0) return;
    this.#connection.write(() => {
      for (const settlement of settlements) {
        const { entryId, fireAt, state, reason, attempts, result = null, at } = settlement;
        const manual = settlement.manual ? 1 : 0;
        if (state === "running") this.#start.run(reason, attempts, at, fireAt, entryId, manual);
        else if (state === "claimed") this.#keep.run(reason, attempts, fireAt, entryId, manual);
        else {
          const settled = { entryId, fireAt, manual, state, reason, attempts, result, at };
          if (this.#settle.run(settled).changes === 0) this.#correct.run(settled);
        }
      }
    });
  }

  outbox(after: Occurrence | undefined, limit: number): Occurrence[] {
    const cursor = after ?? { dueAt: Number.NEGATIVE_INFINITY, entryId: 0, fireAt: 0, manual: false };
    return this.#connection.read(() =>
      this.#outbox.all(cursor.dueAt, cursor.entryId, cursor.fireAt, cursor.manual ? 1 : 0, limit).map(decode),
    );
  }

  enqueueManual(
    entryId: number,
    { id, fireAt, params = null }: { readonly id: string; readonly fireAt: Instant; readonly params?: string | null },
    now: Instant,
  ): void {
    this.#connection.write(() => {
      const entry = this.#entries.byId(entryId);
      if (entry === undefined || entry.removedAt !== null) throw entryGone(entryId);
      if (!this.insertDue(entryId, { id, fireAt, dueAt: fireAt, manual: true, params }, now))
        throw manualConflict(entry.name);
      this.#entries.touch(entryId);
    });
  }

  requeueFailed({ entryId, fireAt, limit }: FailedQuery, now: Instant): number {
    return this.#connection.write(() => {
      const failed = this.#failed.all(entryId ?? null, entryId ?? null, fireAt ?? null, fireAt ?? null, limit);
      for (const key of failed) this.#requeue.run(now, ...key);
      for (const id of new Set(failed.map(([, id]) => id))) this.#entries.touch(id);
      return failed.length;
    });
  }

  abandonRunning(reason: string, now: Instant): Occurrence[] {
    return this.#connection.write(() => {
      const running = this.#running.all().map(decode);
      this.#abandon.run(reason, now);
      // Nobody would ever read them, and they would wait for ever.
      this.#giveUpTimeless.run(now);
      return running.map((one) => ({
        ...one,
        state: "abandoned",
        reason,
        attempts: one.attempts + 1,
        settledAt: now,
      }));
    });
  }

  summary(): OutboxGroup[] {
    return this.#connection.read(() => this.#summary.all());
  }

  history({ name, states, before = Number.MAX_SAFE_INTEGER, limit }: HistoryQuery): Occurrence[] {
    const wanted = states === undefined ? null : JSON.stringify(states);
    return this.#connection.read(() => {
      if (name === undefined) return this.#history.all(wanted, wanted, before, limit).map(decode);
      const ids = this.#idsOfName.all(name, name);
      const rows = ids.flatMap((id) => this.#historyOfEntry.all(wanted, wanted, before, id, limit));
      return rows.sort(byNewest).slice(0, limit).map(decode);
    });
  }

  countSettled(): number {
    return this.#connection.read(() => this.#countSettled.get()!);
  }

  prune(before: Instant, limit: number): number {
    return this.#connection.write(() => {
      const { changes } = this.#pruneRows.run(before, limit);
      this.#pruneEntries.run(before, limit);
      return changes;
    });
  }
}

function byNewest(a: OccurrenceRow, b: OccurrenceRow): number {
  return b.fireAt - a.fireAt || b.entryId - a.entryId || b.manual - a.manual;
}

function decode(row: OccurrenceRow): Occurrence {
  const { untilFireAt, dueAt, claimedAt, startedAt, settledAt } = row;
  return {
    ...row,
    manual: row.manual === 1,
    untilFireAt: sound(untilFireAt),
    dueAt: sound(dueAt),
    claimedAt: sound(claimedAt),
    startedAt: startedAt === null ? null : sound(startedAt),
    settledAt: settledAt === null ? null : sound(settledAt),
  };
}

/** What is no time becomes the nearest one, which shows that it is wrong, and harms nobody. */
function sound(at: Instant): Instant {
  return Math.min(Math.max(at, firstInstant), lastInstant);
}
