import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { brotliDecompressSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { decode } from "@msgpack/msgpack";
import fc from "fast-check";
import { parse } from "yaml";
import { prepareEncoding } from "../../src/celery/encoding.ts";
import { pythonYaml } from "../../src/celery/yaml.ts";
import { BeatError } from "../../src/core/errors.ts";
import type { TaskOptions } from "../../src/core/target.ts";

suite("yaml", () => {
  const cases: readonly [unknown, string][] = [
    [["yes", "null", "1", "2026-01-01"], '["yes", "null", "1", "2026-01-01"]'],
    ["é😀\n\u007f", '"\\u00e9\\U0001f600\\n\\u007f"'],
    [{ a: [1, 1e21, 1.5e-7, 1e-7], b: {} }, '{"a": [1, 1.0e+21, 1.5e-7, 1.0e-7], "b": {}}'],
    [{ ["k".repeat(1_000)]: 1 }, `{? "${"k".repeat(1_000)}" : 1}`],
  ];
  for (const [value, text] of cases) test(text.slice(0, 40), () => assert.equal(pythonYaml(value), text));

  test("reads back as the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain = JSON.parse(JSON.stringify(value));
        // The parser makes no own key of "__proto__".
        if (JSON.stringify(plain).includes("__proto__")) return;
        assert.deepEqual(parse(pythonYaml(plain), { version: "1.1" }), plain);
      }),
    );
  });
});

test("msgpack reads back as the same value", () => {
  const { encode } = prepareEncoding({ serializer: "msgpack" });
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
      const plain = JSON.parse(JSON.stringify(value));
      if (JSON.stringify(plain).includes("__proto__")) return;
      assert.deepEqual(decode(encode(plain)), plain);
    }),
  );
});

suite("compression", () => {
  const decompress = {
    "application/x-gzip": inflateSync,
    "application/x-brotli": brotliDecompressSync,
    "application/zstd": zstdDecompressSync,
  };
  for (const [name, header] of [
    ["zlib", "application/x-gzip"],
    ["gzip", "application/x-gzip"],
    ["application/x-gzip", "application/x-gzip"],
    ["brotli", "application/x-brotli"],
    ["zstd", "application/zstd"],
    ["zstandard", "application/zstd"],
  ] as const) {
    test(name, () => {
      const { compression, encode } = prepareEncoding({ compression: name });
      assert.equal(compression, header);
      const bytes = encode(["x".repeat(1_000)]);
      assert.ok(bytes.length < 100);
      assert.equal(decompress[header](bytes).toString(), `["${"x".repeat(1_000)}"]`);
    });
  }
  for (const [header, names, magic] of [
    ["application/x-bz2", ["bzip2", "bzip", "bz2"], "BZh"],
    ["application/x-lzma", ["lzma", "xz"], "\xfd7zXZ\0"],
  ] as const) {
    test(`${names.join(", ")}, ${header}`, () => {
      for (const name of [...names, header]) {
        const { compression, encode } = prepareEncoding({ compression: name });
        assert.equal(compression, header);
        assert.ok(encode([]).toString("latin1").startsWith(magic));
      }
    });
  }
  test("zlib is no gzip file, and zstd says how long its content is", () => {
    assert.equal(prepareEncoding({ compression: "gzip" }).encode([])[0], 0x78);
    const [, , , , descriptor] = prepareEncoding({ compression: "zstd" }).encode(["x".repeat(100_000)]);
    // The two upper bits give the size of the field, the third that it is there in any case.
    assert.ok((descriptor! & 0b1110_0000) !== 0);
  });
});

suite("refused", () => {
  const half = "\ud800";
  const cases: readonly [string, TaskOptions, unknown, RegExp, string][] = [
    [
      "half a character in a pickle",
      { serializer: "pickle" },
      [half],
      /half of a surrogate pair/,
      "options.serializer",
    ],
    [
      "unknown",
      { compression: "snappy" },
      [],
      /"snappy" is not a compression of Celery's.*zlib, bzip2, lzma, brotli or zstd/,
      "options.compression",
    ],
    ["half a character", { serializer: "msgpack" }, [{ [half]: 1 }], /half of a surrogate pair/, "options.serializer"],
    ["too much", { compression: "zlib" }, ["x".repeat(1_048_576)], /1,048,580 bytes; at most 1 MiB/, "args"],
  ];
  for (const [name, options, body, expected, field] of cases) {
    test(name, () => {
      assert.throws(
        () => prepareEncoding(options).encode(body),
        (error) => error instanceof BeatError && expected.test(error.describe()) && error.place?.field === field,
      );
    });
  }
});
