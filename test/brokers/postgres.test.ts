import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, suite, test } from "node:test";
import { systemClock } from "../../src/system-clock.ts";
import { type BrokerFixture, brokerContract, messageTo, publish } from "../contract/broker-contract.ts";
import { startPostgres } from "../servers/postgres.ts";
import { messageOf, untagged } from "./golden-envelope.ts";
import { available, brokerAt, freshDatabase, take } from "./postgres-opened.ts";

const server = await startPostgres();
after(() => server.stop());

brokerContract(
  "PostgreSQL",
  async (): Promise<BrokerFixture> => ({
    queue: "celery",
    missing: undefined,
    connect: async () => brokerAt(server.url),
    received: (queue) => take(server, queue),
    poison: (message) => ({ ...message, headers: { ...message.headers, big: 1n } }),
    cut: () => server.kill(),
    restore: () => server.start(),
    dispose: async () => undefined,
  }),
);

suite("what kombu's client left in a database", () => {
  const clock = { ...systemClock, now: () => 1_000 };
  for (const version of ["5.2.7", "5.3.6", "5.4.0", "5.5.3", "5.6.x", "5.7.0"]) {
    test(`Celery ${version}: Beat makes the same tables and the same rows`, async () => {
      const golden: { readonly ddl: readonly string[]; readonly rows: string } = JSON.parse(
        readFileSync(new URL(`../golden/sqla-pg-celery-${version}.json`, import.meta.url), "utf8"),
      );
      const name = `golden_${version.replace(/\W/g, "_")}`;
      const { url, sql } = await freshDatabase(server, name);
      const [queue, row] = golden.rows.split("\n");
      const [id, visible, timestamp, ...rest] = row!.split("|");
      const envelope = rest.slice(0, -2).join("|");
      await using open = await available(url, { clock });
      assert.deepEqual(await publish(open.broker, [messageOf(envelope, 1_000)]), [{ result: "confirmed" }]);
      const dump = await server.program("pg_dump", ["--schema-only", "--no-owner"], name);
      const ddl = dump.split("\n").filter((line) => line !== "" && !/^(--|SET |SELECT |\\|.*OWNER TO)/.test(line));
      assert.deepEqual(ddl.toSorted(), golden.ddl.toSorted());
      assert.deepEqual(await sql("SELECT id || '|' || name AS row FROM kombu_queue"), [{ row: queue }]);
      const [written] = await sql(
        `SELECT visible::text, "timestamp", payload, version || '|' || queue_id AS rest FROM kombu_message`,
      );
      assert.deepEqual(
        { ...written, payload: untagged(written!["payload"] as string) },
        {
          visible: String(visible === "t"),
          timestamp: timestamp || null,
          payload: untagged(envelope),
          rest: rest.slice(-2).join("|"),
        },
      );
      assert.equal(id, "1");
    });
  }
});

suite("tables", () => {
  test("that a worker makes at the same moment are used", async () => {
    const { url, sql } = await freshDatabase(server, "racing");
    const brokers = await Promise.all(Array.from({ length: 4 }, () => available(url)));
    for (const { broker } of brokers)
      assert.deepEqual(await publish(broker, [messageTo("celery")]), [{ result: "confirmed" }]);
    assert.deepEqual(await sql("SELECT count(*)::int FROM kombu_message"), [{ count: 4 }]);
    await Promise.all(brokers.map(({ broker }) => broker.close(0)));
  });

  test("of other names and in another schema", async () => {
    const { url, sql } = await freshDatabase(server, "named");
    await sql("CREATE SCHEMA fleet");
    const query = "options=-csearch_path%3Dfleet&queue_tablename=queues&message_tablename=My%20messages";
    await using open = await available(`${url}?${query}`);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
    assert.deepEqual(await sql('SELECT name FROM fleet."My messages" m JOIN fleet.queues q ON q.id = m.queue_id'), [
      { name: "celery" },
    ]);
  });

  test("that were dropped are made anew", async () => {
    const { url, sql } = await freshDatabase(server, "dropped");
    await using open = await available(url);
    await publish(open.broker, [messageTo("celery")]);
    await sql("DROP TABLE kombu_message, kombu_queue");
    const [outcome] = await publish(open.broker, [messageTo("celery")]);
    assert.equal(outcome!.result, "unavailable");
    await open.told.until(() => open.told.unavailabilities.length > 0 && open.told.isAvailable);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
  });

  test("whose queue's row somebody deleted get it again", async () => {
    const { url, sql } = await freshDatabase(server, "unqueued");
    await using open = await available(url);
    await publish(open.broker, [messageTo("celery"), messageTo("emails")]);
    await sql("DELETE FROM kombu_message; DELETE FROM kombu_queue");
    assert.deepEqual(await publish(open.broker, [messageTo("emails")]), [{ result: "confirmed" }]);
    assert.deepEqual(await sql("SELECT name FROM kombu_message m JOIN kombu_queue q ON q.id = m.queue_id"), [
      { name: "emails" },
    ]);
  });
});

