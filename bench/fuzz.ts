// A million inputs for all that reads what users write: from each either an answer or a BeatError, within 250 ms, and fire times
// that ascend. Inputs come from a seed; a failing one is printed with the arguments that make it again.
//
//   npm run bench:fuzz -- --count 1000000 --seed 7
//   npm run bench:fuzz -- --seed 7 --parser cron --input 123

import { inspect, parseArgs } from "node:util";
import { reasonOf } from "../src/core/errors.ts";
import { type Attempt, attempt } from "../test/fuzz/attempt.ts";
import { type FuzzParser, parsers } from "../test/fuzz/parsers.ts";

const maxMs = 250;
const slowMs = 50;
const maxShown = 3;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    parser: { type: "string" },
    input: { type: "string" },
  },
});
const seed = Number(values.seed);
const chosen = parsers.filter(({ name }) => values.parser === undefined || name === values.parser);
if (chosen.length === 0) throw new Error(`no parser "${values.parser}": ${parsers.map(({ name }) => name).join(", ")}`);

const shown = (input: unknown): string => inspect(input, { depth: 20, maxStringLength: 2_000, breakLength: 140 });

interface Tally {
  count: number;
  read: number;
  slow: number;
  totalMs: number;
  worst: { index: number; tookMs: number; input: unknown };
  readonly failures: Map<string, { count: number; readonly index: number; readonly attempt: Attempt }>;
}

async function run(parser: FuzzParser, count: number): Promise<Tally> {
  const tally: Tally = {
    count,
    read: 0,
    slow: 0,
    totalMs: 0,
    worst: { index: 0, tookMs: 0, input: "" },
    failures: new Map(),
  };
  for (let index = 0; index < count; index++) {
    const made = await attempt(parser, seed, index);
    if (made.tookMs > 10 * maxMs) console.error(`${parser.name} #${index}: ${Math.round(made.tookMs)} ms`);
    if (made.wasRead) tally.read++;
    if (made.tookMs > slowMs) tally.slow++;
    tally.totalMs += made.tookMs;
    if (made.tookMs > tally.worst.tookMs) tally.worst = { index, tookMs: made.tookMs, input: made.input };
    const failure = made.failure ?? (made.tookMs > maxMs ? "too slow" : undefined);
    if (failure === undefined) continue;
    const kind = reasonOf(failure)
      .split("\n", 1)[0]!
      .replaceAll(/"[^"]*"|-?\d+/g, "…")
      .slice(0, 80);
    const known = tally.failures.get(kind);
    if (known === undefined) tally.failures.set(kind, { count: 1, index, attempt: made });
    else known.count++;
  }
  return tally;
}

function report(parser: FuzzParser, { count, read, slow, totalMs, worst, failures }: Tally): void {
  const figures = [
    parser.name.padEnd(14),
    `${count}`.padStart(8),
    `${((100 * read) / count).toFixed(0)} %`.padStart(6),
    `${((1_000 * totalMs) / count).toFixed(0)} µs`.padStart(9),
    `${worst.tookMs.toFixed(1)} ms`.padStart(10),
    `${slow}`.padStart(6),
  ];
  console.log(`${figures.join(" ")}   #${worst.index} ${shown(worst.input).replaceAll(/\s+/g, " ").slice(0, 160)}`);
  for (const [kind, { count, index, attempt }] of [...failures].slice(0, maxShown)) {
    console.log(`\n  ${count} × ${kind}\n  again with: --seed ${seed} --parser "${parser.name}" --input ${index}`);
    console.log(
      `  ${shown(attempt.input)}\n  ${attempt.tookMs.toFixed(1)} ms ${inspect(attempt.failure ?? "").slice(0, 700)}\n`,
    );
  }
}

if (values.input !== undefined) {
  for (const parser of chosen) console.log(shown(await attempt(parser, seed, Number(values.input))));
} else {
  const each = Math.ceil(Number(values.count) / chosen.length);
  console.log(`seed ${seed}, Node ${process.version}\n`);
  console.log("parser           inputs   read      mean      worst  >50 ms   the worst");
  let failed = 0;
  for (const parser of chosen) {
    const tally = await run(parser, each);
    failed += tally.failures.size;
    report(parser, tally);
  }
  console.log(failed === 0 ? "\nnothing failed" : `\n${failed} kinds of failures`);
  process.exitCode = failed === 0 ? 0 : 1;
}
