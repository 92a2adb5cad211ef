// Opening a database: looked at before anything of it changes, made where there is none, brought to the newest schema.
// What looks damaged is refused and left as it is.

import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { openingTimeoutMs, prepareDatabase, readMigrations, schemaOf } from "./migrate.ts";
import { storeIdIn } from "./readable.ts";
import { defaultBusyTimeoutMs, SqliteConnection } from "./sqlite-connection.ts";
import { damaged } from "./sqlite-errors.ts";
import { assertNotEmptied, hasLog, isFileAt, makeDraft, publishDraft } from "./sqlite-files.ts";
import type { SqliteOptions } from "./sqlite-options.ts";

/** Throws StoreError for what can't be Beat's, StoreUnavailableError where waiting may help. */
export function openDatabase(path: string, options: SqliteOptions = {}): SqliteConnection {
  const location = resolve(path);
  const { create = true, readonly = false, busyTimeoutMs = defaultBusyTimeoutMs } = options;
  const isMissing = !isFileAt(location);
  if (isMissing && create && !readonly) createDatabase(location);
  if (!isMissing) inspect(location);
  const connection = new SqliteConnection(location, { ...options, busyTimeoutMs: openingTimeoutMs });
  try {
    prepareDatabase(connection, options);
    connection.pragma(`busy_timeout = ${busyTimeoutMs}`);
    if (!readonly) connection.keepInPlace();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * Made whole under another name and then given its own: a database that is there is never half made, so that an empty
 * file is known to have lost its content. Another process may be quicker.
 */
function createDatabase(location: string): void {
  asDraft(location, (draft) => {
    makeDraft(draft);
    const connection = new SqliteConnection(draft);
    try {
      prepareDatabase(connection);
      connection.close();
      publishDraft(draft, location);
    } finally {
      connection.close();
    }
  });
}

/** Runs `work` with a new name beside `location`, and takes away what is left there. */
export function asDraft<Result>(location: string, work: (draft: string) => Result): Result {
  const draft = `${location}.new-${randomUUID().slice(0, 8)}`;
  try {
    return work(draft);
  } finally {
    for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(draft + suffix, { force: true });
  }
}

/**
 * Opens a database so that closing it leaves its folder as it was. The last connection that can write puts the log into
 * the database and takes it away, which a damaged one must be spared; one that can't write leaves an empty log behind
 * where there was none.
 */
export function openToLook(path: string): SqliteConnection {
  const location = resolve(path);
  if (isFileAt(location)) assertNotEmptied(location);
  return new SqliteConnection(location, { readonly: hasLog(location), busyTimeoutMs: openingTimeoutMs });
}

/** Up to this size all of the database is looked through at the start; that takes some 2.5 ms a megabyte. */
const quickCheckBytes = 16 * 1024 * 1024;

/** A larger one is read where the first tick will read it; `beat doctor` looks through all of it. */
const firstReads = [
  "SELECT * FROM meta, lease",
  "SELECT * FROM entries ORDER BY id DESC LIMIT 1",
  "SELECT * FROM entries ORDER BY revision DESC LIMIT 1",
  "SELECT * FROM entries WHERE scheduled ORDER BY next_fire_at LIMIT 1",
  "SELECT * FROM occurrences ORDER BY fire_at DESC LIMIT 1",
  "SELECT * FROM occurrences WHERE settled_at IS NULL AND state = 'claimed' ORDER BY due_at LIMIT 1",
];

/** Looks for damage as far as that costs nothing to speak of. */
function inspect(location: string): void {
  const connection = openToLook(location);
  try {
    if (schemaOf(connection, readMigrations().length) === 0) return;
    // Without it every entry would have runs that nobody can tell from others.
    if (connection.read(() => storeIdIn(connection.database)) === undefined)
      throw damaged(location, "its row of meta, with the id that all others are made of, is missing or no id");
    const bytes = Number(connection.pragma("page_count")) * Number(connection.pragma("page_size"));
    if (bytes <= quickCheckBytes) {
      const [complaint] = connection.complaints("quick_check(1)");
      if (complaint !== undefined) throw damaged(location, complaint);
    } else {
      for (const statement of firstReads) connection.read(() => connection.database.prepare(statement).get());
    }
  } finally {
    connection.close();
  }
}
