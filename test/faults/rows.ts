// A table of faults becomes tests: each row has a world of its own, does its worst to it, and is judged by the checker.

import assert from "node:assert/strict";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { check } from "../checker/check.ts";
import { type FaultyBroker, faultyRabbitmq, faultyRedis } from "./brokers.ts";
import { assertValid, evidenceOf, figuresOf, promised } from "./judged.ts";
import { askReady } from "./readiness.ts";
import { type Entries, isFull, Rig } from "./rig.ts";

export interface Row {
  /** In the table of docs/reliability.md. */
  readonly number: number | string;
  readonly fault: string;
  /** Belongs to `npm test`. The others run with FAULTS=full. */
  readonly isQuick?: boolean;
  /** Over Redis as well as over RabbitMQ: in `npm test` too, or with FAULTS=full only. */
  readonly redis?: "quick" | "full";
  /** Entries beside the timetable's. */
  readonly more?: Entries;
  /** Beside doing the damage it may wait and assert as it likes; what arrived and the ledger are judged when it is done. Returns what else there is to tell. */
  readonly run: (rig: Rig) => Promise<string | undefined> | Promise<void>;
}

interface Labelled {
  /** Its number, and Redis's name where it is that. */
  readonly label: string;
  readonly isQuick: boolean;
  readonly row: Row;
}

/** Rows that share a broker. `together`: none of them harms it, so that the quick ones may run side by side. */
export function rows(title: string, table: readonly Row[], options: { readonly together?: boolean } = {}): void {
  const all = table.map((row) => ({ label: String(row.number), isQuick: row.isQuick === true, row }));
  const redis = table.flatMap((row) =>
    row.redis === undefined ? [] : [{ label: `${row.number} (Redis)`, isQuick: row.redis === "quick", row }],
  );
  overBroker(title, all, faultyRabbitmq, options);
  overBroker(`${title}, over Redis`, redis, faultyRedis, options);
}

function overBroker(
  title: string,
  table: readonly Labelled[],
  startBroker: () => Promise<FaultyBroker>,
  { together = false },
): void {
  // "3" is row 3 over every broker, "3 (Redis)" that one.
  const only = process.env["FAULTS_ROWS"]?.split(",").map((text) => text.trim());
  const chosen = table.filter(({ label, isQuick, row: { number } }) =>
    only === undefined ? isFull || isQuick : only.includes(label) || only.includes(String(number)),
  );
  if (chosen.length === 0) return;
  describe(title, { concurrency: together && !isFull ? 3 : 1 }, () => {
    let broker: FaultyBroker;
    before(async () => {
      broker = await startBroker();
    });
    after(() => broker?.stop());
    for (const { label, row } of chosen) {
      const name = `row ${label}: ${row.fault}`;
      test(name, async (t) => {
        const tell = async (figures: string) => {
          const line = `| ${label} | ${row.fault} | ${figures} |`;
          t.diagnostic(line);
          if (process.env["FAULTS_RESULTS"]) await appendFile(process.env["FAULTS_RESULTS"], `${line}\n`);
        };
        try {
          const rig = await Rig.open(t, broker, row.more);
          const remark = await row.run(rig);
          const { unreadyMs } = rig;
          const unready = unreadyMs === undefined ? "" : `not ready after ${(unreadyMs / 1_000).toFixed(1)} s`;
          await tell(`${await conclude(rig, name)} | ${[remark, unready].filter(Boolean).join("; ")}`);
        } catch (error) {
          await tell("failed");
          throw error;
        }
      });
    }
  });
}

/** Waits until all must be well again, ends what still runs, and judges. Returns the row's figures. */
async function conclude(rig: Rig, title: string): Promise<string> {
  const { faults, startAt, witness, tolerance } = rig;
  const { lateMs, recoveryMs } = { ...promised, ...tolerance };
  const wellAt = Math.max(...faults.map((fault) => fault.until + (fault.recoveryMs ?? recoveryMs)), Date.now());
  await sleep(wellAt + lateMs - Date.now());
  await rig.lull();
  const running = rig.daemons.filter(({ child }) => child.exitCode === null && child.signalCode === null);
  for (const answer of await Promise.all(running.map(askReady))) assert.ok(answer.ready, answer.text);
  const invokedAt = Date.now();
  for (const daemon of running) await rig.end(daemon);
  const stopped = { invokedAt, acknowledgedAt: Date.now() };
  await sleep(lateMs);
  const deliveries = witness.arrived.filter(({ entry }) => !rig.unjudged.has(entry));
  const evidence = evidenceOf({
    title,
    startAt,
    stopped,
    endAt: Date.now(),
    planned: rig.planned,
    added: rig.added!,
    faults,
    deliveries,
    ledger: (await rig.ledger()).filter(({ entryName }) => !rig.unjudged.has(entryName)),
    tolerance,
  });
  const log = rig.daemons.flatMap(({ lines }) => lines);
  const { FAULTS_EVIDENCE: kept } = process.env;
  if (kept) {
    const name = join(kept, title.replaceAll(/\W+/g, "-"));
    await writeFile(`${name}.json`, JSON.stringify(evidence));
    await writeFile(
      `${name}.log`,
      log.map((line) => `${JSON.stringify(line)}\n`),
    );
  }
  const verdict = check(evidence);
  assertValid(verdict);
  const complaints = log
    .filter(({ level }) => level === "warn" || level === "error")
    .map(({ timestamp }) => Date.parse(String(timestamp)));
  return figuresOf(
    verdict,
    evidence,
    complaints.toSorted((a, b) => a - b),
  );
}
