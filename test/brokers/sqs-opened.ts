// What the tests of the SQS broker share.

import { SqsBroker, type SqsBrokerOptions } from "../../src/brokers/sqs.ts";
import type { Log } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system-clock.ts";
import { Told } from "../contract/broker-contract.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** The URL of an SQS on this machine. */
export const urlAt = (port: number, query = "") => `sqs://key:s3cret@127.0.0.1:${port}${query && `?${query}`}`;

export function brokerAt(url: string, options: Partial<SqsBrokerOptions> = {}): SqsBroker {
  return new SqsBroker(url, { clock: systemClock, log, ...options });
}

export async function opened(url: string, options: Partial<SqsBrokerOptions> = {}) {
  const broker = brokerAt(url, options);
  const told = new Told();
  await broker.open(told);
  return { broker, told, [Symbol.asyncDispose]: () => broker.close(0) };
}

export async function available(url: string, options: Partial<SqsBrokerOptions> = {}) {
  const open = await opened(url, options);
  await open.told.until(() => open.told.isAvailable);
  return open;
}

export interface Envelope {
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>> & { readonly id: string };
  readonly properties: Readonly<Record<string, unknown>>;
}

/** What a body in SQS holds. */
export const envelopeIn = (body: string): Envelope => JSON.parse(Buffer.from(body, "base64").toString());
