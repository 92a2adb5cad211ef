// Brokers of AMQP as the tests open them.

import { AmqpBroker, type AmqpOptions } from "../../src/brokers/amqp.ts";
import type { Log } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system-clock.ts";
import { Told } from "../contract/broker-contract.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export async function opened(url: string, options: Partial<AmqpOptions> = {}) {
  const broker = new AmqpBroker(url, { clock: systemClock, log: silent, declareQueues: false, ...options });
  const told = new Told();
  await broker.open(told);
  return { broker, told, [Symbol.asyncDispose]: () => broker.close(0) };
}

export async function available(url: string, options: Partial<AmqpOptions> = {}) {
  const open = await opened(url, options);
  await open.told.until(() => open.told.isAvailable);
  return open;
}
