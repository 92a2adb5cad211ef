// Simulates seeds in a thread of their own, and tells what came of them.

import { parentPort, workerData } from "node:worker_threads";
import { reportOf } from "../checker/report.ts";
import { simulate } from "./simulate.ts";

export interface SeedRange {
  readonly first: number;
  readonly count: number;
}

export interface SeedsOutcome {
  readonly totals: Readonly<Record<"seeds" | "certain" | "byPolicy" | "uncertain" | "delivered" | "repeats", number>>;
  /** A report for each seed that failed. It ends with the first few of them. */
  readonly failed: readonly string[];
}

const mostShown = 5;

const { first, count } = workerData as SeedRange;
const totals = { seeds: 0, certain: 0, byPolicy: 0, uncertain: 0, delivered: 0, repeats: 0 };
const failed: string[] = [];
for (let seed = first; seed < first + count && failed.length < mostShown; seed++) {
  const { verdict } = await simulate(seed);
  totals.seeds++;
  for (const key of ["certain", "byPolicy", "uncertain", "delivered", "repeats"] as const)
    totals[key] += verdict.counts[key];
  if (verdict.outcome !== "valid")
    failed.push(`${reportOf(verdict)}\n  npm run simulate -- --first-seed ${seed} --seeds 1 --lines`);
}
parentPort!.postMessage({ totals, failed } satisfies SeedsOutcome);
