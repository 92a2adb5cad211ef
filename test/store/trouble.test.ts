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

test("an entry with a time that is none is due at once, to be set aside with the reason; others are as they were", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  const broken = {
    beyond: "next_fire_at = 9000000000000000000",
    before: "next_fire_at = -9000000000000000000",
    made: "created_at = 8640000000000001",
    anchored: "anchor_at = -8640000000000001",
    fired: "last_fire_at = 9000000000000000",
    paused: "paused_at = 9000000000000000, pause_note = 'moving'",
  };
  const names = [...Object.keys(broken), "good"];
  const inserted = await store.change(names.map((name) => insertOf(name)));
  const hand = new Database(path);
  for (const [name, fields] of Object.entries(broken)) hand.exec(`UPDATE entries SET ${fields} WHERE name = '${name}'`);
  hand.close();

  const due = await store.dueEntries({ before: t0 + 60_000, limit: 9 });
  assert.deepEqual(
    due.map(({ id }) => names[id - 1]),
    ["beyond", "before", "made", "anchored", "fired", "good"],
  );
  assert.ok(due[0]!.nextFireAt < t0);
  const after = due[0]!;
  assert.equal((await store.dueEntries({ before: t0 + 60_000, after, limit: 9 })).length, 4, "and only once");
  assert.deepEqual(await store.entriesAheadOf(t0, 9), [], "it fired at no time that lies ahead");

  const lease = await store.acquireLease(ownerOf("leader"), 10_000, t0);
  for (const entry of await store.entriesById(inserted.map(({ id }) => id))) {
    if (entry.name === "good") continue;
    assert.match(entry.quarantine!, /^its \w+_at in the database is no time: -?\d+$/);
    const { createdAt, anchorAt, nextFireAt, lastFireAt, pausedAt, runCount, quarantine } = entry;
    for (const at of [createdAt, anchorAt, nextFireAt, lastFireAt, pausedAt])
      if (at !== null) assert.ok(Number.isFinite(new Date(at).getTime()), `${entry.name}: ${at}`);
    const advance = { nextFireAt, lastFireAt, runCount, quarantine: quarantine! };
    assert.deepEqual(await store.claim(lease.token, [claimOf(entry, { due: [], advance })], t0), ["claimed"]);
  }
  assert.notEqual((await store.entryByName("paused"))!.pausedAt, null, "what an operator paused stays paused");
  assert.deepEqual(await store.countEntries(), { active: 1, paused: 0, disabled: 0, finished: 0, quarantined: 6 });
  assert.deepEqual(await store.claim(lease.token, [claimOf(inserted.at(-1)!)], t0), ["claimed"]);

  // A new definition heals it, as any that could not be read.
  const { definition, anchorAt } = inserted.at(-1)!;
  const whole = { definition, anchorAt, nextFireAt: t0 + 30_000, lastFireAt: null, pausedAt: null, quarantine: null };
  for (const { name } of inserted.slice(0, -1)) {
    const [healed] = await store.change([updateOf((await store.entryByName(name))!, whole)]);
    assert.deepEqual([healed!.quarantine, healed!.createdAt], [null, t0], name);
  }
  await store.close();
});

test("a row of the ledger with a time that is none hides no other", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  const [entry] = await store.change([insertOf("one")]);
  const lease = await store.acquireLease(ownerOf("leader"), 10_000, t0);
  await store.claim(lease.token, [claimOf(entry!)], t0);
  const hand = new Database(path);
  const write = hand.prepare(
    "INSERT INTO occurrences (fire_at, entry_id, manual, id, due_at, state, claimed_at, settled_at) VALUES (?, 1, 0, 'x', ?, ?, ?, ?)",
  );
  write.run(9_000_000_000_000_000, t0, "published", t0, t0);
  write.run(-9_000_000_000_000_000, t0, "claimed", t0, null);
  write.run(t0 + 1, 9_000_000_000_000_000, "claimed", t0, null);
  write.run(t0 + 3, -9_000_000_000_000_000, "claimed", t0, null);
  write.run(t0 + 2, t0, "failed", t0, 9_000_000_000_000_000);
  hand.close();
  assert.deepEqual(
    (await store.history({ limit: 9 })).map(({ fireAt }) => fireAt - t0),
    [30_000, 3, 2, 1],
  );
  const [, , failed, late] = await store.history({ name: "one", limit: 9 });
  for (const at of [failed!.settledAt!, late!.dueAt]) assert.equal(new Date(at).getTime(), at);
  assert.deepEqual(
    (await store.outbox({ limit: 9 })).map(({ fireAt }) => fireAt - t0),
    [3, 30_000],
  );
  // The next term gives up what nobody could ever send.
  await store.abandonRunning("the process ended", t0);
  const givenUp = await store.history({ states: ["failed"], limit: 9 });
  assert.deepEqual(
    givenUp.map(({ fireAt, reason }) => [fireAt - t0, reason]),
    [
      [3, "its times in the database are none"],
      [2, null],
      [1, "its times in the database are none"],
    ],
  );
  assert.deepEqual(await store.outboxSummary(), [
    { state: "claimed", reason: null, count: 1, oldestDueAt: t0 + 30_000 },
  ]);
  assert.equal(await store.requeueFailed({ limit: 9 }, t0), 3);
  assert.equal((await store.outbox({ limit: 9 })).length, 4);
  await store.close();
});

test("rows that belong to no entry are told of by its number, and can be settled", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  const hand = new Database(path);
  hand.pragma("foreign_keys = OFF");
  hand.exec(
    `INSERT INTO occurrences (fire_at, entry_id, manual, id, due_at, state, claimed_at) VALUES (${t0}, 7, 0, 'x', ${t0}, 'claimed', ${t0})`,
  );
  hand.close();
  const [lost] = await store.outbox({ limit: 9 });
  assert.deepEqual([lost!.entryId, lost!.entryName], [7, "#7"]);
  const { entryId, fireAt, manual } = lost!;
  await store.settle([{ entryId, fireAt, manual, state: "failed", reason: "its entry is gone", attempts: 0, at: t0 }]);
  assert.deepEqual(await store.outbox({ limit: 9 }), []);
  assert.deepEqual(
    (await store.history({ limit: 9 })).map(({ entryName, state }) => [entryName, state]),
    [["#7", "failed"]],
  );
  await store.close();
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
