// A message as the brokers carry it that know nothing of headers, properties and exchanges.

import { randomUUID } from "node:crypto";
import { encodeEnvelope } from "../celery/envelope.ts";
import { expiredText } from "../celery/message.ts";
import { reasonOf } from "../core/errors.ts";
import type { Message } from "../core/ports.ts";

/** kombu's envelope, or why there is none. `broker`: its name in a sentence. */
export function enveloped(message: Message, broker: string, now: number): string | { readonly refusal: string } {
  if (message.exchange !== "") {
    return {
      refusal: `${broker} has no exchanges: give the task a queue instead of the exchange "${message.exchange}"`,
    };
  }
  if (message.expiresAt !== null && message.expiresAt < now) return { refusal: expiredText(message.expiresAt, now) };
  try {
    return encodeEnvelope(message, randomUUID(), now);
  } catch (error) {
    return { refusal: `the message cannot be encoded: ${reasonOf(error)}` };
  }
}
