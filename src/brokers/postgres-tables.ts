// kombu's tables in PostgreSQL, as its SQLAlchemy transport makes them, and the statements on them. Ids come from sequences
// that are not the columns' defaults, so each insert asks for them. Each statement is a transaction of its own: whole or not at all.

import type { Client, QueryResult } from "pg";
import { BrokerError } from "../core/errors.ts";
import { MissingQueueError, type NewRow } from "./batch-link.ts";
import { columns, countLimit, isPast, quoted, stepRows, type TableNames, type UnreadQueue } from "./kombu-rows.ts";
import { codes, isCode } from "./postgres-failure.ts";

/** kombu's column for the names of queues is not longer. */
export const maxQueueName = 200;

export class PostgresTables {
  readonly #client: Client;
  readonly #names: TableNames;
  readonly #queue: string;
  readonly #message: string;
  readonly #queueIds = new Map<string, number>();
  #cursor = 0;

  constructor(client: Client, names: TableNames) {
    this.#client = client;
    this.#names = names;
    this.#queue = quoted(names.queue);
    this.#message = quoted(names.message);
  }

  // ------------------------------------------------------------------------------------------------------ the tables

  /** Checks what is there, makes what is missing, and writes a row that it takes back. Rejects with what is in the way. */
  async prepare(): Promise<void> {
    await this.#check();
    if (await this.#isIncomplete()) await this.#create();
    await this.#query("BEGIN");
    try {
      await this.#query(
        `INSERT INTO ${this.#message} (id, visible, payload, version) VALUES (nextval('message_id_sequence'), false, '', 1)`,
      );
    } finally {
      await this.#query("ROLLBACK");
    }
  }

