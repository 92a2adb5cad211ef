// The schedule database in trouble, and looked after, as the one who operates Beat meets it.

import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { beat, type Printed } from "../cli/commands.ts";
import { Daemon, folder } from "./beat.ts";

interface Row {
  readonly id: string;
  readonly entry: string;
  readonly state: string;
  readonly fire_time: string;
  readonly count?: number;
}

/** A folder with a database in which `names` run each second. */
async function everySecond(t: TestContext, ...names: readonly string[]): Promise<string> {
  const cwd = await folder(t);
  for (const name of names) {
    await done(t, cwd, "add", name, "--every", "1s", "--run", "true");
  }
  return cwd;
}

/** A command, in this process, on the database of that folder. */
async function asked(t: TestContext, cwd: string, ...words: readonly string[]): Promise<Printed> {
  return beat(t, ...words, "--schedule-db", join(cwd, "beat.sqlite"));
}

/** One that must succeed; what it prints. */
async function done(t: TestContext, cwd: string, ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await asked(t, cwd, ...words);
  assert.deepEqual([code, stderr], [0, ""], words.join(" "));
  return stdout;
}

async function ledger(t: TestContext, cwd: string): Promise<Row[]> {
  return JSON.parse(await done(t, cwd, "history", "--json", "-n", "10000"));
}

async function runs(daemon: Daemon, name: string, count: number): Promise<void> {
  const pattern = new RegExp(`^ran ${name} `);
  const before = daemon.lines.length;
  await daemon.until(
    () => daemon.lines.slice(before).filter(({ message }) => pattern.test(message)).length >= count || undefined,
    `${count} more runs of ${name}`,
  );
}

/** Each second has a row of its own or is counted in one; none has two. */
function assertWithoutGaps(rows: readonly Row[], name: string): void {
  const ours = rows.filter(({ entry }) => entry === name).toReversed();
  assert.ok(ours.length > 0);
  let expected = Date.parse(ours[0]!.fire_time);
  for (const { fire_time, count = 1, state } of ours) {
    assert.equal(Date.parse(fire_time), expected, `${state} at ${fire_time}`);
    expected += count * 1_000;
  }
}

test("a backup that is taken while Beat runs goes on where it was taken, under the same ids", async (t) => {
  const cwd = await everySecond(t, "tick");
  const first = new Daemon(t, [], { cwd });
  await runs(first, "tick", 2);
  const copy = join(cwd, "copy.sqlite");
  assert.match(await done(t, cwd, "backup", copy), /copy\.sqlite: 0\.\d\d MB, checked\./);
  const again = await asked(t, cwd, "backup", copy);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /there is a file .*copy\.sqlite already/);
  await runs(first, "tick", 2);
  assert.equal(await first.stop(), 0);

  await rm(join(cwd, "beat.sqlite"));
  await rename(copy, join(cwd, "beat.sqlite"));
  await done(t, cwd, "doctor");
  const before = new Map((await ledger(t, cwd)).map((row) => [row.fire_time, row.id]));
  assert.ok(before.size >= 2);
  const second = new Daemon(t, [], { cwd });
  await runs(second, "tick", 2);
  assert.equal(await second.stop(), 0);
  const after = await ledger(t, cwd);
  for (const [fireTime, id] of before) assert.equal(after.find((row) => row.fire_time === fireTime)!.id, id);
  assertWithoutGaps(after, "tick");
});

test("a copy whose leader is on another machine is taken over after a few seconds", async (t) => {
  const cwd = await everySecond(t, "tick");
  const other = new Database(join(cwd, "beat.sqlite"));
  const now = Date.now();
  other
    .prepare("INSERT INTO lease VALUES (1, 7, 'x', 'elsewhere/boot-x/pid:[1]', 1, ?, ?, ?, 'null')")
    .run(now, now, now + 86_400_000);
  other.close();
  const daemon = new Daemon(t, [], { cwd });
  await daemon.line(/Standing by: process 1 on elsewhere leads/);
  await runs(daemon, "tick", 1);
  assert.equal(await daemon.stop(), 0);
});

