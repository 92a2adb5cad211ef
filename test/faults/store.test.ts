// What happens to the schedule database: rows 14 to 19.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, open, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import Database from "better-sqlite3";
import { formatDuration } from "../../src/core/time.ts";
import { beat } from "../e2e/beat.ts";
import { lasting, type Rig } from "./rig.ts";
import { rows } from "./rows.ts";

const faultMs = lasting(30_000, 8_000);
const run = promisify(execFile);
const digest = async (path: string) =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

/** Resolves with how long after now the daemon first complains, the lines before `seen` left out. */
async function untilTold(rig: Rig, pattern: RegExp, seen = 0): Promise<string> {
  const from = Date.now();
  const line = await rig.daemon.until(
    () => rig.daemon.lines.slice(seen).find(({ level, message }) => /warn|error/.test(level) && pattern.test(message)),
    `a complaint like ${pattern}`,
  );
  const afterMs = Math.max(0, Date.parse(String(line["timestamp"])) - from);
  assert.ok(afterMs < 5_000, `it is said only after ${afterMs} ms`);
  return `said after ${formatDuration(afterMs)}`;
}

const damages: Readonly<Record<string, (path: string, size: number) => Promise<unknown>>> = {
  "cut short": (path, size) => truncate(path, Math.floor(size / 2)),
  emptied: (path) => truncate(path, 0),
  "overwritten with garbage": (path, size) => writeFile(path, Buffer.alloc(size, "garbage ")),
  "garbage in the middle": async (path, size) => {
    const file = await open(path, "r+");
    await file.write(Buffer.alloc(8_192, "garbage "), 0, 8_192, Math.floor(size / 8_192) * 4_096);
    await file.close();
  },
};

