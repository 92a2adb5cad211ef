import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import fc from "fast-check";
import { ConflictError, DefinitionError, EntryNotFoundError } from "../../src/core/errors.ts";
import type { EntryChange } from "../../src/core/ports.ts";
import { Operations } from "../../src/definitions/operations.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { filesOf, schedules } from "./files-of.ts";

const start = Date.UTC(2027, 0, 1, 12);
let clock: SimulatedClock;
let store: MemoryStore;
let operations: Operations;

beforeEach(() => {
  clock = new SimulatedClock(start);
  store = new MemoryStore();
  operations = new Operations({ store, clock });
});

const ping = { every: "10s", task: "t" };

function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => assert.fail("it was taken"),
    (error: unknown) => {
      assert.ok(error instanceof DefinitionError || error instanceof EntryNotFoundError, String(error));
      return error.describe();
    },
  );
}

/** Lets somebody else change an entry just before the next so many changes. */
function interfere(name: string, times: number): void {
  const change = store.change.bind(store);
  let left = times;
  store.change = async (changes: readonly EntryChange[]) => {
    if (left-- > 0) {
      const { id, revision } = (await store.entryByName(name))!;
      await change([{ change: "update", id, expectedRevision: revision, at: clock.now(), fields: {} }]);
    }
    return change(changes);
  };
}

test("an added entry has the zone UTC and its first fire time", async () => {
  const entry = await operations.add("ping", ping, "cli");
  assert.deepEqual(entry, await operations.get("ping"));
  assert.deepEqual(
    {
      name: entry.name,
      origin: entry.origin,
      definition: entry.definition,
      anchorAt: entry.anchorAt,
      nextFireAt: entry.nextFireAt,
    },
    {
      name: "ping",
      origin: "cli",
      definition: { every: "10s", timezone: "UTC", task: "t" },
      anchorAt: start,
      nextFireAt: start + 10_000,
    },
  );
});

test("what is wrong with an added entry is told, and nothing is stored", async () => {
  await operations.add("taken", ping, "cli");
  await operations.applyFiles(filesOf({ "app.yaml": schedules({ filed: "every: 1s, task: t" }) }));
  const before = await store.currentRevision();
  for (const [told, promise] of [
    ["an entry needs a name", operations.add("", ping, "cli")],
    ['entry "a", evry: unknown key "evry". Did you mean "every"?', operations.add("a", { evry: 1 }, "api")],
    ['entry "a": must be a map, not "x"', operations.add("a", "x", "api")],
    [
      'entry "a": it would never fire: every date lies in the past. Give a date to come.',
      operations.add("a", { at: "2026-12-31", task: "t" }, "cli"),
    ],
    [
      'entry "taken": there is an entry of that name already. Choose another name, or replace it (--replace; in programs conflict: "replace").',
      operations.add("taken", ping, "cli"),
    ],
    [
      'entry "filed": it belongs to the schedule file app.yaml. Change it there, or choose another name.',
      operations.add("filed", ping, "cli", { conflict: "replace" }),
    ],
    [
      'entry "taken": an entry of that name was added from the command line. Choose another name, or remove that one.',
      operations.add("taken", ping, "code", { conflict: "replace" }),
    ],
  ] as const) {
    assert.equal(await refusal(promise), told);
  }
  assert.equal(await store.currentRevision(), before);
});

test("a program may name a date that has passed: it was right when it was written, and whoever leads decides on it", async () => {
  const launch = { at: "2026-12-31", task: "t" };
  const { nextFireAt } = await operations.add("launch", launch, "code", { conflict: "replace" });
  assert.equal(nextFireAt, Date.UTC(2026, 11, 31));
});

test("replacing keeps the owner, and progress where the schedule is the same; the same again changes nothing", async () => {
  const first = await operations.add("ping", ping, "code");
  clock.stepWall(3_000);
  const second = await operations.add("ping", { ...ping, task: "u" }, "cli", { conflict: "replace" });
  assert.deepEqual(
    { ...second, revision: 0 },
    { ...first, definition: { ...first.definition, task: "u" }, revision: 0 },
  );
  const revision = await store.currentRevision();
  assert.deepEqual(
    await operations.add("ping", { timezone: "UTC", ...ping, task: "u" }, "code", { conflict: "replace" }),
    second,
  );
  assert.equal(await store.currentRevision(), revision);
  const third = await operations.add("ping", { every: "20s", task: "u" }, "api", { conflict: "replace" });
  assert.equal(third.nextFireAt, start + 23_000);
});

test("an entry that is not there is told with the nearest name", async () => {
  await operations.add("daily-report", ping, "cli");
  for (const promise of [
    operations.get("daily-rport"),
    operations.remove("daily-rport"),
    operations.pause("daily-rport"),
    operations.resume("daily-rport"),
    operations.trigger("daily-rport"),
  ]) {
    assert.equal(await refusal(promise), 'there is no entry "daily-rport". Did you mean "daily-report"?');
  }
  assert.equal(await refusal(operations.get("x")), 'there is no entry "x". `beat list` tells which there are.');
});

