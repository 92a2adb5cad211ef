// Dates that have passed when a program gives them: they run, or it is told everywhere why they do not.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BeatEvent, EntryOptions, Log, Scheduler } from "../../src/index.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { SteppedScheduler } from "../../src/testing/index.ts";

const now = Date.UTC(2027, 0, 1, 12);
const ago = (seconds: number) => new Date(now - seconds * 1_000);

function setUp(store = new MemoryStore(), startedAt = now) {
  const warnings: string[] = [];
  const log = { error: () => {}, info: () => {}, debug: () => {}, warn: (text: string) => void warnings.push(text) };
  const scheduler = new SteppedScheduler({ now: startedAt, store: async () => store, log: log as Log });
  const events: BeatEvent[] = [];
  scheduler.on("*", (event) => events.push(event));
  return { scheduler, store, warnings, events };
}

async function ledger(scheduler: Scheduler) {
  const rows = await scheduler.history();
  return rows.map(({ fireAt, state, reason }) => ({ at: (fireAt - now) / 1_000, state, reason })).toReversed();
}

test("a date that passes while it is given runs at once", async () => {
  const { scheduler, warnings } = setUp();
  const late: number[] = [];
  scheduler.at(ago(5), ({ lateMs, missedCount }) => void late.push(lateMs, missedCount), { name: "soon" });
  await scheduler.advance(1);
  assert.deepEqual(late, [5_000, 0]);
  assert.deepEqual(await ledger(scheduler), [{ at: -5, state: "ran", reason: null }]);
  assert.deepEqual(warnings, []);
  await scheduler.stop();
});

test("one of long ago does not, and the ledger, the log, an event and `why` say so", async () => {
  const { scheduler, warnings, events } = setUp();
  scheduler.at(ago(3_600), () => assert.fail("it ran"), { name: "launch" });
  await scheduler.advance(1);
  const reason = "it had passed when it was added";
  assert.deepEqual(await ledger(scheduler), [{ at: -3_600, state: "missed", reason }]);
  assert.deepEqual(warnings, [`missed launch: ${reason}`]);
  const told = events.filter(({ type }) => type === "run:missed" || type === "entry:finished");
  assert.deepEqual(
    told.map(({ type }) => type),
    ["run:missed", "entry:finished"],
  );
  const { sentences } = await scheduler.why("launch");
  assert.match(sentences[0]!, /did not run \(missed\): it had passed when it was added/);
  await scheduler.stop();
});

test("a crowd of them is one line of the log", async () => {
  const { scheduler, warnings } = setUp();
  const remind = scheduler.job("remind", () => assert.fail("it ran"));
  await remind.addAll(Array.from({ length: 30 }, (_, index) => ({ at: [ago(3_600 + index), ago(7_200)] })));
  await scheduler.advance(1);
  assert.deepEqual(warnings, ["missed 60 fire times of 30 entries"]);
  await scheduler.stop();
});

test("how late one may be is its entry's to say, both ways", async () => {
  const { scheduler } = setUp();
  const ran: string[] = [];
  const give = (name: string, options: EntryOptions) =>
    scheduler.at(ago(30), () => void ran.push(name), { name, ...options });
  give("strict", { misfireGraceTime: "10s" });
  give("patient", { misfireGraceTime: "1h" });
  scheduler.at(ago(86_400), () => void ran.push("yesterday"), { name: "yesterday", misfireGraceTime: "2d" });
  await scheduler.advance(1);
  assert.deepEqual(ran.toSorted(), ["patient", "yesterday"]);
  assert.deepEqual(
    (await scheduler.runs({ state: "missed" })).map(({ entry }) => entry),
    [],
    "a fire time that never became a run is in the history alone",
  );
  const [row] = await scheduler.history({ name: "strict" });
  assert.deepEqual([row?.state, row?.reason], ["missed", "found more than 10s late"]);
  await scheduler.stop();
});

test("of a list, each date is decided: those of long ago are one row, the next ones come", async () => {
  const { scheduler } = setUp();
  const ran: number[] = [];
  const dates = [ago(7_200), ago(3_600), ago(10), ago(-60)];
  scheduler.at(dates, ({ fireTime }) => void ran.push((fireTime.getTime() - now) / 1_000), { name: "list" });
  await scheduler.advance("2m");
  assert.deepEqual(ran, [-10, 60]);
  assert.deepEqual(
    (await scheduler.history()).map(({ state, count }) => [state, count]),
    [
      ["ran", 1],
      ["ran", 1],
      ["missed", 2],
    ],
  );
  await scheduler.stop();
});

test("once it is added it is as every other: whoever leads hours later runs it", async () => {
  const store = new MemoryStore();
  store.close = async () => {};
  const first = setUp(store).scheduler;
  await first.job("remind", () => {}).at(ago(5), undefined, { name: "remind" });
  await first.stop();
  const second = setUp(store, now + 7_200_000).scheduler;
  let ran = 0;
  second.job("remind", () => void ran++);
  await second.advance(1);
  assert.equal(ran, 1);
  await second.stop();
});

test("a program that starts again, or appends a date, runs none twice and calls none missed that ran", async () => {
  const store = new MemoryStore();
  store.close = async () => {};
  const ran: number[] = [];
  const start = async (hour: number, ...dates: Date[]) => {
    const { scheduler, warnings } = setUp(store, now + hour * 3_600_000);
    scheduler.at(dates, ({ fireTime }) => void ran.push((fireTime.getTime() - now) / 1_000), { name: "dates" });
    await scheduler.advance("1m");
    await scheduler.stop();
    assert.deepEqual(warnings, []);
  };
  await start(0, ago(5), ago(-10));
  await start(1, ago(5), ago(-10));
  await start(2, ago(5), ago(-10), ago(-7_230));
  assert.deepEqual(ran, [-5, 10, 7_230]);
  assert.deepEqual(
    (await store.history({ limit: 9 })).map(({ state }) => state),
    ["ran", "ran", "ran"],
  );
});

test("another trigger that names a date of long ago, and a schedule whose end has passed, are told of", async () => {
  const { scheduler, warnings } = setUp();
  const every = scheduler.every("1h", () => assert.fail("it ran"), { name: "moved" });
  await scheduler.start();
  await every.reschedule({ at: ago(3_600) });
  scheduler.cron("0 9 * * *", () => assert.fail("it ran"), { name: "over", endAt: ago(86_400) });
  await scheduler.advance("10m");
  assert.deepEqual(warnings.toSorted(), [
    "missed moved: it had passed when it was added",
    "over never fires: what is left of its schedule has passed.",
  ]);
  await scheduler.stop();
});
