// npm run simulate -- --seeds N [--first-seed S] [--lines] [--sqlite SHARE]
//
// Simulates N seeds and prints the first failures. A seed is the same whenever it is repeated: `--seeds 1 --lines` prints
// all that happened in it.

import { parseArgs } from "node:util";
import { reportOf } from "../checker/report.ts";
import { simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    "first-seed": { type: "string", default: "1" },
    sqlite: { type: "string", default: "0.05" },
    lines: { type: "boolean", default: false },
  },
});
const first = Number(values["first-seed"]);
const count = Number(values.seeds);
const shownAtMost = 10;

const totals = { certain: 0, byPolicy: 0, uncertain: 0, delivered: 0, repeats: 0 };
const failed: number[] = [];
const beganAt = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const { verdict, lines, scenario } = await simulate(seed, {
    keepLines: values.lines,
    sqliteShare: Number(values.sqlite),
  });
  if (values.lines) {
    console.log(JSON.stringify(scenario, undefined, 1));
    for (const line of lines) console.log(line);
    console.log(reportOf(verdict));
  }
  for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += verdict.counts[key];
  if (verdict.outcome === "valid") continue;
  failed.push(seed);
  if (failed.length <= shownAtMost) {
    console.log(reportOf(verdict));
    console.log(`  npm run simulate -- --first-seed ${seed} --seeds 1 --sqlite ${values.sqlite} --lines\n`);
  }
}
const tookMs = performance.now() - beganAt;
console.log(
  `${count} seeds from ${first}: ${failed.length} failed. ${totals.certain} nominal times were certain, ${totals.byPolicy} for policy, ${totals.uncertain} uncertain; ${totals.delivered} delivered, ${totals.repeats} repeats. ${(tookMs / count).toFixed(1)} ms each.`,
);
if (failed.length > 0) {
  console.log(`Failed: ${failed.slice(0, 100).join(" ")}`);
  process.exitCode = 1;
}
