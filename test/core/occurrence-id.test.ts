import assert from "node:assert/strict";
import { test } from "node:test";
import { BeatError } from "../../src/core/errors.ts";
import { occurrenceId } from "../../src/core/occurrence-id.ts";

const store = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

test("is the UUID version 5 of store, entry and fire time", () => {
  // Python: uuid.uuid5(uuid.UUID(store), "1:1798794000000") and so on.
  assert.equal(occurrenceId(store, 1, 1_798_794_000_000), "44ccf515-dd14-5a24-94ef-2fbc347a18d8");
  assert.equal(occurrenceId(store.toUpperCase(), 900_719, 0), "b1941150-1aa1-55f4-a188-936c7d2d7234");
  assert.equal(
    occurrenceId("00000000-0000-4000-8000-000000000000", Number.MAX_SAFE_INTEGER, -8_640_000_000_000_000),
    "290858d8-3e84-590b-8b27-bd7e8a4a4239",
  );
});

test("differs with each of the three", () => {
  const other = "00000000-0000-4000-8000-000000000000";
  const ids = [
    occurrenceId(store, 1, 2),
    occurrenceId(store, 1, 3),
    occurrenceId(store, 2, 2),
    occurrenceId(other, 1, 2),
    occurrenceId(store, 12, 2),
    occurrenceId(store, 1, 22),
  ];
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(occurrenceId(store, 1, 2), ids[0]);
});

test("refuses a store id that is no UUID", () => {
  assert.throws(() => occurrenceId("store", 1, 2), BeatError);
});
