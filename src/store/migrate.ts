// Brings a database file to the schema that this program knows, or refuses it untouched. Migrations are plain SQL,
// forward only: migrations/NNN_name.sql, without gaps. `PRAGMA application_id` says whose the file is, `PRAGMA
// user_version` which migration was the last.

import { readdirSync, readFileSync } from "node:fs";
import { StoreError } from "../core/errors.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { isLocked } from "./sqlite-errors.ts";
import type { SqliteOptions } from "./sqlite-options.ts";

/** "Beat" in ASCII. */
export const applicationId = 0x42656174;

/** Another process may be creating, migrating or recovering the same file just now; that is worth a longer wait than a tick is. */
export const openingTimeoutMs = 5_000;

/** The folder is beside src/ and beside dist/, so this is right from both. */
const migrationsFolder = new URL("../../migrations/", import.meta.url);

export interface Migration {
  readonly schema: number;
  readonly sql: string;
}

/** What this program brings along, in order. StoreError where the package is incomplete. */
export function readMigrations(folder: URL = migrationsFolder): Migration[] {
  const fault = (what: string, cause?: unknown) =>
    new StoreError(`Beat's migrations ${what}: ${folder.pathname}`, { remedy: "Install Beat again.", cause });
  let files: string[];
  try {
    files = readdirSync(folder)
      .filter((file) => file.endsWith(".sql"))
      .toSorted();
  } catch (error) {
    throw fault("can't be read", error);
  }
  if (files.length === 0) throw fault("are missing");
  return files.map((file, index) => {
    if (!/^\d{3}_\w+\.sql$/.test(file) || Number(file.slice(0, 3)) !== index + 1)
      throw fault(`are not in order at ${file}`);
    return { schema: index + 1, sql: readFileSync(new URL(file, folder), "utf8") };
  });
}

/** Checks whose the database is, sets its journal up and applies what is missing. */
export function prepareDatabase(
  connection: SqliteConnection,
  options: SqliteOptions = {},
  migrations: readonly Migration[] = readMigrations(),
): void {
  const known = migrations.length;
  const present = schemaOf(connection, known);
  if (connection.readonly) {
    if (present < known) {
      throw new StoreError(
        `the database ${connection.location} has schema ${present} and this program needs ${known}`,
        {
          remedy: "Run `beat migrate` on it, or start the new `beat start`.",
        },
      );
    }
    return;
  }
  useWriteAheadLog(connection);
  connection.pragma(`busy_timeout = ${openingTimeoutMs}`);
  connection.pragma(`synchronous = ${options.synchronous ?? "FULL"}`);
  connection.pragma(`journal_size_limit = ${64 * 1024 * 1024}`);
  connection.pragma("foreign_keys = ON");
  if (present < known) for (const migration of migrations) apply(connection, migration, known);
}

/**
 * The mode stays with the file, so this does something only once in its life. Processes that try it at the same moment
 * lock each other out, and SQLite tells all of them at once that it is busy, whatever the timeout: so each tries again
 * after a while of its own.
 */
function useWriteAheadLog(connection: SqliteConnection): void {
  connection.pragma("busy_timeout = 50");
  for (let attempt = 1; ; attempt++) {
    try {
      connection.pragma("journal_mode = WAL");
      return;
    } catch (error) {
      if (!isLocked(error) || attempt === 100) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5 + Math.random() * 30);
    }
  }
}

/** One transaction. Another process may have been quicker. */
function apply(connection: SqliteConnection, migration: Migration, known: number): void {
  connection.write(() => {
    if (schemaOf(connection, known) >= migration.schema) return;
    connection.database.exec(migration.sql);
    connection.database.pragma(`application_id = ${applicationId}`);
    connection.database.pragma(`user_version = ${migration.schema}`);
  });
}

const identity = `SELECT (SELECT application_id FROM pragma_application_id) AS owner,
  (SELECT user_version FROM pragma_user_version) AS schema, count(*) AS tables FROM sqlite_schema`;

/** The schema number of a database that is Beat's, or 0 for one that is empty. StoreError for another's, and a newer Beat's. */
export function schemaOf(connection: SqliteConnection, known: number): number {
  // In one statement: between two, another process may have made the tables.
  const { owner, schema, tables } = connection.read(
    () => connection.database.prepare<[], { owner: number; schema: number; tables: number }>(identity).get()!,
  );
  if (owner !== applicationId && (owner !== 0 || schema !== 0 || tables !== 0)) {
    throw new StoreError(`the database ${connection.location} belongs to another program`, {
      remedy: "Give Beat a file of its own; this one was left as it is.",
    });
  }
  if (schema > known) {
    throw new StoreError(
      `the database ${connection.location} was made by a newer Beat: schema ${schema}, this program knows ${known}`,
      {
        remedy: "Upgrade this Beat.",
      },
    );
  }
  return schema;
}
