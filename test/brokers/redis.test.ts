import { after } from "node:test";
import { RedisBroker } from "../../src/brokers/redis.ts";
import type { Log } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system-clock.ts";
import { type BrokerFixture, brokerContract } from "../contract/broker-contract.ts";
import { TcpProxy } from "../servers/proxy.ts";
import { startRedis } from "../servers/redis.ts";

const server = await startRedis();
const proxy = await TcpProxy.to(server.port);
after(async () => {
  await proxy.cut();
  await server.stop();
});
const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** The ids of the messages in a list, which is empty after. */
async function take(key: string): Promise<string[]> {
  const envelopes = await server.client.lrange(key, 0, -1);
  await server.client.del(key);
  return envelopes.reverse().map((envelope) => JSON.parse(envelope).headers.id);
}

brokerContract("redis", async (): Promise<BrokerFixture> => {
  const url = `redis://127.0.0.1:${proxy.port}/0`;
  return {
    queue: "celery",
    missing: undefined,
    connect: async () => new RedisBroker(url, { clock: systemClock, log }),
    received: take,
    poison: (message) => ({ ...message, headers: { ...message.headers, big: 1n } }),
    cut: () => proxy.cut(),
    restore: () => proxy.restore(),
    dispose: async () => undefined,
  };
});
