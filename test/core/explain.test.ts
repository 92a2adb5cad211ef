import assert from "node:assert/strict";
import { test } from "node:test";
import { type Definition, parseDefinition } from "../../src/core/definition.ts";
import type { Entry } from "../../src/core/entry.ts";
import { explain } from "../../src/core/explain.ts";
import type { Occurrence } from "../../src/core/occurrence.ts";

const start = Date.UTC(2027, 0, 1, 12);
const minutes = (count: number) => start + count * 60_000;
const show = (at: number) => new Date(at).toISOString().slice(11, 16);

function entryOf(written: Record<string, unknown>, fields: Partial<Entry> = {}): Entry {
  const definition: Definition = parseDefinition({ task: "a.b", timezone: "UTC", ...written });
  return {
    id: 1,
    name: "report",
    origin: "cli",
    definition,
    createdAt: start,
    anchorAt: start,
    nextFireAt: minutes(60),
    lastFireAt: minutes(50),
    runCount: 5,
    pausedAt: null,
    pauseNote: null,
    quarantine: null,
    removedAt: null,
    revision: 1,
    ...fields,
  };
}

function row(fireAt: number, fields: Partial<Occurrence>): Occurrence {
  return {
    id: "the-id",
    entryId: 1,
    entryName: "report",
    fireAt,
    untilFireAt: fireAt,
    count: 1,
    manual: false,
    dueAt: fireAt,
    state: "published",
    reason: null,
    attempts: 1,
    missedCount: 0,
    params: null,
    result: null,
    claimedAt: fireAt,
    startedAt: null,
    settledAt: fireAt + 12,
    timeZoneData: null,
    ...fields,
  };
}

const tenMinutes = { every: "10m" };
const busy = { every: "10m", except: [{ cron: "30 * * * *" }] };
const ask = (entry: Entry, at: number, rows: Occurrence[] = [], running = true) =>
  explain({ entry, at, now: minutes(55), rows, running, show });

const table: readonly (readonly [what: string, answer: ReturnType<typeof ask>, verdict: string, said: RegExp])[] = [
  [
    "it was sent",
    ask(entryOf(tenMinutes), minutes(50), [row(minutes(50), {})]),
    "sent",
    /^The run of report for 12:50 was sent: the broker confirmed it 12ms after it was due\. Its task id is the-id\.$/,
  ],
  [
    "it ran",
    ask(entryOf(tenMinutes), minutes(50), [row(minutes(50), { state: "ran", startedAt: minutes(50) })]),
    "ran",
    /ran, 0s after/,
  ],
  [
    "it failed",
    ask(entryOf(tenMinutes), minutes(50), [row(minutes(50), { state: "failed", reason: "too large", attempts: 3 })]),
    "did-not-run",
    /failed after 3 tries: too large\. `beat retry report`/,
  ],
  [
    "it waits, and nobody is there",
    ask(entryOf(tenMinutes), minutes(50), [row(minutes(50), { state: "claimed", reason: "no queue" })], false),
    "waits",
    /waits in the outbox: no queue\. No scheduler runs/,
  ],
  [
    "one of a range",
    ask(entryOf(tenMinutes), minutes(30), [
      row(minutes(50), {}),
      row(minutes(10), {
        id: "",
        untilFireAt: minutes(40),
        count: 4,
        state: "coalesced",
        reason: "the latest of them ran",
      }),
    ]),
    "did-not-run",
    /^4 fire times of report, from 12:10 to 12:40, did not run \(coalesced\): the latest of them ran\.$/,
  ],
  ["left out", ask(entryOf(busy), minutes(30)), "did-not-run", /12:30 is left out by the `except` of report/],
  [
    "no fire time",
    ask(entryOf(tenMinutes), minutes(31)),
    "no-fire-time",
    /^12:31 is no fire time of report\. The one before it is 12:30, the next one is 12:40\.$/,
  ],
  ["to come", ask(entryOf(tenMinutes), minutes(70)), "waits", /to come/],
  [
    "before its time",
    ask(entryOf({ cron: "*/10 * * * *" }), minutes(-10)),
    "did-not-run",
    /the entry was added later, at 12:00/,
  ],
  [
    "not decided yet",
    ask(entryOf(tenMinutes, { nextFireAt: minutes(50) }), minutes(50), [], false),
    "waits",
    /not decided yet\. No scheduler runs/,
  ],
  [
    "paused",
    ask(entryOf(tenMinutes, { nextFireAt: minutes(40), pausedAt: minutes(35), pauseNote: "flood" }), minutes(50)),
    "did-not-run",
    /paused since 12:35: flood\. `beat resume report`/,
  ],
  ["disabled", ask(entryOf({ ...tenMinutes, enabled: false }), minutes(50)), "did-not-run", /disabled/],
  [
    "finished",
    ask(entryOf({ ...tenMinutes, max_runs: 2 }, { nextFireAt: null }), minutes(50)),
    "did-not-run",
    /ended\. It was to run 2 times/,
  ],
  [
    "set aside",
    ask(entryOf(tenMinutes, { quarantine: "no such zone" }), minutes(50)),
    "did-not-run",
    /set aside: no such zone/,
  ],
  ["pruned", ask(entryOf(tenMinutes), minutes(10)), "unknown", /the ledger has no row of it/],
];

for (const [what, { verdict: found, sentences }, verdict, said] of table) {
  test(`why: ${what}`, () => {
    assert.match(sentences.join(" "), said);
    assert.equal(found, verdict);
  });
}
