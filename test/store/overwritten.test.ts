// A database into whose file another program writes while it is in use: noticed at the next write, and nothing is mixed.

import assert from "node:assert/strict";
import { copyFileSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { StoreError } from "../../src/core/errors.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { insertOf, namesOf } from "../contract/store/fixtures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();

const overwrittenError = (error: unknown) =>
  error instanceof StoreError &&
  /was overwritten by another program while it was in use: nothing more is written/.test(error.message) &&
  error.remedy !== undefined;

async function aDatabase(...names: readonly string[]): Promise<string> {
  const path = pathOf();
  const store = await openSqliteStore(path);
  await store.change(names.map((name) => insertOf(name)));
  await store.close();
  return path;
}

const overwriting: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "with garbage": async (path) => writeFileSync(path, Buffer.alloc(statSync(path).size, "garbage "), { flag: "r+" }),
  "with garbage in its middle": async (path) => {
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill("garbage ", 4_096, bytes.length), { flag: "r+" });
  },
  "by another database of Beat's": async (path) => {
    const names = Array.from({ length: 300 }, (_, n) => `other-${n}`);
    copyFileSync(await aDatabase(...names), path);
  },
};

for (const [how, overwrite] of Object.entries(overwriting)) {
  for (const isUsed of [false, true]) {
    test(`overwritten ${how}, ${isUsed ? "with" : "without"} a log: refused until what was there is back`, async () => {
      const path = await aDatabase("one");
      const store = await openSqliteStore(path);
      if (isUsed) await store.change([insertOf("two")]);
      const kept = readFileSync(path);
      await overwrite(path);
      const damaged = readFileSync(path);
      for (const name of ["lost", "lost too"]) await assert.rejects(store.change([insertOf(name)]), overwrittenError);
      assert.deepEqual(readFileSync(path), damaged, "nothing more is written");
      writeFileSync(path, kept);
      await store.change([insertOf("three")]);
      assert.deepEqual(
        namesOf(await store.listEntries({ limit: 9 })).toSorted(),
        isUsed ? ["one", "three", "two"] : ["one", "three"],
      );
      await store.close();
    });
  }
}

test("overwritten while a transaction is under way: refused at the next one", async () => {
  const path = await aDatabase("one");
  const store = await openSqliteStore(path);
  await store.change([insertOf("two")]);
  const kept = readFileSync(path);
  // Read when the transaction has begun.
  const during = Object.defineProperty(insertOf("three"), "name", {
    get() {
      writeFileSync(path, Buffer.alloc(statSync(path).size, "garbage "), { flag: "r+" });
      return "three";
    },
  });
  await store.change([during]);
  await assert.rejects(store.change([insertOf("lost")]), overwrittenError);
  writeFileSync(path, kept);
  await store.close();
});

test("touched, and written by other processes' checkpoints: no matter", async () => {
  const path = await aDatabase("one");
  const store = await openSqliteStore(path);
  utimesSync(path, new Date(), new Date(1));
  await store.change([insertOf("two")]);
  const other = await openSqliteStore(path);
  for (let round = 0; round < 20; round++) {
    const many = Array.from({ length: 500 }, (_, n) => insertOf(`round-${round}-${n}`));
    await (round % 2 === 0 ? store : other).change(many);
  }
  assert.equal(namesOf(await store.listEntries({ limit: 20_000 })).length, 10_002);
  await other.close();
  await store.change([insertOf("three")]);
  await store.close();
});
