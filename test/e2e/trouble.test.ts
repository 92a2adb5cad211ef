// The daemon after a long absence, and with a password that the broker does not know. Real faults are in test/faults.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Scheduler, silentLog, sqlite } from "../../src/index.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { type RabbitmqServer, startRabbitmq } from "../servers/rabbitmq.ts";
import { Daemon, folder } from "./beat.ts";

let rabbitmq: RabbitmqServer;
before(async () => {
  rabbitmq = await startRabbitmq();
});
after(() => rabbitmq?.stop());

test("after ten minutes stopped, an entry of one second runs once, and one row says what became of the others", async (t) => {
  const db = join(await folder(t), "beat.sqlite");
  const createdAt = Date.now() - 600_000;
  const store = await openSqliteStore(db);
  await store.change([
    {
      change: "insert",
      name: "each-second",
      origin: "code",
      definition: { every: "1s", run: ["true"], timezone: "UTC" },
      createdAt,
      anchorAt: createdAt,
      nextFireAt: createdAt + 1_000,
      quarantine: null,
    },
  ]);
  await store.close();
  const daemon = new Daemon(t, ["--schedule-db", db]);
  await daemon.line(/ran each-second/);
  assert.equal(await daemon.stop(), 0);
  await using scheduler = new Scheduler({ store: sqlite(db), log: silentLog });
  const rows = (await scheduler.history({ limit: 10_000 })).toReversed();
  assert.deepEqual([rows[0]!.state, rows[1]!.state], ["coalesced", "ran"]);
  assert.ok(rows[0]!.count >= 598 && rows[0]!.count <= 605, `one row stands for ${rows[0]!.count}`);
  assert.equal(rows[0]!.fireAt, createdAt + 1_000);
  assert.equal(rows[0]!.untilFireAt, rows[1]!.fireAt - 1_000);
  assert.ok(rows.length < 10);
});

test("a wrong password is said without it, and the daemon goes on trying", async (t) => {
  const cwd = await folder(t);
  const daemon = new Daemon(t, [
    "--schedule-db",
    join(cwd, "beat.sqlite"),
    "--broker",
    rabbitmq.url.replace("guest:guest", "guest:s3cret"),
  ]);
  await daemon.line(/on the command line/);
  await daemon.line(/Messages wait in the outbox; trying again/);
  assert.equal(daemon.child.exitCode, null);
  assert.equal(await daemon.stop(), 0);
  assert.ok(!JSON.stringify(daemon.lines).includes("s3cret"));
});
