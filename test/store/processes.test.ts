// One file, several processes: what they see of each other, what contention and sudden death leave behind.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { claimOf, insertOf, ownerOf, removeOf, t0, updateOf } from "../contract/store/fixtures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();
const claimingProcess = fileURLToPath(new URL("claiming-process.ts", import.meta.url));

function startClaiming(path: string, token: number, rounds: number): ChildProcess {
  const args = [claimingProcess, path, String(token), String(rounds)];
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
}

/** A database with `count` entries, and the token of the lease on it. */
async function prepare(count: number): Promise<{ path: string; token: number }> {
  const path = pathOf();
  const store = await openSqliteStore(path);
  await store.change(Array.from({ length: count }, (_, index) => insertOf(`entry-${index}`)));
  const { token } = await store.acquireLease(ownerOf("processes"), 10_000, t0);
  await store.close();
  return { path, token };
}

/** Every entry has exactly the rows that its progress speaks of, and the file is sound. Returns how many rows there are. */
async function assertWhole(path: string): Promise<number> {
  const database = new Database(path);
  assert.equal(database.pragma("integrity_check", { simple: true }), "ok");
  assert.deepEqual(database.pragma("foreign_key_check"), []);
  database.close();
  const store = await openSqliteStore(path);
  const rows = await store.history({ limit: 1_000_000 });
  for (const entry of await store.listEntries({ limit: 1_000 })) {
    const fired = rows.filter((row) => row.entryId === entry.id).map((row) => row.fireAt);
    const expected = Array.from({ length: entry.runCount }, (_, index) => t0 + 30_000 * (entry.runCount - index));
    assert.deepEqual(fired, expected, entry.name);
    assert.equal(entry.lastFireAt, fired[0] ?? null);
    assert.equal(entry.nextFireAt, t0 + 30_000 * (entry.runCount + 1));
  }
  await store.close();
  return rows.length;
}

test("a change made through one connection is noticed through the other, and only that", async () => {
  const path = pathOf();
  const daemon = await openSqliteStore(path);
  const command = await openSqliteStore(path);
  assert.equal(daemon.id, command.id);
  assert.deepEqual(await daemon.changedSince(0, 10), []);
  const [one, two] = await command.change([insertOf("one"), insertOf("two")]);
  assert.deepEqual(await daemon.changedSince(0, 10), [one, two]);
  assert.deepEqual(await daemon.changedSince(two!.revision, 10), []);
  const [paused] = await command.change([updateOf(one!, { pausedAt: t0 })]);
  assert.deepEqual(await daemon.changedSince(two!.revision, 10), [paused]);
  const [own] = await daemon.change([updateOf(two!, { pauseNote: "mine" })]);
  assert.deepEqual(await daemon.changedSince(paused!.revision, 10), [own]);
  assert.deepEqual(await command.changedSince(paused!.revision, 10), [own]);
  const [gone] = await command.change([removeOf(paused!)]);
  assert.equal(await daemon.currentRevision(), gone!.revision);
  assert.deepEqual(await daemon.changedSince(own!.revision, 10), [gone]);
  await Promise.all([daemon.close(), command.close()]);
});

test("the lease is one for all connections", async () => {
  const path = pathOf();
  const leader = await openSqliteStore(path);
  const standby = await openSqliteStore(path);
  const lease = await leader.acquireLease(ownerOf("one"), 10_000, t0);
  assert.deepEqual(await standby.acquireLease(ownerOf("two"), 10_000, t0), lease);
  const [entry] = await leader.change([insertOf("one")]);
  await standby.acquireLease(ownerOf("two"), 10_000, t0 + 10_000);
  await assert.rejects(leader.claim(lease.token, [claimOf(entry!)], t0 + 10_000), { name: "LeaseLostError" });
  await Promise.all([leader.close(), standby.close()]);
});

test("while another process writes, writing is unavailable for now and reading goes on", async () => {
  const { path, token } = await prepare(1);
  const store = await openSqliteStore(path, { busyTimeoutMs: 5 });
  const [entry] = await store.listEntries({ limit: 1 });
  const lease = (await store.currentLease())!;
  const writer = new Database(path);
  writer.exec("BEGIN IMMEDIATE");
  const attempts = [
    () => store.claim(token, [claimOf(entry!)], t0),
    () => store.change([insertOf("two")]),
    () => store.settle([{ entryId: 1, fireAt: t0, manual: false, state: "ran", reason: null, attempts: 1, at: t0 }]),
    () => store.enqueueManual(1, { id: "x", fireAt: t0 }, t0),
    () => store.renewLease(lease, 1, t0, null),
    () => store.acquireLease(ownerOf("two"), 1, t0 + 99_999),
    () => store.prune(t0, 1),
  ];
  for (const attempt of attempts) {
    await assert.rejects(attempt(), (error: unknown) => {
      assert.ok(error instanceof StoreUnavailableError, `${attempt}: ${error}`);
      return /is locked by another process/.test(error.message) && error.remedy !== undefined;
    });
  }
  // A node that stands by asks for the lease again and again: that must not need the write lock.
  assert.equal((await store.acquireLease(ownerOf("two"), 1, t0)).ownerId, "processes");
  assert.deepEqual(await store.listEntries({ limit: 9 }), [entry]);
  assert.deepEqual(await store.history({ limit: 9 }), []);
  writer.exec("ROLLBACK");
  writer.close();
  assert.deepEqual(await store.claim(token, [claimOf(entry!)], t0), ["claimed"]);
  await store.close();
});

test("processes that make the same file at once agree on one store", { timeout: 60_000 }, async () => {
  const path = pathOf();
  const children = Array.from({ length: 4 }, () => startClaiming(path, 1, 0));
  const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0]));
  assert.deepEqual(codes, [0, 0, 0, 0]);
  const store = await openSqliteStore(path, { create: false });
  assert.deepEqual(await store.changedSince(0, 9), []);
  await store.close();
});

test("processes that claim the same entries at once claim each fire time once", { timeout: 60_000 }, async () => {
  const { path, token } = await prepare(100);
  const counts = await Promise.all(
    Array.from({ length: 2 }, async () => {
      const child = startClaiming(path, token, 40);
      let claimed = 0;
      createInterface(child.stdout!).on("line", (line) => {
        claimed += Number(line);
      });
      const [code] = await once(child, "close");
      assert.equal(code, 0);
      return claimed;
    }),
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  assert.ok(total >= 100 * 40, `${total}`);
  assert.equal(await assertWhole(path), total);
});

test("killed in the middle of its claims, a process leaves whole transactions", { timeout: 60_000 }, async () => {
  const { path, token } = await prepare(200);
  let rowsBefore = 0;
  for (const batchesBeforeTheEnd of [1, 7, 18]) {
    const child = startClaiming(path, token, 100_000);
    let seen = 0;
    createInterface(child.stdout!).on("line", (line) => {
      seen += Number(line);
      if (seen >= batchesBeforeTheEnd * 50) child.kill("SIGKILL");
    });
    const [, signal] = await once(child, "close");
    assert.equal(signal, "SIGKILL");
    const rows = await assertWhole(path);
    assert.ok(rows >= rowsBefore + seen, `${seen} claims were confirmed and ${rows - rowsBefore} are there`);
    assert.equal(rows % 50, 0, "whole batches");
    rowsBefore = rows;
  }
});
