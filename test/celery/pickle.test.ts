import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import fc from "fast-check";
import { pythonPickle, Tuple } from "../../src/celery/pickle.ts";
import { BeatError } from "../../src/core/errors.ts";
import { celeryVenv } from "../servers/celery.ts";

suite("opcodes", () => {
  const cases: readonly [unknown, string][] = [
    [null, "80024e2e"],
    [[true, false], "80025d288889652e"],
    [[1, -1, 2 ** 31, 0.5], "80025d284a010000004affffffff49323134373438333634380a473fe0000000000000652e"],
    [{ é: [] }, "80027d285802000000c3a95d2865752e"],
    [new Tuple([1]), "8002284a01000000742e"],
  ];
  for (const [value, hex] of cases)
    test(JSON.stringify(value), () => assert.equal(pythonPickle(value).toString("hex"), hex));

  test("half of a character is refused", () => {
    assert.throws(() => pythonPickle(["\ud800"]), BeatError);
  });
});

test("Python reads what its json module reads of the same value", async () => {
  const python = await celeryVenv("5.7.0");
  const values = fc
    .sample(fc.jsonValue({ stringUnit: "binary" }), { numRuns: 500, seed: 1 })
    .map((value) => JSON.parse(JSON.stringify(value)));
  values.push([2 ** 53, -(2 ** 31), 2 ** 31 - 1, 1e21, 1e20, -0, 1.5e300, "é中😀", { "": [[], {}] }]);
  const input = values
    .map((value) => JSON.stringify({ json: JSON.stringify(value), pickle: pythonPickle(value).toString("base64") }))
    .join("\n");
  const program = `
import base64, json, pickle, sys
for line in sys.stdin:
    case = json.loads(line)
    assert repr(pickle.loads(base64.b64decode(case["pickle"]))) == repr(json.loads(case["json"])), line
`;
  const { status, stderr } = spawnSync(python, ["-c", program], { input, encoding: "utf8" });
  assert.equal(status, 0, stderr);
});
