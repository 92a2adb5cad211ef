// What the tests of the Redis broker share.

import { RedisBroker, type RedisBrokerOptions } from "../../src/brokers/redis.ts";
import { silentLog } from "../../src/log.ts";
import { systemClock } from "../../src/system-clock.ts";
import type { RedisServer } from "../servers/redis.ts";
import { openings } from "./opened.ts";

export const brokerAt = (url: string, options: Partial<RedisBrokerOptions> = {}) =>
  new RedisBroker(url, { clock: systemClock, log: silentLog, ...options });

export const { opened, available } = openings(brokerAt);

/** The ids of the messages in a list, in order. It is empty after. */
export async function take({ client }: RedisServer, key: string): Promise<string[]> {
  const envelopes = await client.lrange(key, 0, -1);
  await client.del(key);
  return envelopes.reverse().map((envelope) => JSON.parse(envelope).headers.id);
}
