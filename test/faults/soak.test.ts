// Nothing special, for a long time: row 37. Half an hour, or FAULTS_HOURS.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { rows } from "./rows.ts";

const hours = Number(process.env["FAULTS_HOURS"] ?? 0.5);
const sampleMs = 10_000;
/** What the heap is used for in its first minutes is no leak. */
const warmUpShare = 0.25;
const growthLimit = 1.15;

rows("time", [
  {
    number: 37,
    fault: `${hours} hours of nothing special`,
    async run(rig) {
      await rig.start();
      const megabytes: number[] = [];
      for (const endsAt = Date.now() + hours * 3_600_000; Date.now() < endsAt; await sleep(sampleMs))
        megabytes.push(await residentMegabytes(rig.daemon.child.pid!));
      const warm = megabytes.slice(Math.floor(megabytes.length * warmUpShare));
      const [early, late] = [median(warm.slice(0, warm.length / 2)), median(warm.slice(warm.length / 2))];
      assert.ok(late < early * growthLimit, `memory grew from ${early} MB to ${late} MB`);
      return `memory ${early.toFixed(0)} MB, then ${late.toFixed(0)} MB`;
    },
  },
]);

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1_024;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
