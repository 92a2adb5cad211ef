// Which fire times run, for every combination of what an entry may say with what may happen to it: a pause, a crash, a slow
// run. An entry fires every 10 s for two minutes, and each run takes 14 s. A letter stands for what the ledger says in the
// end of each of the twelve fire times.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { OccurrenceState } from "../../src/core/occurrence.ts";
import { Operations } from "../../src/definitions/operations.ts";
import { Process } from "./process.ts";
import { start, World } from "./world.ts";

const second = 1_000;
const letters: Partial<Record<OccurrenceState, string>> = {
  ran: "R",
  failed: "F",
  abandoned: "A",
  cancelled: "X", // ended while it ran, or withdrawn before
  coalesced: "c",
  missed: "m",
  skipped: "s",
  paused: "p",
};

const happenings = {
  /** Nothing. */
  calm: async (world: World) => world.clock.advance(143 * second),
  /** From 22 s to 65 s. */
  "pause, from now": (world: World) => pauseAnd(world, "now"),
  "pause, from missed": (world: World) => pauseAnd(world, "missed"),
  /** The process is killed at 22 s, and the next one starts at 65 s. */
  crash,
  /** With `retry_abandoned`. */
  "crash, tried again": crash,
};

type Happening = keyof typeof happenings;

async function crash(world: World, process: Process, next: () => Promise<unknown>): Promise<void> {
  await world.clock.advance(22 * second);
  process.kill();
  await world.clock.advance(43 * second);
  await next();
  await world.clock.advance(75 * second);
}

async function pauseAnd(world: World, from: "now" | "missed"): Promise<void> {
  const operations = new Operations({ store: world.store, clock: world.clock });
  await world.clock.advance(22 * second);
  await operations.pause("work");
  await world.clock.advance(43 * second);
  await operations.resume("work", from);
  await world.clock.advance(75 * second);
}

interface Cell {
  readonly overlap: string;
  readonly coalesce: string;
  /** `-`: none. */
  readonly grace: string;
  readonly happening: Happening;
}

/** What became of each fire time, and how many runs went on at once at most. */
async function play({ overlap, coalesce, grace, happening }: Cell): Promise<[string, number]> {
  const world = new World();
  let most = 0;
  const going = new Map<Process, number>();
  const jobs = new Map([
    [
      "work",
      (process: Process) =>
        async ({ signal }: { signal: AbortSignal }) => {
          const now = (going.get(process) ?? 0) + 1;
          going.set(process, now);
          most = Math.max(most, now);
          await new Promise<void>((resolve) => {
            process.clock.setTimer(14 * second, resolve);
            signal.addEventListener("abort", () => resolve());
          });
          going.set(process, going.get(process)! - 1);
        },
    ],
  ]);
  await world.add("work", {
    every: "10s",
    end_at: "2027-01-01T12:02:00Z",
    job: "work",
    overlap,
    coalesce,
    ...(grace !== "-" && { misfire_grace_time: grace }),
    retry_abandoned: happening === "crash, tried again",
  });
  const process = new Process(world, jobs);
  await process.engine.start();
  let last = process;
  await happenings[happening](world, process, async () => {
    world.dead.add("node-1");
    last = new Process(world, jobs);
    await last.engine.start();
  });
  await world.clock.advance(110 * second);
  const rows = await world.store.history({ limit: 1_000 });
  const times = Array.from({ length: 12 }, (_, index) => start + (index + 1) * 10 * second);
  const text = times.map((at) => {
    const found = rows.filter(({ fireAt, untilFireAt }) => fireAt <= at && at <= untilFireAt);
    assert.equal(found.length, 1, `${found.length} rows are of ${(at - start) / second} s`);
    return letters[found[0]!.state] ?? `(${found[0]!.state})`;
  });
  assert.equal(
    rows.reduce((sum, { count }) => sum + count, 0),
    12,
    "rows of other times",
  );
  const stopped = last.engine.stop(0);
  await world.clock.advance(10 * second);
  await stopped;
  return [text.join(""), most];
}

