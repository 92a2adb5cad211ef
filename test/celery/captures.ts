// The messages that real clients sent, and how Beat's are compared with them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { buildMessage, type MessageOccurrence, type MessageSource } from "../../src/celery/message.ts";
import type { Message } from "../../src/core/ports.ts";
import type { TaskTarget } from "../../src/core/target.ts";

export const versions = ["5.2.7", "5.3.6", "5.4.0", "5.5.3", "5.6.x", "5.7.0"];
/** Celery 5.2 did not send these yet; its workers take them for headers of the user's. */
const since53 = ["replaced_task_nesting", "stamped_headers", "stamps"];
export const ownHeaders = ["celery_beat_task", "periodic_task_name", "beat_fire_time"];

export interface Captured {
  readonly exchange: string;
  readonly routing_key: string;
  readonly properties: Record<string, unknown> & { readonly headers: Record<string, unknown> };
  readonly body: string;
}

export const golden = (name: string) =>
  JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), "utf8"));
export const fireAt = Date.UTC(2027, 0, 1, 9);
const task = (target: Partial<TaskTarget>): TaskTarget => ({
  kind: "task",
  task: "hg.add",
  args: [],
  kwargs: {},
  options: {},
  ...target,
});
export const build = (target: Partial<TaskTarget>, more: Partial<MessageSource & MessageOccurrence> = {}): Message =>
  buildMessage({
    entryName: "e",
    target: task(target),
    defaultQueue: "celery",
    origin: "beat@host",
    id: "11111111-2222-4333-8444-555555555555",
    fireAt,
    nextFireAt: null,
    ...more,
  });

/** The message as a capture shows it. */
function captureOf(message: Message): Captured {
  return {
    exchange: message.exchange,
    routing_key: message.routingKey,
    properties: {
      content_type: message.contentType,
      content_encoding: message.contentEncoding,
      headers: message.headers as Record<string, unknown>,
      delivery_mode: message.persistent ? 2 : 1,
      priority: message.priority,
      correlation_id: message.id,
      reply_to: message.replyTo,
    },
    body: message.body.toString(),
  };
}

/** The capture with what must differ taken from Beat's message, and what Beat adds taken off Beat's message. */
export function assertSame(message: Message, captured: Captured, differing: readonly string[] = []): void {
  const own = captureOf(message);
  const headers = { ...own.properties.headers };
  for (const name of ownHeaders) if (!(name in captured.properties.headers)) delete headers[name];
  for (const name of since53) if (!("stamps" in captured.properties.headers)) delete headers[name];
  const expected: Record<string, unknown> = { ...captured.properties.headers };
  for (const name of ["origin", ...differing]) {
    assert.ok(name in expected && name in headers, name);
    expected[name] = headers[name];
  }
  const { expiration: _, ...properties } = captured.properties;
  assert.deepEqual(
    { ...own, properties: { ...own.properties, headers, reply_to: properties["reply_to"] } },
    { ...captured, properties: { ...properties, headers: expected } },
  );
  assert.deepEqual(Object.keys(headers), Object.keys(expected), "the order of the headers");
}
