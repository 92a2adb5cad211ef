// A bot with ten thousand reminders, each of another date: they are rows of a file, and not timers. In a project of yours:
// from "beatd".

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Scheduler, silentLog, sqlite } from "../src/index.ts";

const reminders = 10_000;
const chats = 500;

/** Stands for the API of a messenger. */
const messenger = {
  sent: 0,
  async send(_chat: number, _text: string): Promise<void> {
    await sleep(1);
    this.sent++;
  },
};

const folder = await mkdtemp(join(tmpdir(), "reminder-bot-"));
{
  await using scheduler = new Scheduler({ store: sqlite(join(folder, "bot.sqlite")), log: silentLog });
  let latestMs = 0;
  const remind = scheduler.job(
    "remind",
    async ({ chat, text }: { chat: number; text: string }, { lateMs }) => {
      latestMs = Math.max(latestMs, lateMs);
      await messenger.send(chat, text);
    },
    // The messenger takes thirty at a time.
    { maxInstances: 30, retries: 5 },
  );

  // Half of them fall due within the next seconds, the others in the years to come.
  const soon = Date.now() + 6_000;
  const dateOf = (index: number) =>
    new Date(index % 2 === 0 ? soon + (index / reminders) * 4_000 : soon + index * 86_400_000);
  // Many at once are one transaction; one alone is `remind.at(date, params)`.
  await remind.addAll(
    Array.from({ length: reminders }, (_, index) => ({
      name: `reminder ${index}`,
      at: dateOf(index),
      params: { chat: index % chats, text: `reminder ${index}` },
    })),
  );
  await scheduler.start();
  const { entries } = await scheduler.status();
  console.log(`${entries.active} reminders are waiting`);
  while (messenger.sent < reminders / 2) await sleep(50);
  console.log(`${messenger.sent} reminders were sent, the latest ${latestMs} ms after its time`);
}
await rm(folder, { recursive: true });
