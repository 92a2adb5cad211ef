// A copy of a database, taken while others use it: one snapshot, whole or not there at all.

import { resolve } from "node:path";
import { StoreError, UsageError } from "../core/errors.ts";
import { readMigrations, schemaOf } from "./migrate.ts";
import { storeIdIn } from "./readable.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { damaged, storeErrorOf } from "./sqlite-errors.ts";
import { isFileAt, makeDraft, publishDraft, statOf } from "./sqlite-files.ts";
import { asDraft, openToLook } from "./sqlite-open.ts";

export interface Backup {
  readonly location: string;
  readonly bytes: number;
}

/**
 * Copies the database at `path` into the new file `file`, which appears when it is complete and was checked. Schedulers go
 * on meanwhile. UsageError where there is such a file already; StoreError and StoreUnavailableError as for opening one.
 */
export function backUpSqlite(path: string, file: string): Backup {
  const location = resolve(file);
  refuseExisting(location, isFileAt(location));
  const source = openToLook(path);
  try {
    schemaOf(source, readMigrations().length);
    return asDraft(location, (draft) => {
      makeDraft(draft);
      copy(source, draft, location);
      verify(source, draft);
      refuseExisting(location, !publishDraft(draft, location));
      return { location, bytes: statOf(location)!.size };
    });
  } finally {
    source.close();
  }
}

function refuseExisting(location: string, exists: boolean): void {
  if (!exists) return;
  throw new UsageError(`there is a file ${location} already`, {
    remedy: "Give the backup a new name; Beat writes over nothing.",
  });
}

/** One statement, so one snapshot, however others write meanwhile; it leaves out free pages. */
function copy(source: SqliteConnection, draft: string, location: string): void {
  try {
    source.database.prepare("VACUUM INTO ?").run(draft);
  } catch (error) {
    throw storeErrorOf(error, `${source.location} (or its copy ${location})`);
  }
}

function verify(source: SqliteConnection, draft: string): void {
  const connection = new SqliteConnection(draft);
  try {
    connection.pragma("journal_mode = WAL");
    const [complaint] = connection.complaints("quick_check(1)");
    if (complaint !== undefined) throw damaged(source.location, `its copy is not sound: ${complaint}`);
    if (storeIdIn(connection.database) !== storeIdIn(source.database))
      throw new StoreError("the copy is not of this database", { remedy: "Try again." });
  } finally {
    connection.close();
  }
}
