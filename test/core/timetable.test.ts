import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Timetable } from "../../src/core/timetable.ts";

const id = fc.integer({ min: 1, max: 40 });
const due = fc.integer({ min: 0, max: 100 });
const step = fc.oneof(
  fc.record({ act: fc.constant("set" as const), id, due }),
  fc.record({ act: fc.constant("delete" as const), id }),
  fc.record({ act: fc.constant("take" as const), until: due, limit: fc.integer({ min: 1, max: 10 }) }),
);

test("it behaves as a sorted map does, whatever is done to it", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const timetable = new Timetable();
      const model = new Map<number, number>();
      const sorted = () =>
        [...model].map(([id, dueAt]) => ({ id, dueAt })).sort((a, b) => a.dueAt - b.dueAt || a.id - b.id);
      for (const one of steps) {
        if (one.act === "set") {
          timetable.set(one.id, one.due);
          model.set(one.id, one.due);
        } else if (one.act === "delete") {
          timetable.delete(one.id);
          model.delete(one.id);
        } else {
          const expected = sorted()
            .filter(({ dueAt }) => dueAt <= one.until)
            .slice(0, one.limit);
          assert.deepEqual(timetable.takeDue(one.until, one.limit), expected);
          for (const { id } of expected) model.delete(id);
        }
        assert.equal(timetable.size, model.size);
        const within = sorted().filter(({ dueAt }) => dueAt <= 50).length;
        assert.equal(timetable.countDue(50) >= within, true);
        assert.equal(timetable.nextDueAt, sorted()[0]?.dueAt);
      }
    }),
  );
});

test("an entry that moves for ever does not make it grow", () => {
  const timetable = new Timetable();
  for (let round = 0; round < 1_000_000; round++) timetable.set(1 + (round % 10), round);
  assert.equal(timetable.size, 10);
  assert.deepEqual(
    timetable.takeDue(Number.MAX_SAFE_INTEGER, 100).map(({ dueAt }) => dueAt),
    Array.from({ length: 10 }, (_, n) => 999_990 + n),
  );
  assert.equal(timetable.nextDueAt, undefined);
});

test("how many fall due within a time is counted without taking them", () => {
  const timetable = new Timetable();
  for (let n = 0; n < 5_000; n++) timetable.set(n, (n * 7_919) % 5_000);
  assert.deepEqual(
    [-1, 0, 999, 5_000].map((until) => timetable.countDue(until)),
    [0, 1, 1_000, 5_000],
  );
  assert.equal(timetable.size, 5_000);
});