/** By what happens: `misfire_grace_time`, `overlap`, and the twelve fire times under `coalesce: latest`, `earliest` and `all`. */
const expected: Readonly<Record<Happening, string>> = {
  calm: `
       - skip   RsRsRsRsRsRs  RsRsRsRsRsRs  RsRsRsRsRsRs
       - queue  RRRcRRcRRRcR  RRRRcRRcRRRc  RRRRRRRRRRRR
       - cancel XXXXXXXXXXXR  XXXXXXXXXXXR  XXXXXXXXXXXR
       - allow  RRRRRRRRRRRR  RRRRRRRRRRRR  RRRRRRRRRRRR
     17s skip   RsRsRsRsRsRs  RsRsRsRsRsRs  RsRsRsRsRsRs
     17s queue  RRRcRRcRRRcR  RRRRcRRcRRRc  RRRRRmRRmRRR
     17s cancel XXXXXXXXXXXR  XXXXXXXXXXXR  XXXXXXXXXXXR
     17s allow  RRRRRRRRRRRR  RRRRRRRRRRRR  RRRRRRRRRRRR`,
  "pause, from now": `
       - skip   RsppppRsRsRs  RsppppRsRsRs  RsppppRsRsRs
       - queue  RXppppRRRcRR  RXppppRRRRcR  RXppppRRRRRR
       - cancel XRppppXXXXXR  XRppppXXXXXR  XRppppXXXXXR
       - allow  RRppppRRRRRR  RRppppRRRRRR  RRppppRRRRRR
     17s skip   RsppppRsRsRs  RsppppRsRsRs  RsppppRsRsRs
     17s queue  RXppppRRRcRR  RXppppRRRRcR  RXppppRRRRRm
     17s cancel XRppppXXXXXR  XRppppXXXXXR  XRppppXXXXXR
     17s allow  RRppppRRRRRR  RRppppRRRRRR  RRppppRRRRRR`,
  "pause, from missed": `
       - skip   RscccRsRsRsR  RsRcccsRsRsR  RsRssssRsRsR
       - queue  RXcccRRcRRcR  RXRcccRRcRRc  RXRRRRRRRRRR
       - cancel XRcccXXXXXXR  XRXcccXXXXXR  XRXXXXXXXXXR
       - allow  RRcccRRRRRRR  RRRcccRRRRRR  RRRRRRRRRRRR
     17s skip   RsmmcRsRsRsR  RsmmRcsRsRsR  RsmmRssRsRsR
     17s queue  RXmmcRRcRRcR  RXmmRcRRcRRc  RXmmRmRRmRRR
     17s cancel XRmmcXXXXXXR  XRmmXcXXXXXR  XRmmXXXXXXXR
     17s allow  RRmmcRRRRRRR  RRmmRcRRRRRR  RRmmRRRRRRRR`,
  crash: `
       - skip   AscccRsRsRsR  AsRcccsRsRsR  AsRssssRsRsR
       - queue  AccccRRcRRcR  ARRccccRcRRc  ARRRRRRRRRRR
       - cancel XAcccXXXXXXR  XAXcccXXXXXR  XAXXXXXXXXXR
       - allow  AAcccRRRRRRR  AARcccRRRRRR  AARRRRRRRRRR
     17s skip   AsmmcRsRsRsR  AsmmRcsRsRsR  AsmmRssRsRsR
     17s queue  AcmmcRRcRRcR  AmmmRcRRcRRc  AmmmRmRRRmRR
     17s cancel XAmmcXXXXXXR  XAmmXcXXXXXR  XAmmXXXXXXXR
     17s allow  AAmmcRRRRRRR  AAmmRcRRRRRR  AAmmRRRRRRRR`,
  "crash, tried again": `
       - skip   RscccssRsRsR  RsscccsRsRsR  RssssssRsRsR
       - queue  RcccccRcRRcR  RRRccccccRRc  RRRRRRRRRRRR
       - cancel XXcccXXXXXXR  XXXcccXXXXXR  XXXXXXXXXXXR
       - allow  RRcccRRRRRRR  RRRcccRRRRRR  RRRRRRRRRRRR
     17s skip   RsmmcssRsRsR  RsmmscsRsRsR  RsmmsssRsRsR
     17s queue  RcmmccRcRRcR  RmmmmccRRRRc  RmmmmmRRRmRR
     17s cancel XXmmcXXXXXXR  XXmmXcXXXXXR  XXmmXXXXXXXR
     17s allow  RRmmcRRRRRRR  RRmmRcRRRRRR  RRmmRRRRRRRR`,
};

for (const [happening, text] of Object.entries(expected) as [Happening, string][]) {
  suite(happening, () => {
    for (const row of text.trim().split("\n")) {
      const [grace, overlap, ...outcomes] = row.trim().split(/ +/) as [string, string, ...string[]];
      for (const [index, coalesce] of ["latest", "earliest", "all"].entries()) {
        test(`overlap: ${overlap}, coalesce: ${coalesce}, misfire_grace_time: ${grace}`, async () => {
          const [outcome, most] = await play({ overlap, coalesce, grace, happening });
          assert.equal(outcome, outcomes[index]);
          if (overlap !== "allow") assert.equal(most, 1, "runs at once");
        });
      }
    }
  });
}
