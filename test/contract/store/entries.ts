// Entries: changes in one transaction, lists, what is due, what changed.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Definition } from "../../../src/core/definition.ts";
import type { Entry } from "../../../src/core/entry.ts";
import { ConflictError } from "../../../src/core/errors.ts";
import type { Store } from "../../../src/core/ports.ts";
import { claimOf, daily, insertOf, keysOf, namesOf, pulse, removeOf, type Subject, t0, updateOf } from "./fixtures.ts";

export function entriesContract(subject: Subject): void {
  test("has an id of its own and a place", async () => {
    assert.match(subject.store.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.notEqual(subject.store.location, "");
    const other = await subject.open();
    assert.notEqual(other.id, subject.store.id);
    await other.close();
  });

  test("gives back an inserted entry as it was given, with an id and a revision", async () => {
    const definition: Definition = { ...daily, args: [1, "ä\u0000☂", { deep: [null] }], enabled: true };
    const [entry, other] = await subject.add(
      insertOf("one", { origin: "file:a.yaml", definition, nextFireAt: null, quarantine: "no" }),
      "two",
    );
    assert.deepEqual(entry, {
      id: entry!.id,
      name: "one",
      origin: "file:a.yaml",
      definition,
      createdAt: t0,
      anchorAt: t0,
      nextFireAt: null,
      lastFireAt: null,
      runCount: 0,
      pausedAt: null,
      pauseNote: null,
      quarantine: "no",
      removedAt: null,
      revision: entry!.revision,
    });
    assert.ok(other!.id !== entry!.id && other!.revision > entry!.revision);
    assert.deepEqual(await subject.store.entryByName("one"), entry);
    assert.deepEqual(await subject.store.entriesById([entry!.id]), [entry]);
    assert.equal(await subject.store.entryByName("three"), undefined);
  });

  test("keeps what it was given even if the giver alters it afterwards", async () => {
    const args: unknown[] = [1];
    const entry = await subject.addOne(insertOf("one", { definition: { ...pulse, args } }));
    args.push(2);
    assert.deepEqual((await subject.again(entry)).definition.args, [1]);
  });

  test("refuses a second entry of a name, and writes nothing of that call", async () => {
    await subject.addOne("taken");
    const revision = await subject.store.currentRevision();
    await assert.rejects(subject.add("free", "taken"), (error: unknown) => {
      assert.ok(error instanceof ConflictError);
      assert.match(error.describe(), /entry "taken": there is an entry of the name "taken" already/);
      return true;
    });
    assert.equal(await subject.store.entryByName("free"), undefined);
    assert.equal(await subject.store.currentRevision(), revision);
    await assert.rejects(subject.add("same", "same"), ConflictError);
    assert.equal(await subject.store.entryByName("same"), undefined);
  });

  test("updates only the fields that are named, under a new revision", async () => {
    const entry = await subject.addOne("one");
    const [updated] = await subject.store.change([
      updateOf(entry, { pausedAt: t0 + 5, pauseNote: "holiday", runCount: 3, lastFireAt: t0 }),
    ]);
    const expected = { ...entry, pausedAt: t0 + 5, pauseNote: "holiday", runCount: 3, lastFireAt: t0 };
    assert.deepEqual(updated, { ...expected, revision: updated!.revision });
    assert.ok(updated!.revision > entry.revision);
    assert.deepEqual(await subject.again(entry), updated);
    const [back] = await subject.store.change([
      updateOf(updated!, {
        pausedAt: null,
        pauseNote: null,
        origin: "cli",
        definition: daily,
        anchorAt: t0 + 1,
        nextFireAt: null,
        lastFireAt: null,
        quarantine: "why",
      }),
    ]);
    const changed = { origin: "cli", definition: daily, anchorAt: t0 + 1, nextFireAt: null, quarantine: "why" };
    assert.deepEqual(back, { ...entry, runCount: 3, ...changed, revision: back!.revision });
  });

  test("refuses an update or a removal that was decided on an older revision, and undoes the whole call", async () => {
    const [one, two] = await subject.add("one", "two");
    const [newer] = await subject.store.change([updateOf(one!, { pauseNote: "x" })]);
    const revision = await subject.store.currentRevision();
    for (const late of [updateOf(one!, { pauseNote: "y" }), removeOf(one!)]) {
      await assert.rejects(
        subject.store.change([removeOf(two!), insertOf("two"), insertOf("new"), late]),
        ConflictError,
      );
    }
    assert.deepEqual(await subject.again(one!), newer);
    assert.deepEqual(await subject.again(two!), two);
    assert.deepEqual(await subject.store.entryByName("two"), two);
    assert.equal(await subject.store.entryByName("new"), undefined);
    assert.equal(await subject.store.currentRevision(), revision);
    assert.deepEqual(await subject.store.changedSince(revision, 10), []);
    await assert.rejects(subject.store.change([updateOf({ ...one!, id: 999 }, {})]), ConflictError);
  });

  test("counts an undone call's ids and revisions as never given", async () => {
    const first = await subject.addOne("one");
    await assert.rejects(subject.add("two", "three", "one"), ConflictError);
    const next = await subject.addOne("two");
    assert.deepEqual([next.id, next.revision], [first.id + 1, first.revision + 1]);
  });

  test("a claim's progress does not stand in the way of a change", async () => {
    const entry = await subject.addOne("one");
    await subject.store.claim((await subject.lead()).token, [claimOf(entry)], t0);
    const [updated] = await subject.store.change([updateOf(entry, { pauseNote: "still fits" })]);
    assert.equal(updated!.runCount, 1);
    assert.equal(updated!.nextFireAt, t0 + 60_000);
  });

  test("removes: gone by name and id, a tombstone for those who ask for changes; the name may be used again", async () => {
    const old = await subject.addOne("one");
    const revision = await subject.store.currentRevision();
    const [tombstone] = await subject.store.change([removeOf(old, t0 + 9)]);
    assert.deepEqual(tombstone, { ...old, removedAt: t0 + 9, revision: tombstone!.revision });
    assert.equal(await subject.store.entryByName("one"), undefined);
    assert.deepEqual(await subject.store.entriesById([old.id]), []);
    assert.deepEqual(await subject.store.listEntries({ limit: 10 }), []);
    assert.deepEqual(await subject.store.changedSince(revision, 10), [tombstone]);
    await assert.rejects(subject.store.change([removeOf(tombstone!)]), ConflictError);
    await assert.rejects(subject.store.change([updateOf(tombstone!, { pauseNote: "x" })]), ConflictError);
    const again = await subject.addOne("one");
    assert.ok(again.id > old.id);
    assert.deepEqual(await subject.store.entryByName("one"), again);
  });

  test("applies changes in order: a name given free is free for the next change", async () => {
    const old = await subject.addOne("one");
    const [tombstone, fresh] = await subject.store.change([removeOf(old), insertOf("one")]);
    assert.equal(tombstone!.removedAt, t0);
    assert.deepEqual(await subject.store.entryByName("one"), fresh);
  });

  test("no change changes nothing", async () => {
    assert.deepEqual(await subject.store.change([]), []);
    assert.equal(await subject.store.currentRevision(), 0);
  });

  test("finds present entries by id, unknown ids and doubles left out", async () => {
    const [one, two, gone] = await subject.add("one", "two", "gone");
    await subject.store.change([removeOf(gone!)]);
    const found = await subject.store.entriesById([two!.id, 12_345, gone!.id, one!.id, two!.id]);
    assert.deepEqual(namesOf(found).sort(), ["one", "two"]);
    assert.deepEqual(await subject.store.entriesById([]), []);
  });

  test("lists by name, in pages, of all or of one origin", async () => {
    await subject.add(
      insertOf("b", { origin: "file:x/1.yaml" }),
      insertOf("a", { origin: "file:x/2.yaml" }),
      insertOf("\u{1F600}", { origin: "cli" }),
      insertOf("\uFFFD", { origin: "cli" }),
      insertOf("B", { origin: "file:y.yaml" }),
      insertOf("ä", { origin: "code" }),
    );
    const list = async (query: Omit<Parameters<Store["listEntries"]>[0], "limit">, limit = 99) =>
      namesOf(await subject.store.listEntries({ ...query, limit }));
    assert.deepEqual(await list({}), ["B", "a", "b", "ä", "\uFFFD", "\u{1F600}"]);
    assert.deepEqual(await list({}, 2), ["B", "a"]);
    assert.deepEqual(await list({ afterName: "a" }, 2), ["b", "ä"]);
    assert.deepEqual(await list({ afterName: "\u{1F600}" }), []);
    assert.deepEqual(await list({ origin: "cli" }), ["\uFFFD", "\u{1F600}"]);
    assert.deepEqual(await list({ origin: "cli", afterName: "\uFFFD" }), ["\u{1F600}"]);
    assert.deepEqual(await list({ originPrefix: "file:" }), ["B", "a", "b"]);
    assert.deepEqual(await list({ originPrefix: "file:", afterName: "B" }, 1), ["a"]);
    assert.deepEqual(await list({ originPrefix: "file:x/" }), ["a", "b"]);
    assert.deepEqual(await list({ originPrefix: "fil_:" }), []);
    assert.deepEqual(await list({ origin: "file:y.yaml", originPrefix: "file:" }), ["B"]);
    assert.deepEqual(await list({ origin: "cli", originPrefix: "file:" }), []);
  });

  test("gives what is due by time and id, in pages, and only what is scheduled", async () => {
    const [late, soon, even, paused, off, quarantined, finished, gone] = await subject.add(
      insertOf("late", { nextFireAt: t0 + 20 }),
      insertOf("soon", { nextFireAt: t0 + 10 }),
      insertOf("even", { nextFireAt: t0 + 10 }),
      "paused",
      insertOf("off", { definition: { ...pulse, enabled: false } }),
      insertOf("quarantined", { quarantine: "no" }),
      insertOf("finished", { nextFireAt: null }),
      "gone",
    );
    await subject.store.change([updateOf(paused!, { pausedAt: t0 }), removeOf(gone!)]);
    const due = (entry: Entry) => ({ id: entry.id, nextFireAt: entry.nextFireAt! });
    const before = t0 + 1_000_000;
    const all = [due(soon!), due(even!), due(late!)];
    assert.deepEqual(await subject.store.dueEntries({ before, limit: 99 }), all);
    assert.deepEqual(await subject.store.dueEntries({ before, limit: 2 }), all.slice(0, 2));
    assert.deepEqual(await subject.store.dueEntries({ before, after: all[0]!, limit: 9 }), all.slice(1));
    assert.deepEqual(await subject.store.dueEntries({ before, after: all[2]!, limit: 9 }), []);
    assert.deepEqual(await subject.store.dueEntries({ before: t0 + 20, limit: 9 }), all.slice(0, 2));
    assert.deepEqual(await subject.store.dueEntries({ before: t0 + 20, after: all[0]!, limit: 9 }), [all[1]]);
    assert.deepEqual(await subject.store.dueEntries({ before: t0 + 10, after: all[0]!, limit: 9 }), []);
    assert.deepEqual(await subject.store.dueEntries({ before, after: all[0]!, limit: 1 }), [all[1]]);
    assert.deepEqual(await subject.store.countEntries(), {
      active: 3,
      paused: 1,
      disabled: 1,
      quarantined: 1,
      finished: 1,
    });
    // Back in, each by the change that belongs to it.
    await subject.store.change([
      updateOf(await subject.again(paused!), { pausedAt: null }),
      updateOf(off!, { definition: pulse }),
      updateOf(quarantined!, { quarantine: null }),
      updateOf(finished!, { nextFireAt: t0 + 15 }),
    ]);
    assert.equal((await subject.store.dueEntries({ before, limit: 99 })).length, 7);
  });

  test("names a status by what weighs most", async () => {
    await subject.store.change([
      insertOf("a", { quarantine: "no", definition: { ...pulse, enabled: false } }),
      insertOf("b", { definition: { ...pulse, enabled: false }, nextFireAt: null }),
    ]);
    const paused = await subject.addOne(insertOf("c", { nextFireAt: null }));
    await subject.store.change([updateOf(paused, { pausedAt: t0 })]);
    const counts = { active: 0, paused: 1, disabled: 1, quarantined: 1, finished: 0 };
    assert.deepEqual(await subject.store.countEntries(), counts);
  });

  test("tells what changed since a revision, each entry once, in exact pages", async () => {
    const [a, b, c] = await subject.add("a", "b", "c");
    assert.equal(await subject.store.currentRevision(), c!.revision);
    assert.deepEqual(await subject.store.changedSince(0, 10), [a, b, c]);
    const first = await subject.store.changedSince(0, 2);
    assert.deepEqual(first, [a, b]);
    assert.deepEqual(await subject.store.changedSince(first[1]!.revision, 2), [c]);
    const [newer] = await subject.store.change([updateOf(a!, { pauseNote: "x" })]);
    assert.deepEqual(await subject.store.changedSince(0, 10), [b, c, newer]);
    assert.deepEqual(await subject.store.changedSince(c!.revision, 10), [newer]);
    assert.deepEqual(await subject.store.changedSince(newer!.revision, 10), []);
    assert.equal(new Set([a, b, c, newer].map((entry) => entry!.revision)).size, 4);
  });

  test("a claim is progress and no change, unless it puts the entry into quarantine", async () => {
    const { token } = await subject.lead();
    const entry = await subject.addOne("one");
    await subject.store.claim(token, [claimOf(entry)], t0);
    assert.deepEqual(await subject.store.changedSince(entry.revision, 10), []);
    const advanced = await subject.again(entry);
    assert.equal(advanced.revision, entry.revision);
    await subject.store.claim(token, [claimOf(advanced, { advance: { quarantine: "stuck" } })], t0);
    const [changed] = await subject.store.changedSince(entry.revision, 10);
    assert.equal(changed?.quarantine, "stuck");
    assert.ok(changed.revision > entry.revision);
    assert.equal(await subject.store.currentRevision(), changed.revision);
    assert.deepEqual(await subject.store.dueEntries({ before: t0 * 2, limit: 9 }), []);
  });

  test("finds the interval entries that fired in the future", async () => {
    const [ahead, further, behind, crontab, gone] = await subject.add(
      "ahead",
      "further",
      "behind",
      insertOf("crontab", { definition: daily }),
      "gone",
    );
    await subject.store.change([
      updateOf(ahead!, { lastFireAt: t0 + 100 }),
      updateOf(further!, { lastFireAt: t0 + 200 }),
      updateOf(behind!, { lastFireAt: t0 }),
      updateOf(crontab!, { lastFireAt: t0 + 100 }),
    ]);
    const [doomed] = await subject.store.change([updateOf(gone!, { lastFireAt: t0 + 100 })]);
    await subject.store.change([removeOf(doomed!)]);
    assert.deepEqual(namesOf(await subject.store.entriesAheadOf(t0, 9)).sort(), ["ahead", "further"]);
    assert.equal((await subject.store.entriesAheadOf(t0, 1)).length, 1);
    assert.deepEqual(namesOf(await subject.store.entriesAheadOf(t0 + 100, 9)), ["further"]);
    assert.deepEqual(await subject.store.entriesAheadOf(t0 + 200, 9), []);
  });

  test("withdraws what is unsent with a change, and nothing else", async () => {
    const { token } = await subject.lead();
    const [one, other] = await subject.add("one", "other");
    await subject.store.claim(token, [claimOf(one!), claimOf(other!)], t0);
    const advanced = await subject.again(one!);
    await subject.store.claim(token, [claimOf(advanced)], t0);
    await subject.store.enqueueManual(one!.id, { id: randomUUID(), fireAt: t0 + 1 }, t0);
    const settled = { entryId: one!.id, manual: false, reason: null, attempts: 1, at: t0 + 2 };
    await subject.store.settle([{ ...settled, fireAt: t0 + 30_000, state: "running" }]);
    await subject.store.change([
      updateOf(await subject.again(one!), { pausedAt: t0 }, { at: t0 + 77, withdraw: "paused" }),
    ]);
    const rows = await subject.store.history({ name: "one", limit: 9 });
    assert.deepEqual(
      rows.map((row) => [row.fireAt - t0, row.manual, row.state, row.reason, row.settledAt]),
      [
        [60_000, false, "cancelled", "paused", t0 + 77],
        [30_000, false, "running", null, null],
        [1, true, "cancelled", "paused; it may have been sent before", t0 + 77],
      ],
    );
    assert.deepEqual(keysOf(await subject.store.outbox({ limit: 9 })), [["other", 30_000, "claimed"]]);
  });

  test("a removal withdraws too, and an update without `withdraw` does not", async () => {
    const { token } = await subject.lead();
    const [one, two] = await subject.add("one", "two");
    await subject.store.claim(token, [claimOf(one!), claimOf(two!)], t0);
    await subject.store.change([removeOf(one!, t0 + 5), updateOf(two!, { pauseNote: "x" })]);
    const [row] = await subject.store.history({ name: "one", limit: 9 });
    assert.deepEqual([row?.state, row?.reason, row?.settledAt], ["cancelled", "removed", t0 + 5]);
    assert.deepEqual(keysOf(await subject.store.outbox({ limit: 9 })), [["two", 30_000, "claimed"]]);
  });

  test("says of what it withdraws whether it may have been sent before", async () => {
    const { token } = await subject.lead();
    const local = insertOf("local", { definition: { every: "30s", job: "tidy", timezone: "UTC" } });
    const [task, job] = await subject.add("task", local);
    const at = t0 + 10;
    const due = [1, 2, 3, 4, 5, 20, 200, 201].map((ms) => {
      const fireAt = t0 + ms;
      return { fireAt, dueAt: fireAt };
    });
    await subject.store.claim(token, [claimOf(task!, { due }), claimOf(job!, { due: due.slice(0, 1) })], t0);
    const settled = { entryId: task!.id, manual: false, reason: null, attempts: 0, at } as const;
    await subject.store.settle([
      { ...settled, fireAt: t0 + 1, state: "claimed", reason: "there is no queue" },
      { ...settled, fireAt: t0 + 2, state: "claimed", reason: "there is no queue" },
      { ...settled, fireAt: t0 + 3, state: "claimed", attempts: 1 },
      { ...settled, fireAt: t0 + 4, state: "published", attempts: 1 },
      { ...settled, fireAt: t0 + 201, state: "claimed", attempts: 1 },
    ]);
    // Its reason is taken back before it is sent.
    await subject.store.settle([{ ...settled, fireAt: t0 + 2, state: "claimed" }]);
    const otherTarget = { ...local.definition, every: "1m" } as const;
    await subject.store.change([
      updateOf(await subject.again(task!), { definition: otherTarget }, { at, withdraw: "changed" }),
      removeOf(await subject.again(job!), at),
    ]);
    const doubt = "changed; it may have been sent before";
    assert.deepEqual(
      (await subject.store.history({ name: "task", limit: 9 })).map((row) => [row.fireAt - t0, row.reason]),
      [
        [201, doubt],
        [200, "changed"],
        // It falls due while the change is written.
        [20, doubt],
        [5, doubt],
        [4, null],
        [3, doubt],
        [2, doubt],
        [1, "changed"],
      ],
    );
    assert.equal((await subject.store.history({ name: "local", limit: 9 }))[0]!.reason, "removed");
  });

  test("takes what was claimed later than now for sent: the clock was put back", async () => {
    const { token } = await subject.lead();
    const entry = await subject.addOne("one");
    await subject.store.claim(token, [claimOf(entry)], t0 + 29_750);
    await subject.store.change([removeOf(await subject.again(entry), t0 + 60)]);
    const [row] = await subject.store.history({ limit: 9 });
    assert.deepEqual([row?.state, row?.reason], ["cancelled", "removed; it may have been sent before"]);
  });

  test("a removal writes the rows of what nobody had decided", async () => {
    const entry = await subject.addOne("one");
    const passed = [{ fromFireAt: t0, untilFireAt: t0 + 90, count: 4, state: "missed", reason: "removed" } as const];
    await subject.store.change([{ ...removeOf(entry, t0 + 99), passed }]);
    const [row, ...others] = await subject.store.history({ name: "one", limit: 9 });
    assert.deepEqual(others, []);
    assert.deepEqual(
      [row?.fireAt, row?.untilFireAt, row?.count, row?.state, row?.reason, row?.settledAt],
      [t0, t0 + 90, 4, "missed", "removed", t0 + 99],
    );
  });

  test("writes the ledger rows that come with a change, and leaves what was decided before", async () => {
    const entry = await subject.addOne("one");
    const range = { fromFireAt: t0, untilFireAt: t0 + 90, count: 4, state: "paused", reason: "holiday" } as const;
    const once = { ...range, fromFireAt: t0 + 200, untilFireAt: t0 + 200, count: 1 };
    const [after] = await subject.store.change([updateOf(entry, {}, { at: t0 + 500, passed: [range, once] })]);
    await subject.store.change([updateOf(after!, {}, { at: t0 + 600, passed: [{ ...range, state: "missed" }] })]);
    const rows = await subject.store.history({ limit: 9 });
    const common = {
      id: "",
      entryId: entry.id,
      entryName: "one",
      manual: false,
      attempts: 0,
      missedCount: 0,
      params: null,
      result: null,
      startedAt: null,
      timeZoneData: null,
    };
    const dated = { claimedAt: t0 + 500, settledAt: t0 + 500 };
    const { fromFireAt: _, ...rangeRow } = range;
    assert.deepEqual(rows, [
      { ...common, ...dated, ...rangeRow, fireAt: t0 + 200, dueAt: t0 + 200, untilFireAt: t0 + 200, count: 1 },
      { ...common, ...dated, ...rangeRow, fireAt: t0, dueAt: t0 },
    ]);
  });
}
