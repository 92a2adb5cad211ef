// Thousands of entries at once: one call, one transaction.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConflictError, DefinitionError, type JobEntry, Scheduler, sqlite } from "../../src/index.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { SteppedScheduler } from "../../src/testing/index.ts";
import { temporaryFolder } from "../store/temporary-folder.ts";

const pathOf = temporaryFolder();
const soon = Date.UTC(2027, 0, 2);
type Reminder = { readonly text: string };
const reminder = (index: number): JobEntry<Reminder> => ({
  name: `reminder ${index}`,
  at: new Date(soon + index),
  params: { text: `text ${index}` },
});
const reminders = (count: number) => Array.from({ length: count }, (_, index) => reminder(index));

test("all of them are added in one transaction, and each is given its own params", async () => {
  const store = new MemoryStore();
  let transactions = 0;
  const change = store.change.bind(store);
  store.change = (changes) => {
    transactions++;
    return change(changes);
  };
  await using scheduler = new SteppedScheduler({ store: async () => store });
  const told: string[] = [];
  const remind = scheduler.job("remind", ({ text }: Reminder) => void told.push(text), { retries: 5 });
  const handles = await remind.addAll(reminders(3_000));
  assert.equal(transactions, 1);
  assert.deepEqual([handles.length, handles[2_999]!.name], [3_000, "reminder 2999"]);
  assert.deepEqual(handles[7]!.next(), [new Date(soon + 7)]);
  assert.equal((await handles[7]!.get()).definition.retries, 5, "the job's options hold");
  await handles[8]!.remove();
  await scheduler.advanceTo(new Date(soon + 5_000));
  assert.equal(told.length, 2_999);
  assert.ok(told.includes("text 7") && !told.includes("text 8"));
});

test("adding them again changes those that changed and no other, unless something else is wanted", async () => {
  const path = pathOf("again");
  const start = () => {
    const scheduler = new Scheduler({ store: sqlite(path) });
    return { scheduler, remind: scheduler.job("remind", (_: Reminder) => {}) };
  };
  const first = start();
  const before = await first.remind.addAll([reminder(0), reminder(1)]);
  await before[0]!.pause("on holiday");
  await first.scheduler.stop();

  const { scheduler, remind } = start();
  const changes: string[] = [];
  scheduler.on("entry:*", ({ type, entry }) => changes.push(`${type} ${entry.name}`));
  const later = { ...reminder(1), at: new Date(soon + 3_600_000) };
  const [one, two, three] = await remind.addAll([reminder(0), later, reminder(2)]);
  assert.deepEqual(changes, ["entry:changed reminder 1", "entry:added reminder 2"]);
  assert.equal((await one!.get()).pauseNote, "on holiday");
  assert.deepEqual([two!.next(), three!.next()], [[later.at], [new Date(soon + 2)]]);
  const [kept] = await remind.addAll([reminder(1)], { conflict: "keep" });
  assert.deepEqual(kept!.next(), [later.at]);
  await assert.rejects(
    remind.addAll([reminder(3), reminder(1)], { conflict: "throw" }),
    /there is an entry of that name/,
  );
  assert.equal((await scheduler.list()).length, 3, "all or none");
  await scheduler.stop();
});

test("one that is wrong is told with its name, and nothing is added", async () => {
  await using scheduler = new SteppedScheduler();
  const remind = scheduler.job("remind", (_: Reminder) => {});
  const wrong: [JobEntry<Reminder>, RegExp][] = [
    [{ name: "a", at: "tomorrow", params: { text: "" } }, /^entry "a", at/],
    [{ name: "a", params: { text: "" } }, /^entry "a": has no trigger/],
    [{ name: "a", at: new Date(soon), params: { text: 1n as never } }, /^entry "a", params.text: .*JSON/],
    [reminder(1), /^entry "reminder 1": there are two entries of that name/],
    [null as never, /^an entry must be a map/],
    [{ evry: "1s", params: { text: "" } } as never, /^entry "remind", evry: unknown key "evry"/],
  ];
  for (const [entry, message] of wrong) {
    await assert.rejects(remind.addAll([...reminders(5), entry]), (error) => {
      assert.ok(error instanceof DefinitionError);
      assert.match(error.describe(), message);
      return true;
    });
  }
  assert.deepEqual(await scheduler.list(), []);
});

test("a name that somebody takes meanwhile is looked at again", async () => {
  const store = new MemoryStore();
  await using scheduler = new SteppedScheduler({ store: async () => store });
  const remind = scheduler.job("remind", (_: Reminder) => {});
  const change = store.change.bind(store);
  let isFirst = true;
  store.change = async (changes) => {
    if (!isFirst) return change(changes);
    isFirst = false;
    await change(changes.slice(1));
    throw new ConflictError("somebody was faster");
  };
  const handles = await remind.addAll(reminders(2));
  assert.deepEqual(
    handles.map(({ name }) => name),
    ["reminder 0", "reminder 1"],
  );
  assert.equal((await scheduler.list()).length, 2);
});

test("entries without a name are called after what they do", async () => {
  await using scheduler = new SteppedScheduler();
  const remind = scheduler.job("remind", () => {});
  const handles = await remind.addAll([
    { every: "1h" },
    { cron: "0 9 * * *", timezone: "Europe/Berlin" },
    { every: "1h" },
  ]);
  assert.deepEqual(
    handles.map(({ name }) => name),
    ["remind: every 1h", "remind: cron 0 9 * * *", "remind: every 1h 2"],
  );
});
