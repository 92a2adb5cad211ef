import assert from "node:assert/strict";
import { test } from "node:test";
import type { Definition } from "../../src/core/definition.ts";
import type { Entry } from "../../src/core/entry.ts";
import type { LoadedFiles } from "../../src/definitions/parse.ts";
import { planReconcile } from "../../src/definitions/reconcile.ts";
import { filesOf, schedules } from "./files-of.ts";

const now = Date.UTC(2027, 0, 1, 12);
const second = 1_000;

/** `ping`, every 10 s for an hour, last fired 5 s ago. */
function entry(changes: Partial<Entry> = {}, definition: Partial<Definition> = {}): Entry {
  return {
    id: 7,
    name: "ping",
    origin: "file:a.yaml",
    definition: { every: "10s", timezone: "UTC", task: "t", ...definition } as Definition,
    createdAt: now - 3_605 * second,
    anchorAt: now - 3_605 * second,
    nextFireAt: now + 5 * second,
    lastFireAt: now - 5 * second,
    runCount: 360,
    pausedAt: null,
    pauseNote: null,
    quarantine: null,
    removedAt: null,
    revision: 3,
    ...changes,
  };
}

const same = "every: 10s, task: t";
const ofA = (definition: string): LoadedFiles => filesOf({ "a.yaml": schedules({ ping: definition }) });
const update = { change: "update", id: 7, expectedRevision: 3, at: now };
const fresh = { anchorAt: now, lastFireAt: null, runCount: 0, quarantine: null };
const passedPause = { fromFireAt: now - 35 * second, untilFireAt: now - 5 * second, count: 4, state: "paused" };

