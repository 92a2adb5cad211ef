// Whatever is written where a trigger belongs, the answer is a trigger or a DefinitionError with a place and a remedy, soon.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BeatError, DefinitionError } from "../../../src/core/errors.ts";
import { compileSchedule, type Schedule, triggerKeys } from "../../../src/core/triggers/schedule.ts";
import { nextFireTime, previousFireTime } from "../../../src/core/triggers/trigger.ts";

const words = [
  "*",
  "*/",
  "0",
  "7",
  "5",
  "13",
  "29",
  "31",
  "60",
  "-",
  ",",
  "/",
  "#",
  "L",
  "W",
  "LW",
  "?",
  "~",
  " ",
  "  ",
  "mon",
  "FEB",
  "sun-",
  "last ",
  "2nd fri",
  "@daily",
  "T",
  ":",
  "Z",
  ";",
  "=",
  "FREQ=DAILY",
  "BYDAY=",
  "COUNT=",
  "RRULE:",
  "\n",
  "2024-02-29",
  "..",
  "1h",
  "ms",
  "P",
  "é",
  "😀",
  "\u0000",
];
const text = fc.oneof(
  fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((parts) => parts.join("")),
  fc.array(fc.constantFrom(...words), { minLength: 4, maxLength: 7 }).map((parts) => parts.join(" ")),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const keys = [
  "minute",
  "hour",
  "day",
  "day_of_week",
  "months",
  "days",
  "at",
  "event",
  "latitude",
  "longitude",
  "every",
  "cron",
  "any",
  "all",
  "except",
  "from",
  "to",
  "__proto__",
  "constructor",
];
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.double(),
    fc.integer({ min: -5, max: 100 }),
    fc.constantFrom(null, true, undefined),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...keys), tie("value"), { maxKeys: 4 }),
  ),
}));

/** Throws anything else than what a user may be told. */
function attempt(schedule: unknown): void {
  const start = performance.now();
  try {
    const trigger = compileSchedule(schedule as Schedule, { name: "fuzz", anchorAt: 0 });
    const after = Date.UTC(2024, 1, 28);
    const next = nextFireTime(trigger, after);
    assert.ok(next === null || (Number.isSafeInteger(next) && next > after));
    const previous = previousFireTime(trigger, after);
    assert.ok(previous === null || (Number.isSafeInteger(previous) && previous < after));
  } catch (error) {
    if (!(error instanceof BeatError)) throw error;
    assert.ok(error.remedy, error.message);
    if (error instanceof DefinitionError) assert.ok(error.place?.field, error.message);
    assert.ok(error.describe().length < 2_000);
  }
  assert.ok(performance.now() - start < 2_000, `${JSON.stringify(schedule)} took too long`);
}

for (const key of triggerKeys) {
  test(`${key}: any value`, () => {
    fc.assert(
      fc.property(fc.oneof(text, value), (written) => attempt({ [key]: written ?? null })),
      { numRuns: 1_500 },
    );
  });
}

test("beside a trigger: any value", () => {
  const beside = fc.constantFrom("timezone", "start_at", "end_at", "dst", "except");
  fc.assert(
    fc.property(beside, fc.oneof(text, value), (key, written) =>
      attempt({ cron: "0 9 * * *", [key]: written ?? null }),
    ),
    { numRuns: 3_000 },
  );
});
