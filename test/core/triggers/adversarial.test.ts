// Every schedule that was made to hang whoever searches for its fire times gives an answer or is refused, in both directions.
// How long they take is measured by bench/adversarial.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { describe } from "../../../src/core/describe.ts";
import { BeatError } from "../../../src/core/errors.ts";
import { nextFireTimes, previousFireTimes } from "../../../src/core/fire-times.ts";
import { type Adversary, adversaries } from "./adversarial.ts";

/** Undefined: refused, with what to do. */
function answerOf<Answer>(ask: () => Answer): Answer | undefined {
  try {
    return ask();
  } catch (error) {
    assert.ok(error instanceof BeatError, String(error));
    assert.ok(error.remedy, String(error));
    return undefined;
  }
}

function check({ schedule, at }: Adversary): void {
  const asked = new Date(at);
  const next = answerOf(() => nextFireTimes(schedule, { after: asked, count: 3 }));
  for (const [index, time] of (next ?? []).entries()) assert.ok(time > (next![index - 1] ?? asked), `next ${time}`);
  const previous = answerOf(() => previousFireTimes(schedule, { before: asked, count: 3 }));
  for (const [index, time] of (previous ?? []).entries())
    assert.ok(time < (previous![index - 1] ?? asked), `previous ${time}`);
  const text = answerOf(() => describe(schedule));
  assert.ok(text === undefined || text.length > 0);
}

test("the table holds enough of them, each once", () => {
  const names = adversaries.map(({ name, at }) => `${name} ${at}`);
  assert.ok(names.length >= 60);
  assert.equal(new Set(names).size, names.length);
});

for (const adversary of adversaries)
  test(`answers or refuses: ${adversary.name}, ${adversary.at.slice(0, 4)}`, () => check(adversary));
