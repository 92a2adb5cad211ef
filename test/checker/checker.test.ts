// The checker before its own judge: a perfect account is valid, and each single lie, loss or double in it is found.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { check, type FindingKind } from "./check.ts";
import type { Change, Delivery, Evidence, Fault, LedgerRow } from "./evidence.ts";
import { reportOf } from "./report.ts";

const start = Date.UTC(2027, 0, 1, 12);
const minute = 60_000;
const tolerance = { earlyMs: 2, lateMs: 1_000, recoveryMs: 2_000, minCertainShare: 0 };

type Plan = Partial<Evidence> & { readonly definition?: Record<string, unknown>; readonly minutes?: number };

/** Evidence of an entry `e` that runs every minute, each time delivered a few milliseconds late and published. */
function perfect({ definition = { every: "1m", task: "t" }, minutes = 10, ...more }: Plan = {}): Evidence {
  const times = Array.from({ length: minutes }, (_, index) => start + (index + 1) * minute);
  const changes: Change[] = [{ invokedAt: start, acknowledgedAt: start, definition, anchorAt: start }];
  return {
    title: "test",
    startAt: start,
    endAt: start + minutes * minute + 30_000,
    tolerance,
    schedule: [{ entry: "e", changes }],
    faults: [],
    deliveries: times.map(delivery),
    publishes: times.map((fireAt) => ({ id: `id-${fireAt}`, at: fireAt, outcome: "confirmed" })),
    ledger: times.map((fireAt) => row(fireAt)),
    ...more,
  };
}

function delivery(fireAt: number): Delivery {
  return { entry: "e", fireAt, id: `id-${fireAt}`, redelivered: false, at: fireAt + 3 };
}

function row(fireAt: number, more: Partial<LedgerRow> = {}): LedgerRow {
  const own = { entryName: "e", fireAt, untilFireAt: fireAt, count: 1, manual: false, dueAt: fireAt };
  return { id: `id-${fireAt}`, ...own, state: "published", reason: null, ...more };
}

function without(evidence: Evidence, fireAt: number): Evidence {
  return { ...evidence, deliveries: evidence.deliveries.filter((one) => one.fireAt !== fireAt) };
}

/** Nobody decided it. */
function never(evidence: Evidence, fireAt: number): Evidence {
  return { ...without(evidence, fireAt), ledger: evidence.ledger!.filter((one) => one.fireAt !== fireAt) };
}

function withRow(evidence: Evidence, changed: LedgerRow): Evidence {
  const others = evidence.ledger!.filter(({ fireAt }) => fireAt < changed.fireAt || fireAt > changed.untilFireAt);
  return { ...evidence, ledger: [...others, changed] };
}

function kinds(evidence: Evidence): FindingKind[] {
  return [...new Set(check(evidence).findings.map(({ kind }) => kind))];
}

function assertValid(evidence: Evidence): void {
  const verdict = check(evidence);
  assert.equal(verdict.outcome, "valid", reportOf(verdict));
}

const third = start + 3 * minute;

