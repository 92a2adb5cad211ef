// A database whose files are removed or replaced while it is in use: nothing more may be written where nobody would find it.

import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { StoreError } from "../../src/core/errors.ts";
import type { Store } from "../../src/core/ports.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { claimOf, insertOf, namesOf, ownerOf, t0, updateOf } from "../contract/store/fixtures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();

/** Every kind of write is refused, with what to do. */
async function refusesWrites(store: Store, what: RegExp): Promise<void> {
  const [entry] = await store.listEntries({ limit: 1 });
  const lease = (await store.currentLease())!;
  const key = { entryId: entry!.id, fireAt: t0, manual: false };
  const attempts = [
    () => store.change([insertOf("lost")]),
    () => store.change([updateOf(entry!, { pausedAt: t0 })]),
    () => store.claim(lease.token, [claimOf(entry!)], t0),
    () => store.settle([{ ...key, state: "ran", reason: null, attempts: 1, at: t0 }]),
    () => store.enqueueManual(entry!.id, { id: "x", fireAt: t0 }, t0),
    () => store.abandonRunning("x", t0),
    () => store.renewLease(lease, 10_000, t0, null),
    () => store.acquireLease(ownerOf("other"), 10_000, t0 + 99_999),
    () => store.releaseLease(lease),
    () => store.setTimeZoneData("2099a"),
    () => store.prune(t0, 1),
  ];
  for (const attempt of attempts) {
    await assert.rejects(attempt(), (error: unknown) => {
      assert.ok(error instanceof StoreError, `${attempt}: ${error}`);
      assert.match(error.message, what);
      assert.match(error.message, /was removed or replaced while it was in use: nothing more is written/);
      return error.remedy !== undefined;
    });
  }
}

async function storeInUse(path = pathOf()): Promise<{ path: string; store: Store }> {
  const store = await openSqliteStore(path);
  await store.change([insertOf("one")]);
  await store.acquireLease(ownerOf("leader"), 10_000, t0);
  return { path, store };
}

async function worksAgain(store: Store): Promise<void> {
  const lease = (await store.currentLease())!;
  const [entry] = await store.listEntries({ limit: 1 });
  assert.deepEqual(await store.claim(lease.token, [claimOf(entry!)], t0), ["claimed"]);
}

test("moved away and back: it goes on by itself, and lost nothing", async () => {
  const { path, store } = await storeInUse();
  renameSync(path, `${path}.away`);
  await refusesWrites(store, /the database .*sqlite was removed/);
  assert.deepEqual(namesOf(await store.listEntries({ limit: 9 })), ["one"]);
  renameSync(`${path}.away`, path);
  await worksAgain(store);
  await store.close();
});

test("moved away with its log, and back", async () => {
  const { path, store } = await storeInUse();
  const all = ["", "-wal", "-shm"];
  for (const suffix of all) renameSync(path + suffix, `${path}.away${suffix}`);
  await refusesWrites(store, /the database .*sqlite was removed/);
  for (const suffix of all) renameSync(`${path}.away${suffix}`, path + suffix);
  await worksAgain(store);
  await store.close();
});

test("overwritten by a copy of itself, it is another file", async () => {
  const { path, store } = await storeInUse();
  copyFileSync(path, `${path}.copy`);
  renameSync(`${path}.copy`, path);
  await refusesWrites(store, /the database/);
  await store.close();
});

test("a new database in its place is neither written nor harmed, not even at the end", async () => {
  const { path, store } = await storeInUse();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix);
  const fresh = await openSqliteStore(path);
  await fresh.change([insertOf("two")]);
  await refusesWrites(store, /the database/);
  await store.close();
  await fresh.change([insertOf("three")]);
  assert.deepEqual(namesOf(await fresh.listEntries({ limit: 9 })), ["three", "two"]);
  assert.ok(existsSync(`${path}-wal`), "the log of the new one was left alone");
  await fresh.close();
});

for (const suffix of ["-wal", "-shm"]) {
  test(`without its ${suffix} it is not whole; what was in it is saved when it is closed`, async () => {
    const { path, store } = await storeInUse();
    rmSync(path + suffix);
    await refusesWrites(store, new RegExp(`sqlite${suffix}, a part of the database .*sqlite,`));
    writeFileSync(path + suffix, "");
    await refusesWrites(store, new RegExp(`sqlite${suffix}, a part of`));
    rmSync(path + suffix);
    await store.close();
    const again = await openSqliteStore(path);
    assert.deepEqual(namesOf(await again.listEntries({ limit: 9 })), ["one"]);
    await again.close();
  });
}

test("a link to it that leads elsewhere now counts as replaced", async () => {
  const [real, other, link] = [pathOf(), pathOf(), pathOf("link.sqlite")];
  await (await openSqliteStore(other)).close();
  await (await openSqliteStore(real)).close();
  symlinkSync(real, link);
  const { store } = await storeInUse(link);
  rmSync(link);
  symlinkSync(other, link);
  await refusesWrites(store, /the database .*link.sqlite was removed/);
  rmSync(link);
  symlinkSync(real, link);
  await worksAgain(store);
  await store.close();
});

test("its folder away: refused; the folder back: it goes on", async () => {
  const folder = pathOf("folder");
  mkdirSync(folder);
  const { store } = await storeInUse(join(folder, "beat.sqlite"));
  renameSync(folder, `${folder}-away`);
  await refusesWrites(store, /the database/);
  renameSync(`${folder}-away`, folder);
  await worksAgain(store);
  await store.close();
  assert.deepEqual(readdirSync(folder), ["beat.sqlite"]);
});

test("other connections that open and close are no sign of trouble", async () => {
  const { path, store } = await storeInUse();
  for (let round = 0; round < 5; round++) {
    await (await openSqliteStore(path)).close();
    const hand = new Database(path);
    hand.pragma("wal_checkpoint(TRUNCATE)");
    hand.close();
    await store.setTimeZoneData(`2027${round}`);
  }
  await store.close();
});
