import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { StoreError, StoreUnavailableError, UsageError } from "../../src/core/errors.ts";
import { backUpSqlite } from "../../src/store/backup.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { claimOf, insertOf, namesOf, ownerOf, t0 } from "../contract/store/fixtures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();

test("a backup of a database in use is all that it held at that moment, under the same id, and private", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  const [one] = await store.change([insertOf("one"), insertOf("two")]);
  const lease = await store.acquireLease(ownerOf("leader"), 10_000, t0);
  await store.claim(lease.token, [claimOf(one!)], t0);
  const copy = pathOf();
  const { location, bytes } = backUpSqlite(path, copy);
  await store.change([insertOf("later")]);
  assert.deepEqual([location, bytes], [copy, statSync(copy).size]);
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  const copied = await openSqliteStore(copy);
  assert.equal(copied.id, store.id);
  assert.deepEqual(namesOf(await copied.listEntries({ limit: 9 })), ["one", "two"]);
  assert.deepEqual(await copied.history({ limit: 9 }), await store.history({ limit: 9 }));
  assert.deepEqual(await copied.currentLease(), lease);
  assert.equal(await copied.currentRevision(), (await store.currentRevision()) - 1);
  // Ids are never used again, in the copy neither.
  const [next] = await copied.change([insertOf("next")]);
  assert.equal(next!.id, 3);
  await Promise.all([copied.close(), store.close()]);
});

test("it is one moment, however much is written meanwhile, and nobody waits for it", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path, { synchronous: "NORMAL" });
  await store.change(Array.from({ length: 5_000 }, (_, n) => insertOf(`entry-${n}`)));
  const writer = new Database(path);
  writer.exec("BEGIN IMMEDIATE; UPDATE entries SET run_count = 7");
  const copy = pathOf();
  backUpSqlite(path, copy);
  writer.exec("COMMIT");
  writer.close();
  await store.close();
  const copied = await openSqliteStore(copy);
  const counts = new Set((await copied.listEntries({ limit: 9_999 })).map(({ runCount }) => runCount));
  assert.deepEqual([...counts], [0]);
  await copied.close();
});

test("nothing is written over, and nothing half done is left", async () => {
  const folder = pathOf("backups");
  mkdirSync(folder);
  const path = pathOf();
  await (await openSqliteStore(path)).close();
  const existing = join(folder, "existing");
  writeFileSync(existing, "precious");
  assert.throws(() => backUpSqlite(path, existing), UsageError);
  assert.throws(() => backUpSqlite(path, path), UsageError);
  assert.equal(readFileSync(existing, "utf8"), "precious");
  assert.throws(() => backUpSqlite(path, folder), StoreError);
  assert.throws(() => backUpSqlite(path, join(folder, "nowhere/copy")), StoreUnavailableError);
  assert.throws(() => backUpSqlite(pathOf("missing"), join(folder, "copy")), /there is no database/);
  assert.deepEqual(readdirSync(folder), ["existing"]);
});

test("what is damaged, or another program's, gives no backup", async () => {
  const folder = pathOf("none");
  mkdirSync(folder);
  const path = pathOf();
  const store = await openSqliteStore(path);
  await store.change(Array.from({ length: 1_000 }, (_, n) => insertOf(`entry-${n}`)));
  await store.close();
  const [cut, spoilt, foreign] = [pathOf(), pathOf(), pathOf()];
  copyFileSync(path, cut);
  truncateSync(cut, statSync(path).size / 2);
  const content = readFileSync(path);
  content.fill(0x5a, 20 * 4_096, 21 * 4_096);
  writeFileSync(spoilt, content);
  new Database(foreign).exec("CREATE TABLE one (a)").close();
  for (const [source, message] of [
    [cut, /is damaged/],
    [spoilt, /is damaged/],
    [foreign, /belongs to another program/],
  ] as const) {
    const before = readFileSync(source);
    assert.throws(() => backUpSqlite(source, join(folder, "copy")), message);
    assert.deepEqual(readFileSync(source), before);
  }
  assert.deepEqual(readdirSync(folder), []);
});

test("a database of an older schema is copied as it is", async () => {
  const path = pathOf();
  await (await openSqliteStore(path)).close();
  const hand = new Database(path);
  hand.pragma("user_version = 0");
  hand.close();
  const copy = pathOf();
  backUpSqlite(path, copy);
  const copied = new Database(copy, { readonly: true });
  assert.equal(copied.pragma("user_version", { simple: true }), 0);
  copied.close();
  assert.ok(!existsSync(`${path}-wal`), `${dirname(path)} is as it was`);
});

test("one torn entry is no reason to have no backup", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  await store.change([insertOf("torn"), insertOf("good")]);
  await store.close();
  const hand = new Database(path);
  hand.pragma("ignore_check_constraints = ON");
  hand.exec(`UPDATE entries SET definition = '{"every' WHERE name = 'torn'`);
  hand.close();
  const copy = pathOf();
  backUpSqlite(path, copy);
  const copied = await openSqliteStore(copy);
  assert.deepEqual(namesOf(await copied.listEntries({ limit: 9 })), ["good", "torn"]);
  await copied.close();
});

test("a backup that was put beside the log of what it replaces is refused, and good without it", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  await store.change(Array.from({ length: 500 }, (_, n) => insertOf(`entry-${n}`)));
  const copy = pathOf();
  backUpSqlite(path, copy);
  await store.close();
  const again = await openSqliteStore(path);
  await again.change(Array.from({ length: 50 }, (_, n) => insertOf(`later-${n}`)));
  const restored = pathOf();
  copyFileSync(copy, restored);
  copyFileSync(`${path}-wal`, `${restored}-wal`);
  await again.close();
  const before = [restored, `${restored}-wal`].map((file) => readFileSync(file));
  await assert.rejects(openSqliteStore(restored), /is damaged/);
  assert.deepEqual(
    [restored, `${restored}-wal`].map((file) => readFileSync(file)),
    before,
  );
  renameSync(`${restored}-wal`, `${restored}.old-log`);
  const good = await openSqliteStore(restored);
  assert.equal((await good.listEntries({ limit: 9_999 })).length, 500);
  await good.close();
});
