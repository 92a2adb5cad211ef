// Whatever is written, the answer is a result or a BeatError, soon; and fire times ascend. `npm run bench:fuzz` tries a million.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { nextFireTime } from "../../../src/core/triggers/trigger.ts";
import { attempt } from "../../fuzz/attempt.ts";
import { parsers } from "../../fuzz/parsers.ts";
import { assertRefused, compile } from "./fires.ts";

const seed = 7;
const count = 100;
/** Generous: other work goes on beside the tests. */
const maxMs = 2_000;

for (const parser of parsers) {
  test(`${parser.name}: any input`, async () => {
    let read = 0;
    for (let index = 0; index < count; index++) {
      const { input, wasRead, tookMs, failure } = await attempt(parser, seed, index);
      const again = `seed ${seed}, input ${index}: ${inspect(input, { depth: 20 })}`;
      if (failure !== undefined) throw new Error(again, { cause: failure });
      assert.ok(tookMs < maxMs, `${Math.round(tookMs)} ms for ${again}`);
      if (wasRead) read++;
    }
    assert.ok(read > count / 10 && read < count, `${read} of ${count} were read: the inputs prove little`);
  });
}

test("what the million inputs found", () => {
  const after = Date.UTC(2027, 0);
  const holes = new Array(3);
  assertRefused({ crontab: { minute: holes } }, "crontab.minute", /neither text nor whole numbers/);
  assertRefused({ at: holes }, "at.0", /not a date/);
  assertRefused({ any: holes }, "any.0", /not a trigger/);
  assertRefused({ all: holes }, "all.0", /not a trigger/);
  assertRefused({ cron: "0 9 * * *", except: holes }, "except.0", /not a trigger/);
  assertRefused({ calendar: { days: 1, at: Object.create(null) } }, "calendar.at", /not a time of day/);
  assertRefused({ every: 1n }, "every", /is not a duration/);
  assertRefused({ cron: "0 9 * * *", dst: [1n] }, "dst", /not a rule for changes/);
  // The last of so many lies far beyond what a date can hold.
  const rare = compile({ rrule: "FREQ=DAILY;INTERVAL=925031;COUNT=53460" });
  assert.equal(nextFireTime(rare, after), 925_031 * 86_400_000);
  // A polar night: nothing comes for months.
  const polar = compile({ solar: { event: "sunrise", latitude: 90, longitude: 0 } });
  assert.equal(new Date(nextFireTime(polar, Date.UTC(2026, 9))!).getUTCMonth(), 2);
});
