// What a PostgreSQL may answer that takes no messages, and what its URLs may ask for: one sentence each, the right one.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { parsePostgresUrl } from "../../src/brokers/postgres-address.ts";
import { messageTo, publish } from "../contract/broker-contract.ts";
import { makeCa } from "../servers/certificates.ts";
import { startPostgres } from "../servers/postgres.ts";
import { TcpProxy } from "../servers/proxy.ts";
import { refuses } from "./opened.ts";
import { available, freshDatabase, opened, take } from "./postgres-opened.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-postgres-places-"));
after(() => rm(folder, { recursive: true, force: true }));
const ca = await makeCa(folder);
const [named, clients] = [await ca.sign("localhost"), await ca.sign("fleet")];
const server = await startPostgres({
  settings: {
    ssl: "on",
    ssl_cert_file: "FOLDER/server.pem",
    ssl_key_file: "FOLDER/server.key",
    ssl_ca_file: "FOLDER/ca.pem",
  },
  files: {
    "server.pem": await readFile(named.certificate, "utf8"),
    "server.key": await readFile(named.key, "utf8"),
    "ca.pem": await readFile(ca.certificate, "utf8"),
  },
});
after(() => server.stop());
const plain = await startPostgres();
after(() => plain.stop());

const at = (port: number, user = "beat:s3cret", database = "beat") =>
  `sqla+postgresql://${user}@localhost:${port}/${database}`;

async function refusesAt(url: string, reason: RegExp, permanent: boolean): Promise<void> {
  await using open = await opened(url);
  await refuses(open.told, reason, permanent);
}

suite("a connection that can't be made says why", () => {
  test("a wrong password", () =>
    refusesAt(at(server.port, "beat:nope"), /refuses the user "beat": wrong user name or password$/, true));
  test("an unknown user", () => refusesAt(at(server.port, "who:s3cret"), /refuses the user "who"/, true));
  test("no password", () => refusesAt(at(server.port, "beat"), /wants a password of the user "beat"/, true));
  test("an unknown database", () =>
    refusesAt(at(server.port, undefined, "none"), /has no such database: database "none" does not exist$/, true));
  test("nobody there", async () => {
    const proxy = await TcpProxy.to(server.port);
    await proxy.cut();
    await refusesAt(at(proxy.port), /^nothing listens at localhost:/, false);
  });
  test("a port that answers nothing", async () => {
    const proxy = await TcpProxy.to(server.port);
    proxy.silent = true;
    await refusesAt(`${at(proxy.port)}?connect_timeout=1`, /^no answer from localhost:/, false);
    await proxy.cut();
  });
  test("a port of something else", async () => {
    const { createServer } = await import("node:http");
    const http = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => http.once("listening", resolve));
    const { port } = http.address() as { port: number };
    await refusesAt(`${at(port)}?sslmode=disable&connect_timeout=1`, /localhost:\d+/, false);
    http.closeAllConnections();
    http.close();
  });
  test("no socket there", () =>
    refusesAt(
      `sqla+postgresql://u:s3cret@/d?host=${encodeURIComponent(folder)}`,
      /^there is no PostgreSQL socket in \//,
      false,
    ));
  test("no connection left", async () => {
    await server.sql("CREATE ROLE few LOGIN PASSWORD 's3cret' CONNECTION LIMIT 0");
    await refusesAt(
      at(server.port, "few:s3cret"),
      /has no connection left .*too many connections for role "few"/,
      false,
    );
  });
});

suite("TLS as libpq's sslmode has it", () => {
  const isEncrypted = async (url: string) => {
    const name = `tls_${Math.random().toString(36).slice(2)}`;
    await using open = await available(`${url}${url.includes("?") ? "&" : "?"}application_name=${name}`);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
    const sql = `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = '${name}'`;
    const [row] = [...(await server.sql(sql)), ...(await plain.sql(sql))];
    return row!["ssl"];
  };
  const known = `sslrootcert=${encodeURIComponent(ca.certificate)}`;
  const taken: readonly [string, number, string, boolean][] = [
    ["nothing said, to a server that has it", server.port, "", true],
    ["nothing said, to one that has not", plain.port, "", false],
    ["disable", server.port, "?sslmode=disable", false],
    ["require", server.port, "?sslmode=require", true],
    ["verify-ca", server.port, `?sslmode=verify-ca&${known}`, true],
    ["verify-full", server.port, `?sslmode=verify-full&${known}`, true],
    [
      "verify-full with a client's certificate",
      server.port,
      `?sslmode=verify-full&${known}&sslcert=${encodeURIComponent(clients.certificate)}&sslkey=${encodeURIComponent(clients.key)}`,
      true,
    ],
  ];
  for (const [name, port, query, expected] of taken)
    test(name, async () => assert.equal(await isEncrypted(at(port) + query), expected));
  test("verify-ca does not ask for the host's name", async () =>
    assert.equal(await isEncrypted(`${server.url}?sslmode=verify-ca&${known}`), true));

  test("require, of a server that has none", () =>
    refusesAt(`${at(plain.port)}?sslmode=require`, /speaks no TLS, which sslmode asks for$/, true));
  test("an unknown CA", () =>
    refusesAt(`${at(server.port)}?sslmode=verify-full`, /shows a TLS certificate that cannot be verified/, true));
  test("another name", () =>
    refusesAt(`${server.url}?sslmode=verify-full&${known}`, /cannot be verified: Hostname\/IP does not match/, true));
  test("a file that is not there", () =>
    refusesAt(
      `${at(server.port)}?sslmode=verify-full&sslrootcert=/none/ca.pem`,
      /sslrootcert names cannot be read/,
      true,
    ));
});