test("doctor: 0 where all is well, 1 with warnings, 3 with errors; for people and for programs", async (t) => {
  const cwd = await everySecond(t, "tick");
  assert.match(
    await done(t, cwd, "doctor"),
    /^database .*beat\.sqlite, schema \d+\nsize .* free\nholds +1 entries, 0 rows[\s\S]*No trouble found\.\n$/,
  );
  assert.deepEqual(await readdir(cwd), ["beat.sqlite"]);

  const hand = new Database(join(cwd, "beat.sqlite"));
  hand.exec("UPDATE entries SET quarantine = 'its zone is no more'");
  const warned = await asked(t, cwd, "doctor", "--json");
  assert.equal(warned.code, 1);
  const { findings, entries, database } = JSON.parse(warned.stdout);
  assert.deepEqual([entries, database], [1, join(cwd, "beat.sqlite")]);
  assert.deepEqual(Object.keys(findings[0]), ["severity", "check", "message", "remedy"]);
  assert.match(findings[0].message, /tick \(its zone is no more\)/);
  hand.exec("UPDATE entries SET quarantine = NULL, next_fire_at = NULL");
  hand.close();
  const wrong = await asked(t, cwd, "doctor");
  assert.equal(wrong.code, 3);
  assert.match(wrong.stdout, /^error +entries: .*tick\n +Note what/m);
  const missing = await asked(t, join(cwd, "nowhere"), "doctor");
  assert.equal(missing.code, 3);
  assert.match(missing.stdout, /there is no folder/);
});

test("damaged, emptied, its log overwritten: every command refuses it with what to do, and changes nothing", async (t) => {
  const cwd = await everySecond(t, "tick");
  const path = join(cwd, "beat.sqlite");
  const daemon = new Daemon(t, [], { cwd });
  await runs(daemon, "tick", 1);
  await daemon.kill();
  const sound = join(cwd, "sound");
  await mkdir(sound);
  for (const suffix of ["", "-wal"]) await copyFile(path + suffix, join(sound, `beat.sqlite${suffix}`));
  const damages: readonly (readonly [what: RegExp, damage: () => Promise<void>])[] = [
    [/is empty: a file of 0 bytes/, () => truncate(path, 0)],
    [/is not a SQLite database/, () => writeFile(path, "x".repeat(73_728))],
    [/the write-ahead log .* is damaged/, () => writeFile(`${path}-wal`, "x".repeat(73_728))],
  ];
  for (const [what, damage] of damages) {
    for (const suffix of ["", "-wal"]) await copyFile(join(sound, `beat.sqlite${suffix}`), path + suffix);
    await damage();
    const files = ["beat.sqlite", "beat.sqlite-wal"];
    const before = await Promise.all(files.map((name) => readFile(join(cwd, name))));
    for (const command of [["start"], ["list"], ["backup", join(cwd, "copy.sqlite")], ["doctor"]]) {
      const { code, stdout, stderr } = await asked(t, cwd, ...command);
      assert.equal(code, 3, `${command}: ${stderr}`);
      assert.match(stdout + stderr, what);
      assert.match(stdout + stderr, /backup/i);
    }
    assert.deepEqual(await Promise.all(files.map((name) => readFile(join(cwd, name)))), before);
  }
});

test("deleted while in use: said within seconds, nothing is written elsewhere; back again, it goes on by itself", async (t) => {
  const cwd = await everySecond(t, "tick");
  const [path, away] = [join(cwd, "beat.sqlite"), join(cwd, "away.sqlite")];
  const daemon = new Daemon(t, [], { cwd });
  await runs(daemon, "tick", 2);
  await rename(path, away);
  const goneAt = Date.now();
  const said = await daemon.line(/beat\.sqlite was removed or replaced while it was in use/);
  assert.equal(said.level, "error");
  assert.ok(Date.now() - goneAt < 5_000);
  await daemon.line(/^Lost the lead/);
  assert.deepEqual(
    (await readdir(cwd)).filter((name) => name === "beat.sqlite"),
    [],
  );
  assert.equal((await asked(t, cwd, "status")).code, 3);
  await rename(away, path);
  await runs(daemon, "tick", 2);
  assert.equal(await daemon.stop(), 0);
  assertWithoutGaps(await ledger(t, cwd), "tick");
});

