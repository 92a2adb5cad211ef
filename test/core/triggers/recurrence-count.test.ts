// COUNT is counted by the year and by arithmetic: it must end a rule where walking through its occurrences comes to.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nextOccurrence } from "../../../src/core/triggers/recurrence.ts";
import { parseRecurrenceSet } from "../../../src/core/triggers/rrule-text.ts";
import { zoneOf } from "../../../src/core/zone.ts";

const zone = zoneOf("UTC");
const start = Date.UTC(2026, 0, 30, 9, 20, 5);

const ruleOf = (text: string, from = start) => parseRecurrenceSet(text, from, zone).rules[0]!;

function walkedTo(text: string, count: number, from: number): number {
  const rule = ruleOf(text, from);
  let last = from - 1;
  for (let each = 0; each < count; each++) {
    const next = nextOccurrence(rule, last + 1);
    if (next === null) return last;
    last = next;
  }
  return last;
}

const list = (min: number, max: number): fc.Arbitrary<string> =>
  fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 }).map(String);
const maybe = (name: string, values: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.option(values, { nil: "", freq: 2 }).map((value) => value && `;${name}=${value}`);

const rule = fc
  .tuple(
    fc
      .constantFrom("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
      .map((name) => `FREQ=${name}`),
    maybe("INTERVAL", fc.constantFrom(1, 1, 2, 3, 4, 7, 30).map(String)),
    maybe("BYMONTH", list(1, 12)),
    maybe("BYMONTHDAY", list(1, 28)),
    maybe("BYDAY", fc.subarray(["MO", "TU", "WE", "TH", "FR", "SA", "SU"], { minLength: 3 }).map(String)),
    maybe("BYHOUR", list(0, 23)),
    maybe("BYMINUTE", list(0, 59)),
    maybe("BYSECOND", list(0, 59)),
    maybe("BYSETPOS", fc.constantFrom("1", "-1", "1,2")),
    maybe("UNTIL", fc.constantFrom("20270131T000000Z", "20300131T000000Z")),
  )
  .map((parts) => parts.join(""));

test("COUNT ends a rule where walking comes to", () => {
  let counted = 0;
  const property = fc.property(
    rule,
    fc.integer({ min: 1, max: 120 }),
    fc.integer({ min: 0, max: 800 * 86_400 }),
    (text, count, seconds) => {
      const from = start + seconds * 1_000;
      let end: number;
      try {
        end = ruleOf(`${text};COUNT=${count}`, from).until;
      } catch {
        return; // Steps that never come to what is named are refused: rrule.test.ts.
      }
      counted++;
      const expected = walkedTo(text, count, from);
      // Where the rule ends before so many, any end after its last one is right.
      const isOver = () => nextOccurrence(ruleOf(text, from), Math.min(end, expected) + 1) === null;
      assert.ok(end === expected || isOver(), `${text};COUNT=${count} from ${from}`);
    },
  );
  fc.assert(property, { numRuns: 400 });
  assert.ok(counted > 100);
});

test("large COUNTs of what people write are counted", () => {
  const texts = [
    "FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=5000",
    "FREQ=DAILY;BYHOUR=9,17;COUNT=10000",
    "FREQ=MONTHLY;BYDAY=-1FR;COUNT=3000",
    "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;COUNT=10000",
    "FREQ=HOURLY;BYHOUR=9,10,11;COUNT=20000",
    "FREQ=MINUTELY;INTERVAL=15;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,10,11,12,13,14,15,16;COUNT=20000",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=4000",
    "FREQ=DAILY;INTERVAL=3;BYMONTH=1,2,3;COUNT=4000",
    "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=15,-1;COUNT=5000",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=3000",
    "FREQ=HOURLY;INTERVAL=5;BYDAY=MO,TU,WE,TH,FR;COUNT=4000",
    "FREQ=MINUTELY;INTERVAL=90;BYHOUR=9,10,11,12,13,14,15,16;COUNT=4000",
  ];
  for (const text of texts) {
    const [plain, count] = text.split(";COUNT=");
    assert.equal(ruleOf(text).until, walkedTo(plain!, Number(count), start), text);
  }
});
