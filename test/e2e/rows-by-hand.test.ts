// Rows that somebody wrote into the database by hand: each is told, concerns itself, and keeps nobody from anything.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { Scheduler, silentLog, sqlite } from "../../src/index.ts";
import { beat, Daemon, folder } from "./beat.ts";

test("times that are none, and rows of no entry", async (t) => {
  const db = join(await folder(t), "beat.sqlite");
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    for (const name of ["never", "long-ago", "made", "good"]) await scheduler.add(name, { every: "1s", run: ["true"] });
  }
  const hand = new Database(db);
  hand.pragma("foreign_keys = OFF");
  hand.exec(`UPDATE entries SET next_fire_at = 9000000000000000000 WHERE name = 'never';
    UPDATE entries SET next_fire_at = -9000000000000000000 WHERE name = 'long-ago';
    UPDATE entries SET created_at = 9000000000000000 WHERE name = 'made'`);
  const row = hand.prepare(
    "INSERT INTO occurrences (fire_at, entry_id, manual, id, due_at, state, claimed_at, settled_at, result) VALUES (?, ?, 0, 'x', ?, ?, 0, ?, ?)",
  );
  row.run(9_000_000_000_000_000, 4, 0, "ran", 0, null);
  row.run(1, 4, 0, "ran", 9_000_000_000_000_000, '{"torn');
  row.run(2, 4, 9_000_000_000_000_000, "claimed", null, null);
  row.run(3, 99, 0, "claimed", null, null);
  hand.close();

  const daemon = new Daemon(t, ["--schedule-db", db]);
  await daemon.line(/^never is set aside: its next_fire_at in the database is no time: 9000000000000000000/);
  await daemon.line(/^long-ago is set aside: its next_fire_at in the database is no time: -9000000000000000000/);
  await daemon.line(/^made is set aside: its created_at in the database is no time: 9000000000000000/);
  await daemon.line(/^failed #99: its entry is gone/);
  await daemon.line(/^ran good/);
  await daemon.line(/^Alert: 3 entries are set aside/);

  const listed = JSON.parse((await beat(["list", "--json", "-d", db])).stdout) as { name: string; status: string }[];
  assert.deepEqual(
    listed.map(({ name, status }) => [name, status]),
    [
      ["good", "active"],
      ["long-ago", "quarantined"],
      ["made", "quarantined"],
      ["never", "quarantined"],
    ],
  );
  const told = await beat(["history", "--json", "--limit", "1000", "-d", db]);
  assert.deepEqual([told.code, told.stderr], [0, ""]);
  const old = (JSON.parse(told.stdout) as { fire_time: string; state: string; result: unknown }[]).slice(-3);
  assert.deepEqual(
    old.map(({ state, result }) => [state, result]),
    [
      ["failed", null],
      ["failed", null],
      ["ran", '{"torn'],
    ],
  );
  assert.equal((await beat(["history", "good", "--limit", "1000", "-d", db])).code, 0);
  assert.equal(await daemon.stop(), 0);
  const { stdout, code } = await beat(["doctor", "-d", db]);
  assert.equal(code, 3);
  assert.match(stdout, /entries that are set aside and do not run \(3\)/);
  assert.match(stdout, /rows of the ledger that belong to no entry: 1/);
  assert.match(stdout, /rows of the ledger with times that are none: 3/);
});
