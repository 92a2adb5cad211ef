// The SQLite store: one file beside the daemon, shared with the command line. The work is done by one class for each
// concern; better-sqlite3 is synchronous, so each method has done its whole transaction when it returns its promise.

import type { Store } from "../core/ports.ts";
import { storeIdIn } from "./readable.ts";
import { SqliteChanges } from "./sqlite-changes.ts";
import { SqliteClaims } from "./sqlite-claims.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { SqliteEntries } from "./sqlite-entries.ts";
import { SqliteLease } from "./sqlite-lease.ts";
import { SqliteOccurrences } from "./sqlite-occurrences.ts";
import { openDatabase } from "./sqlite-open.ts";
import type { SqliteOptions } from "./sqlite-options.ts";

export type { SqliteOptions } from "./sqlite-options.ts";

/**
 * Opens the schedule database at `path`, makes and migrates it where needed. Rejects with StoreError for a file that
 * can't be Beat's (another program's, a newer Beat's, a damaged or empty one, no SQLite file, a folder, no rights) and
 * with StoreUnavailableError where waiting may help (locked, disk full, its folder not there yet).
 */
export async function openSqliteStore(path: string, options: SqliteOptions = {}): Promise<Store> {
  const connection = openDatabase(path, options);
  try {
    return connection.read(() => sqliteStore(connection));
  } catch (error) {
    connection.close();
    throw error;
  }
}

function sqliteStore(connection: SqliteConnection): Store {
  const id = storeIdIn(connection.database)!;
  const entries = new SqliteEntries(connection);
  const occurrences = new SqliteOccurrences(connection, entries);
  const lease = new SqliteLease(connection);
  const changes = new SqliteChanges(connection, entries, occurrences);
  const claims = new SqliteClaims(connection, id, entries, occurrences, lease);
  return {
    id,
    location: connection.location,
    claimMs: 0.1,

    change: async (list) => changes.change(list),
    entryByName: async (name) => entries.byName(name),
    entriesById: async (ids) => entries.byIds(ids),
    listEntries: async (query) => entries.list(query),
    dueEntries: async ({ before, after, limit }) => entries.due(before, after, limit),
    changedSince: async (revision, limit) => entries.changedSince(revision, limit),
    currentRevision: async () => entries.currentRevision(),
    entriesAheadOf: async (now, limit) => entries.aheadOf(now, limit),
    entriesAtStart: async (limit) => entries.atStart(limit),
    countEntries: async () => entries.count(),
    timeZoneData: async () => entries.timeZoneData(),
    setTimeZoneData: async (version) => entries.setTimeZoneData(version),

    claim: async (token, list, now) => claims.claim(token, list, now),
    settle: async (settlements) => occurrences.settle(settlements),
    outbox: async ({ after, limit }) => occurrences.outbox(after, limit),
    enqueueManual: async (entryId, occurrence, now) => occurrences.enqueueManual(entryId, occurrence, now),
    requeueFailed: async (query, now) => occurrences.requeueFailed(query, now),
    abandonRunning: async (reason, now) => occurrences.abandonRunning(reason, now),
    outboxSummary: async () => occurrences.summary(),
    history: async (query) => occurrences.history(query),
    countSettled: async () => occurrences.countSettled(),
    prune: async (before, limit) => occurrences.prune(before, limit),

    acquireLease: async (owner, ttlMs, now, evenIf) => lease.acquire(owner, ttlMs, now, evenIf),
    renewLease: async (held, ttlMs, now, report) => lease.renew(held, ttlMs, now, report),
    releaseLease: async (held) => lease.release(held),
    currentLease: async () => lease.current(),

    close: async () => connection.close(),
  };
}
