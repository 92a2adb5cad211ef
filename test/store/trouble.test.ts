// What SQLite can say, and what of it reaches the caller.

import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import { ConflictError, StoreError, StoreUnavailableError } from "../../src/core/errors.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { storeErrorOf } from "../../src/store/sqlite-errors.ts";
import { openDatabase } from "../../src/store/sqlite-open.ts";
import { claimOf, insertOf, ownerOf, t0, updateOf } from "../contract/store/fixtures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();

for (const [code, kind, text] of [
  ["SQLITE_BUSY", StoreUnavailableError, /locked/],
  ["SQLITE_BUSY_SNAPSHOT", StoreUnavailableError, /locked/],
  ["SQLITE_LOCKED", StoreUnavailableError, /locked/],
  ["SQLITE_FULL", StoreUnavailableError, /disk is full/],
  ["SQLITE_IOERR_FSYNC", StoreUnavailableError, /could not be read or written/],
  ["SQLITE_NOMEM", StoreUnavailableError, /memory/],
  ["SQLITE_CORRUPT_INDEX", StoreError, /is damaged/],
  ["SQLITE_NOTADB", StoreError, /is not a SQLite database/],
  ["SQLITE_READONLY_DBMOVED", StoreError, /can't be written/],
  ["SQLITE_CANTOPEN", StoreError, /can't be opened/],
  ["SQLITE_MISMATCH", StoreError, /refused/],
] as const) {
  test(`${code} becomes ${kind.name}`, () => {
    const cause = new Database.SqliteError("as it said", code);
    const error = storeErrorOf(cause, "/var/beat.sqlite");
    assert.ok(error instanceof StoreError || error instanceof StoreUnavailableError);
    assert.equal(error.constructor, kind);
    assert.match(error.message, text);
    assert.match(error.message, /\/var\/beat\.sqlite.*as it said/);
    assert.ok(error.remedy);
    assert.equal(error.cause, cause);
  });
}

test("what is none of SQLite's stays as it is", () => {
  for (const error of [new ConflictError("x"), new TypeError("x"), "x", undefined]) {
    assert.equal(storeErrorOf(error, "x"), error);
  }
});

test("a full disk is said and leaves nothing half written", () => {
  const connection = openDatabase(pathOf());
  connection.database.exec("CREATE TABLE filler (a)");
  connection.pragma(`max_page_count = ${Number(connection.pragma("page_count")) + 10}`);
  const fill = () =>
    connection.write(() => {
      const insert = connection.database.prepare("INSERT INTO filler VALUES (zeroblob(3000))");
      for (let row = 0; row < 100; row++) insert.run();
    });
  assert.throws(fill, StoreUnavailableError);
  assert.equal(connection.database.prepare("SELECT count(*) FROM filler").pluck().get(), 0);
  connection.pragma("max_page_count = 1000");
  fill();
  connection.close();
});

test("an entry whose definition can't be read is quarantined and disturbs no other", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  const inserts = ["torn", "number", "list", "good"].map((name) => insertOf(name));
  let [torn, number, list, good] = await store.change(inserts);
  const hand = new Database(path);
  hand.pragma("ignore_check_constraints = ON");
  const write = hand.prepare("UPDATE entries SET definition = ? WHERE name = ?");
  for (const [text, name] of [
    ['{"every": "30', "torn"],
    ["7", "number"],
    ["[]", "list"],
  ])
    write.run(text, name);
  hand.close();

  const shown = await store.listEntries({ limit: 9 });
  assert.deepEqual(
    shown.map((entry) => [entry.name, entry.quarantine === null]),
    [
      ["good", true],
      ["list", false],
      ["number", false],
      ["torn", false],
    ],
  );
  assert.match(shown[3]!.quarantine!, /its definition in the database can't be read: .*JSON/);
  assert.deepEqual(shown[3]!.definition, {});
  const ids = [torn, number, list, good].map((entry) => entry!.id);
  assert.equal((await store.entriesById(ids)).length, 4);
  assert.equal((await store.changedSince(0, 9)).length, 4);
  assert.equal((await store.dueEntries({ before: t0 * 2, limit: 9 })).length, 4);
  assert.notEqual((await store.entryByName("torn"))!.quarantine, null);

  // Set aside, it is among those that are looked through for what starts with the scheduler.
  const lease = await store.acquireLease(ownerOf("leader"), 10_000, t0);
  const { nextFireAt, lastFireAt, runCount } = torn!;
  const advance = { nextFireAt, lastFireAt, runCount, quarantine: "it can't be read" };
  assert.deepEqual(await store.claim(lease.token, [claimOf(torn!, { due: [], advance })], t0), ["claimed"]);
  assert.deepEqual(await store.entriesAtStart(9), []);
  [torn] = await store.entriesById([torn!.id]);

  // What is changed beside it does not write the `{}` over what may still be rescued; a new definition heals it.
  await store.change([updateOf(torn!, { pauseNote: "look into it" })]);
  const check = new Database(path, { readonly: true });
  const stored = check.prepare("SELECT definition, quarantine FROM entries WHERE name = 'torn'").get();
  assert.deepEqual(stored, { definition: '{"every": "30', quarantine: "it can't be read" });
  check.close();
  const whole = { definition: good!.definition, quarantine: null };
  const [healed] = await store.change([updateOf((await store.entryByName("torn"))!, whole)]);
  assert.deepEqual([healed!.quarantine, healed!.definition], [null, good!.definition]);
  await store.close();
  // Nor does it keep the database from being opened.
  await (await openSqliteStore(path)).close();
});

test("a leader's report that can't be read is no report: the lease is as good", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  const lease = await store.acquireLease(ownerOf("leader"), 10_000, t0);
  const hand = new Database(path);
  hand.exec(`UPDATE lease SET report = '{"torn'`);
  hand.close();
  assert.deepEqual(await store.currentLease(), lease);
  assert.equal((await store.renewLease(lease, 10_000, t0 + 1, { fine: true })).expiresAt, t0 + 10_001);
  assert.deepEqual((await store.currentLease())!.report, { fine: true });
  await store.close();
});
