import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { routeFor } from "../../src/celery/task-routes.ts";
import { celeryVenv } from "../servers/celery.ts";

test("patterns mean what they mean to Python's fnmatch", async () => {
  const text = (letters: string, maxLength: number) =>
    fc.array(fc.constantFrom(...letters), { maxLength }).map((each) => each.join(""));
  const samples = fc
    .sample(fc.tuple(text("ab.*?[]!-", 8), text("ab.-]!", 6)), { numRuns: 5_000, seed: 7 })
    .map(([pattern, name]) => [`${pattern}*`, name] as const);
  const program = `
import fnmatch, json, sys
print(json.dumps([bool(fnmatch.fnmatchcase(name, pattern)) for pattern, name in json.load(sys.stdin)]))
`;
  const input = JSON.stringify(samples);
  const { stdout, stderr } = spawnSync(await celeryVenv("5.7.0"), ["-c", program], { input, encoding: "utf8" });
  assert.ok(stdout, stderr);
  const expected = JSON.parse(stdout) as boolean[];
  assert.ok(expected.filter(Boolean).length > 500);
  for (const [index, [pattern, name]] of samples.entries())
    assert.equal(routeFor(name, { [pattern]: "q" }) !== undefined, expected[index], `${pattern} ${name}`);
});

test("a thousand patterns and hundreds of tasks take no long time, nor does a hostile pattern", () => {
  const map = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`shop.part${n}.*`, `queue-${n}`]));
  const started = performance.now();
  for (let n = 0; n < 400; n++) assert.equal(routeFor(`shop.part${4 * n}.run`, map) === undefined, n >= 250);
  assert.equal(routeFor("a".repeat(5_000), { [`${"*a".repeat(1_000)}*b`]: "q" }), undefined);
  const tookMs = performance.now() - started;
  assert.ok(tookMs < 5_000, `${tookMs} ms`);
});
