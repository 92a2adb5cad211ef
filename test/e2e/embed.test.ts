import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { memory, Scheduler, silentLog, sqlite } from "../../src/index.ts";
import { SimulatedClock, SteppedScheduler } from "../../src/testing/index.ts";
import { RecordedLog } from "../runner/run-of.ts";
import { folder } from "./beat.ts";

test("every, cron, crontab and at, on a clock that is stepped", async () => {
  const clock = new SimulatedClock(Date.UTC(2027, 0, 1, 7, 59, 50));
  const runs: string[] = [];
  const note = (name: string) => () => void runs.push(`${name} ${new Date(clock.now()).toISOString().slice(11, 19)}`);
  await using scheduler = new Scheduler({ clock, log: silentLog, timezone: "Europe/Berlin", store: memory() });
  scheduler.every("20s", note("every"));
  const daily = scheduler.cron("0 9 * * *", note("cron"), { name: "daily" });
  scheduler.crontab({ minute: 1, hour: 9 }, note("crontab"));
  scheduler.at(new Date(clock.now() + 30_000), note("at"));
  assert.deepEqual(
    daily.next(2).map((date) => date.toISOString()),
    ["2027-01-01T08:00:00.000Z", "2027-01-02T08:00:00.000Z"],
  );
  await scheduler.start();
  await clock.advance(90_000);
  assert.deepEqual(runs, [
    "cron 08:00:00",
    "every 08:00:10",
    "at 08:00:20",
    "every 08:00:30",
    "every 08:00:50",
    "crontab 08:01:00",
    "every 08:01:10",
  ]);
  await scheduler.pause("daily");
  assert.equal((await scheduler.get("daily")).pausedAt, clock.now());
});

test("a stored scheduler keeps progress and pause when a program adds its entries again", async (t) => {
  const path = join(await folder(t), "jobs.sqlite");
  const clock = new SimulatedClock();
  let runs = 0;
  const open = () => {
    const scheduler = new Scheduler({ clock, log: silentLog, store: sqlite(path) });
    scheduler.every("1m", () => void runs++, { name: "minute" });
    return scheduler;
  };
  {
    await using scheduler = open();
    await scheduler.start();
    await clock.advance(90_000);
  }
  assert.equal(runs, 1);
  {
    await using scheduler = open();
    await scheduler.start();
    await clock.advance(31_000);
    assert.equal(runs, 2, "the anchor stayed");
    await scheduler.pause("minute", "enough");
  }
  {
    await using scheduler = open();
    await scheduler.start();
    await clock.advance(300_000);
    assert.equal(runs, 2, "the pause stayed");
    assert.equal((await scheduler.get("minute")).pauseNote, "enough");
  }
});

test("mistakes are told where they are made", () => {
  const scheduler = new Scheduler({ log: silentLog });
  assert.throws(() => scheduler.every("soon", () => {}), /"soon" is not a duration/);
  assert.throws(() => scheduler.cron("0 0 30 2 *", () => {}), /never/);
  assert.throws(() => scheduler.cron("0 9 * * *", () => {}, { timezone: "Mars/Base" }), /Mars\/Base/);
  scheduler.every("1s", () => {}, { name: "one" });
  assert.throws(() => scheduler.every("1s", () => {}, { name: "one" }), /already/);
});

test("a few runs are a line of the log each, a burst is one line", async () => {
  for (const [count, lines] of [
    [20, 20],
    [21, 1],
  ] as const) {
    const log = new RecordedLog();
    await using t = new SteppedScheduler({ log });
    for (let index = 0; index < count; index++) t.every("1m", () => {}, { name: `job ${index}` });
    await t.advance("61s");
    const told = log.lines.filter(({ message }) => message.startsWith("ran "));
    assert.equal(told.length, lines);
    if (lines === 1) {
      assert.equal(told[0]!.message, "ran 21 jobs, half of them within 0s of their time, all within 0s");
      assert.equal(told[0]!.fields["count"], 21);
    }
  }
});
