import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmdirSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import Database from "better-sqlite3";
import { connectBroker } from "../../src/brokers/connect.ts";
import { parseDatabaseUrl } from "../../src/brokers/database-file.ts";
import { BrokerError } from "../../src/core/errors.ts";
import type { Broker, Clock } from "../../src/core/ports.ts";
import { hourMs, minuteMs } from "../../src/core/time.ts";
import { silentLog } from "../../src/log.ts";
import { systemClock } from "../../src/system-clock.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { type BrokerFixture, brokerContract, messageTo, publish, Told } from "../contract/broker-contract.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-broker-"));
after(() => rm(folder, { recursive: true, force: true }));
let files = 0;
const freshPath = () => join(folder, `broker-${++files}.sqlite`);
const connect = (path: string, clock: Clock = systemClock) =>
  connectBroker(`sqla+sqlite:///${path}`, { clock, log: silentLog, declareQueues: false, defaultQueue: "celery" });

/** Runs SQL on the file as another program does. */
function other<T>(path: string, use: (database: Database.Database) => T): T {
  const database = new Database(path);
  try {
    return use(database);
  } finally {
    database.close();
  }
}
const column = (path: string, sql: string) => other(path, (database) => database.prepare(sql).pluck().all());

async function opened(
  path: string,
  clock: SimulatedClock,
): Promise<{ broker: Broker; told: Told; [Symbol.asyncDispose](): Promise<void> }> {
  const broker = await connect(path, clock);
  const told = new Told();
  await broker.open(told);
  await clock.advance(1);
  return { broker, told, [Symbol.asyncDispose]: () => broker.close(0) };
}

brokerContract("database", async (): Promise<BrokerFixture> => {
  const path = freshPath();
  const away = `${path}.away`;
  return {
    queue: "celery",
    missing: undefined,
    connect: () => connect(path),
    received: async (queue) =>
      other(path, (database) => {
        const rows = database
          .prepare(
            "SELECT json_extract(payload, '$.headers.id') FROM kombu_message m JOIN kombu_queue q ON q.id = queue_id WHERE q.name = ? ORDER BY m.timestamp, m.id",
          )
          .pluck()
          .all(queue);
        database.exec("DELETE FROM kombu_message");
        return rows as string[];
      }),
    poison: (message) => ({ ...message, headers: { ...message.headers, big: 1n } }),
    async cut() {
      // In one turn of the event loop: the broker creates a file that is missing.
      renameSync(path, away);
      mkdirSync(path);
    },
    async restore() {
      rmdirSync(path);
      renameSync(away, path);
    },
    dispose: async () => undefined,
  };
});