test("removing: an own entry goes, an entry of a file is told where", async () => {
  await operations.add("ping", ping, "cli");
  await operations.remove("ping");
  assert.equal(await store.entryByName("ping"), undefined);
  await operations.applyFiles(filesOf({ "teams/app.yaml": schedules({ filed: "every: 1s, task: t" }) }));
  assert.equal(
    await refusal(operations.remove("filed")),
    'entry "filed": it belongs to the schedule file teams/app.yaml. Remove it there; or pause it here.',
  );
});

test("removing: what had come and nobody had decided is one row of the history", async () => {
  const ledger = async () =>
    (await store.history({ limit: 10 })).map(({ fireAt, count, state, reason }) => [fireAt, count, state, reason]);
  await operations.add("ping", ping, "cli");
  clock.stepWall(35_000);
  await operations.remove("ping");
  assert.deepEqual(await ledger(), [[start + 10_000, 3, "missed", "it was removed before this was decided"]]);
  await operations.applyFiles(filesOf({ "a.yaml": schedules({ pong: "every: 10s, task: t" }) }));
  await operations.pause("pong");
  clock.stepWall(10_000);
  await operations.applyFiles(filesOf({ "a.yaml": schedules({}) }));
  assert.deepEqual((await ledger())[0], [
    start + 45_000,
    1,
    "paused",
    "it was removed from a.yaml while it stood still",
  ]);
});

test("a pause and its end: the fire times between are recorded as one range, and it goes on from now", async () => {
  await operations.applyFiles(filesOf({ "a.yaml": schedules({ ping: "every: 10s, task: t" }) }));
  const paused = await operations.pause("ping", "flood");
  assert.deepEqual([paused.pausedAt, paused.pauseNote], [start, "flood"]);
  clock.stepWall(1_000);
  assert.deepEqual(await operations.pause("ping"), paused, "paused already");
  assert.deepEqual((await operations.pause("ping", "fire")).pauseNote, "fire");
  clock.stepWall(3_600_000);
  const resumed = await operations.resume("ping");
  assert.deepEqual(
    [resumed.pausedAt, resumed.pauseNote, resumed.nextFireAt, resumed.lastFireAt],
    [null, null, start + 3_610_000, start + 3_600_000],
  );
  const [row, ...others] = await store.history({ name: "ping", limit: 10 });
  assert.deepEqual(others, []);
  assert.deepEqual(
    [row!.state, row!.fireAt, row!.untilFireAt, row!.count, row!.reason],
    ["paused", start + 10_000, start + 3_600_000, 360, "it was paused: fire"],
  );
  assert.deepEqual(await operations.resume("ping"), resumed, "resumed already");
});

test("resumed from what was missed, the fire times of the pause are left to the next claim", async () => {
  await operations.add("ping", ping, "cli");
  await operations.pause("ping");
  clock.stepWall(3_600_000);
  const resumed = await operations.resume("ping", "missed");
  assert.deepEqual([resumed.pausedAt, resumed.nextFireAt], [null, start + 10_000]);
  assert.deepEqual(await store.history({ limit: 10 }), []);
});

test("retrying asks for the failed runs of one entry, or of all", async () => {
  for (const name of ["one", "two"]) {
    await operations.add(name, ping, "cli");
    const { fireAt } = await operations.trigger(name);
    const { id } = await operations.get(name);
    const failed = {
      entryId: id,
      fireAt,
      manual: true,
      state: "failed",
      reason: "no",
      attempts: 1,
      at: start,
    } as const;
    await store.settle([failed]);
  }
  assert.equal(await operations.retry({ name: "two", limit: 9 }), 1);
  assert.equal(await operations.retry({ limit: 9 }), 1);
  assert.match(await refusal(operations.retry({ name: "tow", limit: 9 })), /Did you mean "two"/);
  assert.deepEqual(
    (await store.outbox({ limit: 9 })).map(({ entryName }) => entryName),
    ["one", "two"],
  );
});

test("a short pause in which nothing fell due leaves the next fire time alone", async () => {
  await operations.add("ping", ping, "cli");
  await operations.pause("ping");
  clock.stepWall(9_000);
  assert.equal((await operations.resume("ping")).nextFireAt, start + 10_000);
  assert.deepEqual(await store.history({ limit: 10 }), []);
});

test("a note is bounded", async () => {
  await operations.add("ping", ping, "cli");
  assert.equal(
    await refusal(operations.pause("ping", "x".repeat(1_001))),
    'entry "ping": a note has at most 1000 characters',
  );
});

