// What the tests of the PostgreSQL broker share.

import { PostgresBroker, type PostgresBrokerOptions } from "../../src/brokers/postgres.ts";
import type { Log } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system-clock.ts";
import { Told } from "../contract/broker-contract.ts";
import type { PostgresServer } from "../servers/postgres.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

export function brokerAt(url: string, options: Partial<PostgresBrokerOptions> = {}): PostgresBroker {
  return new PostgresBroker(url, { clock: systemClock, log, ...options });
}

export async function opened(url: string, options: Partial<PostgresBrokerOptions> = {}) {
  const broker = brokerAt(url, options);
  const told = new Told();
  await broker.open(told);
  return { broker, told, [Symbol.asyncDispose]: () => broker.close(0) };
}

export async function available(url: string, options: Partial<PostgresBrokerOptions> = {}) {
  const open = await opened(url, options);
  await open.told.until(() => open.told.isAvailable);
  return open;
}

/** The ids of the messages in a queue, in the order in which workers take them. It is empty after. */
export async function take(server: PostgresServer, queue: string): Promise<string[]> {
  const rows = await server.sql(
    `WITH gone AS (DELETE FROM kombu_message WHERE queue_id = (SELECT id FROM kombu_queue WHERE name = $1) RETURNING id, "timestamp" AS taken, payload)
     SELECT payload::json->'headers'->>'id' AS id FROM gone ORDER BY taken, gone.id`,
    [queue],
  );
  return rows.map(({ id }) => id as string);
}

/** A database of its own on the same server: its URL, and what runs statements there. */
export async function freshDatabase(server: PostgresServer, name: string) {
  await server.sql(`CREATE DATABASE ${name}`);
  const sql = (text: string, values?: readonly unknown[]) => server.sql(text, values, name);
  return { url: server.url.replace(/[^/]+$/, name), sql };
}
