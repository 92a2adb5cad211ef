// A table of faults becomes tests: each row has a world of its own, does its worst to it, and is judged by the checker.

import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { check } from "../checker/check.ts";
import { type RabbitmqServer, startRabbitmq } from "../servers/rabbitmq.ts";
import { assertValid, evidenceOf, figuresOf, promised } from "./judged.ts";
import { type Entries, isFull, Rig } from "./rig.ts";

export interface Row {
  /** In the table of docs/reliability.md. */
  readonly number: number;
  readonly fault: string;
  /** Belongs to `npm test`. The others run with FAULTS=full. */
  readonly isQuick?: boolean;
  /** Entries beside the timetable's. */
  readonly more?: Entries;
  /** Beside doing the damage it may wait and assert as it likes; what arrived and the ledger are judged when it is done. Returns what else there is to tell. */
  readonly run: (rig: Rig) => Promise<string | undefined> | Promise<void>;
}

/** Rows that share a RabbitMQ. `together`: none of them harms it, so that the quick ones may run side by side. */
export function rows(title: string, table: readonly Row[], { together = false } = {}): void {
  const only = process.env["FAULTS_ROWS"]?.split(",").map(Number);
  const chosen = table.filter(({ number, isQuick }) =>
    only === undefined ? isFull || isQuick : only.includes(number),
  );
  if (chosen.length === 0) return;
  describe(title, { concurrency: together && !isFull ? 3 : 1 }, () => {
    let rabbitmq: RabbitmqServer;
    before(async () => {
      rabbitmq = await startRabbitmq();
    });
    after(() => rabbitmq?.stop());
    for (const row of chosen) {
      test(`row ${row.number}: ${row.fault}`, async (t) => {
        const rig = await Rig.open(t, rabbitmq, row.more);
        const remark = await row.run(rig);
        const line = `| ${row.number} | ${row.fault} | ${await conclude(rig, `row ${row.number}: ${row.fault}`)} | ${remark ?? ""} |`;
        t.diagnostic(line);
        if (process.env["FAULTS_RESULTS"]) await appendFile(process.env["FAULTS_RESULTS"], `${line}\n`);
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
  const invokedAt = Date.now();
  for (const daemon of rig.daemons) {
    if (daemon.child.exitCode === null && daemon.child.signalCode === null) await rig.end(daemon);
  }
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
