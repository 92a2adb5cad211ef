// The store of a simulation: in memory, or a SQLite file of its own in which a statement can be made to fail, so that the
// transaction around it is rolled back.

import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { occurrenceId } from "../../src/core/occurrence-id.ts";
import type { Store } from "../../src/core/ports.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";

export interface SimulatedStore {
  readonly store: Store;
  /** When the ledger was told that the occurrence of this id is published; Infinity: it never was. */
  publishedAt(id: string): number;
  /** The so-many-th statement that writes, from now, fails; `onFailure` is called first. Nothing happens in memory. */
  failStatement(nth: number, onFailure: () => void): void;
  close(): Promise<void>;
}

export async function openStore(kind: "memory" | "sqlite", id: string, now: () => number): Promise<SimulatedStore> {
  if (kind === "memory") return watched(new MemoryStore(id), now, () => {});
  const folder = mkdtempSync(join(root, "beat-simulation-"));
  const path = join(folder, "beat.sqlite");
  copyFileSync(await template(), path);
  const database = new Database(path);
  database.prepare("UPDATE meta SET store_id = ?").run(id);
  database.close();
  const store = await openSqliteStore(path, { synchronous: "NORMAL" });
  return watched(store, now, () => {
    armed = undefined;
    rmSync(folder, { recursive: true });
  });
}

function watched(store: Store, now: () => number, onClose: () => void): SimulatedStore {
  const keys = new Map<string, string>();
  const published = new Map<string, number>();
  const keyOf = (entryId: number, fireAt: number, manual: boolean) => `${entryId} ${fireAt} ${manual}`;
  const layer: Partial<Store> = {
    async claim(token, claims, now) {
      for (const { entry, due } of claims)
        for (const { fireAt } of due)
          keys.set(occurrenceId(store.id, entry.id, fireAt), keyOf(entry.id, fireAt, false));
      return store.claim(token, claims, now);
    },
    async enqueueManual(entryId, occurrence, now) {
      keys.set(occurrence.id, keyOf(entryId, occurrence.fireAt, true));
      return store.enqueueManual(entryId, occurrence, now);
    },
    async settle(settlements) {
      await store.settle(settlements);
      for (const { entryId, fireAt, manual, state } of settlements)
        if (state === "published") published.set(keyOf(entryId, fireAt, manual), now());
    },
  };
  return {
    store: new Proxy(store, {
      get(target, key) {
        const value: unknown = Reflect.get(layer, key) ?? Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    publishedAt: (id) => published.get(keys.get(id) ?? "") ?? Number.POSITIVE_INFINITY,
    failStatement: (nth, onFailure) => {
      armed = { left: nth, onFailure };
    },
    async close() {
      await store.close();
      onClose();
    },
  };
}

// ----------------------------------------------------------------------------------------------------------- SQLite

const root = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
let made: string | undefined;

/** An empty database, made once and copied for each simulation. */
async function template(): Promise<string> {
  if (made !== undefined) return made;
  const folder = mkdtempSync(join(root, "beat-simulation-template-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  made = join(folder, "beat.sqlite");
  await (await openSqliteStore(made)).close();
  return made;
}

let armed: { left: number; readonly onFailure: () => void } | undefined;

/** Every statement that writes passes by here, whoever prepares it: the store has no seam within a transaction, and needs none. */
const prepare = Database.prototype.prepare;
Database.prototype.prepare = function (this: Database.Database, source: string): Database.Statement {
  const statement: Database.Statement = prepare.call(this, source);
  if (statement.readonly || source === "ROLLBACK") return statement;
  const run = statement.run.bind(statement);
  statement.run = (...parameters: unknown[]) => {
    if (armed !== undefined && --armed.left <= 0) {
      const { onFailure } = armed;
      armed = undefined;
      onFailure();
      throw new Database.SqliteError("simulated", "SQLITE_IOERR");
    }
    return run(...parameters);
  };
  return statement;
} as typeof prepare;