suite("places", () => {
  test("a Unix socket", async () => {
    await using open = await available(
      `sqla+postgresql://beat:s3cret@:${plain.port}/beat?host=${encodeURIComponent(plain.folder)}`,
    );
    assert.deepEqual(await publish(open.broker, [messageTo("socket")]), [{ result: "confirmed" }]);
    assert.equal((await take(plain, "socket")).length, 1);
  });
  test("a password in a file, read at each connection", async () => {
    const file = join(folder, "password");
    await writeFile(file, "old\n");
    await using open = await opened(`${at(plain.port, "beat")}?password_file=${encodeURIComponent(file)}`);
    assert.match((await open.told.trouble()).reason, /wrong user name or password/);
    await writeFile(file, "s3cret\n");
    await open.told.until(() => open.told.isAvailable);
  });
});

suite("a server that takes no messages counts as away, and says why", () => {
  test("a replica, or any that is read-only", async () => {
    await plain.sql("CREATE ROLE reader LOGIN SUPERUSER PASSWORD 's3cret'");
    await plain.sql("ALTER ROLE reader SET default_transaction_read_only = on");
    await using open = await opened(at(plain.port, "reader:s3cret"));
    await refuses(
      open.told,
      /is read-only \(a replica, or default_transaction_read_only\); Beat needs the primary/,
      false,
    );
    await plain.sql("ALTER ROLE reader RESET default_transaction_read_only");
    await open.told.until(() => open.told.isAvailable);
  });

  test("a full disk, until there is space again", async () => {
    const { url, sql } = await freshDatabase(plain, "no_space");
    await using open = await available(url);
    await sql(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER full_disk BEFORE INSERT ON kombu_message EXECUTE FUNCTION full_disk()`);
    const [outcome] = await publish(open.broker, [messageTo("celery")]);
    assert.equal(outcome!.result, "unavailable");
    await open.told.until(() => open.told.unavailabilities.length > 1);
    for (const { reason, permanent } of open.told.unavailabilities) {
      assert.match(reason, /has no space left on its disk \(could not extend file/);
      assert.equal(permanent, false);
    }
    await sql("DROP TRIGGER full_disk ON kombu_message");
    await open.told.until(() => open.told.isAvailable);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
    assert.deepEqual(await sql("SELECT count(*)::int FROM kombu_message"), [{ count: 1 }]);
  });

  test("a table that another program holds, with a statement_timeout", async () => {
    const { url, sql } = await freshDatabase(plain, "held");
    await sql("ALTER DATABASE held SET statement_timeout = '300ms'");
    await using open = await available(url);
    const holder = await plain.client("held");
    await holder.query("SET statement_timeout = 0; BEGIN; LOCK TABLE kombu_message");
    const [outcome] = await publish(open.broker, [messageTo("celery")]);
    assert.equal(outcome!.result, "unavailable");
    assert.match((await open.told.trouble()).reason, /cancelled the statement \(statement_timeout/);
    await holder.end();
    await open.told.until(() => open.told.isAvailable);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
    assert.deepEqual(await sql("SELECT count(*)::int FROM kombu_message"), [{ count: 1 }]);
  });

  test("without one, when it answered nothing for a while", async () => {
    const { url } = await freshDatabase(plain, "stuck");
    await using open = await available(url, { confirmLimitMs: 500 });
    const holder = await plain.client("stuck");
    await holder.query("BEGIN; LOCK TABLE kombu_message");
    const [outcome] = await publish(open.broker, [messageTo("celery")]);
    assert.equal(outcome!.result, "unavailable");
    assert.match((await open.told.trouble()).reason, /answered nothing for \d s$/);
    await open.told.until(() => open.told.unavailabilities.length > 1);
    assert.match(
      open.told.unavailabilities[1]!.reason,
      /^no connection to .*: it answered nothing for 1 s; another program may hold/,
    );
    await holder.end();
    await open.told.until(() => open.told.isAvailable);
  });

  test("a backend that an administrator ended, and the next one serves", async () => {
    const { url, sql } = await freshDatabase(plain, "ended");
    await using open = await available(url);
    await sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'beat' AND datname = 'ended'",
    );
    assert.match(
      (await open.told.trouble()).reason,
      /was shut down \(terminating connection due to administrator command\)/,
    );
    await open.told.until(() => open.told.isAvailable);
    assert.deepEqual(await publish(open.broker, [messageTo("celery")]), [{ result: "confirmed" }]);
  });

  test("a connection that breaks", async () => {
    const proxy = await TcpProxy.to(plain.port);
    await using open = await available(at(proxy.port));
    proxy.reset();
    assert.match((await open.told.trouble()).reason, /the connection to PostgreSQL at .* broke|closed the connection/);
    await open.told.until(() => open.told.isAvailable);
    await open.broker.close(0);
    await proxy.cut();
  });
});

suite("a user with few rights", () => {
  test("may not make the tables, or write to them, and is told what it needs", async () => {
    const { url, sql } = await freshDatabase(plain, "guarded");
    await sql("CREATE ROLE guest LOGIN PASSWORD 's3cret'");
    const guest = url.replace("beat:", "guest:");
    await refusesAt(
      guest,
      /the rights it needs: permission denied for schema public\. Let a worker make the tables, and GRANT/,
      true,
    );
    await (await available(url)).broker.close(0);
    await refusesAt(guest, /the rights it needs: permission denied for .*message/, true);
    await sql("GRANT SELECT, INSERT ON kombu_message TO guest; GRANT SELECT ON kombu_queue TO guest");
    await sql("GRANT USAGE ON SEQUENCE message_id_sequence TO guest");
    await using open = await available(guest);
    const other = messageTo("celery");
    await sql("INSERT INTO kombu_queue VALUES (1, 'celery')");
    const outcomes = await publish(open.broker, [messageTo("emails"), other]);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["no-queue", "confirmed"],
    );
    assert.match(JSON.stringify(outcomes[0]), /queue \\"emails\\" is not there, and this user may not add it/);
    assert.deepEqual(await sql("SELECT payload::json->'headers'->>'id' AS id FROM kombu_message"), [{ id: other.id }]);
    // It may delete nothing either; that is no reason to be away.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    assert.deepEqual(open.told.unavailabilities, []);
  });

  test("finds tables that are not kombu's", async () => {
    const { url, sql } = await freshDatabase(plain, "foreign_tables");
    await sql("CREATE TABLE kombu_message (id int); CREATE TABLE kombu_queue (id int, name text)");
    await refusesAt(
      url,
      /its table kombu_message is not kombu's: it has other columns\. Give the broker a database/,
      true,
    );
  });
});

suite("URLs are read like SQLAlchemy and libpq read them", () => {
  const cases: readonly [string, object][] = [
    ["sqla+postgresql://u:p%40s@h/d", { at: "h:5432/d", username: "u", password: "p@s", database: "d" }],
    ["sqla+postgresql+psycopg2://u:p@h:1/d", { at: "h:1/d", workerUrl: "sqla+postgresql+psycopg2://u:***@h:1/d" }],
    ["db+postgresql+psycopg://h/d", { host: "h", username: undefined, password: undefined }],
    ["SQLA+POSTGRESQL://h/d", { host: "h" }],
    ["sqlalchemy+postgresql://[::1]:7/d", { at: "[::1]:7/d", host: "::1", port: 7 }],
    ["sqla+postgresql://u:p@/d", { host: "localhost", database: "d" }],
    ["sqla+postgresql://", { at: "localhost:5432", database: undefined }],
    ["sqla+postgresql:///d?host=/run/pg&port=6", { at: "/run/pg:6/d", host: "/run/pg", port: 6 }],
    [
      "sqla+postgresql://h/d?message_tablename=m&connect_timeout=3&keepalives=1&application_name=a",
      {
        tables: { queue: "kombu_queue", message: "m" },
        connectTimeoutMs: 3_000,
        applicationName: "a",
        workerUrl: "sqla+postgresql://h/d?connect_timeout=3&keepalives=1&application_name=a",
      },
    ],
  ];
  for (const [url, parts] of cases) test(url, () => assert.partialDeepStrictEqual(parsePostgresUrl(url), parts));
  const wrong: readonly [string, RegExp][] = [
    ["sqla+postgresql://u:s3/cret@h/d", /is not a PostgreSQL URL.*%2F/s],
    ["sqla+postgresql://u:s3#cret@h/d", /is not a PostgreSQL URL/],
    ["sqla+postgresql://h/d?sslmod=require", /unknown parameter "sslmod".*Did you mean "sslmode"/s],
    ["sqla+postgresql://h/d?sslmode=verify", /sslmode=verify .* is not known/],
    ["sqla+postgresql://h/d?host=a,b", /names several hosts/],
    ["sqla+postgresql://h/d?port=x", /no port/],
  ];
  for (const [url, message] of wrong) {
    test(url, () =>
      assert.throws(
        () => parsePostgresUrl(url),
        (error: Error & { describe(): string }) =>
          message.test(error.describe()) && !error.describe().includes("cret@"),
      ),
    );
  }
});
