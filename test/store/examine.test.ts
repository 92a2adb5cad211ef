// What `beat doctor` must find, each thing alone; and that it leaves everything as it was.

import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { type Examination, examineSqlite } from "../../src/store/examine.ts";
import { readMigrations } from "../../src/store/migrate.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { claimOf, insertOf, ownerOf, t0, updateOf } from "../contract/store/fixtures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();
const known = readMigrations().length;

/** A database with a little of everything, closed. */
async function healthy(): Promise<string> {
  const path = pathOf();
  const store = await openSqliteStore(path);
  const at = { at: "2027-01-01T12:00:10Z", task: "a.b", timezone: "UTC" };
  const [one, , paused] = await store.change([
    insertOf("one"),
    insertOf("over", { definition: at, nextFireAt: null }),
    insertOf("paused"),
    insertOf("three-times", { definition: { every: "1s", max_runs: 1, task: "a.b" }, nextFireAt: t0 + 1_000 }),
    insertOf("start", { definition: { cron: "@reboot", task: "a.b", timezone: "UTC" }, nextFireAt: null }),
    insertOf("off", { definition: { every: "1s", enabled: false, task: "a.b" }, nextFireAt: null }),
  ]);
  await store.change([updateOf(paused!, { pausedAt: t0 })]);
  const lease = await store.acquireLease(ownerOf("leader"), 10_000, t0);
  const finished = (await store.entryByName("three-times"))!;
  const over = { nextFireAt: null, lastFireAt: t0 + 1_000, runCount: 1 };
  await store.claim(lease.token, [claimOf(one!), claimOf(finished, { advance: over })], t0);
  await store.releaseLease(lease);
  await store.close();
  return path;
}

function byHand(path: string, sql: string): void {
  const database = new Database(path);
  database.pragma("foreign_keys = OFF");
  database.pragma("ignore_check_constraints = ON");
  database.exec(sql);
  database.close();
}

function filesOf(path: string): unknown[] {
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(basename(path)));
  return names.map((name) => [name, readFileSync(join(dirname(path), name)), statSync(join(dirname(path), name)).mode]);
}

/** Severity, check and message of each finding; every one has a remedy, and nothing was changed. */
function findingsOf(path: string, isDead = false): string[] {
  const before = existsSync(dirname(path)) ? filesOf(path) : [];
  const { findings } = examined(path, isDead);
  if (before.length > 0) assert.deepEqual(filesOf(path), before);
  for (const { message, remedy } of findings) assert.ok(remedy.length > 5, message);
  return findings.map(({ severity, check, message }) => `${severity}: ${check}: ${message}`);
}

function examined(path: string, isDead = false): Examination {
  return examineSqlite(path, { now: t0 + 60_000, isDead: () => isDead });
}

function assertFinds(path: string, ...expected: readonly RegExp[]): void {
  const found = findingsOf(path);
  assert.equal(found.length, expected.length, found.join("\n"));
  for (const [index, pattern] of expected.entries()) assert.match(found[index]!, pattern);
}

test("a healthy database: nothing, and how much there is of it", async () => {
  const path = await healthy();
  assert.deepEqual(findingsOf(path), []);
  const { bytes, logBytes, freeBytes, content } = examined(path);
  assert.deepEqual([bytes, logBytes], [statSync(path).size, 0]);
  assert.ok(freeBytes! > 0);
  assert.deepEqual(content, { schema: known, entries: 6, occurrences: 2 });
});

test("while it is in use, and after a crash, it is as healthy", async () => {
  const path = await healthy();
  const store = await openSqliteStore(path);
  await store.change([insertOf("new")]);
  assert.deepEqual(examined(path).findings, []);
  assert.equal(examined(path).content!.entries, 7);
  assert.ok(examined(path).logBytes > 0);
  const crashed = pathOf();
  for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, crashed + suffix);
  for (const suffix of ["", "-wal"]) chmodSync(crashed + suffix, 0o600);
  const log = readFileSync(`${crashed}-wal`);
  assert.deepEqual(examined(crashed).findings, []);
  assert.deepEqual(readFileSync(`${crashed}-wal`), log);
  await store.close();
});

