import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dueTime } from "../../src/core/jitter.ts";
import { occurrenceId } from "../../src/core/occurrence-id.ts";

const store = "8c1f6f5e-51a5-4b0c-9d3e-3f5f1d2a7b10";
const fireAt = Date.UTC(2027, 0, 1);

test("jitter stays within its limit and before the next fire time, and is the same each time", () => {
  const millis = fc.integer({ min: 0, max: 86_400_000 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), millis, fc.option(millis), (entryId, jitterMs, gapMs) => {
      const id = occurrenceId(store, entryId, fireAt);
      const nextFireAt = gapMs === null ? null : fireAt + gapMs;
      const dueAt = dueTime(id, fireAt, jitterMs, nextFireAt);
      assert.ok(dueAt >= fireAt && dueAt <= fireAt + jitterMs);
      if (nextFireAt !== null) assert.ok(dueAt <= nextFireAt);
      assert.equal(dueTime(id, fireAt, jitterMs, nextFireAt), dueAt);
    }),
  );
});

test("jitter is spread evenly", () => {
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let entryId = 1; entryId <= 10_000; entryId++) {
    const lateMs = dueTime(occurrenceId(store, entryId, fireAt), fireAt, 1_000, null) - fireAt;
    tenths[Math.floor(lateMs / 100)]!++;
  }
  for (const count of tenths) assert.ok(count > 850 && count < 1_150, String(tenths));
});