test("pausing withdraws what waits in the outbox", async () => {
  await operations.add("ping", ping, "cli");
  await operations.trigger("ping");
  await operations.pause("ping");
  const [row] = await store.history({ limit: 10 });
  assert.deepEqual([row!.state, row!.reason], ["cancelled", "it was paused; it may have been sent before"]);
});

test("triggering asks for one run now, with a random id, also twice in a millisecond", async () => {
  await operations.add("ping", ping, "cli");
  await operations.pause("ping");
  const runs = [await operations.trigger("ping"), await operations.trigger("ping"), await operations.trigger("ping")];
  assert.deepEqual(
    runs.map(({ fireAt }) => fireAt),
    [start, start + 1, start + 2],
  );
  assert.equal(new Set(runs.map(({ id }) => id)).size, 3);
  for (const { id } of runs) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const waiting = await store.outbox({ limit: 10 });
  assert.deepEqual(
    waiting.map(({ id, manual, entryName }) => ({ id, manual, entryName })),
    runs.map(({ id }) => ({ id, manual: true, entryName: "ping" })),
  );
});

test("an entry that is set aside is not triggered", async () => {
  const { id, revision } = await operations.add("ping", ping, "cli");
  await store.change([
    { change: "update", id, expectedRevision: revision, at: start, fields: { quarantine: "its zone is no more" } },
  ]);
  assert.equal(
    await refusal(operations.trigger("ping")),
    'entry "ping": it is set aside: its zone is no more. Mend its definition first.',
  );
});

test("where somebody else writes at the same time, it is tried again, a bounded number of times", async () => {
  await operations.add("ping", ping, "cli");
  interfere("ping", 9);
  assert.notEqual((await operations.pause("ping")).pausedAt, null);
  interfere("ping", 1_000);
  await assert.rejects(operations.resume("ping"), ConflictError);
});

test("files are applied around entries of others, and the summary says what was done", async () => {
  await operations.add("mine", ping, "cli");
  const first = await operations.applyFiles(
    filesOf({
      "a.yaml": schedules({
        a: "every: 1s, task: t",
        b: "every: 1s, task: t",
        mine: "every: 1s, task: t",
        old: "at: 2026-01-01, task: t",
      }),
    }),
  );
  assert.deepEqual(first.added, ["a", "b", "old"]);
  assert.equal(first.summary, "Schedule files: 3 added (a, b, old), 0 as before. Nothing is left to fire of: old.");
  assert.deepEqual(
    first.problems.map((problem) => problem.describe()),
    [
      'a.yaml:4:3: the name is taken: an entry "mine" belongs to the command line. Rename this one, or remove the other.',
    ],
  );
  const second = await operations.applyFiles(
    filesOf({ "a.yaml": schedules({ a: "every: 2s, task: t", c: "every: 1s, task: t" }) }),
  );
  assert.deepEqual([second.added, second.changed, second.removed, second.kept], [["c"], ["a"], ["b", "old"], 0]);
  assert.equal(second.summary, "Schedule files: 1 added (c), 1 changed (a), 2 removed (b, old), 0 as before.");
  assert.equal(
    (
      await operations.applyFiles(
        filesOf({ "a.yaml": schedules({ a: "every: 2s, task: t", c: "every: 1s, task: t" }) }),
      )
    ).summary,
    "",
  );
  assert.equal((await operations.get("mine")).definition.every, "10s");
});

test("a file that becomes invalid keeps its last good version in force", async () => {
  await operations.applyFiles(filesOf({ "a.yaml": schedules({ a: "every: 1s, task: t" }) }));
  const applied = await operations.applyFiles(
    filesOf({ "a.yaml": `${schedules({ b: "every: 1s, task: t" })}  c: {evry: 1s, task: t}\n` }),
  );
  assert.equal(applied.summary, "");
  assert.deepEqual(
    applied.problems.map((problem) => problem.describe()),
    ['a.yaml:3:7: entry "c", evry: unknown key "evry". Did you mean "every"?'],
  );
  assert.deepEqual(
    (await operations.list({ limit: 10 })).map(({ name }) => name),
    ["a"],
  );
});

test("a long list of changes is written in pieces, and named in short", async () => {
  const many = Object.fromEntries(
    Array.from({ length: 2_500 }, (_, n) => [`e${String(n).padStart(4, "0")}`, "every: 1s, task: t"]),
  );
  const sizes: number[] = [];
  const change = store.change.bind(store);
  store.change = (changes) => {
    sizes.push(changes.length);
    return change(changes);
  };
  const { summary } = await operations.applyFiles(filesOf({ "a.yaml": schedules(many) }));
  assert.equal(summary, "Schedule files: 2500 added (e0000, e0001, e0002, e0003, e0004, 2495 more), 0 as before.");
  assert.deepEqual(sizes, [1_000, 1_000, 500]);
  assert.equal((await operations.applyFiles(filesOf({ "a.yaml": schedules({}) }))).removed.length, 2_500);
});