test("its log deleted while in use: said within seconds; a restart loses nothing", async (t) => {
  const cwd = await everySecond(t, "tick");
  const daemon = new Daemon(t, [], { cwd });
  await runs(daemon, "tick", 2);
  await rm(join(cwd, "beat.sqlite-wal"));
  const said = await daemon.line(/beat\.sqlite-wal, a part of the database .* was removed or replaced/);
  assert.equal(said.level, "error");
  assert.match(said.message, /Restart Beat/);
  const ran = daemon.lines.filter(({ message }) => /^ran tick/.test(message)).length;
  await daemon.stop();
  const again = new Daemon(t, [], { cwd });
  await runs(again, "tick", 1);
  assert.equal(await again.stop(), 0);
  const rows = await ledger(t, cwd);
  assertWithoutGaps(rows, "tick");
  // One may have been going on, and its end could not be written.
  assert.ok(rows.filter(({ state }) => state === "ran").length >= ran, JSON.stringify(rows));
  await done(t, cwd, "doctor");
});

test("torn entries are set aside, for good and by name; the others run on time, after a restart too", async (t) => {
  const cwd = await everySecond(t, "good", "torn", "senseless");
  const hand = new Database(join(cwd, "beat.sqlite"));
  hand.pragma("ignore_check_constraints = ON");
  hand.exec(`UPDATE entries SET definition = substr(definition, 1, 9) WHERE name = 'torn';
    UPDATE entries SET definition = '{"cron": "99 * * * *", "run": "true"}' WHERE name = 'senseless'`);
  hand.close();
  const first = new Daemon(t, [], { cwd });
  await first.line(/^torn is set aside: its definition in the database can't be read: .*JSON/);
  await first.line(/^senseless is set aside: .*99/);
  await runs(first, "good", 2);
  assert.equal(await first.stop(), 0);
  const second = new Daemon(t, [], { cwd });
  await runs(second, "good", 2);
  assert.deepEqual(
    second.lines.filter(({ message }) => /Lost the lead|failed/.test(message)),
    [],
  );
  const rows = await ledger(t, cwd);
  assert.ok(rows.every(({ entry }) => entry === "good"));
  assertWithoutGaps(rows, "good");
  assert.match(await done(t, cwd, "list"), /^torn +quarantined/m);
  assert.match(await done(t, cwd, "show", "torn"), /quarantined: its definition in the database can't be read/);
  // Written anew, it runs.
  await done(t, cwd, "add", "torn", "--every", "1s", "--run", "true", "--replace");
  await runs(second, "torn", 1);
  assert.equal(await second.stop(), 0);
});

test("locked by another process: Beat stays alive and goes on by itself, without a gap", async (t) => {
  const cwd = await everySecond(t, "tick");
  const daemon = new Daemon(t, [], { cwd });
  await runs(daemon, "tick", 2);
  const other = new Database(join(cwd, "beat.sqlite"));
  other.exec("BEGIN EXCLUSIVE");
  await daemon.line(/^Lost the lead.*is locked by another process/);
  await done(t, cwd, "list"); // who only reads need not wait
  other.exec("ROLLBACK");
  other.close();
  await runs(daemon, "tick", 2);
  assert.equal(await daemon.stop(), 0);
  const told = daemon.lines.filter(({ message }) => /is locked by another process/.test(message));
  assert.ok(told.length <= 5, `it was said ${told.length} times`);
  assertWithoutGaps(await ledger(t, cwd), "tick");
});
