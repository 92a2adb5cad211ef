// Outbox and ledger: settling, order, manual runs, history, pruning.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Entry } from "../../../src/core/entry.ts";
import { ConflictError, EntryNotFoundError } from "../../../src/core/errors.ts";
import type { Occurrence } from "../../../src/core/occurrence.ts";
import type { Instant } from "../../../src/core/time.ts";
import { claimOf, keysOf, namesOf, removeOf, type Subject, t0 } from "./fixtures.ts";

export function ledgerContract(subject: Subject): void {
  /** `count` occurrences of an entry, a millisecond apart from `t0 + 1` on, in the outbox. */
  async function fill(entry: Entry, count: number): Promise<void> {
    const due = Array.from({ length: count }, (_, index) => {
      const fireAt = t0 + 1 + index;
      return { fireAt, dueAt: fireAt };
    });
    const { token } = await subject.lead();
    assert.deepEqual(await subject.store.claim(token, [claimOf(entry, { due })], t0), ["claimed"]);
  }
  const settled = (entry: Entry, fireAt: Instant) =>
    ({ entryId: entry.id, fireAt: t0 + fireAt, manual: false, reason: null, attempts: 1, at: t0 + 100 }) as const;

  test("settles from the outbox and from running, and leaves what is final", async () => {
    const entry = await subject.addOne("one");
    await fill(entry, 4);
    await subject.store.settle([
      { ...settled(entry, 1), state: "published" },
      { ...settled(entry, 2), state: "running", at: t0 + 50 },
      { ...settled(entry, 3), state: "claimed", reason: "broker away", attempts: 7 },
      { ...settled(entry, 4), state: "running" },
      { ...settled(entry, 999), state: "published" },
      { ...settled({ ...entry, id: 999 }, 1), state: "published" },
      { ...settled(entry, 3), state: "published", manual: true },
    ]);
    await subject.store.settle([
      { ...settled(entry, 1), state: "failed", reason: "too late to say so" },
      { ...settled(entry, 2), state: "ran", at: t0 + 80, attempts: 2 },
      { ...settled(entry, 4), state: "claimed", reason: "waits" },
    ]);
    await subject.store.settle([]);
    const rows = await subject.store.history({ limit: 9 });
    assert.deepEqual(
      rows.map((row) => [row.fireAt - t0, row.state, row.reason, row.attempts, row.startedAt, row.settledAt]),
      [
        [4, "claimed", "waits", 1, t0 + 100, null],
        [3, "claimed", "broker away", 7, null, null],
        [2, "ran", null, 2, t0 + 50, t0 + 80],
        [1, "published", null, 1, null, t0 + 100],
      ],
    );
    assert.deepEqual(keysOf(await subject.store.outbox({ limit: 9 })), [
      ["one", 3, "claimed"],
      ["one", 4, "claimed"],
    ]);
  });

  test("every final state is final", async () => {
    const entry = await subject.addOne("one");
    const states = ["published", "ran", "failed", "cancelled", "skipped", "coalesced"] as const;
    await fill(entry, states.length);
    const finals = states.filter((state) => state !== "coalesced");
    await subject.store.settle(finals.map((state, index) => ({ ...settled(entry, index + 1), state, reason: state })));
    await subject.store.settle(finals.map((_, index) => ({ ...settled(entry, index + 1), state: "running" })));
    const rows = await subject.store.history({ limit: 9 });
    assert.deepEqual(rows.map((row) => row.state).toReversed(), [...finals, "claimed"]);
  });

  test("tells what happened, whatever was said of it before, and nothing less", async () => {
    const entry = await subject.addOne("one");
    await fill(entry, 9);
    const said = ["cancelled", "cancelled", "abandoned", "failed", "failed", "skipped", "missed", "published"] as const;
    const came = ["published", "skipped", "ran", "published", "missed", "ran", "failed", "ran"] as const;
    const range = { fromFireAt: t0 + 20, untilFireAt: t0 + 30, count: 2, state: "coalesced", reason: "range" } as const;
    const { token } = await subject.lead();
    const [present] = await subject.store.entriesById([entry.id]);
    await subject.store.claim(token, [claimOf(present!, { due: [], passed: [range] })], t0);
    await subject.store.settle(
      said.map((state, index) => ({ ...settled(entry, index + 1), state, reason: `said ${index + 1}` })),
    );
    await subject.store.settle(
      came.map((state, index) => ({ ...settled(entry, index + 1), state, attempts: 2, at: t0 + 170 })),
    );
    await subject.store.settle([{ ...settled(entry, 20), state: "published" }]);
    const rows = (await subject.store.history({ limit: 99 })).toReversed();
    assert.deepEqual(
      rows.map(({ fireAt, state, reason, attempts, settledAt }) => [fireAt - t0, state, reason, attempts, settledAt]),
      [
        [1, "published", null, 2, t0 + 170],
        [2, "cancelled", "said 2", 1, t0 + 100],
        [3, "ran", null, 2, t0 + 170],
        [4, "published", null, 2, t0 + 170],
        [5, "failed", "said 5", 1, t0 + 100],
        [6, "ran", null, 2, t0 + 170],
        [7, "missed", "said 7", 1, t0 + 100],
        [8, "published", "said 8", 1, t0 + 100],
        [9, "claimed", null, 0, null],
        [20, "coalesced", "range", 0, t0],
      ],
    );
    await subject.store.settle([{ ...settled(entry, 2), state: "failed", reason: "refused" }]);
    const [failed] = await subject.store.history({ states: ["failed"], before: t0 + 3, limit: 9 });
    assert.deepEqual([failed?.fireAt, failed?.reason], [t0 + 2, "refused"]);
    assert.equal(await subject.store.requeueFailed({ fireAt: t0 + 4, limit: 9 }, t0 + 200), 0);
  });

  test("a run is not ended by somebody who never began it", async () => {
    const entry = await subject.addOne("one");
    await fill(entry, 4);
    await subject.store.settle([1, 2, 3, 4].map((fireAt) => ({ ...settled(entry, fireAt), state: "running" })));
    await subject.store.settle([
      { ...settled(entry, 1), state: "skipped", attempts: 0 },
      { ...settled(entry, 2), state: "missed", attempts: 0 },
      // It was recorded, and then had no place.
      { ...settled(entry, 3), state: "claimed", attempts: 0 },
      { ...settled(entry, 4), state: "cancelled", reason: "a newer one took its place" },
    ]);
    const rows = (await subject.store.history({ limit: 9 })).toReversed();
    assert.deepEqual(
      rows.map(({ state }) => state),
      ["running", "running", "claimed", "cancelled"],
    );
  });

  test("remembers the time-zone data, and writes it into what it records", async () => {
    assert.equal(await subject.store.timeZoneData(), null);
    await subject.store.setTimeZoneData("2026c");
    assert.equal(await subject.store.timeZoneData(), "2026c");
    await fill(await subject.addOne("one"), 1);
    assert.deepEqual(
      (await subject.store.history({ limit: 9 })).map(({ timeZoneData }) => timeZoneData),
      ["2026c"],
    );
  });

  test("finds the entries that wait for a start", async () => {
    const common = { change: "insert", origin: "cli", createdAt: t0, anchorAt: t0, nextFireAt: null } as const;
    const definition = { cron: " @Reboot ", task: "a.b", timezone: "UTC" };
    await subject.store.change([
      { ...common, name: "boot", definition, quarantine: null },
      { ...common, name: "off", definition: { ...definition, enabled: false }, quarantine: null },
      { ...common, name: "broken", definition, quarantine: "broken" },
      { ...common, name: "over", definition: { at: "2020-01-01", task: "a.b", timezone: "UTC" }, quarantine: null },
    ]);
    assert.deepEqual(
      (await subject.store.entriesAtStart(9)).map(({ name }) => name),
      ["boot"],
    );
    assert.deepEqual(await subject.store.entriesAtStart(0), []);
  });

  test("gives the outbox by due time, entry and fire time, in pages that miss nothing", async () => {
    const { token } = await subject.lead();
    const [one, two] = await subject.add("one", "two");
    const at = (fireAt: number, dueAt: number) => ({ fireAt: t0 + fireAt, dueAt: t0 + dueAt });
    await subject.store.claim(
      token,
      [claimOf(two!, { due: [at(1, 9), at(2, 5)] }), claimOf(one!, { due: [at(4, 9), at(3, 9)] })],
      t0,
    );
    await subject.store.enqueueManual(one!.id, { id: randomUUID(), fireAt: t0 + 9 }, t0);
    const all = await subject.store.outbox({ limit: 99 });
    assert.deepEqual(keysOf(all), [
      ["two", 2, "claimed"],
      ["one", 3, "claimed"],
      ["one", 4, "claimed"],
      ["one", 9, "claimed"],
      ["two", 1, "claimed"],
    ]);
    const paged: Occurrence[] = [];
    for (let after: Occurrence | undefined; paged.length < 9; after = paged.at(-1)) {
      const page = await subject.store.outbox({ limit: 1, ...(after && { after }) });
      if (page.length === 0) break;
      paged.push(...page);
    }
    assert.deepEqual(paged, all);
    // A cursor is a place in the order and need not be there any more.
    await subject.store.settle([{ ...settled(one!, 3), state: "published" }]);
    assert.deepEqual(await subject.store.outbox({ after: all[1]!, limit: 9 }), all.slice(2));
  });

  test("enqueues a manual run, once an instant, only for an entry that is there", async () => {
    const [entry, gone] = await subject.add("one", "gone");
    await subject.store.enqueueManual(entry!.id, { id: "first", fireAt: t0 + 5 }, t0 + 6);
    const [row] = await subject.store.outbox({ limit: 9 });
    const { id, fireAt, dueAt, manual, claimedAt, state } = row!;
    const noticed = await subject.store.changedSince(gone!.revision, 9);
    assert.deepEqual(noticed, [{ ...entry, revision: noticed[0]?.revision }], "the leader can notice it");
    assert.deepEqual([id, fireAt, dueAt, manual, claimedAt, state], ["first", t0 + 5, t0 + 5, true, t0 + 6, "claimed"]);
    await assert.rejects(
      subject.store.enqueueManual(entry!.id, { id: "second", fireAt: t0 + 5 }, t0 + 6),
      ConflictError,
    );
    assert.equal(await subject.store.currentRevision(), noticed[0]!.revision);
    await subject.store.enqueueManual(entry!.id, { id: "third", fireAt: t0 + 6 }, t0 + 6);
    await subject.store.change([removeOf(gone!)]);
    for (const id of [gone!.id, 999]) {
      await assert.rejects(subject.store.enqueueManual(id, { id: "no", fireAt: t0 }, t0), EntryNotFoundError);
    }
    await subject.store.settle([{ ...settled(entry!, 5), manual: true, state: "ran" }]);
    assert.deepEqual(
      (await subject.store.outbox({ limit: 9 })).map((waiting) => waiting.id),
      ["third"],
    );
  });

  test("keeps what a run was given, what it gave back and how many it stands for", async () => {
    const lease = await subject.lead();
    const entry = await subject.addOne("one");
    const [due] = claimOf(entry).due;
    await subject.store.claim(lease.token, [claimOf(entry, { due: [{ ...due!, missedCount: 7 }] })], t0);
    await subject.store.enqueueManual(entry.id, { id: "asked", fireAt: t0, params: '{"org":"a"}' }, t0);
    await subject.store.settle([{ ...settled(entry, 0), manual: true, state: "running" }]);
    await subject.store.settle([{ ...settled(entry, 0), manual: true, state: "ran", result: "[1]" }]);
    const seen = async () =>
      (await subject.store.history({ limit: 9 })).map((row) => [row.manual, row.missedCount, row.params, row.result]);
    assert.deepEqual(await seen(), [
      [false, 7, null, null],
      [true, 0, '{"org":"a"}', "[1]"],
    ]);
    await subject.store.enqueueManual(entry.id, { id: "again", fireAt: t0 + 1 }, t0);
    await subject.store.settle([{ ...settled(entry, 1), manual: true, state: "failed", result: '"half"' }]);
    await subject.store.requeueFailed({ limit: 9 }, t0 + 2);
    assert.deepEqual((await seen())[1], [true, 0, null, null], "another try has no result yet");
  });

  test("writes off what a dead process left running", async () => {
    const entry = await subject.addOne("one");
    await fill(entry, 3);
    await subject.store.settle([
      { ...settled(entry, 1), state: "running" },
      { ...settled(entry, 2), state: "running", at: t0 + 20 },
    ]);
    const abandoned = await subject.store.abandonRunning("the process ended", t0 + 500);
    assert.deepEqual(await subject.store.abandonRunning("the process ended", t0 + 600), []);
    const rows = await subject.store.history({ limit: 9, states: ["abandoned"] });
    assert.deepEqual(abandoned, rows.toReversed());
    assert.deepEqual(
      rows.map((row) => [row.fireAt - t0, row.reason, row.startedAt, row.settledAt]),
      [
        [2, "the process ended", t0 + 20, t0 + 500],
        [1, "the process ended", t0 + 100, t0 + 500],
      ],
    );
  });

  test("puts failed runs back into the outbox: under their ids, due now, as tried once, and says so to the leader", async () => {
    const [one, two, gone] = await subject.add("one", "two", "gone");
    for (const entry of [one!, two!, gone!]) await fill(entry, 3);
    const before = await subject.store.history({ limit: 99 });
    await subject.store.settle([
      { ...settled(one!, 1), state: "failed", reason: "refused", attempts: 0 },
      { ...settled(one!, 2), state: "failed", reason: "refused", attempts: 3 },
      { ...settled(one!, 3), state: "published" },
      { ...settled(two!, 2), state: "failed", reason: "refused" },
      { ...settled(gone!, 1), state: "failed", reason: "refused" },
    ]);
    await subject.store.change([removeOf(gone!)]);
    const revision = await subject.store.currentRevision();
    assert.equal(await subject.store.requeueFailed({ entryId: one!.id, fireAt: t0 + 3, limit: 9 }, t0 + 500), 0);
    assert.equal(await subject.store.currentRevision(), revision);
    assert.equal(await subject.store.requeueFailed({ entryId: one!.id, limit: 1 }, t0 + 500), 1);
    assert.equal(await subject.store.requeueFailed({ limit: 9 }, t0 + 600), 2);
    assert.equal(await subject.store.requeueFailed({ limit: 9 }, t0 + 700), 0);
    const again = (await subject.store.outbox({ limit: 9 })).filter(({ attempts }) => attempts > 0);
    assert.deepEqual(
      again.map((row) => [row.entryName, row.fireAt - t0, row.dueAt - t0, row.attempts, row.reason, row.settledAt]),
      [
        ["one", 2, 500, 3, null, null],
        ["one", 1, 600, 1, null, null],
        ["two", 2, 600, 1, null, null],
      ],
    );
    for (const { id, entryId, fireAt } of again)
      assert.ok(before.some((row) => row.id === id && row.entryId === entryId && row.fireAt === fireAt));
    assert.deepEqual(namesOf(await subject.store.changedSince(revision, 9)).sort(), ["one", "two"]);
  });

  test("sums up what waits and what runs", async () => {
    const entry = await subject.addOne("one");
    assert.deepEqual(await subject.store.outboxSummary(), []);
    await fill(entry, 6);
    await subject.store.settle([
      { ...settled(entry, 1), state: "published" },
      { ...settled(entry, 2), state: "running" },
      { ...settled(entry, 4), state: "claimed", reason: "no queue" },
      { ...settled(entry, 5), state: "claimed", reason: "no queue" },
    ]);
    assert.deepEqual(await subject.store.outboxSummary(), [
      { state: "claimed", reason: null, count: 2, oldestDueAt: t0 + 3 },
      { state: "claimed", reason: "no queue", count: 2, oldestDueAt: t0 + 4 },
      { state: "running", reason: null, count: 1, oldestDueAt: t0 + 2 },
    ]);
  });

  test("tells history newest first, by name, state and time", async () => {
    const [one, two] = await subject.add("one", "two");
    await fill(one!, 3);
    await fill(two!, 2);
    await subject.store.settle([
      { ...settled(one!, 2), state: "failed" },
      { ...settled(two!, 2), state: "ran" },
    ]);
    const all = [
      ["one", 3, "claimed"],
      ["two", 2, "ran"],
      ["one", 2, "failed"],
      ["two", 1, "claimed"],
      ["one", 1, "claimed"],
    ];
    assert.deepEqual(keysOf(await subject.store.history({ limit: 9 })), all);
    assert.deepEqual(keysOf(await subject.store.history({ limit: 2 })), all.slice(0, 2));
    assert.deepEqual(keysOf(await subject.store.history({ before: t0 + 2, limit: 9 })), all.slice(3));
    assert.deepEqual(keysOf(await subject.store.history({ states: ["ran", "failed"], limit: 9 })), all.slice(1, 3));
    assert.deepEqual(keysOf(await subject.store.history({ name: "two", limit: 9 })), [all[1], all[3]]);
    const query = { name: "one", states: ["claimed"], before: t0 + 3, limit: 9 } as const;
    assert.deepEqual(keysOf(await subject.store.history(query)), [all[4]]);
    assert.deepEqual(await subject.store.history({ name: "three", limit: 9 }), []);
    assert.deepEqual(await subject.store.history({ states: [], limit: 9 }), []);
  });

  test("tells the history of a name over all the entries that had it", async () => {
    const old = await subject.addOne("one");
    await fill(old, 3);
    await subject.store.change([removeOf(old)]);
    const fresh = await subject.addOne("one");
    await fill(fresh, 2);
    const rows = await subject.store.history({ name: "one", limit: 4 });
    assert.deepEqual(
      rows.map((row) => [row.fireAt - t0, row.entryId === fresh.id ? "fresh" : "old", row.entryName]),
      [
        [3, "old", "one"],
        [2, "fresh", "one"],
        [2, "old", "one"],
        [1, "fresh", "one"],
      ],
    );
  });

  test("prunes old final rows, the oldest first and bounded, and never what is unfinished", async () => {
    const entry = await subject.addOne("one");
    await fill(entry, 5);
    await subject.store.settle([
      { ...settled(entry, 1), state: "published", at: t0 + 300 },
      { ...settled(entry, 2), state: "ran", at: t0 + 100 },
      { ...settled(entry, 3), state: "failed", at: t0 + 200 },
      { ...settled(entry, 4), state: "running", at: t0 + 1 },
    ]);
    const left = async () => (await subject.store.history({ limit: 9 })).map((row) => row.fireAt - t0);
    assert.equal(await subject.store.prune(t0 + 100, 9), 0);
    assert.equal(await subject.store.prune(t0 + 9_999, 1), 1);
    assert.deepEqual(await left(), [5, 4, 3, 1]);
    assert.equal(await subject.store.prune(t0 + 300, 9), 1);
    assert.deepEqual(await left(), [5, 4, 1]);
    assert.equal(await subject.store.prune(t0 + 9_999, 9), 1);
    assert.deepEqual(await left(), [5, 4]);
    assert.deepEqual(namesOf(await subject.store.listEntries({ limit: 9 })), ["one"]);
  });

  test("counts final rows, and no others", async () => {
    const entry = await subject.addOne("one");
    await fill(entry, 5);
    await subject.store.settle([
      { ...settled(entry, 1), state: "published" },
      { ...settled(entry, 2), state: "running" },
      { ...settled(entry, 3), state: "failed", reason: "no" },
    ]);
    assert.equal(await subject.store.countSettled(), 2);
  });

  test("prunes tombstones once no row needs them and everybody had time to see them", async () => {
    const [empty, kept] = await subject.add("empty", "kept");
    await fill(kept!, 1);
    const revision = await subject.store.currentRevision();
    await subject.store.change([removeOf(empty!, t0 + 10), removeOf(kept!, t0 + 10)]);
    const tombstones = async () => namesOf(await subject.store.changedSince(revision, 9));
    assert.equal(await subject.store.prune(t0 + 10, 9), 0);
    assert.deepEqual(await tombstones(), ["empty", "kept"]);
    assert.equal(await subject.store.prune(t0 + 11, 9), 1);
    assert.deepEqual(await tombstones(), []);
    assert.deepEqual(await subject.store.history({ name: "kept", limit: 9 }), []);
    const next = await subject.addOne("kept");
    assert.ok(next.id > kept!.id, "ids are never given again");
    assert.ok(next.revision > revision + 2, "nor are revisions");
  });

  test("a tombstone stays while a row needs it", async () => {
    const entry = await subject.addOne("one");
    await fill(entry, 1);
    await subject.store.settle([{ ...settled(entry, 1), state: "published", at: t0 + 500 }]);
    await subject.store.change([removeOf(entry, t0 + 10)]);
    assert.equal(await subject.store.prune(t0 + 400, 9), 0);
    assert.deepEqual(keysOf(await subject.store.history({ name: "one", limit: 9 })), [["one", 1, "published"]]);
  });
}
