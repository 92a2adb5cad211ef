// The wall clock of Beat's machine: rows 20 to 22 and 33. libfaketime moves it for the daemon only.

import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Entries, lasting, type Rig } from "./rig.ts";
import { rows } from "./rows.ts";

const hourMs = 3_600_000;
const [library] = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1");
const calmMs = lasting(20_400, 6_400);
const calmAfterMs = lasting(60_400, 6_400);

/** Starts a daemon under a clock that `step` moves. */
async function underClock(rig: Rig): Promise<{ step(byMs: number): Promise<void>; env: Record<string, string> }> {
  assert.ok(library, "these tests move the clock with libfaketime: apt-get install faketime");
  const shift = join(rig.cwd, "shift");
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: shift,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  /** The file is read at each call: it has to be whole at any time. */
  const write = async (offsetMs: number) => {
    await writeFile(`${shift}.new`, `${offsetMs < 0 ? "" : "+"}${offsetMs / 1_000}\n`);
    await rename(`${shift}.new`, shift);
  };
  await write(rig.wallOffsetMs);
  await rig.start([], env);
  return {
    env,
    async step(byMs) {
      await write(rig.wallOffsetMs + byMs);
      rig.faults.push({ what: "clock step", from: Date.now(), until: Date.now(), clockStepMs: byMs });
    },
  };
}

/** Of several zones, some of which change their clocks then: fixed times, one of them in the gap or overlap, and every minute. */
const zoned: Entries = (queue, startAt) =>
  ["Europe/Berlin", "Europe/London", "America/New_York"].flatMap((timezone) =>
    ["0 2 * * *", "30 2 * * *", "30 1 * * *", "0 1 * * *", "0 3 * * *", "* * * * *", "*/2 2 * * *"].map((crontab) => ({
      name: `${timezone} ${crontab}`,
      definition: { crontab, timezone, start_at: new Date(startAt).toISOString(), task: "a.task", options: { queue } },
    })),
  );

/** Fifteen seconds before a change of the clocks and as long after it. */
const acrossChange = (change: string) => async (rig: Rig) => {
  rig.wallOffsetMs = Date.parse(change) - Date.now() - 15_000;
  const from = Date.now();
  rig.faults.push({ what: "another year", from, until: from, recoveryMs: 0, clockStepMs: rig.wallOffsetMs });
  await underClock(rig);
  await rig.calm(30_000);
};

rows(
  "the clock",
  [
    {
      number: 20,
      fault: "the clock put forward by an hour",
      isQuick: true,
      async run(rig) {
        const clock = await underClock(rig);
        await rig.calm(calmMs);
        await clock.step(hourMs);
        await rig.daemon.line(/forward by (1h|59m59)/);
        await sleep(calmMs);
      },
    },
    {
      number: 21,
      fault: "the clock put back by an hour",
      isQuick: true,
      async run(rig) {
        const clock = await underClock(rig);
        await rig.calm(calmMs);
        // What is still to be decided when the clock is put back is in doubt: nothing is.
        await rig.lull();
        await clock.step(-hourMs);
        await rig.daemon.line(/back by (1h|59m59)/);
        await sleep(calmAfterMs);
      },
    },
    {
      number: 22,
      fault: "the clock put back by an hour, restarted",
      async run(rig) {
        const clock = await underClock(rig);
        await rig.calm(calmMs);
        await rig.lull();
        await rig.fault(
          "restart",
          async () => {
            await rig.end();
            await clock.step(-hourMs);
            await rig.start([], clock.env);
          },
          { deciding: true },
        );
        await sleep(calmAfterMs);
      },
    },
    {
      number: 33,
      fault: "the clocks change: the gap of spring",
      more: zoned,
      run: acrossChange("2037-03-29T01:00:00Z"),
    },
    {
      number: 33,
      fault: "the clocks change: the overlap of autumn",
      more: zoned,
      run: acrossChange("2037-10-25T01:00:00Z"),
    },
  ],
  { together: true },
);
