// SIGTERM in the middle of a burst, at the size that stalls every peer.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Scheduler, silentLog, sqlite } from "../../src/index.ts";
import { beat, Daemon, folder } from "../e2e/beat.ts";
import { Collector } from "../e2e/queue.ts";
import { type RabbitmqServer, startRabbitmq } from "../servers/rabbitmq.ts";

let rabbitmq: RabbitmqServer;
before(async () => {
  rabbitmq = await startRabbitmq();
});
after(() => rabbitmq?.stop());

test("SIGTERM in the middle of a burst of 50,000: within the drain limit, the exit code tells, the next start sends the rest", async (t) => {
  const db = join(await folder(t), "beat.sqlite");
  const queue = "burst-50000";
  const count = 50_000;
  const due = new Date(Date.now() + 25_000).toISOString();
  {
    await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
    const names = Array.from({ length: count }, (_, n) => `burst-${n}`);
    await scheduler.addAll(
      names.map((name) => ({ name, definition: { at: due, task: "a.task", options: { queue } } })),
    );
  }
  const collector = await Collector.open(t, rabbitmq.url, queue);
  const args = ["--schedule-db", db, "--broker", rabbitmq.url, "--drain", "1s"];
  const first = new Daemon(t, args);
  await collector.ids(2_000, 90_000);
  const toldAt = performance.now();
  const code = await first.stop();
  const tookMs = Math.round(performance.now() - toldAt);
  const sent = collector.distinct();
  assert.ok(tookMs < 10_000, `it took ${tookMs} ms`);
  const leaves = first.lines.some(({ message }) => /left in the outbox. They go out at the next start/.test(message));
  assert.equal(code, leaves ? 6 : 0);
  assert.equal(sent < count, leaves, `${sent} were sent`);
  const second = new Daemon(t, args);
  await collector.ids(count, 90_000);
  const status = () => beat(["status", "--schedule-db", db]);
  while (!(await status()).stdout.includes("outbox     empty")) await sleep(100);
  assert.equal(await second.stop(), 0);
  assert.equal(collector.distinct(), count);
  const again = collector.arrived.length - count;
  t.diagnostic(`stopped after ${sent} of ${count} within ${tookMs} ms, exit code ${code}; ${again} sent again`);
  await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
  const ledger = await scheduler.history({ limit: 2 * count });
  assert.equal(ledger.filter(({ state }) => state === "published").length, count);
});
