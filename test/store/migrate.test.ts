import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { StoreError, StoreUnavailableError } from "../../src/core/errors.ts";
import { applicationId, prepareDatabase, readMigrations } from "../../src/store/migrate.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { SqliteConnection } from "../../src/store/sqlite-connection.ts";
import { openDatabase } from "../../src/store/sqlite-open.ts";
import type { SqliteOptions } from "../../src/store/sqlite-options.ts";
import { insertOf } from "../contract/store/fixtures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();
const known = readMigrations().length;

async function assertRefused(path: string, message: RegExp, options: SqliteOptions = {}): Promise<void> {
  await assert.rejects(openSqliteStore(path, options), (error: unknown) => {
    assert.ok(error instanceof StoreError && !(error instanceof StoreUnavailableError), String(error));
    assert.match(error.message, message);
    assert.ok(error.remedy, "says what to do");
    return true;
  });
}

/** Works on the file as another program would. */
function byHand<T>(path: string, work: (database: Database.Database) => T): T {
  const database = new Database(path);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

/** Runs `work` as a user without rights, which root, whom nothing is refused, can become. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    await work();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

test("a new file is private, marked as Beat's, in WAL, of the newest schema", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  await store.change([insertOf("one")]);
  for (const file of [path, `${path}-wal`, `${path}-shm`]) assert.equal(statSync(file).mode & 0o777, 0o600, file);
  assert.equal(store.location, path);
  await store.close();
  byHand(path, (database) => {
    assert.equal(database.pragma("application_id", { simple: true }), applicationId);
    assert.equal(database.pragma("user_version", { simple: true }), known);
    assert.equal(database.pragma("journal_mode", { simple: true }), "wal");
    assert.equal(database.pragma("integrity_check", { simple: true }), "ok");
  });
});

test("what is written is written through to the disk, unless less is asked for", () => {
  for (const [options, level, timeoutMs] of [
    [{}, 2, 100],
    [{ synchronous: "NORMAL", busyTimeoutMs: 7 }, 1, 7],
  ] as const) {
    const connection = openDatabase(pathOf(), options);
    assert.equal(connection.pragma("synchronous"), level);
    assert.equal(connection.pragma("busy_timeout"), timeoutMs);
    assert.equal(connection.pragma("foreign_keys"), 1);
    connection.close();
  }
});

test("an existing database is opened with all that is in it", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  const [entry] = await store.change([insertOf("one")]);
  await store.close();
  const again = await openSqliteStore(path, { create: false });
  assert.equal(again.id, store.id);
  assert.deepEqual(await again.entryByName("one"), entry);
  assert.equal(await again.currentRevision(), entry!.revision);
  await again.close();
});

test("a database is made whole or not at all, and leaves nothing beside it", async () => {
  const folder = pathOf("fresh");
  mkdirSync(folder);
  const store = await openSqliteStore(`${folder}/beat.sqlite`);
  assert.deepEqual(readdirSync(folder).toSorted(), ["beat.sqlite", "beat.sqlite-shm", "beat.sqlite-wal"]);
  await store.close();
  assert.deepEqual(readdirSync(folder), ["beat.sqlite"]);
});

test("what is up to date is left as it is", () => {
  const path = pathOf();
  openDatabase(path).close();
  const made = readFileSync(path);
  openDatabase(path).close();
  assert.deepEqual(readFileSync(path), made);
});

test("later migrations are applied in order, each whole or not at all", () => {
  const path = pathOf();
  openDatabase(path).close();
  const later = [
    { schema: known + 1, sql: "CREATE TABLE good (a); INSERT INTO good VALUES (1);" },
    { schema: known + 2, sql: "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);" },
  ];
  const connection = new SqliteConnection(path);
  assert.throws(() => prepareDatabase(connection, {}, [...readMigrations(), ...later]), StoreError);
  connection.close();
  byHand(path, (database) => {
    assert.equal(database.pragma("user_version", { simple: true }), known + 1);
    assert.equal(database.prepare("SELECT a FROM good").pluck().get(), 1);
    assert.equal(database.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").pluck().get(), 0);
  });
});

test("a database of a newer Beat is refused", async () => {
  const path = pathOf();
  openDatabase(path).close();
  byHand(path, (database) => database.pragma(`user_version = ${known + 4}`));
  await assertRefused(path, new RegExp(`made by a newer Beat: schema ${known + 4}, this program knows ${known}`));
});

for (const [what, make] of [
  ["with tables", (database: Database.Database) => database.exec("CREATE TABLE kombu_queue (id INTEGER)")],
  ["with a mark", (database: Database.Database) => database.pragma("application_id = 7")],
  ["with a version", (database: Database.Database) => database.pragma("user_version = 1")],
] as const) {
  test(`a database of another program (${what}) is refused and not touched`, async () => {
    const path = pathOf();
    byHand(path, make);
    const before = readFileSync(path);
    await assertRefused(path, /belongs to another program/);
    assert.deepEqual(readFileSync(path), before);
    assert.ok(!existsSync(`${path}-wal`));
  });
}

test("places where no database can be are refused", async () => {
  const folder = pathOf("folder");
  mkdirSync(folder);
  await assertRefused(folder, /is a folder/);
  await assert.rejects(openSqliteStore(`${pathOf("nowhere")}/beat.sqlite`), (error: unknown) => {
    assert.ok(error instanceof StoreUnavailableError, "it may be mounted yet");
    return /there is no folder .*nowhere/.test(error.message) && error.remedy !== undefined;
  });
  const file = pathOf("file");
  writeFileSync(file, "");
  await assertRefused(`${file}/beat.sqlite`, /file/);
  await assertRefused("/dev/null", /is not a file/);
  const loop = pathOf("loop");
  symlinkSync(loop, loop);
  await assertRefused(loop, /can't be opened/);
  assert.ok(!existsSync(pathOf("nowhere")));
});

test("where none may be made, a missing database is an error and stays missing", async () => {
  const path = pathOf();
  await assertRefused(path, /there is no database/, { create: false });
  await assertRefused(path, /there is no database/, { readonly: true });
  assert.ok(!existsSync(path));
});

test("a database that this user may not read, or not write, or not make is refused", async (context) => {
  if (process.platform === "win32") return context.skip("no such rights");
  const secret = pathOf();
  const readable = pathOf();
  for (const path of [secret, readable]) openDatabase(path).close();
  chmodSync(dirname(secret), 0o755);
  chmodSync(secret, 0o000);
  chmodSync(readable, 0o444);
  const barred = pathOf("barred");
  mkdirSync(barred, { mode: 0o555 });
  await asNobody(async () => {
    await assertRefused(secret, /can't be opened/);
    await assertRefused(readable, /can't be (written|opened)/);
    await assertRefused(`${barred}/beat.sqlite`, /can't be made/);
  });
});

test("read only: reads, and refuses every write", async () => {
  const path = pathOf();
  const writer = await openSqliteStore(path);
  const [entry] = await writer.change([insertOf("one")]);
  const reader = await openSqliteStore(path, { readonly: true });
  assert.deepEqual(await reader.entryByName("one"), entry);
  await assert.rejects(reader.change([insertOf("two")]), (error: unknown) => {
    assert.ok(error instanceof StoreError && !(error instanceof StoreUnavailableError));
    return /can't be written/.test(error.message);
  });
  await reader.close();
  await writer.close();
});

test("read only: an older schema has to be migrated first", async () => {
  const path = pathOf();
  byHand(path, (database) => database.exec("CREATE TABLE one (a); DROP TABLE one"));
  const before = readFileSync(path);
  await assertRefused(path, new RegExp(`has schema 0 and this program needs ${known}`), { readonly: true });
  assert.deepEqual(readFileSync(path), before);
});

test("two processes that make the same file at once agree on one store", async () => {
  const path = pathOf();
  const stores = await Promise.all([openSqliteStore(path), openSqliteStore(path), openSqliteStore(path)]);
  assert.equal(new Set(stores.map((store) => store.id)).size, 1);
  for (const store of stores) await store.close();
});

test("a set of migrations with a gap or without any is a broken installation", () => {
  const folder = (name: string, files: readonly string[]) => {
    mkdirSync(pathOf(name));
    for (const file of files) writeFileSync(pathOf(`${name}/${file}`), `-- ${file}`);
    return new URL(`file://${pathOf(name)}/`);
  };
  assert.throws(() => readMigrations(folder("gap", ["001_a.sql", "003_c.sql"])), /are not in order at 003_c.sql/);
  assert.throws(() => readMigrations(folder("none", ["readme.md"])), /are missing/);
  assert.throws(() => readMigrations(new URL(`file://${pathOf("absent")}/`)), /can't be read/);
  assert.deepEqual(readMigrations(folder("good", ["002_b.sql", "001_a.sql"])), [
    { schema: 1, sql: "-- 001_a.sql" },
    { schema: 2, sql: "-- 002_b.sql" },
  ]);
});
