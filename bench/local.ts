// Jobs in process: many that are due each second, in Beat and in the libraries that do the same. Each gets a process of its own, one
// after the other; three rounds of three minutes and a half, and the best of each counts. Lateness is from the time that was due to
// the first line of the job. Beat writes each of its runs into a ledger meanwhile, which none of the others has.
//
//   npm run bench:local [-- --jobs 10000 --seconds 10 --rounds 3 --only beat,croner]      needs Python 3 with venv, and the network once

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { runWithApscheduler } from "./apscheduler.ts";

const dependencies = { croner: "11.0.1", "node-cron": "4.6.0", "node-schedule": "2.1.1", "toad-scheduler": "4.1.0" };
/** Those that do the same work, beginning with Beat. */
const groups = {
  "Due at each full second, by cron": ["beat", "croner", "node-cron", "node-schedule", "toad-scheduler", "apscheduler"],
  "Due a second after the last time, by intervals": ["beat-intervals", "toad-intervals"],
};
const folder = join(import.meta.dirname, "../.cache/local-peers");
const complaints = { maxBuffer: 1024 * 1024 * 1024 };
const run = promisify(execFile);

/** What a peer's process prints. */
interface Measured {
  /** Of the runs that were due. */
  readonly fired: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of one processor. */
  readonly cpu: number;
  readonly rssMb: number;
}

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "10000" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
    only: {
      type: "string",
      default: Object.values(groups).flat().join(","),
    },
  },
});
const peers = values.only.split(",");
const { jobs, seconds } = values;

async function installPeers(): Promise<void> {
  if (existsSync(join(folder, "node_modules/toad-scheduler"))) return;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
  await run("npm", ["install", "--no-audit", "--no-fund", "--silent"], { cwd: folder });
}

async function measure(peer: string): Promise<Measured> {
  const text =
    peer === "apscheduler"
      ? await runWithApscheduler("local_peer.py", [jobs, seconds])
      : (
          await run(
            process.execPath,
            [join(import.meta.dirname, "local-peer.ts"), peer, jobs, seconds, folder],
            complaints,
          )
        ).stdout;
  // Some print that they are late, for each run.
  return JSON.parse(text.slice(text.lastIndexOf("\n{") + 1)) as Measured;
}

/** Whoever misses runs has less to do: the most runs first, then the least lateness. */
function better(one: Measured, other: Measured | undefined): boolean {
  if (other === undefined) return true;
  const [fired, before] = [one.fired, other.fired].map((share) => Math.min(1, Math.round(share * 50) / 50));
  return fired! > before! || (fired === before && one.p99Ms < other.p99Ms);
}

await installPeers();
const best = new Map<string, Measured>();
for (let round = 0; round < Number(values.rounds); round++) {
  for (const peer of peers) {
    const measured = await measure(peer);
    if (better(measured, best.get(peer))) best.set(peer, measured);
  }
}

console.log(`${jobs} jobs due each second, for ${seconds} s. Node ${process.version}, the best of ${values.rounds}.\n`);
const row = (...cells: string[]) =>
  console.log(cells.map((cell, index) => cell.padEnd(index === 0 ? 16 : 20)).join(""));
row("", "fired", "lateness p50", "lateness p99", "CPU", "memory");
const times = (theirs: number, ours: number | undefined) => {
  if (ours === undefined || ours === 0 || theirs === ours) return "";
  const ratio = theirs / ours;
  return ` (${ratio.toFixed(ratio < 10 ? 1 : 0)}×)`;
};
for (const [what, group] of Object.entries(groups)) {
  const beat = best.get(group[0]!);
  const measured = group.filter((peer) => best.has(peer));
  if (measured.length > 0) console.log(`\n${what}`);
  for (const peer of measured) {
    const { fired, p50Ms, p99Ms, cpu, rssMb } = best.get(peer)!;
    row(
      peer,
      `${(fired * 100).toFixed(1)} %`,
      `${p50Ms} ms${times(p50Ms, beat?.p50Ms)}`,
      `${p99Ms} ms${times(p99Ms, beat?.p99Ms)}`,
      `${(cpu * 100).toFixed(1)} %${times(cpu, beat?.cpu)}`,
      `${Math.round(rssMb)} MB`,
    );
  }
}
console.log("\nIn parentheses: how many times as much as Beat.");
