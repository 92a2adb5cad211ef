// All rows of docs/reliability.md, one after another, each fault as long as in the table:
//   npm run test:faults -- [--rows 3,5,"9 (Redis)",15b] [--hours 24] [--seed TEXT] [--results FILE] [--evidence FOLDER]
// Ends with that table, its last two columns being what was measured now.

import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
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
const folder = mkdtempSync(join(tmpdir(), "beat-faults-"));
const results = resolve(values.results ?? join(folder, "results.md"));
writeFileSync(results, "", { flag: "a" });
const measuredBefore = readFileSync(results, "utf8").length;
if (values.evidence !== undefined) mkdirSync(values.evidence, { recursive: true });
const settings = Object.entries({ ...values, results }).map(([name, value]) => [`FAULTS_${name.toUpperCase()}`, value]);
// That the checker finds what celery beat loses, what is held against readiness, and a burst of 50,000 are none of the rows.
const isRows = (file: string) => !/celery-beat|readiness|burst/.test(file);
const files = globSync("test/faults/*.test.ts").filter((file) => !values.rows || isRows(file));
const { status } = spawnSync(process.execPath, ["--test", "--test-concurrency=1", ...files.sort()], {
  stdio: "inherit",
  env: { ...process.env, FAULTS: "full", ...Object.fromEntries(settings) },
});
console.log(tableOf(readFileSync(results, "utf8").slice(measuredBefore)));
rmSync(folder, { recursive: true, force: true });
process.exitCode = status ?? 1;

/** The peers' columns are those of the page. */
function tableOf(measured: string): string {
  const page = readFileSync(join(import.meta.dirname, "../docs/reliability.md"), "utf8").split("\n");
  const head = page.findIndex((line) => line.startsWith("| # |"));
  const known = new Map(page.slice(head).map((line) => [cellsOf(line)[0], cellsOf(line)]));
  const lines = measured.trimEnd().split("\n").filter(Boolean).map(cellsOf);
  const rows = lines.map((cells) => {
    const [label, fault] = cells as [string, string];
    const [, , ...peers] = known.get(label)?.slice(0, -2) ?? Array(6).fill("–");
    const said = known.get(label)?.[1] ?? fault;
    return `| ${[label, said, ...peers, beatOf(cells), cells[8] ?? ""].join(" | ")} |`;
  });
  rows.sort((a, b) => Number.parseInt(a.slice(2), 10) - Number.parseInt(b.slice(2), 10));
  return ["", ...page.slice(head, head + 2), ...rows, ""].join("\n");
}

function cellsOf(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** Of a line that rows.ts wrote. */
function beatOf([, , times, , missing, again, second, early, , said, back, remark]: readonly string[]): string {
  if (times === "failed") return "**failed**";
  const number = (text: string | undefined) => Number(text).toLocaleString("en");
  const counts = [
    `${number(missing)} of ${number(times)}`,
    ...(again === "0" ? [] : [`${number(again)} again under the same id`]),
    ...(second === "0" ? [] : [`${second} second ids`]),
    ...(early === "0" ? [] : [`${early} early or extra`]),
  ];
  const more = [
    said && !remark?.includes("said after") ? `said after ${said}` : "",
    back && back !== "0.0 s" ? `back after ${back}` : "",
    remark ?? "",
  ];
  return [`**${counts.join("; ")}**`, ...more.filter(Boolean)].join("; ");
}
