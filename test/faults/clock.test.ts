// The wall clock of Beat's machine: rows 20 to 22 and 33. libfaketime moves it for the daemon only.

import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lasting, type Rig } from "./rig.ts";
import { rows } from "./rows.ts";

const hourMs = 3_600_000;
const [library] = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1");
/** Ends between two seconds: it is then certain which of them had come before the step. */
const calmMs = lasting(20_400, 6_400);

/** Starts a daemon under a clock that `step` moves. */
async function underClock(rig: Rig): Promise<{ step(byMs: number): Promise<void>; env: Record<string, string> }> {
  assert.ok(library, "these tests move the clock with libfaketime: apt-get install faketime");
  const shift = join(rig.cwd, "shift");
  await writeFile(shift, "+0\n");
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: shift,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  await rig.start([], env);
  return {
    env,
    async step(byMs) {
      await writeFile(shift, `${byMs < 0 ? "" : "+"}${byMs / 1_000}\n`);
      rig.faults.push({ what: "clock step", from: Date.now(), until: Date.now(), clockStepMs: byMs });
    },
  };
}

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
        await clock.step(-hourMs);
        await rig.daemon.line(/back by (1h|59m59)/);
        await sleep(calmMs);
      },
    },
    {
      number: 22,
      fault: "the clock put back by an hour, restarted",
      async run(rig) {
        const clock = await underClock(rig);
        await rig.calm(calmMs);
        await rig.fault(
          "restart",
          async () => {
            await rig.end();
            await clock.step(-hourMs);
            await rig.start([], clock.env);
          },
          { deciding: true },
        );
        await sleep(calmMs);
      },
    },
  ],
  { together: true },
);
