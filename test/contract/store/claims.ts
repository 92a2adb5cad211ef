// Claims: a row and a step forward, or neither.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { LeaseLostError } from "../../../src/core/errors.ts";
import { occurrenceId } from "../../../src/core/occurrence-id.ts";
import type { Instant } from "../../../src/core/time.ts";
import { claimOf, keysOf, ownerOf, removeOf, type Subject, t0, updateOf } from "./fixtures.ts";

export function claimsContract(subject: Subject): void {
  test("claims: a row for the fire time, the entry one step further", async () => {
    const { token } = await subject.lead();
    const entry = await subject.addOne("one");
    const fireAt = t0 + 30_000;
    const due = [{ fireAt, dueAt: fireAt + 7 }];
    const advance = { nextFireAt: t0 + 60_000, lastFireAt: fireAt, runCount: 1, anchorAt: t0 - 5 };
    assert.deepEqual(await subject.store.claim(token, [claimOf(entry, { due, advance })], t0 + 29_000), ["claimed"]);
    assert.deepEqual(await subject.again(entry), { ...entry, ...advance });
    assert.deepEqual(await subject.store.outbox({ limit: 9 }), [
      {
        id: occurrenceId(subject.store.id, entry.id, fireAt),
        entryId: entry.id,
        entryName: "one",
        fireAt,
        untilFireAt: fireAt,
        count: 1,
        manual: false,
        dueAt: fireAt + 7,
        state: "claimed",
        reason: null,
        attempts: 0,
        missedCount: 0,
        params: null,
        result: null,
        claimedAt: t0 + 29_000,
        startedAt: null,
        settledAt: null,
        timeZoneData: null,
      },
    ]);
  });

  test("claims: ranges that passed are one row each and are settled at once", async () => {
    const { token } = await subject.lead();
    const entry = await subject.addOne("one");
    const passed = [
      { fromFireAt: t0 + 1, untilFireAt: t0 + 9, count: 9, state: "coalesced", reason: "later one runs" },
      { fromFireAt: t0 - 9, untilFireAt: t0 - 9, count: 1, state: "missed", reason: "too late" },
    ] as const;
    await subject.store.claim(token, [claimOf(entry, { due: [], passed })], t0 + 50);
    const rows = await subject.store.history({ limit: 9 });
    assert.deepEqual(
      rows.map((row) => [row.fireAt, row.untilFireAt, row.count, row.state, row.reason, row.settledAt, row.id]),
      [
        [t0 + 1, t0 + 9, 9, "coalesced", "later one runs", t0 + 50, ""],
        [t0 - 9, t0 - 9, 1, "missed", "too late", t0 + 50, ""],
      ],
    );
    assert.deepEqual(await subject.store.outbox({ limit: 9 }), []);
  });

  test("an entry may come to its end with a claim", async () => {
    const { token } = await subject.lead();
    const entry = await subject.addOne("one");
    await subject.store.claim(
      token,
      [claimOf(entry, { advance: { nextFireAt: null, lastFireAt: t0 + 30_000, runCount: 1 } })],
      t0,
    );
    assert.equal((await subject.again(entry)).nextFireAt, null);
    assert.equal((await subject.store.countEntries()).finished, 1);
    const finished = await subject.again(entry);
    const more = { advance: { nextFireAt: t0 + 99, lastFireAt: t0 + 30_000, runCount: 1 }, due: [] };
    assert.deepEqual(await subject.store.claim(token, [claimOf(finished, more)], t0), ["claimed"]);
    assert.equal((await subject.again(entry)).nextFireAt, t0 + 99);
  });

  test("a stale claim writes nothing: changed, advanced, removed or unknown", async () => {
    const { token } = await subject.lead();
    const [changed, advanced, removed, good] = await subject.add("changed", "advanced", "removed", "good");
    await subject.store.change([updateOf(changed!, { pauseNote: "x" }), removeOf(removed!)]);
    await subject.store.claim(token, [claimOf(advanced!)], t0);
    const before = await subject.store.entriesById([changed!.id, advanced!.id]);
    const claims = [changed!, advanced!, removed!, good!, { ...good!, id: 9_999 }].map((entry) => {
      const fireAt = t0 + 777;
      return claimOf(entry, { due: [{ fireAt, dueAt: fireAt }] });
    });
    assert.deepEqual(await subject.store.claim(token, claims, t0), ["stale", "stale", "stale", "claimed", "stale"]);
    assert.deepEqual(await subject.store.entriesById([changed!.id, advanced!.id]), before);
    assert.deepEqual(keysOf(await subject.store.outbox({ limit: 9 })), [
      ["good", 777, "claimed"],
      ["advanced", 30_000, "claimed"],
    ]);
  });

  test("a second claim of the same batch for an entry builds on the first", async () => {
    const { token } = await subject.lead();
    const entry = await subject.addOne("one");
    const first = claimOf(entry);
    const second = claimOf(first.becomes);
    assert.deepEqual(await subject.store.claim(token, [first, first, second], t0), ["claimed", "stale", "claimed"]);
    assert.equal((await subject.again(entry)).runCount, 2);
  });

  test("a claim for a fire time that is in the ledger is undone alone, whole", async () => {
    const { token } = await subject.lead();
    const [one, two, three] = await subject.add("one", "two", "three");
    const fireAt = t0 + 30_000;
    await subject.store.claim(token, [claimOf(one!), claimOf(two!)], t0);
    const back = { nextFireAt: fireAt, lastFireAt: null, runCount: 0 };
    const [oneBack, twoBack] = await subject.store.change([updateOf(one!, back), updateOf(two!, back)]);
    const revision = await subject.store.currentRevision();
    const fresh = { fireAt: t0 + 5, dueAt: t0 + 5 };
    const older = { fromFireAt: t0 + 1, untilFireAt: t0 + 2, count: 2, state: "missed", reason: "late" } as const;
    const results = await subject.store.claim(
      token,
      [
        // The double comes last, after what would have to be undone.
        claimOf(oneBack!, {
          due: [fresh, ...claimOf(oneBack!).due],
          superseded: [fireAt],
          advance: { quarantine: "no" },
        }),
        claimOf(three!),
        claimOf(twoBack!, { due: [fresh], passed: [older, { ...older, fromFireAt: fireAt, untilFireAt: fireAt }] }),
      ],
      t0,
    );
    assert.deepEqual(results, ["duplicate", "claimed", "duplicate"]);
    assert.deepEqual(await subject.again(one!), oneBack);
    assert.deepEqual(await subject.again(two!), twoBack);
    assert.equal(await subject.store.currentRevision(), revision);
    assert.deepEqual(keysOf(await subject.store.history({ limit: 9 })), [
      ["three", 30_000, "claimed"],
      ["two", 30_000, "claimed"],
      ["one", 30_000, "claimed"],
    ]);
  });

  test("a range of what is left out that is there already does not undo a claim", async () => {
    const { token } = await subject.lead();
    const entry = await subject.addOne("one");
    const excluded = {
      fromFireAt: t0 + 1,
      untilFireAt: t0 + 2,
      count: 2,
      state: "excluded",
      reason: "except",
    } as const;
    assert.deepEqual(await subject.store.claim(token, [claimOf(entry, { passed: [excluded] })], t0), ["claimed"]);
    const again = claimOf(await subject.again(entry), { passed: [{ ...excluded, count: 5 }] });
    assert.deepEqual(await subject.store.claim(token, [again], t0), ["claimed"]);
    const rows = await subject.store.history({ limit: 9, states: ["excluded"] });
    assert.deepEqual(
      rows.map(({ count }) => count),
      [2],
    );
  });

  test("a claim that names a fire time twice is a duplicate", async () => {
    const { token } = await subject.lead();
    const entry = await subject.addOne("one");
    const { due } = claimOf(entry);
    assert.deepEqual(await subject.store.claim(token, [claimOf(entry, { due: [...due, ...due] })], t0), ["duplicate"]);
    assert.deepEqual(await subject.store.history({ limit: 9 }), []);
  });

  test("a manual run has its own place beside a scheduled fire time of the same instant", async () => {
    const { token } = await subject.lead();
    const entry = await subject.addOne("one");
    await subject.store.enqueueManual(entry.id, { id: "by hand", fireAt: entry.nextFireAt! }, t0);
    assert.deepEqual(await subject.store.claim(token, [claimOf(await subject.again(entry))], t0), ["claimed"]);
    const rows = await subject.store.outbox({ limit: 9 });
    assert.deepEqual(
      rows.map((row) => row.manual),
      [false, true],
    );
  });

  test("a newer occurrence supersedes unsent older ones of its entry, and no others", async () => {
    const { token } = await subject.lead();
    const [one, other] = await subject.add("one", "other");
    const at = (fireAt: Instant) => ({ fireAt: t0 + fireAt, dueAt: t0 + fireAt });
    await subject.store.claim(
      token,
      [claimOf(one!, { due: [at(1), at(2), at(3)] }), claimOf(other!, { due: [at(1)] })],
      t0,
    );
    await subject.store.enqueueManual(one!.id, { id: randomUUID(), fireAt: t0 + 1 }, t0);
    const settled = { entryId: one!.id, manual: false, reason: null, attempts: 1, at: t0 + 4 };
    await subject.store.settle([{ ...settled, fireAt: t0 + 2, state: "published" }]);
    const superseded = [t0 + 1, t0 + 2, t0 + 12_345];
    await subject.store.claim(token, [claimOf(await subject.again(one!), { superseded })], t0 + 99);
    const rows = await subject.store.history({ name: "one", limit: 9 });
    assert.deepEqual(
      rows.map((row) => [row.fireAt - t0, row.manual, row.state, row.settledAt]),
      [
        [60_000, false, "claimed", null],
        [3, false, "claimed", null],
        [2, false, "published", t0 + 4],
        [1, true, "claimed", null],
        [1, false, "coalesced", t0 + 99],
      ],
    );
    assert.match(rows[4]!.reason!, /newer/);
    assert.equal((await subject.store.outbox({ limit: 9 })).length, 4);
  });

  test("only the holder of the lease claims", async () => {
    const entry = await subject.addOne("one");
    await assert.rejects(subject.store.claim(1, [claimOf(entry)], t0), LeaseLostError);
    const old = await subject.lead();
    const current = await subject.store.acquireLease(ownerOf("next"), 10_000, old.expiresAt);
    await assert.rejects(subject.store.claim(old.token, [claimOf(entry)], t0), LeaseLostError);
    await assert.rejects(subject.store.claim(current.token + 1, [claimOf(entry)], t0), LeaseLostError);
    assert.deepEqual(await subject.again(entry), entry);
    assert.deepEqual(await subject.store.history({ limit: 9 }), []);
    assert.deepEqual(await subject.store.claim(current.token, [claimOf(entry)], t0), ["claimed"]);
    await subject.store.releaseLease(current);
    await assert.rejects(subject.store.claim(current.token, [], t0), LeaseLostError);
  });

  test("a lease that ran out but went to nobody still claims: nobody else can have", async () => {
    const entry = await subject.addOne("one");
    const { token, expiresAt } = await subject.lead();
    assert.deepEqual(await subject.store.claim(token, [claimOf(entry)], expiresAt + 1), ["claimed"]);
  });
}
