// What core/ports.ts asks of a Store, as tests. Every store goes through all of them.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Definition } from "../../src/core/definition.ts";
import type { Entry } from "../../src/core/entry.ts";
import { ConflictError, EntryNotFoundError, LeaseLostError, StoreError } from "../../src/core/errors.ts";
import type { Claim, EntryChange, Lease, LeaseOwner, Occurrence, Store } from "../../src/core/ports.ts";
import type { Instant } from "../../src/core/time.ts";

/** A Friday noon; nothing in a store reads a clock. */
export const t0: Instant = Date.UTC(2027, 0, 1, 12);

export const pulse: Definition = { every: "30s", task: "a.b", timezone: "UTC" };
const daily: Definition = { crontab: "0 3 * * *", task: "a.c", timezone: "Europe/Berlin" };

type Insert = Extract<EntryChange, { change: "insert" }>;
type Update = Extract<EntryChange, { change: "update" }>;

export function insertOf(name: string, fields: Partial<Insert> = {}): Insert {
  return {
    change: "insert",
    name,
    origin: "api",
    definition: pulse,
    createdAt: t0,
    anchorAt: t0,
    nextFireAt: t0 + 30_000,
    quarantine: null,
    ...fields,
  };
}

export function updateOf(entry: Entry, fields: Update["fields"], rest: Partial<Update> = {}): Update {
  return { change: "update", id: entry.id, expectedRevision: entry.revision, at: t0, fields, ...rest };
}

export function removeOf(entry: Entry, at: Instant = t0): EntryChange {
  return { change: "remove", id: entry.id, expectedRevision: entry.revision, at, withdraw: "removed" };
}

/** One occurrence at the entry's next fire time, the next one 30 s later. */
export function claimOf(entry: Entry, changes: Partial<Claim> = {}): Claim {
  const fireAt = entry.nextFireAt ?? t0;
  return {
    entryId: entry.id,
    expected: { revision: entry.revision, nextFireAt: entry.nextFireAt },
    due: [{ id: randomUUID(), fireAt, dueAt: fireAt, manual: false }],
    passed: [],
    superseded: [],
    advance: { nextFireAt: fireAt + 30_000, lastFireAt: fireAt, runCount: entry.runCount + 1 },
    ...changes,
  };
}

export function ownerOf(ownerId: string): LeaseOwner {
  return { ownerId, host: "host", pid: 1 };
}

const namesOf = (entries: readonly Entry[]) => entries.map((entry) => entry.name);
const keysOf = (rows: readonly Occurrence[]) => rows.map((row) => [row.entryName, row.fireAt - t0, row.state]);

