// Between Beat and its broker: rows 5 to 9, and a slow line.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { lasting, type Rig } from "./rig.ts";
import { rows } from "./rows.ts";

/** Longer than a connection may be silent. */
const silenceMs = lasting(30_000, 20_000);

/** `harm` returns how it is healed. */
async function during(rig: Rig, what: string, ms: number, harm: () => unknown, heal: () => unknown): Promise<void> {
  await rig.start();
  await rig.calm(3_000);
  await rig.trouble(what, { harm, meanwhile: () => sleep(ms), heal });
}

rows(
  "the network",
  [
    {
      number: 5,
      fault: "connections cut, new ones refused",
      redis: "full",
      run: (rig) =>
        during(
          rig,
          "cut",
          lasting(30_000, 8_000),
          () => rig.proxy.cut(),
          () => rig.proxy.restore(),
        ),
    },
    {
      number: 6,
      fault: "the broker stalls and goes on",
      redis: "full",
      isQuick: true,
      run: (rig) =>
        during(
          rig,
          "stall",
          lasting(30_000, 10_000),
          () => rig.proxy.stall(),
          () => rig.proxy.flow(),
        ),
    },
    {
      number: 7,
      fault: "the broker stalls, then its connections are reset",
      redis: "full",
      run: (rig) =>
        during(
          rig,
          "stall and reset",
          lasting(30_000, 10_000),
          () => rig.proxy.stall(),
          () => rig.proxy.reset(),
        ),
    },
    {
      number: 8,
      fault: "packets dropped",
      redis: "full",
      isQuick: true,
      run: (rig) =>
        during(
          rig,
          "packets dropped",
          silenceMs,
          () => {
            rig.proxy.blackhole();
            rig.proxy.stall();
          },
          () => rig.proxy.flow(),
        ),
    },
    {
      number: 9,
      fault: "one connection blackholed for good",
      redis: "quick",
      isQuick: true,
      async run(rig) {
        await rig.start();
        await rig.calm(3_000);
        await rig.trouble("blackhole", {
          harm: () => rig.proxy.blackhole(),
          meanwhile: () => sleep(10_000),
          // It gives the connection up.
          heal: () => rig.daemon.line(/(: the broker confirmed|Redis at .* answered) nothing for/),
        });
      },
    },
    {
      number: 38,
      fault: "a line slower than the schedule: every packet 300 ms late, 8 KiB a second",
      async run(rig) {
        await rig.start();
        await rig.calm(3_000);
        await rig.fault("slow line", async () => {
          rig.proxy.delayMs = 300;
          rig.proxy.bytesPerSecond = 8_192;
          await sleep(lasting(30_000, 8_000));
          const { report } = await rig.status();
          assert.equal(report!.brokers[0]!.available, true, "slow is not away");
          rig.proxy.delayMs = 0;
          rig.proxy.bytesPerSecond = 0;
        });
      },
    },
  ],
  { together: true },
);