rows(
  "the store",
  [
    {
      number: 14,
      fault: "the database truncated or garbage before the start",
      isQuick: true,
      async run(rig) {
        await rig.start();
        await rig.calm(3_000);
        await rig.fault(
          "damaged",
          async () => {
            await rig.end();
            const kept = `${rig.db}.kept`;
            await copyFile(rig.db, kept);
            for (const [what, damage] of Object.entries(damages)) {
              await damage(rig.db, (await stat(kept)).size);
              const before = await digest(rig.db);
              const { code, stderr } = await beat(["start", "--schedule-db", rig.db]);
              assert.equal(code, 3, `${what}: ${stderr}`);
              assert.match(stderr, /doctor|backup/, what);
              assert.equal(await digest(rig.db), before, `${what}: nothing was changed`);
            }
            await copyFile(kept, rig.db);
            await rig.start();
          },
          { deciding: true },
        );
      },
    },
    {
      number: 15,
      fault: "the database moved away while running, and back",
      isQuick: true,
      async run(rig) {
        await rig.start();
        await rig.calm(3_000);
        let told = "";
        await rig.trouble(
          "moved away",
          {
            harm: () => rename(rig.db, `${rig.db}.away`),
            async meanwhile() {
              told = await untilTold(rig, /removed or replaced/);
              await sleep(lasting(10_000, 2_000));
            },
            heal: () => rename(`${rig.db}.away`, rig.db),
          },
          { deciding: true },
        );
        return told;
      },
    },
    {
      number: "15b",
      fault: "the database overwritten while running (garbage, another database), and restored",
      isQuick: true,
      async run(rig) {
        const other = new Database(join(rig.cwd, "other.sqlite"));
        other.exec("CREATE TABLE others (a); INSERT INTO others VALUES (1)");
        other.close();
        await rig.start();
        await rig.calm(3_000);
        const told: string[] = [];
        for (const overwrite of [
          () => writeFileSync(rig.db, Buffer.alloc(statSync(rig.db).size, "garbage "), { flag: "r+" }),
          () => copyFileSync(other.name, rig.db),
        ]) {
          const seen = rig.daemon.lines.length;
          let kept = Buffer.alloc(0);
          await rig.trouble(
            "overwritten",
            {
              harm() {
                kept = readFileSync(rig.db);
                overwrite();
              },
              async meanwhile() {
                const damaged = await digest(rig.db);
                told.push(await untilTold(rig, /was overwritten by another program/, seen));
                await sleep(lasting(10_000, 2_000));
                assert.equal(await digest(rig.db), damaged, "nothing more was written");
              },
              heal: () => writeFileSync(rig.db, kept),
            },
            { deciding: true },
          );
          await sleep(lasting(10_000, 2_000));
        }
        return told.join(", ");
      },
    },
    {
      number: 16,
      fault: "one row of the database is broken",
      async run(rig) {
        await rig.start();
        await rig.calm(2_000);
        await rig.ask((scheduler) =>
          scheduler.add("broken", { every: "1s", task: "a.task", options: { queue: "nobody" } }),
        );
        const database = new Database(rig.db);
        database.pragma("busy_timeout = 5000");
        database
          .prepare(
            "UPDATE entries SET definition = '[1, 2]', revision = (SELECT max(revision) + 1 FROM entries) WHERE name = 'broken'",
          )
          .run();
        database.close();
        await rig.daemon.line(/broken is set aside/);
        await rig.calm(lasting(10_000, 3_000));
      },
    },
    {
      number: 17,
      fault: "the database locked by another process",
      isQuick: true,
      async run(rig) {
        await rig.start();
        await rig.calm(3_000);
        let told = "";
        const other = new Database(rig.db);
        await rig.trouble(
          "locked",
          {
            harm: () => other.exec("BEGIN IMMEDIATE"),
            async meanwhile() {
              told = await untilTold(rig, /locked|busy|in use|another process/);
              await sleep(faultMs);
            },
            heal: () => other.exec("ROLLBACK").close(),
          },
          { deciding: true },
        );
        return told;
      },
    },
    {
      number: "17b",
      fault: "the folder of the database away, and back",
      async run(rig) {
        const folder = join(rig.cwd, "mounted");
        await mkdir(folder);
        rig.db = join(folder, "beat.sqlite");
        await rig.start();
        await rig.calm(3_000);
        let told = "";
        await rig.trouble(
          "away",
          {
            harm: () => rename(folder, `${folder}.away`),
            async meanwhile() {
              told = await untilTold(rig, /removed or replaced/);
              await sleep(faultMs);
            },
            heal: () => rename(`${folder}.away`, folder),
          },
          { deciding: true },
        );
        return told;
      },
    },
    {
      number: 18,
      fault: "the database away at start",
      async run(rig) {
        const folder = join(rig.cwd, "mounted-later");
        await mkdir(folder);
        rig.db = join(folder, "beat.sqlite");
        await rig.begin(3_000);
        await rig.fault(
          "away",
          async () => {
            await rename(folder, `${folder}.away`);
            const { code, stderr } = await beat(["start", "--schedule-db", rig.db]);
            assert.equal(code, 3, stderr);
            assert.match(stderr, /there is no folder/);
            rig.spawn(["--wait", "60s"]);
            await rig.daemon.line(/there is no folder/);
            await sleep(lasting(10_000, 3_000));
            await rename(`${folder}.away`, folder);
            await rig.daemon.line(/^Connected to/);
          },
          { deciding: true },
        );
      },
    },
    {
      number: 19,
      fault: "disk full, then freed",
      async run(rig) {
        const disk = await mkdtemp(join(tmpdir(), "beat-disk-"));
        await run("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]);
        rig.t.after(async () => {
          await run("umount", ["-l", disk]);
          await rm(disk, { recursive: true, force: true });
        });
        rig.db = join(disk, "beat.sqlite");
        await rig.start();
        await rig.calm(3_000);
        let told = "";
        const filling = join(dirname(rig.db), "filling");
        await rig.trouble(
          "disk full",
          {
            harm: () => writeFile(filling, Buffer.alloc(3_000_000)).catch(() => undefined),
            async meanwhile() {
              told = await untilTold(rig, /full|no space/i);
              await sleep(faultMs);
            },
            heal: () => rm(filling),
          },
          { deciding: true },
        );
        return told;
      },
    },
  ],
  { together: true },
);
