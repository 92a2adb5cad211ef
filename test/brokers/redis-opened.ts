// What the tests of the Redis broker share.

import { RedisBroker, type RedisBrokerOptions } from "../../src/brokers/redis.ts";
import type { Log } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system-clock.ts";
import { Told } from "../contract/broker-contract.ts";
import type { RedisServer } from "../servers/redis.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

export async function opened(url: string, options: Partial<RedisBrokerOptions> = {}) {
  const broker = new RedisBroker(url, { clock: systemClock, log, ...options });
  const told = new Told();
  await broker.open(told);
  return { broker, told, [Symbol.asyncDispose]: () => broker.close(0) };
}

export async function available(url: string, options: Partial<RedisBrokerOptions> = {}) {
  const open = await opened(url, options);
  await open.told.until(() => open.told.isAvailable);
  return open;
}

/** The ids of the messages in a list, in order. It is empty after. */
export async function take({ client }: RedisServer, key: string): Promise<string[]> {
  const envelopes = await client.lrange(key, 0, -1);
  await client.del(key);
  return envelopes.reverse().map((envelope) => JSON.parse(envelope).headers.id);
}
