// Databases that were cut short or written over while nobody had them open: refused as they are, nothing changed or deleted.

import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import Database from "better-sqlite3";
import { StoreError, StoreUnavailableError } from "../../src/core/errors.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { insertOf, namesOf } from "../contract/store/fixtures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();
const pageBytes = 4096;

/** The bytes of a database and its side files. */
function filesOf(path: string): Map<string, Buffer> {
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(basename(path)));
  return new Map(names.map((name) => [name, readFileSync(join(dirname(path), name))]));
}

async function assertRefused(path: string, message: RegExp): Promise<void> {
  const files = filesOf(path);
  for (let round = 0; round < 2; round++) {
    await assert.rejects(openSqliteStore(path), (error: unknown) => {
      assert.ok(error instanceof StoreError && !(error instanceof StoreUnavailableError), String(error));
      assert.match(error.message, message);
      assert.match(error.remedy!, /backup/);
      return true;
    });
    const now = filesOf(path);
    for (const [name, bytes] of files) assert.ok(now.get(name)?.equals(bytes), `${name} was changed or deleted`);
    assert.equal(now.size, files.size, "something was left behind");
  }
}

async function assertOpens(path: string, expected: readonly string[]): Promise<void> {
  const store = await openSqliteStore(path);
  assert.deepEqual(namesOf(await store.listEntries({ limit: 10_000 })), expected);
  await store.close();
}

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const content = readFileSync(path);
  bytes.copy(content, offset);
  writeFileSync(path, content);
}

const garbage = (bytes: number) => Buffer.alloc(bytes, 0x5a);
const numbered = (count: number) => Array.from({ length: count }, (_, n) => `entry-${String(n).padStart(5, "0")}`);

describe("before the start", () => {
  const sound = pathOf("sound");
  let bytes: number;
  before(async () => {
    const store = await openSqliteStore(sound);
    await store.change(numbered(1_000).map((name) => insertOf(name)));
    await store.close();
    bytes = statSync(sound).size;
  });

  const cases: readonly (readonly [what: string, message: RegExp, damage: (path: string) => void])[] = [
    ["emptied", /is empty: a file of 0 bytes/, (path) => truncateSync(path, 0)],
    ["cut after 1 byte", /is empty: a file of 1 bytes/, (path) => truncateSync(path, 1)],
    ["cut in its first page", /is damaged/, (path) => truncateSync(path, 1_000)],
    ["cut in half", /is damaged/, (path) => truncateSync(path, bytes / 2)],
    [
      "cut in half, at a page",
      /is damaged/,
      (path) => truncateSync(path, pageBytes * Math.floor(bytes / pageBytes / 2)),
    ],
    ["without its last page", /is damaged/, (path) => truncateSync(path, bytes - pageBytes)],
    ["all garbage", /is not a SQLite database/, (path) => writeFileSync(path, garbage(bytes))],
    ["all zeros", /is not a SQLite database/, (path) => writeFileSync(path, Buffer.alloc(bytes))],
    ["a text", /is not a SQLite database/, (path) => writeFileSync(path, "daily-report: {every: 30s}\n".repeat(100))],
    ["garbage after the header", /is damaged/, (path) => overwrite(path, 100, garbage(pageBytes - 100))],
  ];
  for (const [what, message, damage] of cases) {
    test(`${what}: refused`, async () => {
      const path = pathOf();
      copyFileSync(sound, path);
      damage(path);
      await assertRefused(path, message);
    });
  }

  test("a page of garbage or zeros, wherever: refused", async () => {
    const pages = bytes / pageBytes;
    assert.ok(pages > 40);
    for (let page = 1; page < pages; page += 3) {
      const path = pathOf();
      copyFileSync(sound, path);
      overwrite(path, page * pageBytes, page % 2 === 0 ? garbage(pageBytes) : Buffer.alloc(pageBytes));
      await assertRefused(path, /is damaged/);
    }
  });
});