export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`${name}: what every store owes`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    async function add(...inserts: readonly (string | Insert)[]): Promise<Entry[]> {
      return store.change(inserts.map((insert) => (typeof insert === "string" ? insertOf(insert) : insert)));
    }
    async function addOne(insert: string | Insert): Promise<Entry> {
      return (await add(insert))[0]!;
    }
    async function lead(): Promise<Lease> {
      return store.acquireLease(ownerOf("leader"), 10_000, t0);
    }
    async function again(entry: Entry): Promise<Entry> {
      return (await store.entriesById([entry.id]))[0]!;
    }

    entriesContract();
    claimContract();
    ledgerContract();
    leaseContract();

    function entriesContract(): void {
      test("has an id of its own and a place", async () => {
        assert.match(store.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        assert.notEqual(store.location, "");
        const other = await open();
        assert.notEqual(other.id, store.id);
        await other.close();
      });

      test("gives back an inserted entry as it was given, with an id and a revision", async () => {
        const definition: Definition = { ...daily, args: [1, "ä\u0000☂", { deep: [null] }], enabled: true };
        const [entry, other] = await add(
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
        assert.deepEqual(await store.entryByName("one"), entry);
        assert.deepEqual(await store.entriesById([entry!.id]), [entry]);
        assert.equal(await store.entryByName("three"), undefined);
      });

      test("keeps what it was given even if the giver alters it afterwards", async () => {
        const args: unknown[] = [1];
        const entry = await addOne(insertOf("one", { definition: { ...pulse, args } }));
        args.push(2);
        assert.deepEqual((await again(entry)).definition.args, [1]);
      });

      test("refuses a second entry of a name, and writes nothing of that call", async () => {
        await addOne("taken");
        const revision = await store.currentRevision();
        await assert.rejects(add("free", "taken"), (error: unknown) => {
          assert.ok(error instanceof ConflictError);
          assert.match(error.describe(), /entry "taken": there is an entry of the name "taken" already/);
          return true;
        });
        assert.equal(await store.entryByName("free"), undefined);
        assert.equal(await store.currentRevision(), revision);
        await assert.rejects(add("same", "same"), ConflictError);
        assert.equal(await store.entryByName("same"), undefined);
      });

      test("updates only the fields that are named, under a new revision", async () => {
        const entry = await addOne("one");
        const [updated] = await store.change([
          updateOf(entry, { pausedAt: t0 + 5, pauseNote: "holiday", runCount: 3, lastFireAt: t0 }),
        ]);
        const expected = { ...entry, pausedAt: t0 + 5, pauseNote: "holiday", runCount: 3, lastFireAt: t0 };
        assert.deepEqual(updated, { ...expected, revision: updated!.revision });
        assert.ok(updated!.revision > entry.revision);
        assert.deepEqual(await again(entry), updated);
        const [back] = await store.change([
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
        const [one, two] = await add("one", "two");
        const [newer] = await store.change([updateOf(one!, { pauseNote: "x" })]);
        const revision = await store.currentRevision();
        for (const late of [updateOf(one!, { pauseNote: "y" }), removeOf(one!)]) {
          await assert.rejects(store.change([removeOf(two!), insertOf("two"), insertOf("new"), late]), ConflictError);
        }
        assert.deepEqual(await again(one!), newer);
        assert.deepEqual(await again(two!), two);
        assert.deepEqual(await store.entryByName("two"), two);
        assert.equal(await store.entryByName("new"), undefined);
        assert.equal(await store.currentRevision(), revision);
        assert.deepEqual(await store.changedSince(revision, 10), []);
        await assert.rejects(store.change([updateOf({ ...one!, id: 999 }, {})]), ConflictError);
      });

      test("counts an undone call's ids and revisions as never given", async () => {
        const first = await addOne("one");
        await assert.rejects(add("two", "three", "one"), ConflictError);
        const next = await addOne("two");
        assert.deepEqual([next.id, next.revision], [first.id + 1, first.revision + 1]);
      });

      test("a claim's progress does not stand in the way of a change", async () => {
        const entry = await addOne("one");
        await store.claim((await lead()).token, [claimOf(entry)], t0);
        const [updated] = await store.change([updateOf(entry, { pauseNote: "still fits" })]);
        assert.equal(updated!.runCount, 1);
        assert.equal(updated!.nextFireAt, t0 + 60_000);
      });

      test("removes: gone by name and id, a tombstone for those who ask for changes; the name may be used again", async () => {
        const old = await addOne("one");
        const revision = await store.currentRevision();
        const [tombstone] = await store.change([removeOf(old, t0 + 9)]);
        assert.deepEqual(tombstone, { ...old, removedAt: t0 + 9, revision: tombstone!.revision });
        assert.equal(await store.entryByName("one"), undefined);
        assert.deepEqual(await store.entriesById([old.id]), []);
        assert.deepEqual(await store.listEntries({ limit: 10 }), []);
        assert.deepEqual(await store.changedSince(revision, 10), [tombstone]);
        await assert.rejects(store.change([removeOf(tombstone!)]), ConflictError);
        await assert.rejects(store.change([updateOf(tombstone!, { pauseNote: "x" })]), ConflictError);
        const again = await addOne("one");
        assert.ok(again.id > old.id);
        assert.deepEqual(await store.entryByName("one"), again);
      });

      test("applies changes in order: a name given free is free for the next change", async () => {
        const old = await addOne("one");
        const [tombstone, fresh] = await store.change([removeOf(old), insertOf("one")]);
        assert.equal(tombstone!.removedAt, t0);
        assert.deepEqual(await store.entryByName("one"), fresh);
      });

      test("no change changes nothing", async () => {
        assert.deepEqual(await store.change([]), []);
        assert.equal(await store.currentRevision(), 0);
      });

      test("finds present entries by id, unknown ids and doubles left out", async () => {
        const [one, two, gone] = await add("one", "two", "gone");
        await store.change([removeOf(gone!)]);
        const found = await store.entriesById([two!.id, 12_345, gone!.id, one!.id, two!.id]);
        assert.deepEqual(namesOf(found).sort(), ["one", "two"]);
        assert.deepEqual(await store.entriesById([]), []);
      });

      test("lists by name, in pages, of all or of one origin", async () => {
        await add(
          insertOf("b", { origin: "file:x/1.yaml" }),
          insertOf("a", { origin: "file:x/2.yaml" }),
          insertOf("\u{1F600}", { origin: "cli" }),
          insertOf("\uFFFD", { origin: "cli" }),
          insertOf("B", { origin: "file:y.yaml" }),
          insertOf("ä", { origin: "code" }),
        );
        const list = async (query: Omit<Parameters<Store["listEntries"]>[0], "limit">, limit = 99) =>
          namesOf(await store.listEntries({ ...query, limit }));
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
        const [late, soon, even, paused, off, quarantined, finished, gone] = await add(
          insertOf("late", { nextFireAt: t0 + 20 }),
          insertOf("soon", { nextFireAt: t0 + 10 }),
          insertOf("even", { nextFireAt: t0 + 10 }),
          "paused",
          insertOf("off", { definition: { ...pulse, enabled: false } }),
          insertOf("quarantined", { quarantine: "no" }),
          insertOf("finished", { nextFireAt: null }),
          "gone",
        );
        await store.change([updateOf(paused!, { pausedAt: t0 }), removeOf(gone!)]);
        const due = (entry: Entry) => ({ id: entry.id, nextFireAt: entry.nextFireAt! });
        const before = t0 + 1_000_000;
        const all = [due(soon!), due(even!), due(late!)];
        assert.deepEqual(await store.dueEntries({ before, limit: 99 }), all);
        assert.deepEqual(await store.dueEntries({ before, limit: 2 }), all.slice(0, 2));
        assert.deepEqual(await store.dueEntries({ before, after: all[0]!, limit: 9 }), all.slice(1));
        assert.deepEqual(await store.dueEntries({ before, after: all[2]!, limit: 9 }), []);
        assert.deepEqual(await store.dueEntries({ before: t0 + 20, limit: 9 }), all.slice(0, 2));
        assert.deepEqual(await store.dueEntries({ before: t0 + 20, after: all[0]!, limit: 9 }), [all[1]]);
        assert.deepEqual(await store.dueEntries({ before: t0 + 10, after: all[0]!, limit: 9 }), []);
        assert.deepEqual(await store.dueEntries({ before, after: all[0]!, limit: 1 }), [all[1]]);
        assert.deepEqual(await store.countEntries(), {
          active: 3,
          paused: 1,
          disabled: 1,
          quarantined: 1,
          finished: 1,
        });
        // Back in, each by the change that belongs to it.
        await store.change([
          updateOf(await again(paused!), { pausedAt: null }),
          updateOf(off!, { definition: pulse }),
          updateOf(quarantined!, { quarantine: null }),
          updateOf(finished!, { nextFireAt: t0 + 15 }),
        ]);
        assert.equal((await store.dueEntries({ before, limit: 99 })).length, 7);
      });

      test("names a status by what weighs most", async () => {
        await store.change([
          insertOf("a", { quarantine: "no", definition: { ...pulse, enabled: false } }),
          insertOf("b", { definition: { ...pulse, enabled: false }, nextFireAt: null }),
        ]);
        const paused = await addOne(insertOf("c", { nextFireAt: null }));
        await store.change([updateOf(paused, { pausedAt: t0 })]);
        const counts = { active: 0, paused: 1, disabled: 1, quarantined: 1, finished: 0 };
        assert.deepEqual(await store.countEntries(), counts);
      });

      test("tells what changed since a revision, each entry once, in exact pages", async () => {
        const [a, b, c] = await add("a", "b", "c");
        assert.equal(await store.currentRevision(), c!.revision);
        assert.deepEqual(await store.changedSince(0, 10), [a, b, c]);
        const first = await store.changedSince(0, 2);
        assert.deepEqual(first, [a, b]);
        assert.deepEqual(await store.changedSince(first[1]!.revision, 2), [c]);
        const [newer] = await store.change([updateOf(a!, { pauseNote: "x" })]);
        assert.deepEqual(await store.changedSince(0, 10), [b, c, newer]);
        assert.deepEqual(await store.changedSince(c!.revision, 10), [newer]);
        assert.deepEqual(await store.changedSince(newer!.revision, 10), []);
        assert.equal(new Set([a, b, c, newer].map((entry) => entry!.revision)).size, 4);
      });

      test("a claim is progress and no change, unless it puts the entry into quarantine", async () => {
        const { token } = await lead();
        const entry = await addOne("one");
        await store.claim(token, [claimOf(entry)], t0);
        assert.deepEqual(await store.changedSince(entry.revision, 10), []);
        const advanced = await again(entry);
        assert.equal(advanced.revision, entry.revision);
        const { advance } = claimOf(advanced);
        await store.claim(token, [claimOf(advanced, { advance: { ...advance, quarantine: "stuck" } })], t0);
        const [changed] = await store.changedSince(entry.revision, 10);
        assert.equal(changed?.quarantine, "stuck");
        assert.ok(changed.revision > entry.revision);
        assert.equal(await store.currentRevision(), changed.revision);
        assert.deepEqual(await store.dueEntries({ before: t0 * 2, limit: 9 }), []);
      });

      test("finds the interval entries that fired in the future", async () => {
        const [ahead, further, behind, crontab, gone] = await add(
          "ahead",
          "further",
          "behind",
          insertOf("crontab", { definition: daily }),
          "gone",
        );
        await store.change([
          updateOf(ahead!, { lastFireAt: t0 + 100 }),
          updateOf(further!, { lastFireAt: t0 + 200 }),
          updateOf(behind!, { lastFireAt: t0 }),
          updateOf(crontab!, { lastFireAt: t0 + 100 }),
        ]);
        const [doomed] = await store.change([updateOf(gone!, { lastFireAt: t0 + 100 })]);
        await store.change([removeOf(doomed!)]);
        assert.deepEqual(namesOf(await store.entriesAheadOf(t0, 9)).sort(), ["ahead", "further"]);
        assert.equal((await store.entriesAheadOf(t0, 1)).length, 1);
        assert.deepEqual(namesOf(await store.entriesAheadOf(t0 + 100, 9)), ["further"]);
        assert.deepEqual(await store.entriesAheadOf(t0 + 200, 9), []);
      });

      test("withdraws what is unsent with a change, and nothing else", async () => {
        const { token } = await lead();
        const [one, other] = await add("one", "other");
        await store.claim(token, [claimOf(one!), claimOf(other!)], t0);
        const advanced = await again(one!);
        await store.claim(token, [claimOf(advanced)], t0);
        await store.enqueueManual(one!.id, { id: randomUUID(), fireAt: t0 + 1 }, t0);
        const settled = { entryId: one!.id, manual: false, reason: null, attempts: 1, at: t0 + 2 };
        await store.settle([{ ...settled, fireAt: t0 + 30_000, state: "running" }]);
        await store.change([updateOf(await again(one!), { pausedAt: t0 }, { at: t0 + 77, withdraw: "paused" })]);
        const rows = await store.history({ name: "one", limit: 9 });
        assert.deepEqual(
          rows.map((row) => [row.fireAt - t0, row.manual, row.state, row.reason, row.settledAt]),
          [
            [60_000, false, "cancelled", "paused", t0 + 77],
            [30_000, false, "running", null, null],
            [1, true, "cancelled", "paused", t0 + 77],
          ],
        );
        assert.deepEqual(keysOf(await store.outbox({ limit: 9 })), [["other", 30_000, "claimed"]]);
      });

      test("a removal withdraws too, and an update without `withdraw` does not", async () => {
        const { token } = await lead();
        const [one, two] = await add("one", "two");
        await store.claim(token, [claimOf(one!), claimOf(two!)], t0);
        await store.change([removeOf(one!, t0 + 5), updateOf(two!, { pauseNote: "x" })]);
        const [row] = await store.history({ name: "one", limit: 9 });
        assert.deepEqual([row?.state, row?.reason, row?.settledAt], ["cancelled", "removed", t0 + 5]);
        assert.deepEqual(keysOf(await store.outbox({ limit: 9 })), [["two", 30_000, "claimed"]]);
      });

      test("writes the ledger rows that come with a change, and leaves what was decided before", async () => {
        const entry = await addOne("one");
        const range = { fromFireAt: t0, untilFireAt: t0 + 90, count: 4, state: "paused", reason: "holiday" } as const;
        const once = { ...range, fromFireAt: t0 + 200, untilFireAt: t0 + 200, count: 1 };
        const [after] = await store.change([updateOf(entry, {}, { at: t0 + 500, passed: [range, once] })]);
        await store.change([updateOf(after!, {}, { at: t0 + 600, passed: [{ ...range, state: "missed" }] })]);
        const rows = await store.history({ limit: 9 });
        const common = { id: "", entryId: entry.id, entryName: "one", manual: false, attempts: 0, startedAt: null };
        const dated = { claimedAt: t0 + 500, settledAt: t0 + 500 };
        const { fromFireAt: _, ...rangeRow } = range;
        assert.deepEqual(rows, [
          { ...common, ...dated, ...rangeRow, fireAt: t0 + 200, dueAt: t0 + 200, untilFireAt: t0 + 200, count: 1 },
          { ...common, ...dated, ...rangeRow, fireAt: t0, dueAt: t0 },
        ]);
      });
    }

    function claimContract(): void {
      test("claims: a row for the fire time, the entry one step further", async () => {
        const { token } = await lead();
        const entry = await addOne("one");
        const id = randomUUID();
        const fireAt = t0 + 30_000;
        const due = [{ id, fireAt, dueAt: fireAt + 7, manual: false }];
        const advance = { nextFireAt: t0 + 60_000, lastFireAt: fireAt, runCount: 1, anchorAt: t0 - 5 };
        assert.deepEqual(await store.claim(token, [claimOf(entry, { due, advance })], t0 + 29_000), ["claimed"]);
        assert.deepEqual(await again(entry), { ...entry, ...advance });
        assert.deepEqual(await store.outbox({ limit: 9 }), [
          {
            id,
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
            claimedAt: t0 + 29_000,
            startedAt: null,
            settledAt: null,
          },
        ]);
      });

      test("claims: ranges that passed are one row each and are settled at once", async () => {
        const { token } = await lead();
        const entry = await addOne("one");
        const passed = [
          { fromFireAt: t0 + 1, untilFireAt: t0 + 9, count: 9, state: "coalesced", reason: "later one runs" },
          { fromFireAt: t0 - 9, untilFireAt: t0 - 9, count: 1, state: "missed", reason: "too late" },
        ] as const;
        await store.claim(token, [claimOf(entry, { due: [], passed })], t0 + 50);
        const rows = await store.history({ limit: 9 });
        assert.deepEqual(
          rows.map((row) => [row.fireAt, row.untilFireAt, row.count, row.state, row.reason, row.settledAt, row.id]),
          [
            [t0 + 1, t0 + 9, 9, "coalesced", "later one runs", t0 + 50, ""],
            [t0 - 9, t0 - 9, 1, "missed", "too late", t0 + 50, ""],
          ],
        );
        assert.deepEqual(await store.outbox({ limit: 9 }), []);
      });

      test("an entry may come to its end with a claim", async () => {
        const { token } = await lead();
        const entry = await addOne("one");
        await store.claim(
          token,
          [claimOf(entry, { advance: { nextFireAt: null, lastFireAt: t0 + 30_000, runCount: 1 } })],
          t0,
        );
        assert.equal((await again(entry)).nextFireAt, null);
        assert.equal((await store.countEntries()).finished, 1);
        const finished = await again(entry);
        const more = { advance: { nextFireAt: t0 + 99, lastFireAt: t0 + 30_000, runCount: 1 }, due: [] };
        assert.deepEqual(await store.claim(token, [claimOf(finished, more)], t0), ["claimed"]);
        assert.equal((await again(entry)).nextFireAt, t0 + 99);
      });

      test("a stale claim writes nothing: changed, advanced, removed or unknown", async () => {
        const { token } = await lead();
        const [changed, advanced, removed, good] = await add("changed", "advanced", "removed", "good");
        await store.change([updateOf(changed!, { pauseNote: "x" }), removeOf(removed!)]);
        await store.claim(token, [claimOf(advanced!)], t0);
        const before = await store.entriesById([changed!.id, advanced!.id]);
        const claims = [changed!, advanced!, removed!, good!, { ...good!, id: 9_999 }].map((entry) => {
          const fireAt = t0 + 777;
          return claimOf(entry, { due: [{ id: randomUUID(), fireAt, dueAt: fireAt, manual: false }] });
        });
        assert.deepEqual(await store.claim(token, claims, t0), ["stale", "stale", "stale", "claimed", "stale"]);
        assert.deepEqual(await store.entriesById([changed!.id, advanced!.id]), before);
        assert.deepEqual(keysOf(await store.outbox({ limit: 9 })), [
          ["good", 777, "claimed"],
          ["advanced", 30_000, "claimed"],
        ]);
      });

      test("a second claim of the same batch for an entry builds on the first", async () => {
        const { token } = await lead();
        const entry = await addOne("one");
        const first = claimOf(entry);
        const second = claimOf({ ...entry, ...first.advance });
        assert.deepEqual(await store.claim(token, [first, first, second], t0), ["claimed", "stale", "claimed"]);
        assert.equal((await again(entry)).runCount, 2);
      });

      test("a claim for a fire time that is in the ledger is undone alone, whole", async () => {
        const { token } = await lead();
        const [one, two, three] = await add("one", "two", "three");
        const fireAt = t0 + 30_000;
        await store.claim(token, [claimOf(one!), claimOf(two!)], t0);
        const back = { nextFireAt: fireAt, lastFireAt: null, runCount: 0 };
        const [oneBack, twoBack] = await store.change([updateOf(one!, back), updateOf(two!, back)]);
        const revision = await store.currentRevision();
        const fresh = { id: randomUUID(), fireAt: t0 + 5, dueAt: t0 + 5, manual: false };
        const older = { fromFireAt: t0 + 1, untilFireAt: t0 + 2, count: 2, state: "missed", reason: "late" } as const;
        const results = await store.claim(
          token,
          [
            // The double comes last, after what would have to be undone.
            claimOf(oneBack!, {
              due: [fresh, ...claimOf(oneBack!).due],
              superseded: [fireAt],
              advance: { ...claimOf(oneBack!).advance, quarantine: "no" },
            }),
            claimOf(three!),
            claimOf(twoBack!, { due: [fresh], passed: [older, { ...older, fromFireAt: fireAt, untilFireAt: fireAt }] }),
          ],
          t0,
        );
        assert.deepEqual(results, ["duplicate", "claimed", "duplicate"]);
        assert.deepEqual(await again(one!), oneBack);
        assert.deepEqual(await again(two!), twoBack);
        assert.equal(await store.currentRevision(), revision);
        assert.deepEqual(keysOf(await store.history({ limit: 9 })), [
          ["three", 30_000, "claimed"],
          ["two", 30_000, "claimed"],
          ["one", 30_000, "claimed"],
        ]);
      });

      test("a claim that names a fire time twice is a duplicate", async () => {
        const { token } = await lead();
        const entry = await addOne("one");
        const { due } = claimOf(entry);
        assert.deepEqual(await store.claim(token, [claimOf(entry, { due: [...due, ...due] })], t0), ["duplicate"]);
        assert.deepEqual(await store.history({ limit: 9 }), []);
      });

      test("a manual run has its own place beside a scheduled fire time of the same instant", async () => {
        const { token } = await lead();
        const entry = await addOne("one");
        await store.enqueueManual(entry.id, { id: "by hand", fireAt: entry.nextFireAt! }, t0);
        assert.deepEqual(await store.claim(token, [claimOf(await again(entry))], t0), ["claimed"]);
        const rows = await store.outbox({ limit: 9 });
        assert.deepEqual(
          rows.map((row) => row.manual),
          [false, true],
        );
      });

      test("a newer occurrence supersedes unsent older ones of its entry, and no others", async () => {
        const { token } = await lead();
        const [one, other] = await add("one", "other");
        const at = (fireAt: Instant) => ({ id: randomUUID(), fireAt: t0 + fireAt, dueAt: t0 + fireAt, manual: false });
        await store.claim(
          token,
          [claimOf(one!, { due: [at(1), at(2), at(3)] }), claimOf(other!, { due: [at(1)] })],
          t0,
        );
        await store.enqueueManual(one!.id, { id: randomUUID(), fireAt: t0 + 1 }, t0);
        const settled = { entryId: one!.id, manual: false, reason: null, attempts: 1, at: t0 + 4 };
        await store.settle([{ ...settled, fireAt: t0 + 2, state: "published" }]);
        const superseded = [t0 + 1, t0 + 2, t0 + 12_345];
        await store.claim(token, [claimOf(await again(one!), { superseded })], t0 + 99);
        const rows = await store.history({ name: "one", limit: 9 });
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
        assert.equal((await store.outbox({ limit: 9 })).length, 4);
      });

      test("only the holder of the lease claims", async () => {
        const entry = await addOne("one");
        await assert.rejects(store.claim(1, [claimOf(entry)], t0), LeaseLostError);
        const old = await lead();
        const current = await store.acquireLease(ownerOf("next"), 10_000, old.expiresAt);
        await assert.rejects(store.claim(old.token, [claimOf(entry)], t0), LeaseLostError);
        await assert.rejects(store.claim(current.token + 1, [claimOf(entry)], t0), LeaseLostError);
        assert.deepEqual(await again(entry), entry);
        assert.deepEqual(await store.history({ limit: 9 }), []);
        assert.deepEqual(await store.claim(current.token, [claimOf(entry)], t0), ["claimed"]);
        await store.releaseLease(current);
        await assert.rejects(store.claim(current.token, [], t0), LeaseLostError);
      });

      test("a lease that ran out but went to nobody still claims: nobody else can have", async () => {
        const entry = await addOne("one");
        const { token, expiresAt } = await lead();
        assert.deepEqual(await store.claim(token, [claimOf(entry)], expiresAt + 1), ["claimed"]);
      });
    }

    function ledgerContract(): void {
      /** `count` occurrences of an entry, a millisecond apart from `t0 + 1` on, in the outbox. */
      async function fill(entry: Entry, count: number): Promise<void> {
        const due = Array.from({ length: count }, (_, index) => {
          const fireAt = t0 + 1 + index;
          return { id: randomUUID(), fireAt, dueAt: fireAt, manual: false };
        });
        const { token } = await lead();
        assert.deepEqual(await store.claim(token, [claimOf(entry, { due })], t0), ["claimed"]);
      }
      const settled = (entry: Entry, fireAt: Instant) =>
        ({ entryId: entry.id, fireAt: t0 + fireAt, manual: false, reason: null, attempts: 1, at: t0 + 100 }) as const;

      test("settles from the outbox and from running, and leaves what is final", async () => {
        const entry = await addOne("one");
        await fill(entry, 4);
        await store.settle([
          { ...settled(entry, 1), state: "published" },
          { ...settled(entry, 2), state: "running", at: t0 + 50 },
          { ...settled(entry, 3), state: "claimed", reason: "broker away", attempts: 7 },
          { ...settled(entry, 4), state: "running" },
          { ...settled(entry, 999), state: "published" },
          { ...settled({ ...entry, id: 999 }, 1), state: "published" },
          { ...settled(entry, 3), state: "published", manual: true },
        ]);
        await store.settle([
          { ...settled(entry, 1), state: "failed", reason: "too late to say so" },
          { ...settled(entry, 2), state: "ran", at: t0 + 80, attempts: 2 },
          { ...settled(entry, 4), state: "claimed", reason: "waits" },
        ]);
        await store.settle([]);
        const rows = await store.history({ limit: 9 });
        assert.deepEqual(
          rows.map((row) => [row.fireAt - t0, row.state, row.reason, row.attempts, row.startedAt, row.settledAt]),
          [
            [4, "claimed", "waits", 1, t0 + 100, null],
            [3, "claimed", "broker away", 7, null, null],
            [2, "ran", null, 2, t0 + 50, t0 + 80],
            [1, "published", null, 1, null, t0 + 100],
          ],
        );
        assert.deepEqual(keysOf(await store.outbox({ limit: 9 })), [
          ["one", 3, "claimed"],
          ["one", 4, "claimed"],
        ]);
      });

      test("every final state is final", async () => {
        const entry = await addOne("one");
        const states = ["published", "ran", "failed", "cancelled", "skipped", "coalesced"] as const;
        await fill(entry, states.length);
        const finals = states.filter((state) => state !== "coalesced");
        await store.settle(finals.map((state, index) => ({ ...settled(entry, index + 1), state, reason: state })));
        await store.settle(finals.map((_, index) => ({ ...settled(entry, index + 1), state: "running" })));
        const rows = await store.history({ limit: 9 });
        assert.deepEqual(rows.map((row) => row.state).toReversed(), [...finals, "claimed"]);
      });

      test("gives the outbox by due time, entry and fire time, in pages that miss nothing", async () => {
        const { token } = await lead();
        const [one, two] = await add("one", "two");
        const at = (fireAt: number, dueAt: number) => ({
          id: randomUUID(),
          fireAt: t0 + fireAt,
          dueAt: t0 + dueAt,
          manual: false,
        });
        await store.claim(
          token,
          [claimOf(two!, { due: [at(1, 9), at(2, 5)] }), claimOf(one!, { due: [at(4, 9), at(3, 9)] })],
          t0,
        );
        await store.enqueueManual(one!.id, { id: randomUUID(), fireAt: t0 + 9 }, t0);
        const all = await store.outbox({ limit: 99 });
        assert.deepEqual(keysOf(all), [
          ["two", 2, "claimed"],
          ["one", 3, "claimed"],
          ["one", 4, "claimed"],
          ["one", 9, "claimed"],
          ["two", 1, "claimed"],
        ]);
        const paged: Occurrence[] = [];
        for (let after: Occurrence | undefined; paged.length < 9; after = paged.at(-1)) {
          const page = await store.outbox({ limit: 1, ...(after && { after }) });
          if (page.length === 0) break;
          paged.push(...page);
        }
        assert.deepEqual(paged, all);
        // A cursor is a place in the order and need not be there any more.
        await store.settle([{ ...settled(one!, 3), state: "published" }]);
        assert.deepEqual(await store.outbox({ after: all[1]!, limit: 9 }), all.slice(2));
      });

      test("enqueues a manual run, once an instant, only for an entry that is there", async () => {
        const [entry, gone] = await add("one", "gone");
        await store.enqueueManual(entry!.id, { id: "first", fireAt: t0 + 5 }, t0 + 6);
        const [row] = await store.outbox({ limit: 9 });
        const { id, fireAt, dueAt, manual, claimedAt, state } = row!;
        const noticed = await store.changedSince(gone!.revision, 9);
        assert.deepEqual(noticed, [{ ...entry, revision: noticed[0]?.revision }], "the leader can notice it");
        assert.deepEqual(
          [id, fireAt, dueAt, manual, claimedAt, state],
          ["first", t0 + 5, t0 + 5, true, t0 + 6, "claimed"],
        );
        await assert.rejects(store.enqueueManual(entry!.id, { id: "second", fireAt: t0 + 5 }, t0 + 6), ConflictError);
        assert.equal(await store.currentRevision(), noticed[0]!.revision);
        await store.enqueueManual(entry!.id, { id: "third", fireAt: t0 + 6 }, t0 + 6);
        await store.change([removeOf(gone!)]);
        for (const id of [gone!.id, 999]) {
          await assert.rejects(store.enqueueManual(id, { id: "no", fireAt: t0 }, t0), EntryNotFoundError);
        }
        await store.settle([{ ...settled(entry!, 5), manual: true, state: "ran" }]);
        assert.deepEqual(
          (await store.outbox({ limit: 9 })).map((waiting) => waiting.id),
          ["third"],
        );
      });

      test("writes off what a dead process left running", async () => {
        const entry = await addOne("one");
        await fill(entry, 3);
        await store.settle([
          { ...settled(entry, 1), state: "running" },
          { ...settled(entry, 2), state: "running", at: t0 + 20 },
        ]);
        assert.equal(await store.abandonRunning("the process ended", t0 + 500), 2);
        assert.equal(await store.abandonRunning("the process ended", t0 + 600), 0);
        const rows = await store.history({ limit: 9, states: ["failed"] });
        assert.deepEqual(
          rows.map((row) => [row.fireAt - t0, row.reason, row.startedAt, row.settledAt]),
          [
            [2, "the process ended", t0 + 20, t0 + 500],
            [1, "the process ended", t0 + 100, t0 + 500],
          ],
        );
      });

      test("sums up what waits and what runs", async () => {
        const entry = await addOne("one");
        assert.deepEqual(await store.outboxSummary(), []);
        await fill(entry, 6);
        await store.settle([
          { ...settled(entry, 1), state: "published" },
          { ...settled(entry, 2), state: "running" },
          { ...settled(entry, 4), state: "claimed", reason: "no queue" },
          { ...settled(entry, 5), state: "claimed", reason: "no queue" },
        ]);
        assert.deepEqual(await store.outboxSummary(), [
          { state: "claimed", reason: null, count: 2, oldestDueAt: t0 + 3 },
          { state: "claimed", reason: "no queue", count: 2, oldestDueAt: t0 + 4 },
          { state: "running", reason: null, count: 1, oldestDueAt: t0 + 2 },
        ]);
      });

      test("tells history newest first, by name, state and time", async () => {
        const [one, two] = await add("one", "two");
        await fill(one!, 3);
        await fill(two!, 2);
        await store.settle([
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
        assert.deepEqual(keysOf(await store.history({ limit: 9 })), all);
        assert.deepEqual(keysOf(await store.history({ limit: 2 })), all.slice(0, 2));
        assert.deepEqual(keysOf(await store.history({ before: t0 + 2, limit: 9 })), all.slice(3));
        assert.deepEqual(keysOf(await store.history({ states: ["ran", "failed"], limit: 9 })), all.slice(1, 3));
        assert.deepEqual(keysOf(await store.history({ name: "two", limit: 9 })), [all[1], all[3]]);
        const query = { name: "one", states: ["claimed"], before: t0 + 3, limit: 9 } as const;
        assert.deepEqual(keysOf(await store.history(query)), [all[4]]);
        assert.deepEqual(await store.history({ name: "three", limit: 9 }), []);
        assert.deepEqual(await store.history({ states: [], limit: 9 }), []);
      });

      test("tells the history of a name over all the entries that had it", async () => {
        const old = await addOne("one");
        await fill(old, 3);
        await store.change([removeOf(old)]);
        const fresh = await addOne("one");
        await fill(fresh, 2);
        const rows = await store.history({ name: "one", limit: 4 });
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
        const entry = await addOne("one");
        await fill(entry, 5);
        await store.settle([
          { ...settled(entry, 1), state: "published", at: t0 + 300 },
          { ...settled(entry, 2), state: "ran", at: t0 + 100 },
          { ...settled(entry, 3), state: "failed", at: t0 + 200 },
          { ...settled(entry, 4), state: "running", at: t0 + 1 },
        ]);
        const left = async () => (await store.history({ limit: 9 })).map((row) => row.fireAt - t0);
        assert.equal(await store.prune(t0 + 100, 9), 0);
        assert.equal(await store.prune(t0 + 9_999, 1), 1);
        assert.deepEqual(await left(), [5, 4, 3, 1]);
        assert.equal(await store.prune(t0 + 300, 9), 1);
        assert.deepEqual(await left(), [5, 4, 1]);
        assert.equal(await store.prune(t0 + 9_999, 9), 1);
        assert.deepEqual(await left(), [5, 4]);
        assert.deepEqual(namesOf(await store.listEntries({ limit: 9 })), ["one"]);
      });

      test("prunes tombstones once no row needs them and everybody had time to see them", async () => {
        const [empty, kept] = await add("empty", "kept");
        await fill(kept!, 1);
        const revision = await store.currentRevision();
        await store.change([removeOf(empty!, t0 + 10), removeOf(kept!, t0 + 10)]);
        const tombstones = async () => namesOf(await store.changedSince(revision, 9));
        assert.equal(await store.prune(t0 + 10, 9), 0);
        assert.deepEqual(await tombstones(), ["empty", "kept"]);
        assert.equal(await store.prune(t0 + 11, 9), 1);
        assert.deepEqual(await tombstones(), []);
        assert.deepEqual(await store.history({ name: "kept", limit: 9 }), []);
        const next = await addOne("kept");
        assert.ok(next.id > kept!.id, "ids are never given again");
        assert.ok(next.revision > revision + 2, "nor are revisions");
      });

      test("a tombstone stays while a row needs it", async () => {
        const entry = await addOne("one");
        await fill(entry, 1);
        await store.settle([{ ...settled(entry, 1), state: "published", at: t0 + 500 }]);
        await store.change([removeOf(entry, t0 + 10)]);
        assert.equal(await store.prune(t0 + 400, 9), 0);
        assert.deepEqual(keysOf(await store.history({ name: "one", limit: 9 })), [["one", 1, "published"]]);
      });
    }

    function leaseContract(): void {
      test("gives a free lease, and tells others who has it", async () => {
        assert.equal(await store.currentLease(), undefined);
        const owner = { ownerId: "one", host: "boot/pidns", pid: 42 };
        const lease = await store.acquireLease(owner, 10_000, t0);
        const { token } = lease;
        assert.ok(Number.isSafeInteger(token) && token > 0);
        assert.deepEqual(lease, {
          ...owner,
          token,
          acquiredAt: t0,
          renewedAt: t0,
          expiresAt: t0 + 10_000,
          report: null,
        });
        assert.deepEqual(await store.currentLease(), lease);
        assert.deepEqual(await store.acquireLease(ownerOf("two"), 10_000, t0 + 9_999), lease);
        assert.deepEqual(await store.currentLease(), lease);
      });

      test("goes to another when it ran out, under a greater token; the old one can do nothing any more", async () => {
        const old = await lead();
        const next = await store.acquireLease(ownerOf("two"), 10_000, t0 + 10_000);
        assert.deepEqual([next.ownerId, next.token], ["two", old.token + 1]);
        await assert.rejects(store.renewLease(old, 10_000, t0 + 10_001, null), LeaseLostError);
        await store.releaseLease(old);
        assert.deepEqual(await store.currentLease(), next);
      });

      test("its holder may take it again: the same term, longer", async () => {
        const lease = await lead();
        const longer = await store.acquireLease({ ...ownerOf("leader"), pid: 7 }, 10_000, t0 + 60_000);
        const times = { renewedAt: t0 + 60_000, expiresAt: t0 + 70_000 };
        assert.deepEqual(longer, { ...lease, pid: 7, ...times });
      });

      test("renews, with a report for those who look", async () => {
        const lease = await lead();
        const report = { broker: "up", warnings: ["a"], outbox: 0 };
        const renewed = await store.renewLease(lease, 20_000, t0 + 5_000, report);
        assert.deepEqual(renewed, { ...lease, renewedAt: t0 + 5_000, expiresAt: t0 + 25_000, report });
        assert.deepEqual(await store.currentLease(), renewed);
        assert.equal((await store.renewLease(renewed, 20_000, t0 + 5_000, undefined)).report, null);
        // Late, but nobody took it.
        assert.equal((await store.renewLease(renewed, 1, t0 + 99_000, null)).expiresAt, t0 + 99_001);
      });

      test("is free at once when given back, and the next term has a greater token, even of the same owner", async () => {
        const first = await lead();
        await store.releaseLease(first);
        assert.equal(await store.currentLease(), undefined);
        await store.releaseLease(first);
        await assert.rejects(store.renewLease(first, 10_000, t0, null), LeaseLostError);
        const second = await lead();
        const { token } = second;
        assert.equal(token, first.token + 1);
        await store.releaseLease(second);
        assert.equal((await store.acquireLease(ownerOf("two"), 10_000, t0)).token, token + 1);
      });

      test("goes to one who can prove that its holder is dead, and only then", async () => {
        const dead = await lead();
        const unproved = await store.acquireLease(ownerOf("two"), 10_000, t0 + 1, dead.token + 1);
        assert.equal(unproved.ownerId, "leader");
        const taken = await store.acquireLease(ownerOf("two"), 10_000, t0 + 1, dead.token);
        assert.deepEqual([taken.ownerId, taken.token, taken.acquiredAt], ["two", dead.token + 1, t0 + 1]);
        // The proof was of that holder: it does not take the lease from the next one.
        assert.equal((await store.acquireLease(ownerOf("three"), 10_000, t0 + 2, dead.token)).ownerId, "two");
      });

      test("says so when it is used after it was closed", async () => {
        const closed = await open();
        await closed.close();
        await closed.close();
        const calls = [
          () => closed.change([insertOf("one")]),
          () => closed.entryByName("one"),
          () => closed.listEntries({ limit: 1 }),
          () => closed.changedSince(0, 1),
          () => closed.claim(1, [], t0),
          () =>
            closed.settle([{ entryId: 1, fireAt: t0, manual: false, state: "ran", reason: null, attempts: 1, at: t0 }]),
          () => closed.outbox({ limit: 1 }),
          () => closed.prune(t0, 1),
          () => closed.currentLease(),
          () => closed.acquireLease(ownerOf("one"), 1, t0),
        ];
        for (const call of calls) {
          await assert.rejects(call(), (error: unknown) => {
            assert.ok(error instanceof StoreError, `${call}: ${error}`);
            assert.match(error.message, /was closed/);
            return true;
          });
        }
      });
    }
  });
}
