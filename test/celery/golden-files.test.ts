import assert from "node:assert/strict";
import { globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const tests = join(import.meta.dirname, "..");
const folder = join(tests, "golden");

test("no golden file is forgotten: each is named by a test, or the README says why not", () => {
  const sources = globSync("**/*.test.ts", { cwd: tests }).map((file) => readFileSync(join(tests, file), "utf8"));
  const readme = readFileSync(join(folder, "README.md"), "utf8");
  const unmade = new Set(
    [...readme.split("why there is nothing")[1]!.matchAll(/`([^`]+\.jsonl?)`/g)].map(([, name]) => name!),
  );
  const files = readdirSync(folder).filter((name) => name !== "README.md");
  assert.ok(files.length > 60);
  for (const file of files) {
    const stem = file.replace(/\.jsonl?$/, "");
    const names = [stem, stem.replace(/(?<=-)5\.\d\.[0-9x]$/, () => `\${version}`)];
    const isTested = sources.some((source) =>
      names.some((name) =>
        [`golden("${name}")`, `golden(\`${name}\`)`, `/golden/${name}.json`].some((call) => source.includes(call)),
      ),
    );
    assert.notEqual(isTested, unmade.has(file), isTested ? `${file} is tested and in the table` : `${file} is neither`);
    unmade.delete(file);
  }
  assert.deepEqual([...unmade], [], "files that are not there");
});
