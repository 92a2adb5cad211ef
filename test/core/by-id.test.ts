import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ById } from "../../src/core/by-id.ts";

const id = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const act = fc.record({ what: fc.constantFrom("set", "delete"), id, value: fc.string() });

test("it behaves as a map does, whether its ids lie together or far apart", () => {
  fc.assert(
    fc.property(fc.array(act), (acts) => {
      const byId = new ById<string>();
      const model = new Map<number, string>();
      for (const { what, id, value } of acts) {
        if (what === "set") {
          byId.set(id, value);
          model.set(id, value);
        } else {
          byId.delete(id);
          model.delete(id);
        }
        assert.equal(byId.get(id), model.get(id));
        assert.equal(byId.has(id), model.has(id));
        assert.equal(byId.size, model.size);
      }
      const sorted = [...model].sort(([a], [b]) => a - b);
      assert.deepEqual(
        byId.entries().sort(([a], [b]) => a - b),
        sorted,
      );
      assert.deepEqual(byId.values().sort(), sorted.map(([, value]) => value).sort());
    }),
  );
});