const cases: [title: string, files: LoadedFiles, entries: Entry[], ...changes: unknown[]][] = [
  [
    "a new entry is added",
    ofA(same),
    [],
    {
      change: "insert",
      name: "ping",
      origin: "file:a.yaml",
      definition: { every: "10s", timezone: "UTC", task: "t" },
      createdAt: now,
      anchorAt: now,
      nextFireAt: now + 10 * second,
      quarantine: null,
    },
  ],
  [
    "an interval with start_at counts from there",
    ofA("every: 10s, task: t, start_at: 2027-01-01T11:59:57"),
    [],
    {
      change: "insert",
      name: "ping",
      origin: "file:a.yaml",
      definition: { every: "10s", timezone: "UTC", start_at: "2027-01-01T11:59:57", task: "t" },
      createdAt: now,
      anchorAt: now - 3 * second,
      nextFireAt: now + 7 * second,
      quarantine: null,
    },
  ],
  ["what is unchanged is left alone", ofA(same), [entry()]],
  ["a pause is left alone", ofA(same), [entry({ pausedAt: now - second, pauseNote: "flood" })]],
  [
    "a changed target keeps all progress",
    ofA("every: 10s, task: other"),
    [entry()],
    { ...update, fields: { definition: { every: "10s", timezone: "UTC", task: "other" } } },
  ],
  [
    "a changed schedule begins anew",
    ofA("every: 20s, task: t"),
    [entry()],
    {
      ...update,
      withdraw: "its schedule was changed",
      fields: { ...fresh, definition: { every: "20s", timezone: "UTC", task: "t" }, nextFireAt: now + 20 * second },
    },
  ],
  [
    "another zone is another schedule",
    ofA("every: 10s, task: t, timezone: Asia/Tokyo"),
    [entry()],
    {
      ...update,
      withdraw: "its schedule was changed",
      fields: {
        ...fresh,
        definition: { every: "10s", timezone: "Asia/Tokyo", task: "t" },
        nextFireAt: now + 10 * second,
      },
    },
  ],
  [
    "a changed schedule leaves a pause and accounts for it",
    ofA("every: 20s, task: t"),
    [entry({ pausedAt: now - 40 * second, nextFireAt: now - 35 * second })],
    {
      ...update,
      withdraw: "its schedule was changed",
      passed: [{ ...passedPause, reason: "its schedule was changed while it stood still" }],
      fields: { ...fresh, definition: { every: "20s", timezone: "UTC", task: "t" }, nextFireAt: now + 20 * second },
    },
  ],
  [
    "a changed schedule accounts for what nobody had decided yet",
    ofA("every: 20s, task: t"),
    [entry({ nextFireAt: now - 35 * second })],
    {
      ...update,
      withdraw: "its schedule was changed",
      passed: [{ ...passedPause, state: "missed", reason: "its schedule was changed before this was decided" }],
      fields: { ...fresh, definition: { every: "20s", timezone: "UTC", task: "t" }, nextFireAt: now + 20 * second },
    },
  ],
  [
    "an entry that was set aside is given another chance by a change",
    ofA("every: 10s, task: other"),
    [entry({ quarantine: "broken", nextFireAt: now - 1 })],
    {
      ...update,
      withdraw: "its schedule was changed",
      fields: { ...fresh, definition: { every: "10s", timezone: "UTC", task: "other" }, nextFireAt: now + 10 * second },
    },
  ],
  [
    "disabling withdraws what was not sent",
    ofA(`${same}, enabled: false`),
    [entry()],
    {
      ...update,
      withdraw: "it was disabled",
      fields: { definition: { every: "10s", timezone: "UTC", task: "t", enabled: false } },
    },
  ],
  [
    "enabling goes on from now, and accounts for the time between",
    ofA(same),
    [entry({ nextFireAt: now - 35 * second }, { enabled: false })],
    {
      ...update,
      passed: [{ ...passedPause, reason: "it was disabled" }],
      fields: {
        definition: { every: "10s", timezone: "UTC", task: "t" },
        nextFireAt: now + 5 * second,
        lastFireAt: now - 5 * second,
      },
    },
  ],
  [
    "enabling a paused entry changes nothing of its pause",
    ofA(same),
    [entry({ pausedAt: now - 1, nextFireAt: now - 35 * second }, { enabled: false })],
    { ...update, fields: { definition: { every: "10s", timezone: "UTC", task: "t" } } },
  ],
  [
    "a limit of runs that is reached ends it",
    ofA(`${same}, max_runs: 360`),
    [entry()],
    {
      ...update,
      fields: { definition: { every: "10s", timezone: "UTC", max_runs: 360, task: "t" }, nextFireAt: null },
    },
  ],
  [
    "a limit of runs that is raised lets it go on",
    ofA(`${same}, max_runs: 500`),
    [entry({ nextFireAt: null }, { max_runs: 360 })],
    {
      ...update,
      fields: { definition: { every: "10s", timezone: "UTC", max_runs: 500, task: "t" }, nextFireAt: now + 5 * second },
    },
  ],
  [
    "a limit of runs that is not reached changes no progress",
    ofA(`${same}, max_runs: 500`),
    [entry()],
    { ...update, fields: { definition: { every: "10s", timezone: "UTC", max_runs: 500, task: "t" } } },
  ],
  [
    "an entry that moved to another file keeps its progress",
    filesOf({ "a.yaml": schedules({}), "b.yaml": schedules({ ping: same }) }),
    [entry()],
    { ...update, fields: { origin: "file:b.yaml" } },
  ],
  [
    "so does one whose old file is gone",
    filesOf({ "b.yaml": schedules({ ping: "every: 10s, task: other" }) }),
    [entry()],
    { ...update, fields: { origin: "file:b.yaml", definition: { every: "10s", timezone: "UTC", task: "other" } } },
  ],
  [
    "an entry that is not in its file any more is removed",
    filesOf({ "a.yaml": schedules({}) }),
    [entry()],
    { change: "remove", id: 7, expectedRevision: 3, at: now, withdraw: "it was removed from a.yaml" },
  ],
  [
    "so is one whose file is gone",
    filesOf({ "b.yaml": schedules({}) }),
    [entry()],
    { change: "remove", id: 7, expectedRevision: 3, at: now, withdraw: "it was removed from a.yaml" },
  ],
  [
    "a file with a problem adds, changes and removes nothing",
    filesOf({ "a.yaml": `${schedules({ pong: same, ping: "every: 1s, task: t" })}  bad: {}\n` }),
    [entry(), entry({ id: 8, name: "gone" })],
  ],
  [
    "a problem in one file does not stop another",
    filesOf({ "a.yaml": "schedules:\n  bad: {}\n", "b.yaml": schedules({ more: same }) }),
    [entry()],
    {
      change: "insert",
      name: "more",
      origin: "file:b.yaml",
      definition: { every: "10s", timezone: "UTC", task: "t" },
      createdAt: now,
      anchorAt: now,
      nextFireAt: now + 10 * second,
      quarantine: null,
    },
  ],
  [
    "an entry that moves to a file with a problem stays until that is mended",
    filesOf({ "a.yaml": schedules({}), "b.yaml": `${schedules({ ping: same })}  bad: {}\n` }),
    [entry()],
  ],
  ["what came from a folder that can't be read stays", filesOf({}, ["."]), [entry()]],
  [
    "a folder that can't be read protects no other",
    filesOf({}, ["teams"]),
    [entry({ origin: "file:teams/a.yaml" }), entry({ id: 8, name: "x", origin: "file:a.yaml" })],
    { change: "remove", id: 8, expectedRevision: 3, at: now, withdraw: "it was removed from a.yaml" },
  ],
  [
    "entries of others are not removed",
    filesOf({ "a.yaml": schedules({}) }),
    [entry({ origin: "cli" }), entry({ id: 8, name: "x", origin: "code" })],
  ],
];

