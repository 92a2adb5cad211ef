// Entries that can't be: rows 25 to 30. Each is written while all others run, and hurts nobody but itself.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { DefinitionError } from "../../src/index.ts";
import { beat } from "../e2e/beat.ts";
import { lasting, type Rig } from "./rig.ts";
import { rows } from "./rows.ts";

const calmMs = lasting(10_000, 3_000);

/** Refused where it is written, and by name. */
async function assertRefused(rig: Rig, definition: unknown, reason: RegExp): Promise<void> {
  await assert.rejects(
    rig.ask((scheduler) => scheduler.add("impossible", definition)),
    (error) => error instanceof DefinitionError && reason.test(error.message),
  );
}

/** What another program wrote into the database past all checks. */
function smuggle(rig: Rig, name: string, definition: string): void {
  const database = new Database(rig.db);
  database.pragma("busy_timeout = 5000");
  const { changes } = database
    .prepare("UPDATE entries SET definition = ?, revision = (SELECT max(revision) + 1 FROM entries) WHERE name = ?")
    .run(definition, name);
  database.close();
  assert.equal(changes, 1);
}

const spoilt = (rig: Rig) =>
  rig.ask((scheduler) => scheduler.add("spoilt", { every: "1s", task: "a.task", options: { queue: "nobody" } }));

async function assertQuarantined(rig: Rig, name: string): Promise<string> {
  await rig.daemon.line(new RegExp(`${name} is set aside`));
  // Said when it is decided, and written with the next claim.
  for (;;) {
    const { quarantine } = await rig.ask((scheduler) => scheduler.get(name));
    if (quarantine !== null) return quarantine;
    await sleep(100);
  }
}

rows(
  "definitions",
  [
    {
      number: 25,
      fault: "args that can't be encoded",
      isQuick: true,
      async run(rig) {
        await rig.start();
        await rig.calm(1_000);
        await assertRefused(rig, { every: "1s", task: "a.task", args: [1n] }, /can't be written as JSON/);
        await spoilt(rig);
        smuggle(rig, "spoilt", '{"every": "1s", "task": "a.task", "args": "no list", "timezone": "UTC"}');
        const quarantine = await assertQuarantined(rig, "spoilt");
        await rig.calm(calmMs);
        return quarantine;
      },
    },
    {
      number: 26,
      fault: "a function as argument",
      async run(rig) {
        await rig.start();
        await rig.calm(1_000);
        await assertRefused(rig, { every: "1s", task: "a.task", args: [() => 1] }, /can't be written as JSON/);
        await assertRefused(rig, { every: "1s", task: "a.task", kwargs: { when: new Date() } }, /JSON/);
        await rig.calm(calmMs);
      },
    },
    {
      number: 27,
      fault: "an invalid entry among many, at start",
      isQuick: true,
      async run(rig) {
        await rig.begin(4_000);
        await spoilt(rig);
        smuggle(rig, "spoilt", '{"crontab": "61 * * * *", "task": "a.task", "timezone": "UTC"}');
        const schedules = join(rig.cwd, "schedules");
        await mkdir(schedules);
        await writeFile(
          join(schedules, "some.yaml"),
          `schedules:\n  good: {every: 1s, task: a.task, options: {queue: nobody}}\n  bad: {crontab: "61 * * * *", task: a.task}\n`,
        );
        await rig.fault("start", () => rig.start(["--schedules", schedules]), { deciding: true });
        await rig.daemon.line(/some\.yaml:3/);
        const quarantine = await assertQuarantined(rig, "spoilt");
        await rig.calm(calmMs);
        return quarantine;
      },
    },
    {
      number: 28,
      fault: "an invalid entry added while running",
      async run(rig) {
        await rig.start();
        await rig.calm(1_000);
        await assertRefused(rig, { crontab: "61 * * * *", task: "a.task" }, /61/);
        await spoilt(rig);
        smuggle(rig, "spoilt", '{"of": "another version", "timezone": "UTC"}');
        const quarantine = await assertQuarantined(rig, "spoilt");
        await rig.calm(calmMs);
        return quarantine;
      },
    },
    {
      number: 29,
      fault: "every: 0",
      async run(rig) {
        await rig.start();
        for (const every of [0, "0s", -1, { seconds: 0 }])
          await assertRefused(rig, { every, task: "a.task" }, /0|duration/);
        const { code, stderr } = await beat([
          "add",
          "never",
          "--schedule-db",
          rig.db,
          "--every",
          "0",
          "--task",
          "a.task",
        ]);
        assert.equal(code, 2, stderr);
        await rig.calm(calmMs);
      },
    },
    {
      number: 30,
      fault: "a date that never comes",
      async run(rig) {
        await rig.start();
        await assertRefused(rig, { crontab: "0 0 31 2 *", task: "a.task" }, /never fires/);
        await rig.calm(calmMs);
      },
    },
  ],
  { together: true },
);
