// What the tests of the PostgreSQL broker share.

import { PostgresBroker, type PostgresBrokerOptions } from "../../src/brokers/postgres.ts";
import { silentLog } from "../../src/log.ts";
import { systemClock } from "../../src/system-clock.ts";
import type { PostgresServer } from "../servers/postgres.ts";
import { openings } from "./opened.ts";

export const brokerAt = (url: string, options: Partial<PostgresBrokerOptions> = {}) =>
  new PostgresBroker(url, { clock: systemClock, log: silentLog, ...options });

export const { opened, available } = openings(brokerAt);

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