describe("the checker, without faults", () => {
  it("finds a perfect account valid", () => {
    assertValid(perfect());
    assert.equal(check(perfect()).counts.certain, 10);
    assertValid(perfect({ definition: { cron: "* * * * *", task: "t" } }));
    assertValid(perfect({ definition: { crontab: { minute: "*/1" }, task: "t", timezone: "Asia/Kathmandu" } }));
    assertValid(perfect({ definition: { cron: "0 * * * * *", task: "t" } }));
  });

  it("tells the stages at which something was lost", () => {
    const lost = without(perfect(), third);
    assert.deepEqual(kinds(lost), ["missing: sent, not delivered"]);
    assert.deepEqual(kinds(withRow(lost, row(third, { state: "claimed" }))), ["missing: decided, not sent"]);
    assert.deepEqual(kinds({ ...lost, ledger: lost.ledger!.filter(({ fireAt }) => fireAt !== third) }), [
      "missing: never decided",
    ]);
    assert.match(reportOf(check(lost)), /invalid[\s\S]*12:03:00.000Z.*missing/);
  });

  it("accepts no reason for a loss where nothing was wrong", () => {
    for (const state of ["coalesced", "missed", "cancelled", "paused", "skipped", "failed"])
      assert.deepEqual(
        kinds(withRow(without(perfect(), third), row(third, { state }))),
        ["missing: given up without cause"],
        state,
      );
  });

  it("finds what came early, late, twice, or was never to come", () => {
    const change = (more: Partial<Delivery>) => {
      const evidence = perfect();
      return kinds({
        ...evidence,
        deliveries: evidence.deliveries.map((one) => (one.fireAt === third ? { ...one, ...more } : one)),
      });
    };
    assert.deepEqual(change({ at: third - 3 }), ["early"]);
    assert.deepEqual(change({ at: third + 1_001 }), ["late"]);
    assert.deepEqual(change({ id: "other" }), ["duplicate: second id"]);
    const again = (more: Partial<Delivery>) =>
      kinds(perfect({ deliveries: [...perfect().deliveries, { ...delivery(third), ...more }] }));
    assert.deepEqual(again({ id: "other" }), ["duplicate: second id"]);
    assert.deepEqual(again({}), ["duplicate: without doubt"]);
    assert.deepEqual(again({ redelivered: true }), []);
    assert.deepEqual(again({ fireAt: third + 1 }), ["extra: unknown"]);
  });

  it("finds where the ledger lies", () => {
    const evidence = perfect();
    assert.deepEqual(kinds(withRow(evidence, row(third, { state: "coalesced" }))), ["lie: says not sent"]);
    assert.deepEqual(kinds({ ...evidence, ledger: evidence.ledger!.filter(({ fireAt }) => fireAt !== third) }), [
      "lie: no row",
    ]);
    assert.deepEqual(kinds({ ...evidence, ledger: [...evidence.ledger!, row(third)] }), ["lie: two rows"]);
    // What is a task by now was a job when it ran, where its end is known: that it failed is no lie then.
    const task = perfect({ definition: { cron: "* * * * *", task: "t" } });
    const failed = withRow(task, row(third, { state: "failed", reason: "stopped" }));
    assert.deepEqual(kinds(failed), ["lie: says not sent"]);
    const ended = (one: Delivery) => (one.fireAt === third ? { ...one, endedAt: third + 5 } : one);
    assertValid({ ...failed, deliveries: failed.deliveries.map(ended) });
    assert.deepEqual(kinds({ ...evidence, ledger: [...evidence.ledger!, row(third + 7)] }), ["lie: no such time"]);
  });

  it("needs no ledger, and no fire times in messages", () => {
    const { ledger: _, ...bare } = perfect({ definition: { crontab: "* * * * *", task: "t" } });
    const deliveries = bare.deliveries.map((one) => ({ ...one, fireAt: null }));
    assertValid({ ...bare, deliveries });
    assert.deepEqual(kinds({ ...bare, deliveries: deliveries.slice(1) }), ["missing: never decided"]);
    const twice = deliveries.map((one) => ({ ...one, id: `${one.id} of another`, at: one.at + 5 }));
    assert.deepEqual(kinds({ ...bare, deliveries: [...deliveries, ...twice] }), ["duplicate: second id"]);
  });

  it("knows jitter: due between its fire time and the next", () => {
    const definition = { every: "1m", jitter: "10s", task: "t" };
    const at = (due: number, came: number) => {
      const evidence = perfect({ definition });
      const moved = withRow(evidence, row(third, { dueAt: third + due }));
      return kinds({
        ...moved,
        deliveries: moved.deliveries.map((one) => (one.fireAt === third ? { ...one, at: third + came } : one)),
      });
    };
    assert.deepEqual(at(8_000, 8_010), []);
    assert.deepEqual(at(8_000, 7_000), ["early"]);
    assert.deepEqual(at(11_000, 11_001), ["late"]);
  });

  it("can't know of a time at which a pause was asked for, also where it was asked for twice", () => {
    const { schedule, ...evidence } = perfect();
    const [first] = schedule[0]!.changes;
    const change = (at: number, paused: boolean) => ({ ...first!, invokedAt: at, acknowledgedAt: at, paused });
    const paused = (...at: number[]) => ({
      ...evidence,
      schedule: [
        { entry: "e", changes: [first!, ...at.map((time) => change(time, true)), change(third + 9_000, false)] },
      ],
    });
    assertValid(paused(third));
    assertValid(paused(third, third));
    assert.deepEqual(kinds(paused(third - 10, third)), ["extra: forbidden"]);
  });

  it("takes a run for going on up to the difference of the clocks", () => {
    const definition = { every: "1m", job: "j" };
    const skippedAfter = (endedAt: number) => {
      const evidence = withRow(without(perfect({ definition }), third), row(third, { state: "skipped" }));
      const runs = evidence.deliveries.map((one) => ({ ...one, endedAt: one.at + 5 }));
      const before = runs.map((one) => (one.fireAt === third - minute ? { ...one, endedAt } : one));
      return kinds({
        ...evidence,
        deliveries: before,
        ledger: evidence.ledger!.map((one) => (one.state === "published" ? { ...one, state: "ran" } : one)),
      });
    };
    assert.deepEqual(skippedAfter(third - 1), []);
    assert.deepEqual(skippedAfter(third - 5), ["missing: given up without cause"]);
  });

  it("counts runs against max_runs", () => {
    assertValid(perfect({ definition: { every: "1m", max_runs: 10, task: "t" } }));
    assert.deepEqual(kinds(perfect({ definition: { every: "1m", max_runs: 9, task: "t" } })), ["extra: forbidden"]);
  });

  it("calls a trial void that proves too little", () => {
    const changes: Change[] = [
      { invokedAt: start, acknowledgedAt: start, definition: { every: "1m", task: "t" }, anchorAt: start },
      { invokedAt: third, acknowledgedAt: start + 10.2 * minute, definition: null },
    ];
    assert.equal(
      check(perfect({ schedule: [{ entry: "e", changes }], tolerance: { ...tolerance, minCertainShare: 0.99 } }))
        .outcome,
      "void",
    );
  });
});

