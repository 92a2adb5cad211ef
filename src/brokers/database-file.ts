// The SQLite file that kombu's SQLAlchemy transport (sqla+sqlite://) reads: found or created, checked, opened.

import { closeSync, openSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import Database from "better-sqlite3";
import { BrokerError, reasonOf } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { columns, quoted, type TableNames, tableNamesOf, tableParameters } from "./kombu-rows.ts";
import { checkParameters } from "./url-text.ts";

/** How long SQLite may wait for a lock inside one call: the event loop stands still meanwhile. */
const lockWaitMs = 200;

/** kombu's own tables, to the letter: it looks for them by name, and whoever compares finds no difference. */
function statementsFor({ queue, message }: TableNames): readonly string[] {
  const [queues, messages] = [plainly(queue), plainly(message)];
  const index = (suffix: string) => plainly(`ix_${message}_${suffix}`);
  return [
    `CREATE TABLE ${queues} (\n\tid INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, \n\tname VARCHAR(200), \n\tUNIQUE (name)\n)`,
    `CREATE TABLE ${messages} (\n\tid INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, \n\tvisible BOOLEAN, \n\ttimestamp DATETIME, \n\tpayload TEXT NOT NULL, \n\tversion SMALLINT NOT NULL, \n\tqueue_id INTEGER, \n\tCONSTRAINT "FK_kombu_message_queue" FOREIGN KEY(queue_id) REFERENCES ${queues} (id)\n)`,
    `CREATE INDEX ix_kombu_message_timestamp_id ON ${messages} (timestamp, id)`,
    `CREATE INDEX ${index("timestamp")} ON ${messages} (timestamp)`,
    `CREATE INDEX ${index("visible")} ON ${messages} (visible)`,
  ];
}

/** SQLAlchemy quotes what has to be. */
function plainly(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : quoted(name);
}

export interface DatabaseFile {
  readonly database: Database.Database;
  /** Device and inode: a file that was deleted or replaced under the open database is another one. */
  readonly identity: string;
}

export interface DatabaseAddress {
  /** Absolute. */
  readonly path: string;
  readonly tables: TableNames;
}

/**
 * The file in `sqla+sqlite:///relative.db` or `sqla+sqlite:////absolute.db`, the way SQLAlchemy reads it, and the names of
 * kombu's tables. Throws BrokerError.
 */
export function parseDatabaseUrl(url: string): DatabaseAddress {
  const parts = /^(?:sqla|sqlalchemy|db)\+sqlite(?:\+[a-z0-9]+)?:\/\/\/([^?#]+)(?:\?([^#]*))?$/i.exec(url);
  const path = parts?.[1];
  if (path === undefined || path === ":memory:")
    throw new BrokerError(`${maskUrl(url)} names no database file`, {
      remedy: "Write sqla+sqlite:///relative.db or, with four slashes, sqla+sqlite:////absolute/path.db.",
    });
  const query = new Map(new URLSearchParams(parts?.[2]));
  checkParameters(query.keys(), tableParameters, url);
  return { path: resolve(path), tables: tableNamesOf(query) };
}

/**
 * Opens the file and creates it (mode 0600) with kombu's tables where it is missing or empty. Throws BrokerError for a
 * file that can't be used as it is, and SQLite's own error where it is locked for the moment (see isBusy).
 */
export function openDatabaseFile({ path, tables }: DatabaseAddress): DatabaseFile {
  create(path);
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { timeout: lockWaitMs, fileMustExist: true });
    checkTables(database, path, tables);
    database.pragma("journal_mode = WAL");
    // A confirmed message must survive a power cut.
    database.pragma("synchronous = FULL");
    database.exec("BEGIN IMMEDIATE");
    if (!hasTable(database, tables.message)) for (const statement of statementsFor(tables)) database.exec(statement);
    database.exec("COMMIT");
    return { database, identity: identityOf(path) ?? "" };
  } catch (error) {
    database?.close();
    if (error instanceof BrokerError || isBusy(error)) throw error;
    throw unusable(path, error);
  }
}

/** Undefined where there is no such file (any more). */
export function identityOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

/** Locked by somebody else: waiting helps. */
export function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(?:BUSY|LOCKED)/.test(error.code);
}

function create(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    const isMissing = code === "ENOENT";
    throw new BrokerError(
      `the broker database ${path} cannot be created: ${isMissing ? "there is no such folder" : reasonOf(error)}`,
      {
        remedy: isMissing ? `Create ${dirname(path)}.` : "Check the rights on its folder.",
        cause: error,
      },
    );
  }
}

function hasTable(database: Database.Database, name: string): boolean {
  return database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(name) !== undefined;
}

function checkTables(database: Database.Database, path: string, tables: TableNames): void {
  const names = database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .pluck()
    .all() as string[];
  if (names.length === 0) return;
  for (const kind of ["queue", "message"] as const) {
    const [table, needed]: [string, readonly string[]] = [tables[kind], columns[kind]];
    const present = database.prepare("SELECT name FROM pragma_table_info(?)").pluck().all(table) as string[];
    if (needed.every((column) => present.includes(column))) continue;
    throw new BrokerError(
      `${path} is not a kombu database: ${present.length === 0 ? `it has other tables, and no ${table}` : `its table ${table} has other columns`}`,
      {
        remedy: "Give the broker a file of its own.",
      },
    );
  }
}

function unusable(path: string, error: unknown): BrokerError {
  const code = error instanceof Database.SqliteError ? error.code : ((error as NodeJS.ErrnoException).code ?? "");
  const [what, remedy] = code.startsWith("SQLITE_READONLY")
    ? ["is read-only", "Check the rights on the file and on its folder, where SQLite writes its journal."]
    : code.startsWith("SQLITE_NOTADB")
      ? ["is not a SQLite database", "Give the broker a file of its own."]
      : code.startsWith("SQLITE_CORRUPT")
        ? ["is damaged", "Put it aside and start again: a new one is created. Beat keeps what was not confirmed."]
        : [`cannot be opened: ${reasonOf(error)}`, "Check that it is a file on a local disk, and its rights."];
  return new BrokerError(`the broker database ${path} ${what}`, { remedy: remedy!, cause: error });
}