  async #isIncomplete(): Promise<boolean> {
    const names = [this.#queue, this.#message, "queue_id_sequence", "message_id_sequence"];
    const { rows } = await this.#query(
      "SELECT bool_or(to_regclass(name) IS NULL) AS missing FROM unnest($1::text[]) AS name",
      [names],
    );
    return rows[0].missing;
  }

  /** A worker that starts at the same moment makes them as well; whoever comes second finds them there. */
  async #create(): Promise<void> {
    const [queue, message] = [this.#queue, this.#message];
    const index = (suffix: string) => quoted(`ix_${this.#names.message}_${suffix}`);
    const statements = [
      "CREATE SEQUENCE IF NOT EXISTS queue_id_sequence",
      "CREATE SEQUENCE IF NOT EXISTS message_id_sequence",
      `CREATE TABLE IF NOT EXISTS ${queue} (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(${maxQueueName}), UNIQUE (name))`,
      `CREATE TABLE IF NOT EXISTS ${message} (id INTEGER NOT NULL PRIMARY KEY, visible BOOLEAN, "timestamp" TIMESTAMP WITHOUT TIME ZONE, payload TEXT NOT NULL, version SMALLINT NOT NULL, queue_id INTEGER, CONSTRAINT "FK_kombu_message_queue" FOREIGN KEY(queue_id) REFERENCES ${queue} (id))`,
      `CREATE INDEX IF NOT EXISTS ix_kombu_message_timestamp_id ON ${message} ("timestamp", id)`,
      `CREATE INDEX IF NOT EXISTS ${index("timestamp")} ON ${message} ("timestamp")`,
      `CREATE INDEX IF NOT EXISTS ${index("visible")} ON ${message} (visible)`,
    ];
    // Several statements in one text are one transaction.
    await this.#query(statements.join(";\n")).catch(async (error) => {
      if (!isCode(error, ...codes.alreadyThere) || (await this.#isIncomplete())) throw error;
    });
  }

  async #check(): Promise<void> {
    for (const kind of ["queue", "message"] as const) {
      const [table, needed] = [this.#names[kind], columns[kind]];
      const { rows } = await this.#query(
        "SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
        [quoted(table)],
      );
      if (rows.length === 0 || needed.every((column) => rows.some(({ name }) => name === column))) continue;
      throw new BrokerError(`its table ${table} is not kombu's: it has other columns`, {
        remedy:
          "Give the broker a database or a schema of its own, or another table by queue_tablename and message_tablename.",
      });
    }
  }

  // ------------------------------------------------------------------------------------------------------- messages

  /** All or nothing, in order. Rejects with MissingQueueError where a queue can't be added. */
  async insert(rows: readonly NewRow[]): Promise<void> {
    await this.#addQueues(rows);
    await this.#insertRows(rows).catch(async (error) => {
      // Somebody deleted a queue's row meanwhile.
      if (!isCode(error, codes.foreignKey)) throw error;
      this.#queueIds.clear();
      await this.#addQueues(rows);
      await this.#insertRows(rows);
    });
  }

  async #insertRows(rows: readonly NewRow[]): Promise<void> {
    await this.#query(
      `INSERT INTO ${this.#message} (id, visible, "timestamp", payload, version, queue_id)
       SELECT nextval('message_id_sequence'), true, NULL, payload, 1, queue_id
       FROM (SELECT * FROM unnest($1::int[], $2::text[]) WITH ORDINALITY AS row (queue_id, payload, place) ORDER BY place) AS rows`,
      [rows.map(({ queue }) => this.#queueIds.get(queue)), rows.map(({ payload }) => payload)],
    );
  }

  async #addQueues(rows: readonly NewRow[]): Promise<void> {
    const unknown = [...new Set(rows.map(({ queue }) => queue))].filter((name) => !this.#queueIds.has(name));
    if (unknown.length === 0) return;
    await this.#learnQueues(unknown);
    const missing = unknown.filter((name) => !this.#queueIds.has(name));
    if (missing.length === 0) return;
    await this.#query(
      `INSERT INTO ${this.#queue} (id, name) SELECT nextval('queue_id_sequence'), name FROM unnest($1::text[]) AS name ON CONFLICT (name) DO NOTHING`,
      [missing],
    ).catch((error) => {
      throw isCode(error, codes.noRights) ? new MissingQueueError(missing, error) : error;
    });
    await this.#learnQueues(missing);
  }

  async #learnQueues(names: readonly string[]): Promise<void> {
    const { rows } = await this.#query(`SELECT id, name FROM ${this.#queue} WHERE name = ANY ($1::text[])`, [names]);
    for (const { id, name } of rows) this.#queueIds.set(name, id);
  }

  // ----------------------------------------------------------------------------------------------------- clearing up

  /** Deletes some rows that workers have taken. Returns their queues, one for each row. */
  async removeConsumed(): Promise<string[]> {
    const { rows } = await this.#query(
      `WITH gone AS (DELETE FROM ${this.#message} WHERE id IN (SELECT id FROM ${this.#message} WHERE visible = false LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING queue_id)
       SELECT coalesce(q.name, '') AS name FROM gone LEFT JOIN ${this.#queue} q ON q.id = gone.queue_id`,
      [stepRows],
    );
    return rows.map(({ name }) => name);
  }

  /** Looks at the next some unread rows and deletes those that expired. Returns whether there is more to look at in this round. */
  async removeExpired(now: number): Promise<boolean> {
    // What looks like an expiry is cheap to find; whether it is one shows when the message is read.
    const { rows } = await this.#query(
      `SELECT id, substring(payload from '"expires":\\s*"([^"]*)"') AS expires FROM ${this.#message} WHERE id > $1 AND visible ORDER BY id LIMIT $2`,
      [this.#cursor, stepRows],
    );
    this.#cursor = rows.length < stepRows ? 0 : rows.at(-1)!.id;
    const suspects = rows.filter(({ expires }) => isPast(expires, now)).map(({ id }) => id);
    if (suspects.length > 0) await this.#removeExpired(suspects, now);
    return this.#cursor > 0;
  }

  async #removeExpired(suspects: readonly number[], now: number): Promise<void> {
    const { rows } = await this.#query(`SELECT id, payload FROM ${this.#message} WHERE id = ANY ($1::int[])`, [
      suspects,
    ]);
    const expired = rows.filter(({ payload }) => isPast(expiresOf(payload), now)).map(({ id }) => id);
    await this.#query(
      `DELETE FROM ${this.#message} WHERE id IN (SELECT id FROM ${this.#message} WHERE id = ANY ($1::int[]) AND visible FOR UPDATE SKIP LOCKED)`,
      [expired],
    );
  }

  /** How many messages nobody has taken, by queue; `countLimit` in all at most. Queues that others write to are left out. */
  async unread(): Promise<UnreadQueue[]> {
    const { rows } = await this.#query(
      `SELECT q.name, count(*)::int AS count FROM (SELECT queue_id FROM ${this.#message} WHERE visible AND queue_id = ANY ($2::int[]) LIMIT $1) m JOIN ${this.#queue} q ON q.id = m.queue_id GROUP BY 1 ORDER BY 1`,
      [countLimit, [...this.#queueIds.values()]],
    );
    return rows;
  }

  #query(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    return this.#client.query(text, values as unknown[]);
  }
}

function expiresOf(payload: string): unknown {
  try {
    return JSON.parse(payload)?.headers?.expires;
  } catch {
    return undefined;
  }
}