suite("the file", () => {
  const golden = JSON.parse(readFileSync(new URL("../golden/sqla-sqlite-celery-5.7.0.json", import.meta.url), "utf8"));

  test("is created like kombu's, for its owner only, in WAL mode", async () => {
    const path = freshPath();
    await (await connect(path)).close(0);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(new Set(column(path, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")), new Set(golden.ddl));
    assert.deepEqual(column(path, "PRAGMA journal_mode"), ["wal"]);
  });

  test("that kombu made is used as it is", async () => {
    const path = freshPath();
    other(path, (database) => {
      for (const statement of golden.ddl) if (!statement.includes("sqlite_sequence")) database.exec(statement);
      database.exec("INSERT INTO kombu_queue (name) VALUES ('before')");
    });
    await using open = await opened(path, new SimulatedClock());
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
    assert.deepEqual(column(path, "SELECT name FROM kombu_queue ORDER BY id"), ["before", "celery"]);
    assert.deepEqual(
      other(path, (database) =>
        database.prepare("SELECT visible, timestamp, version, queue_id FROM kombu_message").raw().all(),
      ),
      [[1, null, 1, 2]],
    );
  });

  test("may be empty", async () => {
    const path = freshPath();
    await writeFile(path, "");
    await using open = await opened(path, new SimulatedClock());
    assert.equal(open.told.isAvailable, true);
  });

  const unusable: readonly [string, (path: string) => unknown, RegExp][] = [
    [
      "another program's",
      (path) => other(path, (database) => database.exec("CREATE TABLE users (id)")),
      /is not a kombu database: it has other tables/,
    ],
    [
      "another layout",
      (path) =>
        other(path, (database) =>
          database.exec("CREATE TABLE kombu_queue (id, name); CREATE TABLE kombu_message (id)"),
        ),
      /table kombu_message has other columns/,
    ],
    [
      "no database",
      (path) => writeFile(path, "a text that is not a database, and long enough to be seen as none\n".repeat(20)),
      /is not a SQLite database/,
    ],
    ["a folder", (path) => mkdir(path), /cannot be opened/],
  ];
  for (const [name, make, message] of unusable) {
    test(`that is unusable (${name}) is refused and left alone`, async () => {
      const path = freshPath();
      await make(path);
      await assert.rejects(connect(path), (error) => {
        assert.ok(error instanceof BrokerError && error.remedy);
        assert.match(error.message, message);
        assert.ok(error.message.includes(path));
        return true;
      });
    });
  }

  test("in a folder that does not exist is refused", async () => {
    await assert.rejects(connect(join(folder, "none", "b.sqlite")), /cannot be created: there is no such folder/);
  });

  test("that is read-only is refused", async () => {
    const path = freshPath();
    await (await connect(path)).close(0);
    await chmod(folder, 0o755);
    await chmod(path, 0o444);
    // Root may write to any file.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid!(65_534);
    try {
      await assert.rejects(connect(path), /is read-only|cannot be opened/);
    } finally {
      if (isRoot) process.seteuid!(0);
    }
  });

  test("that was deleted while it is open is made anew", async () => {
    const path = freshPath();
    await using open = await opened(path, new SimulatedClock());
    await rm(path);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
    assert.equal(column(path, "SELECT count(*) FROM kombu_message")[0], 1);
  });
});

suite("URLs", () => {
  test("three slashes: relative to the working folder; four: absolute", () => {
    assert.equal(parseDatabaseUrl("sqla+sqlite:///b.db").path, join(process.cwd(), "b.db"));
    assert.equal(parseDatabaseUrl("sqla+sqlite:////var/lib/b.db").path, "/var/lib/b.db");
  });
  for (const url of [
    "sqla+sqlite://",
    "sqla+sqlite:///",
    "sqla+sqlite:///:memory:",
    "sqla+sqlite://b.db",
    "sqla+sqlite:///b.db?timeout=1",
  ]) {
    test(`${url} is refused`, () => assert.throws(() => parseDatabaseUrl(url), BrokerError));
  }
});

test("tables of other names are Celery's queue_tablename and message_tablename", async () => {
  const path = freshPath();
  const named = await connectBroker(`sqla+sqlite:///${path}?queue_tablename=queues&message_tablename=My%20messages`, {
    clock: systemClock,
    log: silentLog,
    declareQueues: false,
    defaultQueue: "celery",
  });
  const told = new Told();
  await named.open(told);
  await told.until(() => told.isAvailable);
  assert.deepEqual(await publish(named, [messageTo("celery")]), [{ result: "confirmed" }]);
  await named.close(0);
  assert.deepEqual(column(path, 'SELECT name FROM "My messages" m JOIN queues q ON q.id = m.queue_id'), ["celery"]);
  assert.equal(column(path, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'kombu%'")[0], 0);
  assert.deepEqual(column(path, "SELECT name FROM sqlite_master WHERE name LIKE 'ix_My%'").toSorted(), [
    "ix_My messages_timestamp",
    "ix_My messages_visible",
  ]);
});

suite("a locked file", () => {
  test("delays messages without holding up the event loop", async () => {
    const path = freshPath();
    const clock = new SimulatedClock();
    await using open = await opened(path, clock);
    const locker = new Database(path);
    locker.exec("BEGIN IMMEDIATE");
    const outcomes = publish(open.broker, [messageTo("celery")]);
    const started = performance.now();
    await clock.advance(50);
    assert.ok(performance.now() - started < 2_000);
    locker.exec("COMMIT");
    locker.close();
    await clock.advance(100);
    assert.deepEqual(await outcomes, [{ result: "confirmed" }]);
    assert.equal(open.told.isAvailable, true);
  });

  test("makes it unavailable after ten seconds, until the lock is gone", async () => {
    const path = freshPath();
    const clock = new SimulatedClock();
    await using open = await opened(path, clock);
    const locker = new Database(path);
    locker.exec("BEGIN IMMEDIATE");
    const outcomes = publish(open.broker, [messageTo("celery")]);
    await clock.advance(1);
    await clock.sleepThrough(10_000);
    await clock.advance(1);
    const [outcome] = await outcomes;
    assert.equal(outcome?.result, "unavailable");
    assert.match(open.told.unavailabilities[0]!.reason, /database is locked/);
    assert.equal(open.told.unavailabilities[0]!.permanent, false);
    locker.exec("COMMIT");
    locker.close();
    await clock.advance(6_000);
    assert.equal(open.told.isAvailable, true);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
  });
});

test("a message for an exchange, and one that expired, are refused", async () => {
  const clock = new SimulatedClock();
  await using open = await opened(freshPath(), clock);
  const outcomes = await publish(open.broker, [
    messageTo("q", { exchange: "news" }),
    messageTo("q", { expiresAt: clock.now() - 1 }),
    messageTo("q", { expiresAt: clock.now() }),
  ]);
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["refused", "refused", "confirmed"],
  );
});

suite("clearing up", () => {
  test("removes what workers took and what expired, and nothing else", async () => {
    const path = freshPath();
    const clock = new SimulatedClock();
    await using open = await opened(path, clock);
    const expiring = (at: unknown) => messageTo("celery", { headers: { ...messageTo("celery").headers, expires: at } });
    const soon = new Date(clock.now() + 5_000).toISOString();
    const messages = [
      ...Array.from({ length: 1_200 }, () => messageTo("celery")),
      ...Array.from({ length: 1_200 }, () => expiring(soon)),
      expiring(soon.replace("Z", "")),
      expiring(new Date(clock.now() + hourMs).toISOString()),
      expiring("never"),
    ];
    await publish(open.broker, messages);
    other(path, (database) => {
      database.exec(
        "UPDATE kombu_message SET visible = 0, version = 2, timestamp = '2027-01-01 00:00:00' WHERE id <= 1100",
      );
      database.exec("INSERT INTO kombu_message (visible, payload, version, queue_id) VALUES (1, 'not JSON', 1, 1)");
    });
    const rest = () => column(path, "SELECT count(*) FROM kombu_message")[0];
    await clock.advance(4_000);
    assert.equal(rest(), 100 + 1_200 + 3 + 1);
    await clock.advance(8_000);
    assert.equal(rest(), 100 + 3 + 1);
  });

  test("leaves a locked file for the next round", async () => {
    const path = freshPath();
    const clock = new SimulatedClock();
    await using open = await opened(path, clock);
    await publish(open.broker, [messageTo("celery")]);
    const locker = new Database(path);
    locker.exec("UPDATE kombu_message SET visible = 0");
    locker.exec("BEGIN IMMEDIATE");
    await clock.advance(2_000);
    locker.exec("COMMIT");
    locker.close();
    assert.equal(open.told.isAvailable, true);
    await clock.advance(2_000);
    assert.equal(column(path, "SELECT count(*) FROM kombu_message")[0], 0);
  });
});

suite("messages that nobody reads", () => {
  const take = (path: string) => other(path, (database) => database.exec("UPDATE kombu_message SET visible = 0"));

  test("are told of once, then ever more rarely, and so is the worker that comes", async () => {
    const path = freshPath();
    const clock = new SimulatedClock();
    await using open = await opened(path, clock);
    const { broker, told } = open;
    await publish(broker, [messageTo("celery"), messageTo("celery"), messageTo("emails")]);
    await clock.advance(4_000);
    assert.deepEqual(told.notices, []);
    await clock.advance(6_000);
    assert.deepEqual(told.notices, [
      `3 messages wait in "celery" (2), "emails" (1); no worker took one for 6s. Start one: celery -A <your app> -b sqla+sqlite:///${path} worker -Q celery,emails`,
    ]);
    await clock.advance(hourMs);
    // After 1, 2, 4, 8, 16 minutes (31 in all), and then 32.
    assert.equal(told.notices.length, 6);
    take(path);
    await clock.advance(2_000);
    assert.deepEqual(told.notices.slice(6), [
      'A worker takes messages from queue "celery".',
      'A worker takes messages from queue "emails".',
    ]);
    await clock.advance(10_000);
    assert.equal(told.notices.length, 8);
  });

  test("are not told of while a worker is busy for less than a minute", async () => {
    const path = freshPath();
    const clock = new SimulatedClock();
    await using open = await opened(path, clock);
    await publish(open.broker, [messageTo("celery")]);
    await clock.advance(2_000);
    take(path);
    await clock.advance(2_000);
    await publish(open.broker, [messageTo("celery")]);
    await clock.advance(50_000);
    assert.deepEqual(open.told.notices, []);
    await clock.advance(minuteMs);
    assert.match(open.told.notices[0]!, /^1 message waits in queue "celery"; no worker took one for 1m/);
  });
});