test("a message for an exchange, one that expired, and one whose queue has too long a name, are refused", async () => {
  await using open = await available(server.url);
  const outcomes = await publish(open.broker, [
    messageTo("q", { exchange: "news" }),
    messageTo("q", { expiresAt: Date.now() - 1_000 }),
    messageTo("q".repeat(201)),
    messageTo("q".repeat(200)),
  ]);
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["refused", "refused", "refused", "confirmed"],
  );
});

/** A broker that clears up when the test says so, each time two seconds after the last. */
async function watching(url: string, now = () => Date.now()) {
  let passedMs = 0;
  let waiting = Promise.withResolvers<() => void>();
  const clock = {
    now,
    monotonic: () => systemClock.monotonic() + passedMs,
    setTimer(delayMs: number, callback: () => void) {
      if (delayMs !== 2_000 && delayMs !== 100) return systemClock.setTimer(delayMs, callback);
      waiting.resolve(callback);
      return () => undefined;
    },
  };
  const open = await available(url, { clock });
  return {
    ...open,
    async look() {
      const callback = await waiting.promise;
      waiting = Promise.withResolvers();
      passedMs += 2_000;
      callback();
      await waiting.promise;
    },
  };
}

suite("clearing up", () => {
  test("removes what workers took and what expired, and nothing else", async () => {
    const { url, sql } = await freshDatabase(server, "clearing");
    let now = Date.UTC(2027, 0, 1);
    await using open = await watching(url, () => now);
    const expiring = (at: unknown) => messageTo("celery", { headers: { ...messageTo("celery").headers, expires: at } });
    const soon = new Date(now + 5_000).toISOString();
    const deceptive = messageTo("celery", { headers: { nested: { expires: soon }, id: "deceptive", expires: null } });
    await publish(open.broker, [
      ...Array.from({ length: 700 }, () => messageTo("celery")),
      ...Array.from({ length: 700 }, () => expiring(soon)),
      expiring(soon.replace("Z", "")),
      expiring(new Date(now + 3_600_000).toISOString()),
      expiring("never"),
      deceptive,
    ]);
    await sql(
      `UPDATE kombu_message SET visible = false, version = 2, "timestamp" = now() WHERE id <= (SELECT min(id) + 599 FROM kombu_message)`,
    );
    await sql(
      `INSERT INTO kombu_message SELECT nextval('message_id_sequence'), true, NULL, '"expires": "${soon}" not JSON', 1, 1`,
    );
    const rest = async () => (await sql("SELECT count(*)::int FROM kombu_message"))[0]!["count"];
    for (let round = 0; round < 4; round++) await open.look();
    assert.equal(await rest(), 100 + 700 + 3 + 1 + 1);
    now += 10_000;
    for (let round = 0; round < 4; round++) await open.look();
    assert.equal(await rest(), 100 + 3 + 1 + 1);
  });

  test("leaves rows that a worker is taking, and their worker's", async () => {
    const { url, sql } = await freshDatabase(server, "taking");
    await using open = await watching(url);
    await publish(open.broker, [messageTo("celery"), messageTo("celery")]);
    await sql("UPDATE kombu_message SET visible = false");
    const worker = await server.client("taking");
    await worker.query("BEGIN");
    await worker.query("SELECT * FROM kombu_message ORDER BY id LIMIT 1 FOR UPDATE");
    await open.look();
    assert.deepEqual(await sql("SELECT count(*)::int FROM kombu_message"), [{ count: 1 }]);
    await worker.query("COMMIT");
    await worker.end();
    await open.look();
    assert.deepEqual(await sql("SELECT count(*)::int FROM kombu_message"), [{ count: 0 }]);
  });
});

test("messages that nobody takes are told of, but not those of other programs; and so is the worker that comes", async () => {
  const { url, sql } = await freshDatabase(server, "unread");
  await using open = await watching(`${url}?queue_tablename=kombu_queue`);
  await publish(open.broker, [messageTo("celery"), messageTo("emails"), messageTo("celery")]);
  await sql(
    "INSERT INTO kombu_queue VALUES (99, 'theirs'); INSERT INTO kombu_message VALUES (99, true, NULL, '{}', 1, 99)",
  );
  for (let round = 0; round < 3; round++) await open.look();
  assert.deepEqual(open.told.notices, []);
  await open.look();
  assert.equal(open.told.notices.length, 1);
  assert.match(
    open.told.notices[0]!,
    /^3 messages wait in "celery" \(2\), "emails" \(1\); no worker took one for 6s\. Start one: celery -A <your app> -b 'sqla\+postgresql\+psycopg2:\/\/beat:\*\*\*@127\.0\.0\.1:\d+\/unread' worker -Q celery,emails$/,
  );
  await sql(
    "UPDATE kombu_message SET visible = false WHERE queue_id = (SELECT id FROM kombu_queue WHERE name = 'celery')",
  );
  await open.look();
  assert.deepEqual(open.told.notices.slice(1), ['A worker takes messages from queue "celery".']);
});
