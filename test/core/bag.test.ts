import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Bag } from "../../src/core/bag.ts";

test("it holds what a Set would, whatever comes and goes", () => {
  const step = fc.record({ index: fc.integer({ min: 0, max: 7 }), adds: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const items = Array.from({ length: 8 }, (_, name) => ({ name, place: -1 }));
      const bag = new Bag<(typeof items)[number]>();
      const model = new Set<(typeof items)[number]>();
      for (const { index, adds } of steps) {
        const item = items[index]!;
        if (adds) {
          bag.add(item);
          model.add(item);
        } else {
          bag.delete(item);
          model.delete(item);
        }
      }
      assert.equal(bag.size, model.size);
      assert.deepEqual(new Set(bag.items), model);
    }),
    { seed: 20261121 },
  );
});
