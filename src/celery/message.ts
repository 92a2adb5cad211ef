// Celery's task message as the Celery client and its beat write it: one format for every worker from 5.2.7
// on and for every transport. What does not change between two occurrences of an entry (body, texts, routing, checks)
// is prepared once; the builder that comes out of it only fills in ids and times.
//
// Beside Celery's headers a message has three of its beat's kind, readable in a task as `self.request.<name>`:
//   celery_beat_task    true
//   periodic_task_name  the entry's name
//   beat_fire_time      the nominal fire time, ISO 8601 in UTC with the offset +00:00, as `datetime.fromisoformat` reads it
// and, where tracing is on, the W3C's `traceparent`.
//
// Everything that a worker is known to lose, or to die of, is refused here with a BeatError, before anything is sent.
// Whether a message expired is the broker's to see, at the moment of sending.

import type { BeatError } from "../core/errors.ts";
import type { Message } from "../core/ports.ts";
import type { TaskOptions, TaskTarget } from "../core/target.ts";
import { formatDuration, type Instant } from "../core/time.ts";
import { traceparentOf } from "../core/traceparent.ts";
import { prepareContents } from "./canvas.ts";
import { prepareEncoding } from "./encoding.ts";
import { checkedHeaders } from "./headers.ts";
import { prepareProtocol1 } from "./protocol1.ts";
import { prepareProtocol2 } from "./protocol2.ts";
import { refusal } from "./refusal.ts";
import { checkPriority, routeOf, shortName } from "./routing.ts";
import type { Signer } from "./signing.ts";
import type { TemplateValues } from "./templates.ts";
import { etaOf, expiryOf, pythonTime, secondsOf } from "./times.ts";

/** What the messages of one entry have in common. */
export interface MessageSource {
  readonly entryName: string;
  readonly target: TaskTarget;
  /** Where tasks go that name no queue: `celery` in a fleet that does not say otherwise. */
  readonly defaultQueue: string;
  /** Shown by Celery's tools as the sender: `beat@host`. */
  readonly origin: string;
  /** Whether messages carry a `traceparent`, unless the entry gives its own. Default false. */
  readonly traced?: boolean;
  /** Signs what the serializer `auth` is chosen for. */
  readonly signer?: Signer | undefined;
}

export interface MessageOccurrence {
  /** The task id. */
  readonly id: string;
  readonly fireAt: Instant;
  /** From when `countdown` and `expires` count. Default: fireAt. */
  readonly dueAt?: Instant;
  /** The fire time after this one; null: there is none. `expires: next` looks at it. */
  readonly nextFireAt: Instant | null;
  /** The one before; null, the default: there was none. `{{ previous_fire_time }}` looks at it. */
  readonly previousFireAt?: Instant | null;
}

/** About a microsecond where nothing but ids and times differ. Throws BeatError for an empty id. */
export type MessageBuilder = (occurrence: MessageOccurrence) => Message;

/** Checks what an entry sends and returns the builder of its messages. Throws BeatError; its place names the field. */
export function prepareMessage(source: MessageSource): MessageBuilder {
  const { entryName, target, defaultQueue, origin, traced, signer } = source;
  const { options } = target;
  const contents = prepareContents(target);
  const encoding = prepareEncoding(options, "options", signer?.sign);
  const signedUntil = options.serializer === "auth" ? signer?.validUntil : undefined;
  const { contentType, contentEncoding, compression } = encoding;
  const { queue, exchange, routingKey, declaration } = routeOf(options, defaultQueue);
  const etaAt = etaOf(options);
  const expiryAt = expiryOf(options);
  const userHeaders = checkedHeaders(options.headers);
  const priority = checkPriority(options);
  const persistent = options.delivery_mode !== 1;
  const replyTo = shortName(options.reply_to ?? "", "options.reply_to");
  const properties = propertiesOf(options);
  const prepare = options.task_protocol === 1 ? prepareProtocol1 : prepareProtocol2;
  const write = prepare(target, contents, encoding, origin);
  // What is too large is told now.
  write({ id: someId, eta: null, expires: null, values: valuesOf(pythonTime(0), null, entryName) });

  return ({ id, fireAt, dueAt = fireAt, nextFireAt, previousFireAt = null }) => {
    if (id === "") throw refusal("a task id must not be empty");
    if (signedUntil !== undefined && dueAt >= signedUntil) throw expiredCertificate(signedUntil);
    const times = { fireAt, dueAt, nextFireAt };
    const eta = etaAt(times);
    const expiresAt = expiryAt(times);
    const fireTime = pythonTime(fireAt);
    const { headers, body } = write({
      id,
      eta: eta === null ? null : pythonTime(eta),
      expires: expiresAt === null ? null : pythonTime(expiresAt),
      values: valuesOf(fireTime, previousFireAt, entryName),
    });
    if (traced) headers["traceparent"] = traceparentOf(id);
    for (const [name, value] of userHeaders) headers[name] = value;
    headers["celery_beat_task"] = true;
    headers["periodic_task_name"] = entryName;
    headers["beat_fire_time"] = fireTime;
    if (compression !== undefined) headers["compression"] = compression;
    return {
      id,
      queue,
      exchange,
      routingKey,
      headers,
      body,
      contentType,
      contentEncoding,
      priority,
      persistent,
      replyTo,
      ...(properties && { properties }),
      expiresAt,
      declaration,
    };
  };
}

const someId = "00000000-0000-0000-0000-000000000000";

function valuesOf(fireTime: string, previousFireAt: Instant | null, name: string): TemplateValues {
  return { fire_time: fireTime, previous_fire_time: previousFireAt === null ? null : pythonTime(previousFireAt), name };
}

/** Undefined where there are none. */
function propertiesOf({ MessageGroupId, result_ttl, failure_ttl }: TaskOptions): Message["properties"] {
  const kept = (value: string | number) => (value === -1 ? -1 : secondsOf(value));
  const properties = {
    ...(MessageGroupId !== undefined && { MessageGroupId }),
    ...(result_ttl !== undefined && { result_ttl: kept(result_ttl) }),
    ...(failure_ttl !== undefined && { failure_ttl: kept(failure_ttl) }),
  };
  return Object.keys(properties).length === 0 ? undefined : properties;
}

function expiredCertificate(at: Instant): BeatError {
  return refusal(
    `the certificate that signs messages expired at ${new Date(at).toISOString()}; workers refuse what it signs`,
    "options.serializer",
    "Start Beat with a new one, and give it to the workers.",
  );
}

/** One message, for those who send a single one. */
export function buildMessage(input: MessageSource & MessageOccurrence): Message {
  return prepareMessage(input)(input);
}

/** Why a message is not sent any more. */
export function expiredText(expiresAt: Instant, now: Instant): string {
  return `it expired at ${new Date(expiresAt).toISOString()}, ${formatDuration(Math.max(0, now - expiresAt))} before it could be sent`;
}