test("files are applied in spite of others who write at the same time", async () => {
  await operations.applyFiles(filesOf({ "a.yaml": schedules({ a: "every: 1s, task: t", b: "every: 1s, task: t" }) }));
  interfere("a", 3);
  const { changed } = await operations.applyFiles(
    filesOf({ "a.yaml": schedules({ a: "every: 2s, task: t", b: "every: 2s, task: t" }) }),
  );
  assert.deepEqual(changed, ["a", "b"]);
});

// ------------------------------------------------------------------------------------------------------- properties

const someName = fc.constantFrom("a", "b", "c", "d", "e");
const someDefinition = fc.constantFrom(
  "every: 1s, task: t",
  "every: 1s, task: u",
  "every: 2s, task: t",
  "every: 1s, task: t, enabled: false",
  "every: 1s, task: t, max_runs: 3",
  "at: 2026-01-01, task: t",
);
const someFiles = fc.record({
  entries: fc.dictionary(
    someName,
    fc.record({ definition: someDefinition, file: fc.constantFrom("x.yaml", "y.yaml") }),
  ),
  broken: fc.subarray(["x.yaml", "y.yaml"]),
  absent: fc.subarray(["x.yaml", "y.yaml"]),
  unread: fc.constantFrom([], [], [], ["."]),
});
const someStep = fc.oneof(
  { weight: 3, arbitrary: fc.record({ step: fc.constant("files" as const), files: someFiles }) },
  fc.record({ step: fc.constantFrom("add", "remove", "pause", "resume"), name: someName }),
  fc.record({ step: fc.constant("wait" as const), ms: fc.nat(60_000) }),
);

test("whatever happens: files touch only their own, a broken one nothing, and applying again changes nothing", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(someStep, { maxLength: 12 }), async (steps) => {
      const clock = new SimulatedClock(start);
      const store = new MemoryStore();
      const operations = new Operations({ store, clock });
      const ignoreRefusal = (error: unknown) =>
        assert.ok(error instanceof DefinitionError || error instanceof EntryNotFoundError, String(error));
      const all = async () => new Map((await operations.list({ limit: 100 })).map((entry) => [entry.name, entry]));
      for (const one of steps) {
        if (one.step === "wait") clock.stepWall(one.ms);
        else if (one.step === "add")
          await operations.add(one.name, ping, "cli", { conflict: "replace" }).catch(ignoreRefusal);
        else if (one.step !== "files")
          await operations[one.step as "remove" | "pause" | "resume"](one.name).catch(ignoreRefusal);
        else {
          const { entries, broken, absent, unread } = one.files;
          const textOf = (file: string) =>
            schedules(
              Object.fromEntries(
                Object.entries(entries)
                  .filter(([, each]) => each.file === file)
                  .map(([name, { definition }]) => [name, definition]),
              ),
            ) + (broken.includes(file) ? "nonsense: 1\n" : "");
          const files = filesOf(
            Object.fromEntries(
              ["x.yaml", "y.yaml"].filter((file) => !absent.includes(file)).map((file) => [file, textOf(file)]),
            ),
            unread,
          );
          const before = await all();
          await operations.applyFiles(files);
          const after = await all();
          const revision = await store.currentRevision();
          clock.stepWall(100);
          const again = await operations.applyFiles(files);
          assert.deepEqual([again.added, again.changed, again.removed], [[], [], []]);
          assert.equal(await store.currentRevision(), revision);
          const good = new Map<string, boolean>(
            files.files.map(({ origin, problems }) => [origin, problems.length === 0]),
          );
          const frozen = (origin: string) => !(good.get(origin) ?? unread.length === 0);
          for (const entry of before.values()) {
            if (entry.origin === "cli" || frozen(entry.origin)) assert.deepEqual(after.get(entry.name), entry);
            assert.equal(after.get(entry.name)?.pausedAt ?? entry.pausedAt, entry.pausedAt);
          }
          for (const file of files.files.filter(({ origin }) => !frozen(origin))) {
            for (const { name, definition } of file.definitions) {
              const owner = before.get(name)?.origin ?? file.origin;
              if (owner === "cli" || (owner !== file.origin && frozen(owner))) continue;
              assert.deepEqual([after.get(name)?.origin, after.get(name)?.definition], [file.origin, definition]);
            }
          }
          for (const entry of after.values()) {
            if (entry.origin === "cli" || frozen(entry.origin)) continue;
            assert.ok(
              files.files.some((file) => file.definitions.some(({ name }) => name === entry.name)),
              `${entry.name} is in no file`,
            );
          }
        }
      }
    }),
    { numRuns: 200 },
  );
});
