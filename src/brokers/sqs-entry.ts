// A message as SQS takes it, and as many as go in one request.

import type { SendMessageBatchRequestEntry } from "@aws-sdk/client-sqs";
import type { Message } from "../core/ports.ts";
import { secondMs } from "../core/time.ts";
import { enveloped } from "./enveloped.ts";
import type { Line, Sending } from "./sending.ts";
import { isFifo } from "./sqs-address.ts";

export type SqsEntry = Omit<SendMessageBatchRequestEntry, "Id"> & { readonly MessageBody: string };

export interface SqsBatch {
  readonly sendings: readonly Sending[];
  readonly entries: readonly SqsEntry[];
}

const batchLimits = { messages: 10, bytes: 262_144 };
/** Of a message and of a batch, in bytes. It was 262,144 until August 2025, and a queue may have a lower one of its own (MaximumMessageSize). */
const maxBytes = 1_048_576;
const maxDelaySeconds = 900;

/**
 * What SQS is sent, or why nothing is. A FIFO queue drops what comes twice under one deduplication id within five minutes: the
 * task's. An `eta` is waited for in SQS, as far as SQS waits, so that no worker holds the message meanwhile, and none
 * gets it a second time because its visibility timeout passed.
 */
export function sqsEntryOf(message: Message, isBase64: boolean, now: number): SqsEntry | { readonly refusal: string } {
  const envelope = enveloped(message, "SQS", now);
  if (typeof envelope !== "string") return envelope;
  const body = isBase64 ? Buffer.from(envelope).toString("base64") : envelope;
  if (body.length > maxBytes) {
    return {
      refusal: `the message has ${body.length} bytes in SQS, which takes ${maxBytes} at most; pass a reference to the data instead`,
    };
  }
  const group = message.properties?.["MessageGroupId"] as string | undefined;
  if (isFifo(message.queue))
    return { MessageBody: body, MessageGroupId: group ?? "default", MessageDeduplicationId: message.id };
  const delaySeconds = delayOf(message.headers["eta"], now);
  return {
    MessageBody: body,
    ...(group !== undefined && { MessageGroupId: group }),
    ...(delaySeconds > 0 && { DelaySeconds: delaySeconds }),
  };
}

function delayOf(eta: unknown, now: number): number {
  if (typeof eta !== "string") return 0;
  return Math.min(maxDelaySeconds, Math.floor((Date.parse(eta) - now) / secondMs));
}

/** The next messages of a line that one request takes: those of a quarter of a MiB, or one that is larger. `refuse` is told of those that it can't take. */
export function takeBatch(
  line: Line,
  isBase64: boolean,
  now: number,
  refuse: (sending: Sending, reason: string) => void,
): SqsBatch {
  const [sendings, entries]: [Sending[], SqsEntry[]] = [[], []];
  let bytes = 0;
  while (entries.length < batchLimits.messages) {
    const sending = line.next();
    if (sending === undefined) break;
    const entry = sqsEntryOf(sending.message, isBase64, now);
    if ("refusal" in entry) {
      refuse(sending, entry.refusal);
      continue;
    }
    bytes += entry.MessageBody.length;
    if (bytes > batchLimits.bytes && entries.length > 0) {
      line.putBack([sending]);
      break;
    }
    sendings.push(sending);
    entries.push(entry);
  }
  return { sendings, entries };
}
