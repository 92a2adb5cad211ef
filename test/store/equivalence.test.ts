// Random histories on both stores: whatever is done, both answer the same and show the same. Seeded, so that a failure
// can be seen again.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Definition } from "../../src/core/definition.ts";
import type { Entry } from "../../src/core/entry.ts";
import type { Claim, EntryChange, PassedRange, Settlement, Store } from "../../src/core/ports.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { insertOf, ownerOf, pulse, removeOf, t0, updateOf } from "../contract/store/fixtures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const pathOf = temporaryFolder();

/** An act on a store; it may look at what is there, so that it fits more often than chance would have it. */
type Act = (store: Store, now: number) => Promise<unknown>;

const instant = fc.integer({ min: 0, max: 12 }).map((step) => t0 + step);
const maybeInstant = fc.option(instant, { nil: null });
const text = fc.constantFrom("a", "b", "\u{1F600}", "\uFFFD");
const definition = fc.constantFrom<Definition>(
  pulse,
  { ...pulse, enabled: false },
  { crontab: "0 3 * * *", task: "a.c", timezone: "UTC" },
);
const origin = fc.constantFrom("cli" as const, "file:a.yaml" as const, "file:b.yaml" as const);
const pick = fc.nat({ max: 5 });
const rarely = fc.integer({ min: 0, max: 7 }).map((value) => value === 0);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 1 });

const range: fc.Arbitrary<PassedRange> = fc.record({
  fromFireAt: instant,
  untilFireAt: instant,
  count: fc.integer({ min: 1, max: 9 }),
  state: fc.constantFrom("coalesced", "missed", "paused"),
  reason: text,
});

async function entryAt(store: Store, index: number): Promise<Entry | undefined> {
  const entries = await store.changedSince(0, 99);
  return entries[index % Math.max(1, entries.length)];
}

function given<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

type ChangeMaker = (store: Store) => Promise<EntryChange>;

const insert: fc.Arbitrary<ChangeMaker> = fc
  .record({ name: text, origin, definition, nextFireAt: maybeInstant, quarantine: rarely })
  .map(
    ({ name, quarantine, ...fields }) =>
      async () =>
        insertOf(name, { ...fields, quarantine: quarantine ? "no" : null }),
  );

const update: fc.Arbitrary<ChangeMaker> = fc
  .record({
    index: pick,
    late: rarely,
    fields: fc.record({
      origin: optional(origin),
      definition: optional(definition),
      nextFireAt: optional(maybeInstant),
      lastFireAt: optional(maybeInstant),
      pausedAt: optional(maybeInstant),
      pauseNote: optional(fc.option(text, { nil: null })),
      quarantine: optional(fc.option(text, { nil: null })),
    }),
    withdraw: optional(text),
    passed: fc.array(range, { maxLength: 2 }),
    at: instant,
  })
  .map(({ index, late, fields, withdraw, ...rest }) => async (store) => {
    const entry = await entryAt(store, index);
    if (!entry) return insertOf("a");
    const expected = { ...entry, revision: entry.revision - (late ? 1 : 0) };
    return updateOf(expected, given(fields) as never, { ...rest, ...(withdraw !== undefined && { withdraw }) });
  });

const remove: fc.Arbitrary<ChangeMaker> = fc
  .tuple(pick, instant, fc.array(range, { maxLength: 1 }))
  .map(([index, at, passed]) => async (store) => {
    const entry = await entryAt(store, index);
    return entry ? { ...removeOf(entry, at), passed } : insertOf("a");
  });

const change: fc.Arbitrary<Act> = fc
  .array(
    fc.oneof({ weight: 3, arbitrary: insert }, { weight: 3, arbitrary: update }, { weight: 1, arbitrary: remove }),
    {
      maxLength: 3,
    },
  )
  .map((makers) => async (store) => store.change(await Promise.all(makers.map((maker) => maker(store)))));