describe("the checker, with faults", () => {
  const fault: Fault = { what: "no broker", from: start + 2.5 * minute, until: start + 5.5 * minute };
  const [fourth, fifth] = [start + 4 * minute, start + 5 * minute];
  /** The third and fourth gave way, and the fifth came when the fault was over. */
  const outage = (more: Partial<Fault> = {}, definition?: Record<string, unknown>): Evidence => {
    const evidence = perfect({ faults: [{ ...fault, ...more }], ...(definition && { definition }) });
    const late = evidence.deliveries.map((one) => (one.fireAt === fifth ? { ...one, at: fault.until + 10 } : one));
    const coalesced = withRow(
      { ...evidence, deliveries: late },
      row(third, { untilFireAt: fourth, count: 2, state: "coalesced", id: "" }),
    );
    return without(without(coalesced, third), fourth);
  };

  it("accepts that the latest of an outage runs, and nothing else", () => {
    assertValid(outage());
    assert.equal(check(outage()).counts.byPolicy, 3);
    assert.deepEqual(kinds(withRow(outage(), row(third, { untilFireAt: fourth, count: 3, state: "coalesced" }))), [
      "lie: wrong count",
    ]);
    assert.deepEqual(kinds(withRow(outage(), row(fifth, { state: "coalesced" }))), ["lie: says not sent"]);
    assert.deepEqual(kinds(without(outage(), fifth)), ["missing: sent, not delivered"]);
    const all = { every: "1m", coalesce: "all", task: "t" };
    assert.deepEqual(kinds(outage({}, all)), ["missing: given up without cause"]);
  });

  it("finds a flood, unless the messages were in doubt", () => {
    const evidence = perfect({ faults: [fault] });
    const deliveries = evidence.deliveries.map((one) =>
      one.fireAt! > fault.from && one.at < fault.until ? { ...one, at: fault.until + 10 } : one,
    );
    const publishes = deliveries.map(({ id, at }) => ({ id, at, outcome: "confirmed" as const }));
    assert.deepEqual(kinds({ ...evidence, deliveries, publishes }), ["extra: forbidden"]);
    // Each may have been decided by a leader that lost the lead in it.
    const handedOn = (more: Partial<Fault>) =>
      kinds({ ...evidence, deliveries, publishes, faults: [{ ...fault, deciding: true, ...more }] });
    assert.deepEqual(handedOn({ partly: true }), []);
    assert.deepEqual(handedOn({}), ["extra: forbidden"]);
    assertValid({
      ...evidence,
      deliveries,
      publishes: deliveries.map(({ id, fireAt }) => ({ id, at: fireAt!, outcome: "doubtful" })),
    });
  });

  it("holds missed to the grace time", () => {
    const definition = { every: "1m", misfire_grace_time: "1m", task: "t" };
    const missed = withRow(
      outage({ deciding: true }, definition),
      row(third, { untilFireAt: fourth, count: 2, state: "missed", id: "" }),
    );
    assertValid(missed);
    assert.deepEqual(kinds(withRow(outage({ deciding: true }), missed.ledger!.at(-1)!)), [
      "missing: given up without cause",
    ]);
  });

  it("allows as many repeats as confirmations were in doubt", () => {
    const evidence = perfect();
    const deliveries = [...evidence.deliveries, { ...delivery(third), at: third + 500 }];
    const doubt = { id: `id-${third}`, at: third, outcome: "doubtful" as const };
    assertValid({ ...evidence, deliveries, publishes: [doubt, ...evidence.publishes!] });
    assert.deepEqual(
      kinds({ ...evidence, deliveries: [...deliveries, delivery(third)], publishes: [doubt, ...evidence.publishes!] }),
      ["duplicate: without doubt"],
    );
  });

  it("forbids what comes while an entry is off, and accepts either during a change", () => {
    const definition = { every: "1m", task: "t" };
    const pause = (invokedAt: number, acknowledgedAt: number): Change[] => [
      { invokedAt: start, acknowledgedAt: start, definition, anchorAt: start },
      { invokedAt, acknowledgedAt, definition, paused: true },
      { invokedAt: third + 30_000, acknowledgedAt: third + 30_000, definition },
    ];
    const schedule = (invokedAt: number, acknowledgedAt: number) => [
      { entry: "e", changes: pause(invokedAt, acknowledgedAt) },
    ];
    assert.deepEqual(kinds(perfect({ schedule: schedule(third - 9_000, third - 8_000) })), ["extra: forbidden"]);
    const off = withRow(
      without(perfect({ schedule: schedule(third - 9_000, third - 8_000) }), third),
      row(third, { state: "paused" }),
    );
    assertValid(off);
    assertValid(perfect({ schedule: schedule(third - 9_000, third + 8_000) }));
    assertValid({ ...off, schedule: schedule(third - 9_000, third + 8_000) });
  });

  it("waits for manual runs", () => {
    const trigger = { entry: "e", id: "m", invokedAt: third + 7_000, acknowledgedAt: third + 7_010 };
    const manual = row(third + 7_000, { id: "m", manual: true });
    const evidence = perfect({ triggers: [trigger], ledger: [...perfect().ledger!, manual] });
    assert.deepEqual(kinds(evidence), ["missing: decided, not sent"]);
    const came = { ...delivery(third + 7_000), id: "m", at: third + 7_100 };
    assertValid({ ...evidence, deliveries: [...evidence.deliveries, came] });
    assert.deepEqual(kinds({ ...evidence, triggers: [], deliveries: [...evidence.deliveries, came] }), [
      "lie: no such time",
    ]);
  });
});

