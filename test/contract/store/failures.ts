// What a store owes when a call fails: an error of its kind, nothing half done, and the next call as good as ever.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Definition } from "../../../src/core/definition.ts";
import { StoreError } from "../../../src/core/errors.ts";
import type { Store } from "../../../src/core/ports.ts";
import { claimOf, insertOf, namesOf, ownerOf, pulse, type Subject, t0, updateOf } from "./fixtures.ts";

type Method = Exclude<keyof Store, "id" | "location" | "claimMs" | "close">;

export function failuresContract(subject: Subject): void {
  test("says so when it is used after it was closed, whatever is asked of it", async () => {
    const closed = await subject.open();
    const lease = await closed.acquireLease(ownerOf("one"), 10_000, t0);
    await closed.close();
    await closed.close();
    const key = { entryId: 1, fireAt: t0, manual: false };
    const calls: Record<Method, () => Promise<unknown>> = {
      change: () => closed.change([insertOf("one")]),
      entryByName: () => closed.entryByName("one"),
      entriesById: () => closed.entriesById([1]),
      listEntries: () => closed.listEntries({ limit: 1 }),
      dueEntries: () => closed.dueEntries({ before: t0, limit: 1 }),
      changedSince: () => closed.changedSince(0, 1),
      currentRevision: () => closed.currentRevision(),
      entriesAheadOf: () => closed.entriesAheadOf(t0, 1),
      entriesAtStart: () => closed.entriesAtStart(1),
      countEntries: () => closed.countEntries(),
      timeZoneData: () => closed.timeZoneData(),
      setTimeZoneData: () => closed.setTimeZoneData("2027a"),
      claim: () => closed.claim(lease.token, [], t0),
      settle: () => closed.settle([{ ...key, state: "ran", reason: null, attempts: 1, at: t0 }]),
      outbox: () => closed.outbox({ limit: 1 }),
      enqueueManual: () => closed.enqueueManual(1, { id: "x", fireAt: t0 }, t0),
      requeueFailed: () => closed.requeueFailed({ limit: 1 }, t0),
      abandonRunning: () => closed.abandonRunning("x", t0),
      outboxSummary: () => closed.outboxSummary(),
      history: () => closed.history({ limit: 1 }),
      countSettled: () => closed.countSettled(),
      prune: () => closed.prune(t0, 1),
      acquireLease: () => closed.acquireLease(ownerOf("one"), 1, t0),
      renewLease: () => closed.renewLease(lease, 1, t0, null),
      releaseLease: () => closed.releaseLease(lease),
      currentLease: () => closed.currentLease(),
    };
    for (const [name, call] of Object.entries(calls)) {
      await assert.rejects(call(), (error: unknown) => {
        assert.ok(error instanceof StoreError, `${name}: ${error}`);
        assert.match(error.message, /was closed/);
        return error.remedy !== undefined;
      });
    }
  });

  test("refuses a whole call for one definition that can't be written down", async () => {
    const [kept] = await subject.add("kept");
    const revision = await subject.store.currentRevision();
    const circle: unknown[] = [];
    circle.push(circle);
    for (const args of [[1n], circle] as unknown[][]) {
      const definition = { ...pulse, args } as Definition;
      await assert.rejects(subject.add("before", insertOf("impossible", { definition }), "after"));
      await assert.rejects(subject.store.change([updateOf(kept!, { runCount: 7 }), updateOf(kept!, { definition })]));
    }
    assert.deepEqual(namesOf(await subject.store.listEntries({ limit: 9 })), ["kept"]);
    assert.deepEqual(await subject.again(kept!), kept);
    assert.equal(await subject.store.currentRevision(), revision);
    assert.deepEqual(namesOf(await subject.add("after")), ["after"]);
  });

  test("a report that can't be written down leaves the lease as it was", async () => {
    const lease = await subject.lead();
    await assert.rejects(subject.store.renewLease(lease, 20_000, t0 + 1, { count: 1n }));
    assert.deepEqual(await subject.store.currentLease(), lease);
    assert.equal((await subject.store.renewLease(lease, 20_000, t0 + 2, null)).expiresAt, t0 + 20_002);
  });

  test("after a call that failed, each way of failing, the next one is as good as ever", async () => {
    const lease = await subject.lead();
    let entry = await subject.addOne("one");
    const failing = [
      () => subject.add("one"),
      () => subject.store.change([updateOf({ ...entry, revision: entry.revision - 1 }, { runCount: 9 })]),
      () => subject.store.claim(lease.token + 1, [claimOf(entry)], t0),
      () => subject.store.enqueueManual(entry.id + 1, { id: "x", fireAt: t0 }, t0),
      () => subject.store.renewLease({ ...lease, token: lease.token + 1 }, 1, t0, null),
    ];
    for (const [round, call] of failing.entries()) {
      await assert.rejects(call());
      assert.deepEqual(await subject.store.claim(lease.token, [claimOf(entry)], t0), ["claimed"]);
      entry = await subject.again(entry);
      assert.equal(entry.runCount, round + 1);
    }
    assert.equal((await subject.store.history({ limit: 99 })).length, failing.length);
  });
}