const claim: fc.Arbitrary<Act> = fc
  .record({
    token: rarely,
    claims: fc.array(
      fc.record({
        index: pick,
        late: rarely,
        due: fc.array(fc.record({ fireAt: instant, dueAt: instant }), { maxLength: 2 }),
        passed: fc.array(range, { maxLength: 1 }),
        superseded: fc.array(instant, { maxLength: 3 }),
        advance: fc.record({ nextFireAt: maybeInstant, lastFireAt: maybeInstant, runCount: pick }),
        anchorAt: optional(instant),
        quarantine: rarely,
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ token, claims }) => async (store, now) => {
    const lease = await store.currentLease();
    const made: Claim[] = [];
    for (const { index, late, anchorAt, quarantine, advance, ...rest } of claims) {
      const entry = await entryAt(store, index);
      if (!entry) continue;
      made.push({
        ...rest,
        entry: { ...entry, revision: entry.revision - (late ? 1 : 0) },
        becomes: { ...entry, ...advance, ...(anchorAt && { anchorAt }), ...(quarantine && { quarantine: "stuck" }) },
      });
    }
    return store.claim((lease?.token ?? 1) - (token ? 1 : 0), made, now);
  });

const settle: fc.Arbitrary<Act> = fc
  .array(
    fc.record({
      fireAt: instant,
      entryId: fc.integer({ min: 1, max: 5 }),
      manual: rarely,
      state: fc.constantFrom<Settlement["state"]>("claimed", "running", "published", "ran", "failed", "skipped"),
      reason: fc.option(text, { nil: null }),
      attempts: pick,
      at: instant,
    }),
    { maxLength: 9 },
  )
  .map((settlements) => (store) => store.settle(settlements));

const other: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(pick, text, instant).map(
    ([id, word, fireAt]): Act =>
      (store, now) =>
        store.enqueueManual(id, { id: word, fireAt }, now),
  ),
  text.map(
    (reason): Act =>
      (store, now) =>
        store.abandonRunning(reason, now),
  ),
  fc.tuple(instant, pick).map(
    ([before, limit]): Act =>
      (store) =>
        store.prune(before, limit),
  ),
);

const lease: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(text, pick, optional(pick)).map(
    ([owner, ttlMs, evenIf]): Act =>
      (store, now) =>
        store.acquireLease(ownerOf(owner), ttlMs, now, evenIf),
  ),
  fc.tuple(pick, fc.jsonValue()).map(
    ([ttlMs, report]): Act =>
      async (store, now) => {
        const held = await store.currentLease();
        return held && store.renewLease(held, ttlMs, now, report);
      },
  ),
  rarely.map(
    (really): Act =>
      async (store) => {
        const held = await store.currentLease();
        return held && really && store.releaseLease(held);
      },
  ),
);

const history = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: change },
    { weight: 4, arbitrary: claim },
    { weight: 2, arbitrary: settle },
    { weight: 1, arbitrary: other },
    { weight: 2, arbitrary: lease },
  ),
  { maxLength: 30, size: "max" },
);

async function answerOf(act: () => Promise<unknown>): Promise<unknown> {
  try {
    return await act();
  } catch (error) {
    return { failed: (error as Error).name, message: (error as Error).message };
  }
}

async function observe(store: Store): Promise<unknown> {
  const limit = 99;
  const outbox = await store.outbox({ limit });
  const due = await store.dueEntries({ before: t0 + 10, limit });
  return {
    revision: await store.currentRevision(),
    changed: await store.changedSince(0, limit),
    lately: await store.changedSince((await store.currentRevision()) - 2, 1),
    listed: await store.listEntries({ limit }),
    ofFiles: await store.listEntries({ originPrefix: "file:", afterName: "a", limit: 2 }),
    ofFile: await store.listEntries({ origin: "file:a.yaml", limit }),
    byName: await store.entryByName("a"),
    counts: await store.countEntries(),
    due,
    dueLater: await store.dueEntries({ before: t0 + 10, ...(due[0] && { after: due[0] }), limit: 2 }),
    ahead: await store.entriesAheadOf(t0 + 6, limit),
    outbox,
    outboxLater: await store.outbox({ ...(outbox[0] && { after: outbox[0] }), limit: 2 }),
    summary: await store.outboxSummary(),
    history: await store.history({ limit }),
    historyOfName: await store.history({ name: "a", before: t0 + 9, limit: 5 }),
    failed: await store.history({ states: ["failed", "coalesced"], limit: 3 }),
    lease: await store.currentLease(),
  };
}

test("memory and SQLite answer and show the same after any history", async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(history, async (acts) => {
      const sqlite = await openSqliteStore(pathOf(), { synchronous: "NORMAL" });
      const memory = new MemoryStore(sqlite.id);
      try {
        for (const [index, act] of acts.entries()) {
          const expected = await answerOf(() => act(sqlite, t0 + index));
          assert.deepEqual(await answerOf(() => act(memory, t0 + index)), expected);
          for (const word of JSON.stringify(expected)?.match(/claimed|stale|duplicate|[A-Za-z]+Error|coalesced/g) ??
            []) {
            seen.set(word, (seen.get(word) ?? 0) + 1);
          }
        }
        assert.deepEqual(await observe(memory), await observe(sqlite));
      } finally {
        await sqlite.close();
      }
    }),
    { seed: 20270101, numRuns: 150 },
  );
  // The histories are worth something only if they meet every answer there is.
  const answers = ["ConflictError", "EntryNotFoundError", "LeaseLostError", "claimed", "duplicate", "stale"];
  for (const answer of answers)
    assert.ok((seen.get(answer) ?? 0) > 10, `${answer} was met ${seen.get(answer) ?? 0} times`);
});
