import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ListsByEntry } from "../../src/core/lists-by-entry.ts";

test("it holds what a plain map of arrays would, in the same order, whatever comes and goes", () => {
  const step = fc.record({
    entryId: fc.integer({ min: 1, max: 5 }),
    item: fc.integer({ min: 1, max: 9 }),
    adds: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lists = new ListsByEntry<number>();
      const model = new Map<number, number[]>();
      for (const { entryId, item, adds } of steps) {
        const list = model.get(entryId) ?? [];
        const place = list.indexOf(item);
        if (adds) lists.add(entryId, item);
        else assert.equal(lists.delete(entryId, item), place >= 0);
        model.set(entryId, adds ? [...list, item] : place < 0 ? list : list.toSpliced(place, 1));
      }
      for (let entryId = 1; entryId <= 5; entryId++) assert.deepEqual(lists.of(entryId), model.get(entryId) ?? []);
      const all: number[] = [];
      lists.forEach((item) => void all.push(item));
      assert.equal(lists.size, all.length);
      assert.deepEqual(all.sort(), [...model.values()].flat().sort());
    }),
    { seed: 20261121 },
  );
});

test("empty lists of entries that come no more go when others come, and what is held stays", () => {
  const lists = new ListsByEntry<string>();
  lists.add(-1, "held");
  for (let entryId = 0; entryId < 100_000; entryId++) {
    lists.add(entryId, "once");
    assert.ok(lists.delete(entryId, "once"));
  }
  assert.deepEqual(lists.of(-1), ["held"]);
  assert.equal(lists.size, 1);
  assert.ok(lists.kept < 20_000, `${lists.kept} lists`);
});
