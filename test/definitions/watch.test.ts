import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { Log } from "../../src/core/ports.ts";
import { watchScheduleFiles } from "../../src/definitions/watch.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";

let root: string;
let clock: SimulatedClock;
let calls: number;
let errors: string[];
let calendarFiles: readonly string[];
let watching: { close(): Promise<void> } | undefined;
let onChange: () => Promise<void>;
const at = (...parts: string[]) => path.join(root, ...parts);

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "beat-watch-"));
  await mkdir(at("schedules"));
  await writeFile(at("schedules/a.yaml"), "one");
  clock = new SimulatedClock();
  calls = 0;
  errors = [];
  calendarFiles = [];
  onChange = async () => {};
});
afterEach(async () => {
  await watching?.close();
  watching = undefined;
  await rm(root, { recursive: true, force: true });
});

function start(...paths: string[]): void {
  const ignore = () => {};
  const log: Log = { debug: ignore, info: ignore, warn: ignore, error: (message) => errors.push(message) };
  watching = watchScheduleFiles(paths, { clock, log, calendarFiles: () => calendarFiles }, async () => {
    calls++;
    await onChange();
  });
}

/** Calls after a change, when there was time to notice it and keep still; then nothing more happens. */
async function callsAfter(change: () => Promise<unknown>): Promise<number> {
  const before = calls;
  await change();
  await clock.advance(4_300);
  const now = calls;
  await clock.advance(20_000);
  assert.equal(calls, now, "called again without a change");
  return now - before;
}

test("without a change there is no call", async () => {
  start(at("schedules"));
  assert.equal(await callsAfter(async () => {}), 0);
});

const changes: [title: string, change: () => Promise<unknown>, expected?: number][] = [
  ["a file is written", () => writeFile(at("schedules/a.yaml"), "two")],
  ["a file is written with the same size", () => writeFile(at("schedules/a.yaml"), "eno")],
  ["a file is added", () => writeFile(at("schedules/b.yml"), "two")],
  ["a file is removed", () => unlink(at("schedules/a.yaml"))],
  [
    "an editor writes beside and renames",
    async () => {
      await writeFile(at("schedules/.a.yaml.swp"), "two");
      await rename(at("schedules/.a.yaml.swp"), at("schedules/a.yaml"));
    },
  ],
  [
    "a file becomes a link",
    async () => {
      await writeFile(at("target"), "two");
      await unlink(at("schedules/a.yaml"));
      await symlink(at("target"), at("schedules/a.yaml"));
    },
  ],
  [
    "a folder is replaced",
    async () => {
      await rename(at("schedules"), at("old"));
      await mkdir(at("schedules"));
      await writeFile(at("schedules/a.yaml"), "two");
    },
  ],
  ["another kind of file changes", () => writeFile(at("schedules/shop.sql"), "dump"), 0],
  ["a subfolder changes", () => mkdir(at("schedules/jobs")), 0],
];

for (const [title, change, expected = 1] of changes) {
  test(`${title}: ${expected === 0 ? "no call" : "one call"}`, async () => {
    start(at("schedules"));
    assert.equal(await callsAfter(change), expected);
  });
}

test("a single file is watched, and only that", async () => {
  start(at("schedules/a.yaml"));
  assert.equal(await callsAfter(() => writeFile(at("schedules/b.yaml"), "x")), 0);
  assert.equal(await callsAfter(() => rename(at("schedules/b.yaml"), at("schedules/a.yaml"))), 1);
});

test("the second change is noticed like the first", async () => {
  start(at("schedules"));
  for (const text of ["two", "three", "four"])
    assert.equal(await callsAfter(() => writeFile(at("schedules/a.yaml"), text)), 1);
});

test("a folder that vanishes for a moment is no change; one that stays away is, and its return too", async () => {
  start(at("schedules"));
  await rename(at("schedules"), at("away"));
  await clock.advance(1_900);
  assert.equal(await callsAfter(() => rename(at("away"), at("schedules"))), 0);
  assert.equal(await callsAfter(() => rename(at("schedules"), at("away"))), 1);
  assert.equal(await callsAfter(() => rename(at("away"), at("schedules"))), 1);
});

test("a folder that is not there yet is noticed when it comes", async () => {
  start(at("later"));
  assert.equal(await callsAfter(() => mkdir(at("later"))), 1);
  assert.equal(await callsAfter(() => writeFile(at("later/a.yaml"), "x")), 1);
});

test("while a file is still being written, it is waited for", async () => {
  start(at("schedules"));
  for (let part = 0; part < 30; part++) {
    await writeFile(at("schedules/a.yaml"), "x".repeat(part + 10));
    await clock.advance(150);
  }
  assert.equal(calls, 0);
  await clock.advance(500);
  assert.equal(calls, 1);
});

test("one call at a time; a change during a call is told after it", async () => {
  const gate = Promise.withResolvers<void>();
  let running = 0;
  onChange = async () => {
    assert.equal(++running, 1);
    await gate.promise;
    running--;
  };
  start(at("schedules"));
  await writeFile(at("schedules/a.yaml"), "two");
  await clock.advance(5_000);
  await writeFile(at("schedules/a.yaml"), "three");
  await clock.advance(10_000);
  assert.equal(calls, 1);
  gate.resolve();
  await clock.advance(5_000);
  assert.equal(calls, 2);
});

test("a call that fails is told once and made again, until it succeeds", async () => {
  onChange = async () => {
    if (calls < 4) throw new Error("the store is away");
  };
  start(at("schedules"));
  await writeFile(at("schedules/a.yaml"), "two");
  await clock.advance(30_000);
  assert.equal(calls, 4);
  assert.deepEqual(errors, ["Changed schedule files could not be applied; trying again: the store is away"]);
  assert.equal(await callsAfter(() => writeFile(at("schedules/a.yaml"), "three")), 1);
});

test("after close there is no call; close waits for the one that goes on", async () => {
  const gate = Promise.withResolvers<void>();
  onChange = () => gate.promise;
  start(at("schedules"));
  await writeFile(at("schedules/a.yaml"), "two");
  await clock.advance(5_000);
  let closed = false;
  const closing = watching!.close().then(() => (closed = true));
  await clock.settle();
  assert.equal(closed, false);
  gate.resolve();
  await closing;
  assert.equal(await callsAfter(() => writeFile(at("schedules/a.yaml"), "three")), 0);
});

test("a calendar that a file names is watched as soon as it is known, below the folder too, and when it comes and goes", async () => {
  await mkdir(at("schedules/calendars"));
  const holidays = at("schedules/calendars/holidays.ics");
  await writeFile(holidays, "one");
  start(at("schedules"));
  assert.equal(await callsAfter(() => writeFile(holidays, "two")), 0);
  assert.equal(
    await callsAfter(async () => {
      calendarFiles = [holidays];
    }),
    1,
  );
  assert.equal(await callsAfter(() => writeFile(holidays, "three")), 1);
  assert.equal(await callsAfter(() => unlink(holidays)), 1);
  assert.equal(await callsAfter(() => writeFile(holidays, "four")), 1);
  assert.equal(
    await callsAfter(async () => {
      calendarFiles = [];
    }),
    1,
  );
  assert.equal(await callsAfter(() => writeFile(holidays, "five")), 0);
});
