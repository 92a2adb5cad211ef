// One input for one parser, and what must hold whatever it is: an answer or a BeatError, soon; and of what was read the fire
// times ascend, descend, and leave nothing out on the way back.

import assert from "node:assert/strict";
import { BeatError } from "../../src/core/errors.ts";
import type { Instant } from "../../src/core/time.ts";
import { nextFireTime, previousFireTime, type Trigger } from "../../src/core/triggers/trigger.ts";
import type { FuzzParser } from "./parsers.ts";
import { Random } from "./random.ts";

export interface Attempt {
  readonly input: unknown;
  readonly wasRead: boolean;
  /** Time of the processor that it took. */
  readonly tookMs: number;
  /** What must not be. */
  readonly failure?: unknown;
}

const maxTriggers = 3;
const starts = [
  "1970-01-01",
  "2011-12-29T12:00",
  "2024-02-28",
  "2027-03-28T00:59:59",
  "2027-10-30T23:30",
  "2099-12-31",
];

/** Input number `index` of a parser under a seed: always the same one. */
export async function attempt(parser: FuzzParser, seed: number, index: number): Promise<Attempt> {
  const random = new Random(`${seed} ${parser.name} ${index}`);
  const input = parser.input(random);
  const after = random.chance(0.3)
    ? random.int(Date.UTC(1950, 0), Date.UTC(2120, 0))
    : Date.parse(`${random.pick(starts)}Z`.replace(/^(.{10})Z$/, "$1T00:00Z"));
  const before = process.threadCpuUsage();
  const took = (): number => {
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1_000;
  };
  try {
    const read = parser.read(input);
    const triggers = read instanceof Promise ? await read : read;
    for (const trigger of triggers.slice(0, maxTriggers)) checkFireTimes(trigger, after);
    return { input, wasRead: true, tookMs: took() };
  } catch (error) {
    const tookMs = took();
    if (!(error instanceof BeatError)) return { input, wasRead: false, tookMs, failure: error };
    const isTold = error.message !== "" && (!parser.remedies || Boolean(error.remedy));
    return { input, wasRead: false, tookMs, ...(!isTold && { failure: error }) };
  }
}

function checkFireTimes(trigger: Trigger, after: Instant): void {
  const first = nextFireTime(trigger, after);
  const last = previousFireTime(trigger, after);
  if (last !== null) {
    assert.ok(Number.isSafeInteger(last) && last < after, `previous(${after}) is ${last}`);
    const again = nextFireTime(trigger, last);
    assert.ok(again === first || again === after, `next(${last}) is ${again}, though previous(${after}) is ${last}`);
  }
  if (first === null) return;
  assert.ok(Number.isSafeInteger(first) && first > after, `next(${after}) is ${first}`);
  const back = previousFireTime(trigger, first);
  assert.ok(back === last || back === after, `previous(${first}) is ${back}, though next(${after}) is ${first}`);
  const second = nextFireTime(trigger, first);
  if (second === null) return;
  assert.ok(Number.isSafeInteger(second) && second > first, `next(${first}) is ${second}`);
  assert.equal(previousFireTime(trigger, second), first, `of ${second}`);
}
