// The statements on kombu's tables. Each call is one short transaction: a worker that waits longer than its own limit for
// the write lock loses messages.

import type Database from "better-sqlite3";
import { countLimit, isPast, quoted, stepRows, type TableNames, type UnreadQueue } from "./kombu-rows.ts";

export class MessageRows {
  readonly #database: Database.Database;
  readonly #addQueue: Database.Statement<[string]>;
  readonly #queueId: Database.Statement<[string], number>;
  readonly #insert: Database.Statement<[string, number]>;
  readonly #consumed: Database.Statement<[number], { id: number; name: string }>;
  readonly #visible: Database.Statement<[number, number], { id: number; expires: string | null }>;
  readonly #unread: Database.Statement<[number], UnreadQueue>;
  readonly #remove: Database.Statement<[number]>;
  #cursor = 0;

  constructor(database: Database.Database, tables: TableNames) {
    const [queues, messages] = [quoted(tables.queue), quoted(tables.message)];
    this.#database = database;
    this.#addQueue = database.prepare(`INSERT OR IGNORE INTO ${queues} (name) VALUES (?)`);
    this.#queueId = database
      .prepare<[string], number>(`SELECT id FROM ${queues} WHERE name = ?`)
      .pluck() as Database.Statement<[string], number>;
    // A time stamp would sort the row behind all those that have none.
    this.#insert = database.prepare(
      `INSERT INTO ${messages} (visible, timestamp, payload, version, queue_id) VALUES (1, NULL, ?, 1, ?)`,
    );
    this.#consumed = database.prepare(
      `SELECT m.id, coalesce(q.name, '') AS name FROM ${messages} m LEFT JOIN ${queues} q ON q.id = m.queue_id WHERE m.visible = 0 LIMIT ?`,
    );
    this.#visible = database.prepare(
      `SELECT id, CASE WHEN json_valid(payload) THEN json_extract(payload, '$.headers.expires') END AS expires FROM ${messages} WHERE id > ? AND visible = 1 ORDER BY id LIMIT ?`,
    );
    this.#unread = database.prepare(
      `SELECT coalesce(q.name, '') AS name, count(*) AS count FROM (SELECT queue_id FROM ${messages} WHERE visible = 1 LIMIT ?) m LEFT JOIN ${queues} q ON q.id = m.queue_id GROUP BY 1 ORDER BY 1`,
    );
    this.#remove = database.prepare(`DELETE FROM ${messages} WHERE id = ?`);
  }

  /** All or nothing. */
  insert(rows: readonly { readonly queue: string; readonly payload: string }[]): void {
    this.#transaction(() => {
      const ids = new Map<string, number>();
      for (const { queue, payload } of rows) {
        let id = ids.get(queue);
        if (id === undefined) {
          this.#addQueue.run(queue);
          id = this.#queueId.get(queue)!;
          ids.set(queue, id);
        }
        this.#insert.run(payload, id);
      }
    });
  }

  /** Deletes some rows that workers have taken. Returns the names of their queues, one for each row. */
  removeConsumed(): string[] {
    const rows = this.#consumed.all(stepRows);
    if (rows.length > 0) this.#removeAll(rows);
    return rows.map(({ name }) => name);
  }

  /** Looks at the next some unread rows and deletes those that expired. Returns whether there is more to look at in this round. */
  removeExpired(now: number): boolean {
    const rows = this.#visible.all(this.#cursor, stepRows);
    this.#cursor = rows.length < stepRows ? 0 : rows.at(-1)!.id;
    const expired = rows.filter(({ expires }) => isPast(expires, now));
    if (expired.length > 0) this.#removeAll(expired);
    return this.#cursor > 0;
  }

  /** How many messages nobody has taken, by queue; `countLimit` in all at most. */
  unread(): UnreadQueue[] {
    return this.#unread.all(countLimit);
  }

  /** Throws where nothing can be written now. */
  probe(): void {
    this.#transaction(() => undefined);
  }

  #removeAll(rows: readonly { readonly id: number }[]): void {
    this.#transaction(() => {
      for (const { id } of rows) this.#remove.run(id);
    });
  }

  #transaction(write: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      write();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.inTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}