for (const sql of ["DELETE FROM meta", "UPDATE meta SET store_id = ''"]) {
  test(`${sql}: refused, since every occurrence's id is made of it`, async () => {
    const path = pathOf();
    const store = await openSqliteStore(path);
    await store.change([insertOf("one")]);
    await store.close();
    const hand = new Database(path);
    hand.exec(sql);
    hand.close();
    await assertRefused(path, /is damaged: its row of meta/);
  });
}

test("a large database is opened without looking through it, and refused where its first reads meet damage", async () => {
  const path = pathOf();
  const store = await openSqliteStore(path, { synchronous: "NORMAL" });
  const definition = { every: "30s", run: ["echo", "x".repeat(20_000)], timezone: "UTC" };
  await store.change(numbered(1_000).map((name) => insertOf(name, { definition })));
  await store.close();
  assert.ok(statSync(path).size > 17_000_000);
  const database = new Database(path, { readonly: true });
  const root = database
    .prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'entries_due'")
    .pluck()
    .get() as number;
  database.close();
  const copy = pathOf();
  copyFileSync(path, copy);
  overwrite(copy, (root - 1) * pageBytes, garbage(pageBytes));
  await assertRefused(copy, /is damaged/);
  // Somewhere in the middle of a definition: that is for `beat doctor` to find, and for the tick that reads it.
  overwrite(path, 10_000 * 1_000, garbage(pageBytes));
  await (await openSqliteStore(path)).close();
});

describe("the write-ahead log", () => {
  /** A database as a crash leaves it: `settled` in the file, `recent` in the log. */
  async function crashed(): Promise<string> {
    const path = pathOf();
    await (await openSqliteStore(path)).close();
    const first = await openSqliteStore(path);
    await first.change([insertOf("settled")]);
    await first.close();
    const store = await openSqliteStore(path);
    for (const name of ["recent-1", "recent-2", "recent-3"]) await store.change([insertOf(name)]);
    const copy = pathOf();
    for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, copy + suffix);
    await store.close();
    return copy;
  }

  test("whole: everything is there", async () => {
    await assertOpens(await crashed(), ["recent-1", "recent-2", "recent-3", "settled"]);
  });

  for (const [what, damage] of [
    ["garbage", (log: string) => writeFileSync(log, garbage(statSync(log).size))],
    ["garbage in its header", (log: string) => overwrite(log, 0, garbage(32))],
    ["one wrong bit in its header", (log: string) => overwrite(log, 17, Buffer.from([readFileSync(log)[17]! ^ 1]))],
    ["cut in its header", (log: string) => truncateSync(log, 20)],
  ] as const) {
    test(`${what}: refused, since SQLite would take it for an empty one and write over it`, async () => {
      const path = await crashed();
      damage(`${path}-wal`);
      await assertRefused(path, /the write-ahead log .*-wal is damaged/);
      renameSync(`${path}-wal`, `${path}.damaged-log`);
      await assertOpens(path, ["settled"]);
      assert.ok(existsSync(`${path}.damaged-log`));
    });
  }

  test("cut short, at any place: what was whole is there, in order, and the database is sound", async () => {
    const path = await crashed();
    const log = readFileSync(`${path}-wal`);
    const all = ["recent-1", "recent-2", "recent-3"];
    const seen = new Set<number>();
    for (let cut = 32; cut < log.length; cut += 1_997) {
      const copy = pathOf();
      copyFileSync(path, copy);
      writeFileSync(`${copy}-wal`, log.subarray(0, cut));
      const store = await openSqliteStore(copy);
      const names = namesOf(await store.listEntries({ limit: 9 }));
      await store.close();
      const kept = names.length - 1;
      assert.deepEqual(names, [...all.slice(0, kept), "settled"], `cut at ${cut}`);
      seen.add(kept);
      const database = new Database(copy, { readonly: true });
      assert.equal(database.pragma("integrity_check", { simple: true }), "ok");
      database.close();
    }
    assert.deepEqual([...seen].toSorted(), [0, 1, 2]);
  });

  test("empty, or zeros that a power cut left: nothing was in it", async () => {
    for (const content of [Buffer.alloc(0), Buffer.alloc(8_192)]) {
      const path = await crashed();
      writeFileSync(`${path}-wal`, content);
      await assertOpens(path, ["settled"]);
    }
  });
});
