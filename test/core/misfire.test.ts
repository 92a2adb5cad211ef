import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Policy, policyOf } from "../../src/core/definition.ts";
import { decide as decideOf } from "../../src/core/misfire.ts";
import type { Instant } from "../../src/core/time.ts";
import { compileSchedule } from "../../src/core/triggers/schedule.ts";
import { nextFireTime, type Trigger } from "../../src/core/triggers/trigger.ts";

const start = Date.UTC(2027, 0, 1);
const everySecond = compileSchedule({ every: "1s" }, { name: "e", anchorAt: start });
const standard = policyOf({ every: "1s", task: "t" });
const at = (seconds: number) => start + seconds * 1_000;

interface Situation {
  readonly trigger: Trigger;
  readonly policy: Policy;
  readonly firstFireAt: Instant;
  readonly runCount: number;
  readonly unsent: number;
  readonly now: Instant;
  /** When dates were given that may have passed already. */
  readonly datesGivenAt?: Instant;
}

function decide({ trigger, policy, firstFireAt, runCount, unsent, now, datesGivenAt }: Situation) {
  const definition = { task: "t", ...(datesGivenAt !== undefined && { at: [] }) };
  const entry = { definition, anchorAt: datesGivenAt ?? start, nextFireAt: firstFireAt, runCount };
  return decideOf({ trigger, policy, entry }, unsent, now);
}

const decideAt = (seconds: number, policy: Partial<Policy> = {}, runCount = 0) =>
  decide({
    trigger: everySecond,
    policy: { ...standard, ...policy },
    firstFireAt: at(1),
    runCount,
    unsent: 0,
    now: at(seconds),
  });

test("with coalesce: earliest, one that waits to be sent already is the earliest", () => {
  const policy = { ...standard, coalesce: "earliest" as const };
  const decision = decide({ trigger: everySecond, policy, firstFireAt: at(3), runCount: 1, unsent: 1, now: at(5) });
  const reason = "an earlier one is still to be sent";
  assert.deepEqual(decision.run, []);
  assert.deepEqual(decision.passed, [{ fromFireAt: at(3), untilFireAt: at(5), count: 3, state: "coalesced", reason }]);
  assert.equal(decision.nextFireAt, at(6));
});

test("one that is due runs, and the next comes from it, not from now", () => {
  assert.deepEqual(decideAt(1), { run: [at(1)], passed: [], lastFireAt: at(1), nextFireAt: at(2) });
  assert.deepEqual(decideAt(1.9), { run: [at(1)], passed: [], lastFireAt: at(1), nextFireAt: at(2) });
});

test("one that lies a little ahead is decided alone", () => {
  assert.deepEqual(decideAt(0.95), { run: [at(1)], passed: [], lastFireAt: at(1), nextFireAt: at(2) });
});

test("after ten minutes the latest runs, and the others are one range", () => {
  assert.deepEqual(decideAt(600), {
    run: [at(600)],
    passed: [
      { fromFireAt: at(1), untilFireAt: at(599), count: 599, state: "coalesced", reason: "the latest of them ran" },
    ],
    lastFireAt: at(600),
    nextFireAt: at(601),
  });
});

test("earliest runs the first of them", () => {
  const { run, passed } = decideAt(10, { coalesce: "earliest" });
  assert.deepEqual(run, [at(1)]);
  assert.deepEqual(passed, [
    { fromFireAt: at(2), untilFireAt: at(10), count: 9, state: "coalesced", reason: "the earliest of them ran" },
  ]);
});

test("all runs each, up to the limit, the newest first kept", () => {
  const { run, passed } = decideAt(10, { coalesce: "all", catchUpLimit: 3 });
  assert.deepEqual(run, [at(8), at(9), at(10)]);
  assert.deepEqual(passed, [
    {
      fromFireAt: at(1),
      untilFireAt: at(7),
      count: 7,
      state: "coalesced",
      reason: "over the limit of 3 runs to catch up with",
    },
  ]);
});

test("what is later than the grace time is missed; the rest follows the policy", () => {
  const { run, passed } = decideAt(10, { misfireGraceMs: 2_500 });
  assert.deepEqual(run, [at(10)]);
  assert.deepEqual(
    passed.map(({ state, fromFireAt, untilFireAt, count }) => ({ state, from: fromFireAt, until: untilFireAt, count })),
    [
      { state: "missed", from: at(1), until: at(7), count: 7 },
      { state: "coalesced", from: at(8), until: at(9), count: 2 },
    ],
  );
  const allMissed = decideAt(10.5, { misfireGraceMs: 100 });
  assert.deepEqual([allMissed.run, allMissed.nextFireAt], [[], at(11)]);
});

