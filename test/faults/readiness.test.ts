// What the rows hold against the answers of /readyz.

import assert from "node:assert/strict";
import { test } from "node:test";
import { unreadyAfterMs } from "./readiness.ts";

const limits = { harmedAt: 10_000, healedAt: 20_000, withinMs: 5_000 };

/** One answer a second, from 9.5 s on: `n` is no. */
const answers = (said: string) =>
  [...said].map((one, second) => ({ at: 9_500 + 1_000 * second, ready: one === "y", text: "" }));

test("trouble is to be told in time, and until it is over", () => {
  assert.equal(unreadyAfterMs(answers("yyynnnnnnnny"), limits), 2_500);
  assert.equal(unreadyAfterMs(answers("nnnnnnnnnnnn"), limits), 500);
  assert.throws(() => unreadyAfterMs(answers("yyyyyynnnnnn"), limits), /only after 5500 ms/);
  assert.throws(() => unreadyAfterMs(answers("yyyyyyyyyyyy"), limits), /for 10000 ms/);
  assert.throws(() => unreadyAfterMs(answers("yynnnynnnnnn"), limits), /ready 5500 ms before/);
});

test("what was over before it had to be told need not be, and no answer tells nothing", () => {
  const short = { ...limits, healedAt: 14_000 };
  assert.equal(unreadyAfterMs(answers("yyyyyyyyyyyy"), short), undefined);
  assert.equal(unreadyAfterMs(answers("yynnnyyyyyyy"), short), 1_500);
  assert.throws(() => unreadyAfterMs([], limits), /for 10000 ms/);
});
