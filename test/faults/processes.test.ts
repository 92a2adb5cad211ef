// What happens to Beat's own processes: rows 1, 2, 11 to 13, 23, 31, 32 and 35.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { formatDuration } from "../../src/core/time.ts";
import { Random } from "../fuzz/random.ts";
import { type Entries, isFull, lasting, type Rig } from "./rig.ts";
import { rows } from "./rows.ts";
import { distinct } from "./witness.ts";

/** A process that is stopped within a transaction holds SQLite's lock, and nobody can write until it goes on: that is another fault. */
async function stopBetweenTransactions(child: ChildProcess, path: string): Promise<void> {
  const database = new Database(path, { timeout: 0 });
  try {
    for (;;) {
      child.kill("SIGSTOP");
      try {
        database.exec("BEGIN IMMEDIATE; ROLLBACK");
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== "SQLITE_BUSY") throw error;
        child.kill("SIGCONT");
        await sleep(10);
      }
    }
  } finally {
    database.close();
  }
}

/** Killed, and started again at once. */
async function crash(rig: Rig): Promise<void> {
  await rig.fault(
    "kill -9",
    async () => {
      await rig.daemon.kill();
      await rig.start();
    },
    { deciding: true },
  );
}

/** `count` entries that are all due at one instant. */
const burst =
  (count: number): Entries =>
  (queue, startAt) =>
    Array.from({ length: count }, (_, n) => ({
      name: `burst-${n}`,
      definition: { at: new Date(startAt + 4_000).toISOString(), task: "a.task", options: { queue } },
    }));

/** Resolves in the middle of the burst. */
const inBurst = (rig: Rig) => rig.witness.until((arrived) => arrived.some(({ entry }) => entry === "burst-200"));

/** Two daemons, the one that leads first. */
async function pair(rig: Rig): Promise<void> {
  const daemons = [rig.spawn(), rig.spawn()] as const;
  const standby = await Promise.race(daemons.map((daemon) => daemon.line(/Standing by/).then(() => daemon)));
  await Promise.all(daemons.map((daemon) => daemon.line(/^Connected to/)));
  await rig.begin();
  if (standby === daemons[0]) rig.daemons.reverse();
}

/** How long after `at` the next message came. */
async function nextAfter(rig: Rig, at: number): Promise<string> {
  const isNext = (one: { readonly at: number }) => one.at > at + 50;
  await rig.witness.until((arrived) => arrived.some(isNext));
  return formatDuration(rig.witness.arrived.find(isNext)!.at - at);
}

rows(
  "processes",
  [
    {
      number: 1,
      fault: `kill -9 at random ×${isFull ? 50 : 4}, restarted`,
      isQuick: true,
      async run(rig) {
        const seed = process.env["FAULTS_SEED"] ?? "1";
        const random = new Random(seed);
        await rig.start();
        await rig.calm(0);
        for (let kill = 0; kill < (isFull ? 50 : 4); kill++) {
          await sleep(300 + random.fraction() * 2_500);
          await crash(rig);
        }
        return `seed ${seed}`;
      },
    },
    {
      number: 2,
      fault: "SIGTERM and restart ×5",
      async run(rig) {
        await rig.start();
        await rig.calm(0);
        for (let stop = 0; stop < 5; stop++) {
          await sleep(2_300);
          await rig.fault(
            "SIGTERM",
            async () => {
              await rig.end();
              await rig.start();
            },
            { deciding: true },
          );
        }
      },
    },
    {
      number: 11,
      fault: "two daemons at once",
      async run(rig) {
        await pair(rig);
        await rig.calm(lasting(60_000, 10_000));
      },
    },
    {
      number: 12,
      fault: "leader killed, standby takes over",
      isQuick: true,
      async run(rig) {
        await pair(rig);
        await rig.calm(3_000);
        const killed = await rig.fault("leader killed", () => rig.daemons[0]!.kill(), { deciding: true });
        return `took over after ${await nextAfter(rig, killed.from)}`;
      },
    },
    {
      number: 13,
      fault: "leader stopped past its lease, wakes",
      isQuick: true,
      async run(rig) {
        await pair(rig);
        await rig.calm(3_000);
        const [leader, standby] = rig.daemons;
        const frozen = await rig.fault(
          "SIGSTOP",
          async () => {
            await stopBetweenTransactions(leader!.child, rig.db);
            await rig.witness.until((arrived) => Date.now() - (arrived.at(-1)?.at ?? 0) > 2_000);
            await rig.witness.until((arrived) => Date.now() - arrived.at(-1)!.at < 500);
          },
          { deciding: true },
        );
        await sleep(2_000);
        leader!.child.kill("SIGCONT");
        await leader!.line(/Lost the lead/);
        assert.equal(standby!.lines.filter(({ message }) => /Lost the lead/.test(message)).length, 0);
        return `took over after ${formatDuration(frozen.until - frozen.from)}`;
      },
    },
    {
      number: 23,
      fault: "suspended (SIGSTOP), wakes",
      isQuick: true,
      async run(rig) {
        await rig.start();
        await rig.calm(3_000);
        await rig.fault(
          "SIGSTOP",
          async () => {
            rig.daemon.child.kill("SIGSTOP");
            await sleep(lasting(60_000, 12_000));
            rig.daemon.child.kill("SIGCONT");
          },
          { deciding: true },
        );
      },
    },
    {
      number: 31,
      fault: "SIGTERM in a burst of 3,000",
      more: burst(3_000),
      async run(rig) {
        await rig.start();
        await inBurst(rig);
        let inBurstWhenStopped = 0;
        const stop = await rig.fault(
          "SIGTERM",
          async () => {
            inBurstWhenStopped = distinct(rig.witness.arrived);
            await rig.end();
          },
          { deciding: true },
        );
        const stopMs = stop.until - stop.from;
        await sleep(500);
        assert.equal(
          rig.witness.arrived.filter(({ entry }) => entry.startsWith("burst-")).length,
          3_000,
          "what was claimed went out",
        );
        await rig.fault("stopped", () => rig.start(), { deciding: true });
        return `after ${inBurstWhenStopped} of them; ended in ${formatDuration(stopMs)}`;
      },
    },
    {
      number: 32,
      fault: "kill -9 in a burst of 3,000",
      isQuick: true,
      redis: "quick",
      more: burst(3_000),
      async run(rig) {
        await rig.start();
        await inBurst(rig);
        const arrivedWhenKilled = distinct(rig.witness.arrived);
        await crash(rig);
        return `after ${arrivedWhenKilled} of them`;
      },
    },
  ],
  { together: true },
);
