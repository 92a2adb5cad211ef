// All rows of docs/reliability.md, one after another, each fault as long as in the table:
//   npm run test:faults -- [--rows 3,5,8] [--hours 24] [--seed TEXT] [--results FILE] [--evidence FOLDER]

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    rows: { type: "string" },
    hours: { type: "string" },
    seed: { type: "string" },
    results: { type: "string" },
    evidence: { type: "string" },
  },
});
const settings = Object.entries(values).map(([name, value]) => [`FAULTS_${name.toUpperCase()}`, value]);
const { status } = spawnSync(
  process.execPath,
  ["--test", "--test-concurrency=1", ...globSync("test/faults/*.test.ts").sort()],
  { stdio: "inherit", env: { ...process.env, FAULTS: "full", ...Object.fromEntries(settings) } },
);
process.exitCode = status ?? 1;