test("max_runs ends it", () => {
  assert.equal(decideAt(1, { maxRuns: 3 }, 2).nextFireAt, null);
  assert.equal(decideAt(1, { maxRuns: 3 }, 1).nextFireAt, at(2));
  assert.deepEqual(decideAt(10, { maxRuns: 5, coalesce: "all" }, 3).run, [at(9), at(10)]);
  assert.deepEqual(decideAt(10, { maxRuns: 5 }, 5).run, []);
});

test("a hundred years of seconds are arithmetic", () => {
  const years = 100 * 365 * 86_400;
  const { passed, run } = decideAt(years);
  assert.equal(passed[0]!.count, years - 1);
  assert.deepEqual(run, [at(years)]);
});

test("every fire time has exactly one fate", () => {
  const schedules = fc.constantFrom<Parameters<typeof compileSchedule>[0]>(
    { every: "7s" },
    { cron: "*/5 * * * *", timezone: "America/New_York" },
    { crontab: "30 2 * * *", timezone: "Europe/Berlin" },
    { at: ["2027-01-01T00:01", "2027-01-01T00:02", "2027-06-01T00:00"] },
  );
  const policies = fc.record({
    coalesce: fc.constantFrom("latest" as const, "earliest" as const, "all" as const),
    catchUpLimit: fc.integer({ min: 1, max: 5 }),
    misfireGraceMs: fc.option(fc.integer({ min: 0, max: 7_200_000 })),
    maxRuns: fc.option(fc.integer({ min: 1, max: 4 })),
  });
  fc.assert(
    fc.property(schedules, policies, fc.integer({ min: 0, max: 40 * 86_400 }), (schedule, policy, awaySeconds) => {
      const trigger = compileSchedule(schedule, { name: "e", anchorAt: start });
      const firstFireAt = nextFireTime(trigger, start)!;
      const now = firstFireAt + awaySeconds * 1_000;
      const { run, passed, lastFireAt } = decide({
        trigger,
        policy: { ...standard, ...policy },
        firstFireAt,
        runCount: 0,
        unsent: 0,
        now,
      });
      const nominal: number[] = [];
      for (let t: number | null = firstFireAt; t !== null && t <= now; t = nextFireTime(trigger, t)) nominal.push(t);
      const fates = new Map<number, number>();
      const count = (t: number) => fates.set(t, (fates.get(t) ?? 0) + 1);
      for (const t of run) count(t);
      for (const range of passed) {
        const inside = nominal.filter((t) => t >= range.fromFireAt && t <= range.untilFireAt);
        assert.equal(inside.length, range.count);
        for (const t of inside) count(t);
      }
      assert.deepEqual(
        [...fates.keys()].sort((a, b) => a - b),
        nominal,
      );
      assert.ok([...fates.values()].every((times) => times === 1));
      assert.equal(lastFireAt, nominal.at(-1));
      assert.ok(policy.maxRuns === null || run.length <= policy.maxRuns);
    }),
  );
});

test("dates that had passed when they were given: the latest runs where that was a minute ago at most, or the grace time says so", () => {
  const seconds = [0, 60, 119.999, 120, 150, 400];
  const dates = seconds.map((each) => new Date(at(each)).toISOString());
  const trigger = compileSchedule({ at: dates }, { name: "dates", anchorAt: 0 });
  const decideOn = (misfireGraceMs: number | null, now: number) => {
    const policy = { ...standard, misfireGraceMs };
    const situation = { trigger, policy, firstFireAt: at(0), runCount: 0, unsent: 0, now: at(now) };
    const { run, passed, nextFireAt } = decide({ ...situation, datesGivenAt: at(180) });
    const counts = passed.map(({ state, count }) => `${count} ${state}`);
    return [run.map((each) => (each - start) / 1_000), counts, nextFireAt];
  };
  assert.deepEqual(decideOn(null, 180), [[150], ["3 missed", "1 coalesced"], at(400)]);
  assert.deepEqual(decideOn(null, 390), [[150], ["3 missed", "1 coalesced"], at(400)], "given once, decided later");
  assert.deepEqual(decideOn(10_000, 180), [[], ["5 missed"], at(400)]);
  assert.deepEqual(decideOn(100_000, 180), [[150], ["2 missed", "2 coalesced"], at(400)]);
});
