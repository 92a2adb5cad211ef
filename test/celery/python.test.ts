import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { pythonJson, pythonRepr } from "../../src/celery/python.ts";

suite("JSON as json.dumps writes it", () => {
  test("separators and escapes", () => {
    assert.equal(
      pythonJson({ a: [1, 'é\u007f\u2028"\\/\b'], "😀": null }),
      '{"a": [1, "\\u00e9\\u007f\\u2028\\"\\\\/\\b"], "\\ud83d\\ude00": null}',
    );
    assert.equal(pythonJson([]), "[]");
    assert.equal(pythonJson({}), "{}");
  });
  test("reads back as the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = pythonJson(value);
        assert.match(text, /^[ -~]*$/);
        assert.equal(JSON.stringify(JSON.parse(text)), JSON.stringify(value));
      }),
    );
  });
});

suite("repr", () => {
  const cases: readonly [unknown, string][] = [
    [null, "None"],
    [[true, false], "[True, False]"],
    [{ a: "b", "it's": 1 }, "{'a': 'b', 'it\\'s': 1}"],
    ["\n\t\\ \u00a0\u200b\u2028\u{1f600}é", "'\\n\\t\\\\ \\xa0\\u200b\\u2028😀é'"],
    [String.fromCodePoint(0xd800, 0xe0001), "'\\ud800\\U000e0001'"],
    [
      [1, -0.5, 1e21, 1e22, 1.5e-7, 0.0001, 12345.678, 1e16],
      "[1, -0.5, 1e+21, 1e+22, 1.5e-07, 0.0001, 12345.678, 10000000000000000]",
    ],
    [[1, [2, [3, [4, [5]]]]], "[1, [2, [3, [...]]]]"],
    [{ a: { b: { c: { d: 1 } } } }, "{'a': {'b': {'c': {...}}}}"],
    [[[[[]]]], "[[[[]]]]"],
  ];
  for (const [value, text] of cases) test(text.slice(0, 40), () => assert.equal(pythonRepr(value), text));

  test("is bounded", () => {
    const long = pythonRepr(["x".repeat(2_000), 1]);
    assert.ok(long.startsWith("['xxx") && long.endsWith("x...', ...]") && long.length < 1_050, long);
    const many = pythonRepr(Array.from({ length: 1_000 }, () => ({ k: "v" })));
    assert.ok(many.endsWith(", ...]") && many.length < 1_100, String(many.length));
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 20 }), (value) => pythonRepr([value, value, value]).length < 12_000),
    );
  });
});
