// What the tests of the SQS broker share.

import { SqsBroker, type SqsBrokerOptions } from "../../src/brokers/sqs.ts";
import { silentLog } from "../../src/log.ts";
import { systemClock } from "../../src/system-clock.ts";
import { openings } from "./opened.ts";

/** The URL of an SQS on this machine. */
export const urlAt = (port: number, query = "") => `sqs://key:s3cret@127.0.0.1:${port}${query && `?${query}`}`;

export const brokerAt = (url: string, options: Partial<SqsBrokerOptions> = {}) =>
  new SqsBroker(url, { clock: systemClock, log: silentLog, ...options });

export const { opened, available } = openings(brokerAt);

export interface Envelope {
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>> & { readonly id: string };
  readonly properties: Readonly<Record<string, unknown>>;
}

/** What a body in SQS holds. */
export const envelopeIn = (body: string): Envelope => JSON.parse(Buffer.from(body, "base64").toString());