test("what can't be opened is a finding", async () => {
  assertFinds(pathOf("missing"), /^error: opening: there is no database/);
  assertFinds(pathOf("no/where"), /^error: opening: there is no folder/);
  const empty = pathOf();
  writeFileSync(empty, "", { mode: 0o600 });
  assertFinds(empty, /^error: opening: .* is empty/);
  const newer = await healthy();
  byHand(newer, `PRAGMA user_version = ${known + 1}`);
  assertFinds(newer, /^error: opening: .*made by a newer Beat/);
  const cut = await healthy();
  truncateSync(cut, 30_000);
  assertFinds(cut, /^error: opening: .*is damaged/);
  const loop = pathOf("loop");
  symlinkSync(loop, loop);
  assert.match(examined(loop).findings.at(-1)!.message, /loop can't be opened/);
  const text = pathOf();
  writeFileSync(text, "x".repeat(9_999), { mode: 0o600 });
  assertFinds(text, /^error: opening: .*is not a SQLite database/);
});

test("damaged pages and indexes", async () => {
  const path = await healthy();
  const database = new Database(path);
  const query = "SELECT rootpage FROM sqlite_schema WHERE name = 'entries_by_origin'";
  const root = database.prepare(query).pluck().get() as number;
  database.close();
  const content = readFileSync(path);
  content.fill(0x5a, (root - 1) * 4_096, root * 4_096);
  writeFileSync(path, content);
  const found = findingsOf(path);
  assert.ok(found.length > 0);
  assert.match(found[0]!, /^error: pages and indexes: /);
});

test("a link is looked at where it leads", async () => {
  const path = await healthy();
  const link = pathOf("link.sqlite");
  symlinkSync(path, link);
  const store = await openSqliteStore(link);
  await store.change([insertOf("new")]);
  assert.ok(examined(link).logBytes > 0);
  await store.close();
  assert.equal(examined(link).bytes, statSync(path).size);
  assertFinds(link);
});

test("a second name of the same file", async () => {
  const path = await healthy();
  linkSync(path, pathOf("same.sqlite"));
  assertFinds(path, /^warning: files: it has a second name/);
});

test("an older schema is no trouble", async () => {
  const path = await healthy();
  byHand(path, "PRAGMA user_version = 0");
  assertFinds(path, /^note: schema: it has schema 0 and this program knows/);
});

test("tables and indexes that somebody altered", async () => {
  const path = await healthy();
  byHand(
    path,
    "DROP INDEX entries_removed; CREATE TABLE own (a); DROP INDEX occurrences_settled; CREATE INDEX occurrences_settled ON occurrences (settled_at)",
  );
  assertFinds(
    path,
    /^error: schema: index entries_removed is missing/,
    /^error: schema: index occurrences_settled is not as Beat made it/,
    /^note: schema: table own is none of Beat's/,
  );
  const bare = await healthy();
  byHand(bare, "DROP TABLE lease");
  const found = findingsOf(bare);
  assert.ok(found.includes("error: schema: table lease is missing"));
  assert.match(found.at(-1)!, /^error: lease: .*no such table: lease/);
});

test("rows without their entry, numbers that contradict each other", async () => {
  const path = await healthy();
  byHand(path, "DELETE FROM entries WHERE name = 'one'");
  assertFinds(path, /^error: references: rows of the ledger that belong to no entry: 1$/);
  const behind = await healthy();
  byHand(behind, "UPDATE meta SET revision = 1");
  assertFinds(behind, /^error: numbers: entries have greater revisions/);
  const unsettled = await healthy();
  byHand(unsettled, "UPDATE occurrences SET state = 'published' WHERE entry_id = 1");
  assertFinds(unsettled, /^error: numbers: rows of the ledger that are neither settled nor open: 1$/);
  const bare = await healthy();
  byHand(bare, "DELETE FROM meta");
  assert.ok(findingsOf(bare).includes("error: numbers: its row of meta is missing, or holds no id"));
  const timeless = await healthy();
  byHand(timeless, "UPDATE occurrences SET claimed_at = 9000000000000000");
  assertFinds(timeless, /^error: numbers: rows of the ledger with times that are none: 2$/);
});

test("entries that are broken, set aside, without a next time, or changed by hand", async () => {
  const torn = await healthy();
  byHand(torn, `UPDATE entries SET definition = '{"every": "30' WHERE name = 'one'`);
  assertFinds(
    torn,
    /^warning: entries: entries that are set aside and do not run \(1\): one \(its definition in the database can't be read/,
  );

  const senseless = await healthy();
  byHand(
    senseless,
    `UPDATE entries SET definition = '{"cron": "99 * * * *", "task": "a.b"}', interval = 0 WHERE name = 'one'`,
  );
  assertFinds(senseless, /^error: entries: entries that can't be scheduled.* \(1\): one \(.*99/);

  const aimless = await healthy();
  byHand(aimless, `UPDATE entries SET definition = '{"every": "30s"}' WHERE name = 'one'`);
  assertFinds(aimless, /^error: entries: entries that can't be scheduled.* \(1\): one \(has no target/);

  const aside = await healthy();
  byHand(aside, "UPDATE entries SET quarantine = 'its zone is no more' WHERE name = 'one'");
  assertFinds(aside, /^warning: entries: entries that are set aside and do not run \(1\): one \(its zone is no more\)/);

  const stuck = await healthy();
  byHand(stuck, "UPDATE entries SET next_fire_at = NULL WHERE name = 'one'");
  assertFinds(stuck, /^error: entries: entries that have no next fire time although.* \(1\): one$/);

  const altered = await healthy();
  byHand(altered, `UPDATE entries SET definition = '{"cron": "0 3 * * *", "task": "a.b"}' WHERE name = 'one'`);
  assertFinds(altered, /^error: numbers: entries whose definitions were changed by hand.*: 1$/);
});

test("of many such entries, the first few are named and all are counted", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path);
  await store.change(
    Array.from({ length: 1_200 }, (_, n) => insertOf(`entry-${String(n).padStart(4, "0")}`, { nextFireAt: null })),
  );
  await store.close();
  assertFinds(path, /entries that have no next fire time.* \(1200\): entry-0000, .*entry-0004 … and 1195 more$/);
});

test("whose the lead is", async () => {
  const path = await healthy();
  const store = await openSqliteStore(path);
  await store.acquireLease({ ownerId: "x", host: "elsewhere/boot-1/pid:[1]", pid: 4711 }, 10_000, t0);
  await store.close();
  assertFinds(path, /^note: lease: the lead is still with process 4711 on elsewhere, which has not been heard of/);
  assert.match(findingsOf(path, true)[0]!, /^note: lease: .* which is gone/);
  const again = await openSqliteStore(path);
  await again.acquireLease(ownerOf("y"), 100_000, t0 + 30_000);
  await again.close();
  assert.deepEqual(findingsOf(path), []);
});

test("who may write the files", async (context) => {
  if (process.platform === "win32") return context.skip("no such rights");
  const folder = pathOf("shared");
  mkdirSync(folder);
  const path = join(folder, "beat.sqlite");
  copyFileSync(await healthy(), path);
  chmodSync(path, 0o644);
  assertFinds(path, /^note: files: .*beat.sqlite can be read by every user/);
  chmodSync(path, 0o666);
  assertFinds(path, /^warning: files: .*beat.sqlite can be written by every user/);
  chmodSync(path, 0o600);
  chmodSync(folder, 0o777);
  assertFinds(path, /^warning: files: every user of this machine can replace files in .*shared/);
  chmodSync(folder, 0o1777);
  assertFinds(path);
});

test("a log that grew without end", async () => {
  const path = await healthy();
  const store = await openSqliteStore(path);
  await store.change([insertOf("new")]);
  const crashed = pathOf();
  for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, crashed + suffix);
  await store.close();
  truncateSync(`${crashed}-wal`, 300_000_000); // sparse
  assert.match(
    examined(crashed)
      .findings.map(({ message }) => message)
      .join("\n"),
    /its write-ahead log has 300 MB: some process has been reading it/,
  );
});