describe("the checker, of what an operator does", () => {
  const definition = { every: "1m", task: "t" };
  const [fourth, fifth, sixth] = [4, 5, 6].map((count) => start + count * minute) as [number, number, number];

  it("holds a pause that is caught up with to the policy of a stop", () => {
    const changes = (catchesUp: boolean): Change[] => [
      { invokedAt: start, acknowledgedAt: start, definition, anchorAt: start },
      { invokedAt: third + 30_000, acknowledgedAt: third + 30_000, definition, paused: true },
      { invokedAt: sixth - 30_000, acknowledgedAt: sixth - 30_000, definition, paused: false, catchesUp },
    ];
    const given = (catchesUp: boolean) => {
      const all = perfect({ schedule: [{ entry: "e", changes: changes(catchesUp) }] });
      const deliveries = all.deliveries.map((one) => (one.fireAt === fifth ? { ...one, at: sixth - 29_990 } : one));
      return withRow(without({ ...all, deliveries }, fourth), row(fourth, { state: "coalesced", id: "" }));
    };
    assertValid(given(true));
    assert.deepEqual(kinds(given(false)), ["late", "extra: forbidden"]);
    const forgotten = without(given(true), fifth);
    assert.deepEqual(kinds({ ...forgotten, ledger: forgotten.ledger!.filter(({ fireAt }) => fireAt !== fifth) }), [
      "missing: never decided",
    ]);
  });

  it("holds what is to be tried again to that, and to its id", () => {
    const at = sixth + 10_000;
    const id = `id-${third}`;
    const retries = [{ entry: "e", ids: [id], invokedAt: at, acknowledgedAt: at + 5 }];
    const publishes = perfect().publishes!.map((one) =>
      one.id === id ? { ...one, outcome: "refused" as const } : one,
    );
    const failed = withRow(without(perfect({ publishes }), third), row(third, { state: "failed" }));
    assertValid(failed);
    assert.deepEqual(kinds({ ...failed, retries }), ["missing: decided, not sent"]);
    const again = { ...withRow(failed, row(third, { dueAt: at + 2 })), retries };
    const came = (more: Partial<Delivery>) =>
      kinds({ ...again, deliveries: [...again.deliveries, { ...delivery(third), at: at + 9, ...more }] });
    assert.deepEqual(came({}), []);
    assert.deepEqual(came({ at: at + 1_100 }), ["late"]);
    assert.deepEqual(came({ id: "other" }), ["duplicate: second id"]);
    assert.deepEqual(kinds(again), ["missing: sent, not delivered"]);
    const open = row(third, { dueAt: at + 2, state: "claimed" });
    assert.deepEqual(kinds(withRow(again, open)), ["missing: decided, not sent"]);
  });

  it("takes withdrawn for withdrawn only where nothing came, or where the ledger owns to the doubt", () => {
    const changes: Change[] = [
      { invokedAt: start, acknowledgedAt: start, definition, anchorAt: start },
      { invokedAt: third + 500, acknowledgedAt: third + 510, definition: null },
    ];
    const doubt = { id: `id-${third}`, at: third, outcome: "doubtful" as const };
    const all = perfect({ minutes: 3, schedule: [{ entry: "e", changes }], publishes: [doubt] });
    const withdrawn = (reason: string) => withRow(all, row(third, { state: "cancelled", reason }));
    assert.deepEqual(kinds(withdrawn("it was removed")), ["lie: says not sent"]);
    assertValid(withdrawn("it was removed; it may have been sent before"));
  });
});

