// A PostgreSQL of a test file's own. It refuses to run as root, so that root's tests run it as `postgres` or `nobody`.

import { execFile } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { chmod, chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { freePorts, notInstalled, type OwnServer, serverFolder, startServer } from "./own-server.ts";

const run = promisify(execFile);

export interface PostgresServer extends OwnServer {
  /** Of its superuser: `sqla+postgresql+psycopg2://beat:s3cret@127.0.0.1:<port>/beat` */
  readonly url: string;
  readonly port: number;
  /** Of its data and its Unix socket. */
  readonly folder: string;
  /** Runs statements as another program does. The rows of the last one. */
  sql(text: string, values?: readonly unknown[], database?: string): Promise<Record<string, unknown>[]>;
  /** A connection of the test's own; end it. */
  client(database?: string): Promise<pg.Client>;
  /** One of its programs, as its superuser. Resolves with what it prints. */
  program(name: string, args: readonly string[], database?: string): Promise<string>;
}

export interface PostgresServerOptions {
  /** As in postgresql.conf; `FOLDER` stands for the data folder. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Files in the data folder, readable for the server alone. */
  readonly files?: Readonly<Record<string, string>>;
}

const user = "beat";
const password = "s3cret";

export async function startPostgres({
  settings = {},
  files = {},
}: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = postgresBinaries() ?? notInstalled("PostgreSQL", ["postgresql", "postgresql"]);
  const folder = await serverFolder("postgres");
  const data = join(folder, "data");
  const [port] = await freePorts(1);
  const identity = await unprivileged();
  const own = async (path: string) => {
    await chmod(path, path === folder ? 0o755 : 0o600);
    if (identity !== undefined) await chown(path, identity.uid, identity.gid);
  };
  await own(folder);
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, password);
  await own(passwordFile);
  const environment = { PATH: process.env["PATH"], LANG: "C.UTF-8", HOME: folder };
  const as = { ...identity, cwd: folder, env: environment };
  const initdb = ["-D", data, "-U", user, "-A", "scram-sha-256", "--pwfile", passwordFile, "-E", "UTF8", "--locale=C"];
  await run(join(binaries, "initdb"), [...initdb, "--no-sync"], as);
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(data, name), text);
    await own(join(data, name));
  }
  const given = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: folder,
    fsync: "off",
    shared_buffers: "16MB",
    max_connections: "30",
    ...settings,
  };
  const args = Object.entries(given).flatMap(([name, value]) => ["-c", `${name}=${value.replace("FOLDER", data)}`]);

  async function client(database = user): Promise<pg.Client> {
    const connection = new pg.Client({ host: "127.0.0.1", port: port!, user, password, database, ssl: false });
    connection.on("error", () => undefined);
    await connection.connect();
    return connection;
  }

  async function sql(
    text: string,
    values: readonly unknown[] = [],
    database = user,
  ): Promise<Record<string, unknown>[]> {
    const connection = await client(database);
    try {
      const result = await connection.query(text, values.length === 0 ? undefined : [...values]);
      return ([result].flat().at(-1) as pg.QueryResult).rows;
    } finally {
      await connection.end();
    }
  }

  const server = await startServer({
    name: `PostgreSQL on port ${port}`,
    folder,
    command: [join(binaries, "postgres"), "-D", data, ...args],
    // Ends it with all its processes and without a word to its files: what is on the disk then is what a crash leaves.
    killedBy: "QUIT",
    options: as,
    answers: () => sql("SELECT 1", [], "postgres").then(Boolean, () => false),
  });
  await sql(`CREATE DATABASE ${user}`, [], "postgres");
  return {
    ...server,
    url: `sqla+postgresql+psycopg2://${user}:${password}@127.0.0.1:${port}/${user}`,
    port: port!,
    folder,
    sql,
    client,
    program: async (name, more, database = user) =>
      (
        await run(join(binaries, name), ["-h", "127.0.0.1", "-p", String(port), "-U", user, "-d", database, ...more], {
          env: { ...environment, PGPASSWORD: password },
        })
      ).stdout,
  };
}

/** The folder of the newest PostgreSQL on this machine. Debian has it outside of PATH. */
export function postgresBinaries(): string | undefined {
  const versioned = globSync("/usr/lib/postgresql/*/bin").toSorted(
    (a, b) => Number(b.split("/")[4]) - Number(a.split("/")[4]),
  );
  const folders = [...versioned, ...(process.env["PATH"] ?? "").split(":"), "/opt/homebrew/bin"];
  return folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
}

async function unprivileged(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const idOf = async (flag: string, name: string) => Number((await run("id", [flag, name])).stdout);
  const ids = (name: string) => Promise.all([idOf("-u", name), idOf("-g", name)]);
  const [uid, gid] = await ids("postgres").catch(() => ids("nobody"));
  return { uid: uid!, gid: gid! };
}
