// `beat lint`: findings with their place for people and programs, exit codes for CI.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { temporaryFolder } from "../store/temporary-folder.ts";
import { beat } from "./commands.ts";

const path = temporaryFolder();

function file(name: string, ...entries: string[]): string {
  writeFileSync(path(name), ["schedules:", ...entries.map((entry) => `  ${entry}`)].join("\n"));
  return path(name);
}

const fine = 'fine: {cron: "0 9 * * 1-5", task: a.b}';
const seven = 'seven: {cron: "*/7 * * * *", task: a.b}';

test("0 for nothing, 1 for findings, 2 for problems", async (t) => {
  const good = file("good.yaml", fine);
  assert.deepEqual(await beat(t, "lint", good), {
    code: 0,
    stdout: "1 entry, nothing that surprises.\n",
    stderr: "",
  });

  const surprising = file("surprising.yaml", fine, seven);
  const found = await beat(t, "lint", surprising);
  assert.equal(found.code, 1);
  assert.match(found.stdout, /surprising\.yaml:3:3: entry "seven": minute \*\/7 .*write every: 7m.* \[uneven-step\]\n/);
  assert.match(found.stdout, /\n2 entries, 1 finding\.\n$/);

  const broken = file("broken.yaml", seven, 'worse: {cron: "99 * * * *", task: a.b}');
  const wrong = await beat(t, "lint", broken);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stdout, /broken\.yaml:3:[\s\S]*"99"[\s\S]*\[uneven-step\]\n1 entry, 1 finding, 1 problem\.\n$/);

  assert.equal((await beat(t, "lint", path("missing.yaml"))).code, 2);
  assert.equal((await beat(t, "lint")).code, 2);
});

test("rules can be left out", async (t) => {
  const surprising = file("ignored.yaml", seven, 'Seven: {cron: "0 9 31 * *", task: a.b}');
  const rules = async (...words: string[]) =>
    (await beat(t, "lint", surprising, ...words)).stdout.match(/(?<=\[)[a-z-]+(?=\]\n)/g);
  assert.deepEqual(await rules(), ["uneven-step", "short-month", "similar-names"]);
  assert.deepEqual(await rules("--ignore", "uneven-step", "similar-names"), ["short-month"]);
  const all = await beat(t, "lint", surprising, "--ignore", "uneven-step", "similar-names", "short-month");
  assert.equal(all.code, 0);
  assert.equal((await beat(t, "lint", surprising, "--ignore", "no-such-rule")).code, 2);
});

test("--json", async (t) => {
  const surprising = file("json.yaml", seven, "bad: {cron: x, task: a.b}");
  const { code, stdout } = await beat(t, "lint", surprising, "--json");
  assert.equal(code, 2);
  const { entries, findings, problems } = JSON.parse(stdout);
  assert.equal(entries, 1);
  assert.deepEqual(Object.keys(findings[0]), ["rule", "message", "remedy", "file", "line", "column", "entry"]);
  assert.deepEqual(
    [findings[0].rule, findings[0].file, findings[0].line, findings[0].column, findings[0].entry],
    ["uneven-step", surprising, 2, 3, "seven"],
  );
  assert.equal(problems[0].entry, "bad");
});