describe("the checker, of entries and limits that are changed just then", () => {
  it("does not ask for the time at which max_runs was raised", () => {
    const definition = { every: "1m", task: "t" };
    const raisedAt = start + 5 * minute;
    const changes: Change[] = [
      { invokedAt: start, acknowledgedAt: start, definition: { ...definition, max_runs: 3 }, anchorAt: start },
      { invokedAt: raisedAt, acknowledgedAt: raisedAt, definition },
    ];
    const all = perfect({ schedule: [{ entry: "e", changes }] });
    const used = never(never(all, start + 4 * minute), raisedAt);
    assertValid(used);
    assert.deepEqual(kinds(never(used, start + 6 * minute)), ["missing: never decided"]);
  });

  it("lets expire in time what its jitter left no time", () => {
    const definition = { every: "1m", task: "t", jitter: "1m", options: { expires: "next" } };
    const missed = (dueAt: number) =>
      withRow(without(perfect({ definition }), third), row(third, { state: "missed", dueAt }));
    assertValid(missed(third + minute - 2));
    assert.deepEqual(kinds(missed(third + 100)), ["missing: given up without cause"]);
  });

  it("tells apart the entries that had a name one after the other", () => {
    const definition = { cron: "* * * * *", task: "t" };
    const [removedAt, backAt, addedAt] = [3.5, 3.6, 3.7].map((count) => start + count * minute);
    const faults = [{ what: "clock", from: backAt!, until: backAt!, clockStepMs: -2 * minute }];
    const changes = (ids: boolean): Change[] => [
      { invokedAt: start, acknowledgedAt: start, definition, ...(ids && { entryId: 1 }) },
      { invokedAt: removedAt!, acknowledgedAt: removedAt!, definition: null },
      { invokedAt: addedAt!, acknowledgedAt: addedAt!, definition, ...(ids && { entryId: 2 }) },
    ];
    // The clock shows the second and the third minute again, to the second entry.
    const times = [1, 2, 3, 2, 3, 4].map((count) => start + count * minute);
    const idOf = (index: number) => `${index < 3 ? 1 : 2} ${times[index]}`;
    const given = (ids: boolean): Evidence => ({
      ...perfect({ faults, schedule: [{ entry: "e", changes: changes(ids) }], publishes: [] }),
      endAt: start + 6.5 * minute,
      deliveries: times.map((fireAt, index) => ({
        ...delivery(fireAt),
        id: idOf(index),
        at: start + (index + 1) * minute + 3,
      })),
      ledger: times.map((fireAt, index) => row(fireAt, { id: idOf(index), entryId: index < 3 ? 1 : 2 })),
    });
    assertValid(given(true));
    assert.ok(kinds(given(false)).includes("duplicate: second id"));
    const { deliveries, ledger, ...rest } = given(true);
    assert.deepEqual(kinds({ ...rest, deliveries: deliveries.toSpliced(4, 1), ledger: ledger!.toSpliced(4, 1) }), [
      "missing: never decided",
    ]);
    const again = { ...deliveries[1]!, at: start + 4 * minute + 9 };
    assert.deepEqual(kinds({ ...rest, ledger: ledger!, deliveries: [...deliveries, again] }), [
      "duplicate: without doubt",
    ]);
  });
});

