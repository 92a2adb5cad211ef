// A disk of a few megabytes that runs full, and one that can't be written.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { StoreError, StoreUnavailableError } from "../../src/core/errors.ts";
import { backUpSqlite } from "../../src/store/backup.ts";
import { examineSqlite } from "../../src/store/examine.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { claimOf, insertOf, namesOf, ownerOf, t0 } from "../contract/store/fixtures.ts";

const disk = mkdtempSync(join(tmpdir(), "beat-disk-"));
const isMounted = mounted("-t", "tmpfs", "-o", "size=3m", "tmpfs", disk);
after(() => {
  if (isMounted) execFileSync("umount", ["-l", disk]);
  rmSync(disk, { recursive: true, force: true });
});
const options = { skip: isMounted ? false : "only who may mount a small disk can fill one" };
const filling = join(disk, "filling");

function mounted(...args: readonly string[]): boolean {
  try {
    execFileSync("mount", args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Leaves not a page free. */
function fill(): void {
  for (const [index, bytes] of [4_000_000, 65_536, 4_096].entries()) {
    for (let part = 0; part < 20; part++) {
      try {
        writeFileSync(`${filling}-${index}-${part}`, Buffer.alloc(bytes));
      } catch {
        break;
      }
    }
  }
}

function free(): void {
  for (const name of readdirSync(disk)) if (name.startsWith("filling")) rmSync(join(disk, name));
}

const isFull = (error: unknown) => {
  assert.ok(error instanceof StoreUnavailableError, String(error));
  return /disk/.test(error.message) && /[Ss]pace/.test(error.remedy!);
};

test(
  "full in the middle of the work: every write is refused whole, reading goes on; freed, it goes on by itself",
  options,
  async () => {
    const path = join(disk, "beat.sqlite");
    const store = await openSqliteStore(path);
    const [entry] = await store.change([insertOf("one")]);
    const lease = await store.acquireLease(ownerOf("leader"), 10_000, t0);
    fill();
    const big = Array.from({ length: 300 }, (_, n) => insertOf(`entry-${n}`));
    await assert.rejects(store.change(big), isFull);
    await assert.rejects(store.change(big), isFull);
    assert.deepEqual(namesOf(await store.listEntries({ limit: 999 })), ["one"]);
    assert.deepEqual(await store.currentLease(), lease);
    free();
    assert.deepEqual(await store.claim(lease.token, [claimOf(entry!)], t0), ["claimed"]);
    await store.change(big);
    assert.equal((await store.listEntries({ limit: 999 })).length, 301);
    await store.close();
    const { findings } = examineSqlite(path, { now: t0, isDead: () => false });
    assert.deepEqual(
      findings.map(({ check, severity }) => [check, severity]),
      [
        ["files", "warning"],
        ["lease", "note"],
      ].slice(0, findings.length),
      "little space is all that doctor finds",
    );
  },
);

test("full before there is a database: nothing half made is left", options, async () => {
  const path = join(disk, "new.sqlite");
  fill();
  await assert.rejects(openSqliteStore(path), isFull);
  assert.ok(!existsSync(path));
  assert.deepEqual(
    readdirSync(disk).filter((name) => name.startsWith("new")),
    [],
  );
  free();
  await (await openSqliteStore(path)).close();
});

test("no room for a backup: said, and nothing half done is left", options, async () => {
  const path = join(disk, "source.sqlite");
  const store = await openSqliteStore(path);
  await store.change(Array.from({ length: 2_000 }, (_, n) => insertOf(`entry-${n}`)));
  await store.close();
  fill();
  assert.throws(() => backUpSqlite(path, join(disk, "copy.sqlite")), isFull);
  free();
  assert.deepEqual(
    readdirSync(disk).filter((name) => name.startsWith("copy")),
    [],
  );
  const { bytes } = backUpSqlite(path, join(disk, "copy.sqlite"));
  assert.ok(bytes <= statSync(path).size);
});

test("a disk that can't be written: refused, with what to do", options, async () => {
  const path = join(disk, "kept.sqlite");
  await (await openSqliteStore(path)).close();
  execFileSync("mount", ["-o", "remount,ro", disk]);
  try {
    for (const file of [path, join(disk, "none.sqlite")]) {
      await assert.rejects(openSqliteStore(file), (error: unknown) => {
        assert.ok(error instanceof StoreError, String(error));
        assert.match(error.message, /can't be (opened|made)/);
        return /read and write|read-only/.test(error.remedy!);
      });
    }
  } finally {
    execFileSync("mount", ["-o", "remount,rw", disk]);
  }
  await (await openSqliteStore(path)).close();
});
