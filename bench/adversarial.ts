// How long the schedules that were made to hang take: next and previous fire times and the sentence, each asked for once in a
// process of its own, where nothing is compiled and no zone is known yet. Those that are slow are asked again, since others may
// have had the processor: the best counts. Ends with 1 if one of them takes longer than 50 ms.
//
//   npm run bench:adversarial
//   npm run bench:adversarial -- "coprime"      those whose name holds the text

import { execFileSync } from "node:child_process";
import { describe } from "../src/core/describe.ts";
import { nextFireTimes, previousFireTimes } from "../src/core/fire-times.ts";
import { type Adversary, adversaries } from "../test/core/triggers/adversarial.ts";

const limitMs = 50;
/** Asked again, up to so many times in all, while it takes longer than this. */
const [askAgainMs, runs] = [30, 8];

const questions = {
  next: ({ schedule, at }: Adversary) =>
    String(nextFireTimes(schedule, { after: new Date(at), count: 1 })[0]?.toISOString()),
  previous: ({ schedule, at }: Adversary) =>
    String(previousFireTimes(schedule, { before: new Date(at), count: 1 })[0]?.toISOString()),
  describe: ({ schedule }: Adversary) => describe(schedule),
};
type Question = keyof typeof questions;
const kinds = Object.keys(questions) as Question[];

const [first, second] = process.argv.slice(2);
if (second !== undefined) ask(first as Question, adversaries[Number(second)]!);
else measureAll(first ?? "");

function ask(question: Question, adversary: Adversary): void {
  const start = performance.now();
  let answer: string;
  try {
    answer = questions[question](adversary);
  } catch (error) {
    answer = `refused: ${(error as Error).message}`;
  }
  const elapsedMs = performance.now() - start;
  console.log(JSON.stringify({ elapsedMs, answer: answer.slice(0, 70) }));
}

function measureAll(part: string): void {
  let worst = { elapsedMs: 0, what: "" };
  for (const [index, { name, at }] of adversaries.entries()) {
    if (!name.includes(part)) continue;
    for (const question of kinds) {
      const { elapsedMs, answer } = measure(question, index);
      const what = `${question.padEnd(8)} ${name}, ${at.slice(0, 4)}`;
      console.log(`${elapsedMs.toFixed(1).padStart(7)} ms  ${what.padEnd(76)} ${answer}`);
      if (elapsedMs > worst.elapsedMs) worst = { elapsedMs, what };
    }
  }
  console.log(`\nThe slowest: ${worst.elapsedMs.toFixed(1)} ms, ${worst.what}`);
  if (worst.elapsedMs > limitMs) process.exitCode = 1;
}

function measure(question: Question, index: number): { elapsedMs: number; answer: string } {
  let best = { elapsedMs: Infinity, answer: "" };
  for (let run = 0; run < runs && best.elapsedMs > askAgainMs; run++) {
    const output = execFileSync(process.execPath, [import.meta.filename, question, String(index)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    const measured = JSON.parse(output) as typeof best;
    if (measured.elapsedMs < best.elapsedMs) best = measured;
  }
  return best;
}
