// What Beat has around it: rows 34 to 36.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { formatDuration } from "../../src/core/time.ts";
import { type Entries, isFull, lasting, type Rig } from "./rig.ts";
import { rows } from "./rows.ts";

const run = promisify(execFile);

/** `count` entries that are all due when the trial begins. */
const burst =
  (count: number): Entries =>
  (queue, startAt) =>
    Array.from({ length: count }, (_, n) => ({
      name: `burst-${n}`,
      definition: { at: new Date(startAt).toISOString(), task: "a.task", options: { queue } },
    }));
const isOfBurst = ({ entry }: { readonly entry: string }) => entry.startsWith("burst-");
/** Asked at each arrival: it must not count them all each time. */
const hasArrived = (count: number) => (arrived: readonly { readonly entry: string }[]) =>
  arrived.length >= count && arrived.filter(isOfBurst).length >= count;
const backlog = isFull ? 100_000 : 10_000;

/** The most files that its process may have open. */
async function limitFiles(rig: Rig, limit: number): Promise<void> {
  await run("prlimit", ["--pid", String(rig.daemon.child.pid), `--nofile=${limit}:4096`]);
}

rows("its surroundings", [
  {
    number: 34,
    fault: "nobody reads its log",
    isQuick: true,
    async run(rig) {
      await rig.start(["--log-level", "debug"]);
      rig.daemon.child.stderr!.pause();
      await rig.calm(0);
      const noisy = Array.from({ length: 300 }, (_, n) => ({
        name: `noisy-${n}`,
        definition: { every: "1s", task: "a.task", options: { queue: rig.queue } },
      }));
      for (const { name } of noisy) rig.unjudged.add(name);
      await rig.ask((scheduler) => scheduler.addAll(noisy));
      await rig.calm(lasting(60_000, 8_000));
      await rig.ask(async (scheduler) => {
        for (const { name } of noisy) await scheduler.remove(name);
      });
      rig.daemon.child.stderr!.resume();
    },
  },
  {
    number: 35,
    fault: `${backlog.toLocaleString("en")} rows in the outbox at start`,
    more: burst(backlog),
    async run(rig) {
      await rig.proxy.cut();
      const claiming = rig.spawn();
      await claiming.line(/nothing listens/);
      let startedAt = 0;
      let drainedMs = 0;
      // Until the last of them is out they are late, as they must be.
      await rig.fault(
        "an outbox that is full",
        async () => {
          await rig.begin(lasting(30_000, 5_000));
          for (let waiting = 0; waiting < backlog; await sleep(500))
            waiting = (await rig.status()).outbox.reduce((sum, { count }) => sum + count, 0);
          await rig.end();
          await rig.proxy.restore();
          await rig.start();
          startedAt = Date.now();
          await rig.witness.until(hasArrived(backlog), 120_000);
          drainedMs = Date.now() - startedAt;
        },
        { deciding: true },
      );
      // As the broker confirmed them: behind a full queue the witness sees them later. Those of `coalesce: all` follow their own pile.
      const others = (await rig.ledger()).filter(
        ({ state, fireAt, entryName: entry }) =>
          state === "published" && fireAt > startedAt && !isOfBurst({ entry }) && !entry.startsWith("second-all"),
      );
      const lateMs = Math.max(...others.map(({ settledAt, dueAt }) => settledAt! - dueAt));
      assert.ok(others.length > 0 && lateMs < lasting(1_000, 3_000), `others were ${lateMs} ms late`);
      return `drained in ${formatDuration(drainedMs)}; new ones at most ${lateMs} ms late meanwhile`;
    },
  },
  {
    number: 36,
    fault: "file descriptors exhausted, memory limit near",
    isQuick: true,
    more: burst(3_000),
    async run(rig) {
      // A burst in a heap that hardly holds it: what is at stake is that all of it comes.
      rig.tolerance = { lateMs: 6_000 };
      await rig.start([], { NODE_OPTIONS: "--max-old-space-size=64" });
      await rig.witness.until(hasArrived(3_000));
      await rig.calm(5_000);
      await rig.fault("no more files", async () => {
        const open = await readdir(`/proc/${rig.daemon.child.pid}/fd`);
        await rig.proxy.cut();
        await rig.proxy.restore();
        await limitFiles(rig, open.length - 2);
        await rig.daemon.line(/EMFILE|open files|descriptors/i);
        await sleep(lasting(30_000, 5_000));
        await limitFiles(rig, 1_024);
      });
    },
  },
]);
