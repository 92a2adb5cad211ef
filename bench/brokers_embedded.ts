// The raw clients of bench/brokers.ts for the brokers that are a database or a folder: no more than is needed to put messages there
// as safely as Beat does.

import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, open, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeEnvelope } from "../src/celery/envelope.ts";
import type { Message } from "../src/core/ports.ts";
import type { PostgresServer } from "../test/servers/postgres.ts";

const batch = 500;
const parallel = 200;

/** Statements of many rows, each a transaction. Beat has made the tables. */
export async function rawPostgres(server: PostgresServer, messages: readonly Message[]): Promise<void> {
  const client = await server.client();
  const { rows } = await client.query("SELECT id FROM kombu_queue WHERE name = 'bench'");
  const queue = rows[0]?.id ?? null;
  for (let next = 0; next < messages.length; next += batch) {
    const values = messages.slice(next, next + batch).map((message) => encodeEnvelope(message, randomUUID(), 0));
    const places = values.map((_, index) => `(nextval('message_id_sequence'), true, NULL, $${index + 2}, 1, $1::int)`);
    await client.query(
      `INSERT INTO kombu_message (id, visible, "timestamp", payload, version, queue_id) VALUES ${places}`,
      [queue, ...values],
    );
  }
  await client.end();
}

/** Each file is written and synced elsewhere and moved in, many at a time; the folder is synced after. */
export async function rawFiles(folder: string, messages: readonly Message[]): Promise<void> {
  const making = join(folder, "making");
  await mkdir(making, { recursive: true });
  for (let next = 0; next < messages.length; next += parallel) {
    const files = messages.slice(next, next + parallel).map((message, index) => {
      const name = `${String(next + index).padStart(9, "0")}_${randomUUID()}.bench.msg`;
      return { name, text: encodeEnvelope(message, randomUUID(), 0) };
    });
    await Promise.all(files.map(({ name, text }) => writeFile(join(making, name), text, { flag: "wx", flush: true })));
    for (const { name } of files) await rename(join(making, name), join(folder, name));
    const handle = await open(folder, "r");
    await handle.sync();
    await handle.close();
  }
}

/** An empty folder, as often as it is asked to be. */
export async function benchFolder() {
  const path = await mkdtemp(join(tmpdir(), "beat-bench-"));
  return {
    path,
    async clear() {
      await rm(path, { recursive: true, force: true });
      await mkdir(join(path, ".beat"), { recursive: true });
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