for (const [title, files, entries, ...changes] of cases) {
  test(title, () =>
    assert.deepEqual(
      planReconcile(files, entries, now).changes.map(({ change }) => change),
      changes,
    ),
  );
}

for (const [origin, owner] of [
  ["cli", "the command line"],
  ["code", "a program"],
  ["api", "the API"],
] as const) {
  test(`a name that ${owner} owns is told and left alone`, () => {
    const plan = planReconcile(ofA("every: 1s, task: other"), [entry({ origin })], now);
    assert.deepEqual(plan.changes, []);
    assert.deepEqual(
      plan.problems.map((problem) => problem.describe()),
      [`a.yaml:2:3: the name is taken: an entry "ping" belongs to ${owner}. Rename this one, or remove the other.`],
    );
  });
}

test("a name whose own file can't be judged is told and left alone", () => {
  const plan = planReconcile(
    filesOf({ "a.yaml": "schedules:\n  bad: {}\n", "b.yaml": schedules({ ping: same }) }),
    [entry()],
    now,
  );
  assert.deepEqual(plan.changes, []);
  assert.deepEqual(
    plan.problems.map((problem) => problem.describe()),
    [
      'b.yaml:2:3: entry "ping": the name is taken: the entry came from a.yaml, which can\'t be used as it is. Mend a.yaml first.',
    ],
  );
});

test("a date in the past is stored as finished, and said", () => {
  const plan = planReconcile(ofA("at: 2026-01-01, task: t"), [], now);
  assert.deepEqual(plan.neverFiring, ["ping"]);
  assert.equal(plan.changes.length, 1);
});

test("entries are counted", () => {
  const entries = [
    entry(),
    entry({ id: 8, name: "x" }),
    entry({ id: 9, name: "y" }),
    entry({ id: 10, name: "z", origin: "cli" }),
  ];
  const plan = planReconcile(filesOf({ "a.yaml": schedules({ ping: same, x: "every: 1s, task: t" }) }), entries, now);
  assert.deepEqual(
    plan.changes.map(({ verb, name }) => [verb, name]),
    [
      ["removed", "y"],
      ["changed", "x"],
    ],
  );
  assert.equal(plan.kept, 1);
});
