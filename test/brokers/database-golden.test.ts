// What was measured of kombu's SQLAlchemy transport on SQLite, and what Beat does there.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import Database from "better-sqlite3";
import { connectBroker } from "../../src/brokers/connect.ts";
import { openDatabaseFile, parseDatabaseUrl } from "../../src/brokers/database-file.ts";
import { MessageRows } from "../../src/brokers/database-rows.ts";
import { silentLog } from "../../src/log.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { golden } from "../celery/captures.ts";
import { messageTo, publish, Told } from "../contract/broker-contract.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-golden-"));
after(() => rm(folder, { recursive: true, force: true }));
const urlOf = (name: string) => `sqla+sqlite:///${join(folder, name)}.sqlite`;

test("what kombu's client lost while the file was locked, Beat writes once the lock is gone", async () => {
  const clock = new SimulatedClock();
  const broker = await connectBroker(urlOf("locked"), {
    clock,
    log: silentLog,
    declareQueues: false,
    defaultQueue: "celery",
  });
  await broker.open(new Told());
  await clock.advance(1);
  const locker = new Database(parseDatabaseUrl(urlOf("locked")).path);
  locker.exec("BEGIN IMMEDIATE");
  const outcomes = publish(broker, [messageTo("celery")]);
  await clock.advance(1);
  await clock.sleepThrough(6_000);
  const rows = () => locker.prepare("SELECT count(*) FROM kombu_message").pluck().get();
  for (const [version, lost] of Object.entries<{ "client says": string; "rows added": number }>(
    golden("sqla-put-lock"),
  )) {
    assert.equal(lost["rows added"], rows(), version);
    assert.equal(/^RETURNED/.test(lost["client says"]), version < "5.7", "it said that it had sent it");
  }
  locker.exec("COMMIT");
  await clock.advance(100);
  assert.deepEqual(await outcomes, [{ result: "confirmed" }]);
  assert.equal(rows(), 1);
  locker.close();
  await broker.close(0);
});

test("rows that workers took are deleted, and no others: that was harmless beside workers at work", () => {
  const address = parseDatabaseUrl(urlOf("pruned"));
  for (const [version, { ran, pruned, left, dups, errors }] of Object.entries<Record<string, number>>(
    golden("prune"),
  )) {
    assert.deepEqual([dups, errors, ran], [0, 0, pruned], version);
    const { database } = openDatabaseFile(address);
    const rows = new MessageRows(database, address.tables);
    rows.insert(Array.from({ length: pruned! + 7 }, () => ({ queue: "celery", payload: "{}" })));
    database.exec("UPDATE kombu_message SET visible = 0, version = 2 WHERE id > 7");
    let removed = 0;
    for (let some = rows.removeConsumed(); some.length > 0; some = rows.removeConsumed()) removed += some.length;
    const count = (visible: number) =>
      database.prepare("SELECT count(*) FROM kombu_message WHERE visible = ?").pluck().get(visible);
    assert.deepEqual([removed, count(0), count(1)], [pruned, left, 7], version);
    database.exec("DELETE FROM kombu_message; DELETE FROM sqlite_sequence");
    database.close();
  }
});

test("the file's journal is the one that workers kept", () => {
  const { database } = openDatabaseFile(parseDatabaseUrl(urlOf("journal")));
  const mode = database.pragma("journal_mode", { simple: true });
  database.close();
  for (const version of ["5.2.7", "5.5.3", "5.7.0"])
    assert.equal(golden(`robust-embedded-${version}`)["sqlite/journal after"], mode, version);
});