describe("the checker, when the clock is put forward or back", () => {
  const step = (clockStepMs: number): Fault => ({
    what: "clock",
    from: start + 4.5 * minute,
    until: start + 4.5 * minute,
    clockStepMs,
  });

  it("forward: what became due at once is for policy", () => {
    const faults = [step(3 * minute)];
    const came = (fireAt: number) =>
      (fireAt <= start + 4 * minute ? fireAt : Math.max(faults[0]!.from, fireAt - 3 * minute)) + 3;
    const all = perfect({ faults, endAt: start + 8 * minute });
    const deliveries = all.deliveries.map((one) => ({ ...one, at: came(one.fireAt!) }));
    assertValid({ ...all, deliveries });
    const [fifth, sixth] = [start + 5 * minute, start + 6 * minute];
    const coalesced = withRow({ ...all, deliveries }, row(fifth, { untilFireAt: sixth, count: 2, state: "coalesced" }));
    assertValid(without(without(coalesced, fifth), sixth));
  });

  it("back: clock times wait and none is repeated; intervals go on by elapsed time", () => {
    const faults = [step(-2.25 * minute)];
    const until = start + 12.5 * minute;
    const cron = perfect({ faults, definition: { cron: "* * * * *", task: "t" }, endAt: until });
    const came = (fireAt: number) => fireAt + (fireAt > start + 4.5 * minute ? 2.25 * minute : 0) + 3;
    const waited = { ...cron, deliveries: cron.deliveries.map((one) => ({ ...one, at: came(one.fireAt!) })) };
    assertValid(waited);
    const again = { ...delivery(start + 3 * minute), at: start + 5.25 * minute };
    assert.deepEqual(kinds({ ...waited, deliveries: [...waited.deliveries, again] }), ["duplicate: without doubt"]);

    // The fifth run is due half a minute after the step, when the clock shows 12:02:45.
    const times = [1, 2, 3, 4, 2.75, 3.75, 4.75, 5.75, 6.75, 7.75, 8.75].map((count) => start + count * minute);
    const elapsed = times.map((fireAt, index) => ({ ...delivery(fireAt), at: start + (index + 1) * minute + 3 }));
    const interval = perfect({
      faults,
      endAt: start + 11.5 * minute,
      deliveries: elapsed,
      ledger: times.map((time) => row(time)),
    });
    assertValid(interval);
    assert.deepEqual(kinds(without(interval, times[6]!)), ["missing: sent, not delivered"]);
    assert.deepEqual(kinds(never(interval, times[3]!)), ["missing: never decided"]);
    const silent = perfect({
      faults,
      endAt: until,
      deliveries: elapsed.slice(0, 4),
      ledger: interval.ledger!.slice(0, 4),
    });
    assert.deepEqual(kinds(silent), ["missing: never decided"]);
  });

  it("back just after a time: where it was sent it had to be, and where nobody decided it, nobody can say", () => {
    const at = start + 4 * minute + 600;
    const faults = [{ what: "clock", from: at, until: at, clockStepMs: -2.25 * minute }];
    const times = [1, 2, 3, 4, 2.75, 3.75, 4.75, 5.75, 6.75].map((count) => start + count * minute);
    const came = times.map((fireAt, index) => ({ ...delivery(fireAt), at: start + (index + 1) * minute + 3 }));
    const ledger = times.map((time) => row(time));
    const sent = perfect({ faults, endAt: start + 9.5 * minute, deliveries: came, ledger });
    assertValid(sent);
    assert.equal(check(sent).counts.uncertain, 0);
    const undecided = never(sent, times[3]!);
    assertValid(undecided);
    assert.equal(check(undecided).counts.uncertain, 1);
    assert.deepEqual(kinds(never(sent, times[2]!)), ["missing: never decided"]);
    assert.deepEqual(kinds(without(sent, times[4]!)), ["missing: sent, not delivered"]);

    // The same with a process that was killed then, of an entry that was removed before the clock got there again.
    const killed = { what: "kill", from: at, until: at + 500, deciding: true };
    const end = start + 9.2 * minute;
    const changes: Change[] = [
      sent.schedule[0]!.changes[0]!,
      { invokedAt: end, acknowledgedAt: end, definition: null },
    ];
    const crashed = { ...sent, faults: [...faults, killed], schedule: [{ entry: "e", changes }] };
    assertValid(crashed);
    assert.equal(check(crashed).counts.uncertain, 0);
    assertValid(never(crashed, times[3]!));
    assert.equal(check(never(crashed, times[3]!)).counts.uncertain, 1);
  });

  it("back twice: what the second step brought is no sign of what the first one did", () => {
    const second = 1_000;
    const small: Fault = {
      what: "clock",
      from: start + 228 * second,
      until: start + 228 * second,
      clockStepMs: -10_000,
    };
    const crash: Fault = { what: "crash", from: small.from + 200, until: small.from + 700, deciding: true };
    const large: Fault = {
      what: "clock",
      from: start + 288 * second,
      until: start + 288 * second,
      clockStepMs: -240_000,
    };
    // The fourth had not come before the first step, and comes when the clock gets there. The fifth comes at its elapsed time,
    // when the clock shows the first again: they are in the ledger, so they go on a millisecond beside.
    const times = [1, 2, 3, 4].map((count) => start + count * minute);
    const beside = [1, 2, 3, 4].map((count) => start + count * minute + 1);
    const came = [60, 120, 180, 250, 310, 370, 430, 490].map((seconds) => start + seconds * second + 3);
    const evidence = perfect({
      faults: [small, crash, large],
      endAt: start + 520 * second,
      deliveries: [...times, ...beside].map((fireAt, index) => ({ ...delivery(fireAt), at: came[index]! })),
      publishes: [...times, ...beside].map((fireAt, index) => ({
        id: `id-${fireAt}`,
        at: came[index]!,
        outcome: "confirmed",
      })),
      ledger: [...times, ...beside].map((time) => row(time)),
    });
    assertValid(evidence);
    assert.deepEqual(kinds(without(evidence, times[3]!)), ["lie: says sent"]);
  });

  /** Each time of the wall clock, in minutes and a few milliseconds beside, and at what minute it came, if it did. */
  function intervalOf(times: readonly (readonly [minutes: number, besideMs: number, cameAt: number])[], more: Plan) {
    const all = times.map(([minutes, besideMs, cameAt]) => {
      const fireAt = start + minutes * minute + besideMs;
      return { ...delivery(fireAt), at: start + cameAt * minute + besideMs + 3 };
    });
    const publishes = all.map(({ id, at }) => ({ id, at, outcome: "confirmed" as const }));
    return perfect({ deliveries: all, publishes, ledger: all.map(({ fireAt }) => row(fireAt!)), ...more });
  }
  const back = (at: number, byMinutes: number): Fault => ({
    what: "clock",
    from: start + at * minute,
    until: start + at * minute,
    clockStepMs: -byMinutes * minute,
  });

  it("back twice: what was claimed a millisecond beside an old time comes when the clock gets there", () => {
    const times = [1, 2, 3, 4].map((count) => [count, 0, count] as const);
    const beside = [[2, 1, 5.5] as const, ...[6, 7, 8].map((count) => [count - 3.5, 1, count] as const)];
    const faults = [back(4.5, 3), back(4.998, 0.5)];
    const evidence = intervalOf([...times, ...beside], { faults, endAt: start + 8.5 * minute });
    assertValid(evidence);
    assert.deepEqual(kinds(without(evidence, start + 2.5 * minute + 1)), ["missing: sent, not delivered"]);
    const [, , , , claimed] = evidence.deliveries;
    const fourth = claimed!.fireAt! + minute;
    const extra = { ...claimed!, fireAt: fourth, id: `id-${fourth}` };
    assert.deepEqual(kinds({ ...evidence, deliveries: [...evidence.deliveries, extra] }), ["extra: unknown"]);
  });

  it("back twice: a range between says which times it stands for, whatever comes beside them later", () => {
    const times = [1, 2, 3, 4].map((count) => [count, 0, count] as const);
    const first = [5, 6, 7].map((count) => [count - 3, 1, count] as const);
    const second = [12, 13, 14].map((count) => [count - 8, 2, count] as const);
    const stop = { what: "stop", from: start + 7.5 * minute, until: start + 10.05 * minute, deciding: true };
    const late = [[7, 1, 10.06] as const, [8, 1, 11] as const];
    const evidence = intervalOf([...times, ...first, ...late, ...second], {
      faults: [back(4.5, 3), stop, back(11.5, 5)],
      endAt: start + 14.5 * minute,
    });
    const [fifth, sixth] = [start + 5 * minute + 1, start + 6 * minute + 1];
    const range = (count: number) => row(fifth, { id: "", untilFireAt: sixth, count, state: "coalesced" });
    const told = (count: number) => ({ ...evidence, ledger: [...evidence.ledger!, range(count)] });
    assertValid(told(2));
    assert.deepEqual(kinds(told(4)), ["lie: wrong count"]);
    assert.deepEqual(kinds(without(told(2), start + 7 * minute + 1)), ["lie: says sent"]);
  });

  it("back twice: where nothing came between them, the second step shows what the first one did", () => {
    const times = [1, 2, 3, 4].map((count) => [count, 0, count] as const);
    const again = [5, 6, 7].map((count) => [count - 20, 0, count] as const);
    const stop = { what: "stop", from: start + 3.1 * minute, until: start + 3.5 * minute, deciding: true };
    const faults = [stop, back(4.1, 10), back(4.9, 10)];
    const evidence = intervalOf([...times, ...again], { faults, endAt: start + 7.5 * minute });
    assertValid(evidence);
    assert.deepEqual(kinds(never(evidence, start - 14 * minute)), ["missing: never decided"]);
  });

  it("back behind a range: its times may be passed over once more, and only then", () => {
    const range = (first: number, last: number) => {
      const [fireAt, untilFireAt] = [start + first * minute, start + last * minute];
      return row(fireAt, { id: "", untilFireAt, count: last - first + 1, state: "coalesced" });
    };
    const stop = (from: number, until: number) => {
      const times = { from: start + from * minute, until: start + until * minute };
      return { what: "stop", ...times, deciding: true };
    };
    // The third to the sixth gave way to the seventh; then the clock was put back, and two of them gave way to the sixth.
    const times = [[1, 0, 1] as const, [2, 0, 2] as const, [7, 0, 7.06] as const];
    const again = [[6, 0, 10.06] as const, [7, 1, 11] as const];
    const faults = [stop(2.5, 7.05), back(7.5, 4), stop(7.52, 10.05)];
    const evidence = intervalOf([...times, ...again], { faults, endAt: start + 11.5 * minute });
    assertValid({ ...evidence, ledger: [...evidence.ledger!, range(3, 6), range(4, 5)] });
    const calm = intervalOf(times, { faults: faults.slice(0, 1), endAt: start + 7.5 * minute });
    assert.deepEqual(kinds({ ...calm, ledger: [...calm.ledger!, range(3, 6), range(4, 5)] }), ["lie: two rows"]);
  });

  it("back in a pause: what a change of the schedule recorded is no sign of the new one", () => {
    const cron = { cron: "*/20 * * * * *", task: "t" };
    const every = { every: "1m", task: "t" };
    const changedAt = start + 3.5 * minute;
    const changes: Change[] = [
      { invokedAt: start, acknowledgedAt: start, definition: cron },
      { invokedAt: start + 10_000, acknowledgedAt: start + 10_000, definition: cron, paused: true },
      { invokedAt: changedAt, acknowledgedAt: changedAt, definition: every, paused: true, anchorAt: changedAt },
      { invokedAt: start + 5 * minute, acknowledgedAt: start + 5 * minute, definition: every, catchesUp: true },
      { invokedAt: start + 6 * minute, acknowledgedAt: start + 6 * minute, definition: every, paused: true },
    ];
    const paused = { id: "", untilFireAt: start + 200_000, state: "paused" };
    const given = (count: number) =>
      perfect({
        faults: [back(4, 3.95)],
        endAt: start + 10.5 * minute,
        schedule: [{ entry: "e", changes }],
        deliveries: [],
        ledger: [row(start + 20_000, { ...paused, count })],
      });
    assertValid(given(10));
    assert.deepEqual(kinds(given(9)), ["lie: wrong count"]);
  });

  it("back while a broker held what had been handed over in time: it is not early under a new schedule either", () => {
    const [fourth, changedAt] = [start + 4 * minute, start + 4.15 * minute];
    const blocked = { what: "blocked", from: start + 3.9 * minute, until: start + 4.2 * minute };
    const changes: Change[] = [
      { invokedAt: start, acknowledgedAt: start, definition: { cron: "* * * * *", task: "t" } },
      { invokedAt: changedAt, acknowledgedAt: changedAt, definition: { cron: "*/1 * * * *", task: "t" } },
    ];
    const times = [1, 2, 3, 4.2, 7, 8].map((cameAt, index) => [index + 1, 0, cameAt] as const);
    const given = (sentAt: number) => {
      const faults = [blocked, back(4.1, 2)];
      const all = intervalOf(times, { faults, endAt: start + 8.5 * minute, schedule: [{ entry: "e", changes }] });
      const publishes = all.publishes!.map((one) => (one.id === `id-${fourth}` ? { ...one, at: sentAt } : one));
      return { ...all, publishes };
    };
    assertValid(given(fourth));
    assert.deepEqual(kinds(given(changedAt)), ["early"]);
  });

  it("back by far: who ends a pause says that the clock is right now", () => {
    const definition = { cron: "* * * * *", task: "t" };
    const [pausedAt, resumedAt] = [start + 3.4 * minute, start + 3.6 * minute];
    const changes: Change[] = [
      { invokedAt: start, acknowledgedAt: start, definition },
      { invokedAt: pausedAt, acknowledgedAt: pausedAt, definition, paused: true },
      { invokedAt: resumedAt, acknowledgedAt: resumedAt, definition },
    ];
    const first = [1, 2, 3].map((count) => [count, 0, count] as const);
    const again = [4, 5, 6, 7].map((count) => [count - 60, 0, count] as const);
    const given = (ended: boolean) =>
      intervalOf([...first, ...again], {
        faults: [back(3.2, 60)],
        endAt: start + 7.5 * minute,
        schedule: [{ entry: "e", changes: changes.slice(0, ended ? 3 : 1) }],
      });
    assertValid(given(true));
    assert.equal(check(given(true)).counts.certain + check(given(true)).counts.byPolicy, 7);
    assert.deepEqual(kinds(never(given(true), start - 55 * minute)), ["missing: never decided"]);
    assert.deepEqual(kinds(given(false)), ["lie: no such time", "extra: unknown"]);
  });

  it("back while an entry was being written: it counts from before or after", () => {
    const definition = { cron: "* * * * *", task: "t" };
    const step = { ...back(0, 2.5), from: start + 5, until: start + 5 };
    const changes: Change[] = [{ invokedAt: start, acknowledgedAt: start + 10, definition }];
    const times = [-2, -1, 0, 1, 2].map((count) => [count, 0, count + 2.5] as const);
    const more = { faults: [step], endAt: start + 5 * minute, schedule: [{ entry: "e", changes }] };
    assertValid(intervalOf(times, more));
    assertValid(intervalOf(times.slice(3), more));
    assert.deepEqual(kinds(intervalOf(times.slice(0, 4), more)), ["missing: never decided"]);
  });
});
