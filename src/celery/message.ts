// Celery's task message as the Celery client and its beat write it: one format for every worker from 5.2.7
// on and for every transport. What does not change between two occurrences of an entry (body, texts, routing, checks)
// is prepared once; the builder that comes out of it only fills in ids and times.
//
// Beside Celery's headers a message has three of its beat's kind, readable in a task as `self.request.<name>`:
//   celery_beat_task    true
//   periodic_task_name  the entry's name
//   beat_fire_time      the nominal fire time, ISO 8601 in UTC with the offset +00:00, as `datetime.fromisoformat` reads it
//
// Everything that a worker is known to lose, or to die of, is refused here with a BeatError, before anything is sent.
// Whether a message expired is the broker's to see, at the moment of sending.

import type { Message } from "../core/ports.ts";
import type { TaskTarget } from "../core/target.ts";
import { formatDuration, type Instant } from "../core/time.ts";
import { type Content, prepareContents } from "./canvas.ts";
import { prepareEncoding } from "./encoding.ts";
import { checkedHeaders, checkedStamps } from "./headers.ts";
import { checkProtocol1, protocol1Body } from "./protocol1.ts";
import { pythonRepr } from "./python.ts";
import { refusal } from "./refusal.ts";
import { checkPriority, routeOf, shortName } from "./routing.ts";
import type { TemplateValues } from "./templates.ts";
import { etaOf, expiryOf, pythonTime, timeLimitOf } from "./times.ts";

/** What the messages of one entry have in common. */
export interface MessageSource {
  readonly entryName: string;
  readonly target: TaskTarget;
  /** Where tasks go that name no queue: `celery` in a fleet that does not say otherwise. */
  readonly defaultQueue: string;
  /** Shown by Celery's tools as the sender: `beat@host`. */
  readonly origin: string;
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
export function prepareMessage({ entryName, target, defaultQueue, origin }: MessageSource): MessageBuilder {
  const { task, options } = target;
  const isOld = options.task_protocol === 1;
  if (isOld) checkProtocol1(target);
  const contents = prepareContents(target);
  const { contentType, contentEncoding, compression, encode } = prepareEncoding(options);
  const { queue, exchange, routingKey } = routeOf(options, defaultQueue);
  const etaAt = etaOf(options);
  const expiryAt = expiryOf(options);
  const timeLimit = timeLimitOf(options);
  const userHeaders = checkedHeaders(options.headers);
  const priority = checkPriority(options);
  const persistent = options.delivery_mode !== 1;
  const replyTo = shortName(options.reply_to ?? "", "options.reply_to");
  const shadow = options.shadow ?? null;
  const ignoreResult = options.ignore_result ?? null;
  const stamps = checkedStamps(options.stamps);
  const stampedHeaders = options.stamps === undefined ? null : Object.keys(stamps);
  const write = (
    content: Content,
    own: { readonly id: string; readonly eta: string | null; readonly expires: string | null },
  ) => ({
    body: encode(
      isOld ? protocol1Body({ ...own, task, content, timeLimit }) : [content.args, content.kwargs, content.embed],
    ),
    argsRepr: options.argsrepr ?? pythonRepr(content.args),
    kwargsRepr: options.kwargsrepr ?? pythonRepr(content.kwargs),
  });
  // Written once in any case: what is too large is told now.
  const sample = contents.of(someId, valuesOf(pythonTime(0), null, entryName));
  const first = write(sample, { id: someId, eta: null, expires: null });
  const fixed = contents.isFixed && !isOld ? first : undefined;

  return ({ id, fireAt, dueAt = fireAt, nextFireAt, previousFireAt = null }) => {
    if (id === "") throw refusal("a task id must not be empty");
    const times = { fireAt, dueAt, nextFireAt };
    const etaTime = etaAt(times);
    const expiresAt = expiryAt(times);
    const eta = etaTime === null ? null : pythonTime(etaTime);
    const expires = expiresAt === null ? null : pythonTime(expiresAt);
    const fireTime = pythonTime(fireAt);
    const { body, argsRepr, kwargsRepr } =
      fixed ?? write(contents.of(id, valuesOf(fireTime, previousFireAt, entryName)), { id, eta, expires });
    const headers: Record<string, unknown> = isOld
      ? {}
      : {
          lang: "py",
          task,
          id,
          shadow,
          eta,
          expires,
          group: null,
          group_index: null,
          retries: 0,
          timelimit: timeLimit,
          root_id: id,
          parent_id: null,
          argsrepr: argsRepr,
          kwargsrepr: kwargsRepr,
          origin,
          ignore_result: ignoreResult,
          replaced_task_nesting: 0,
          stamped_headers: stampedHeaders,
          stamps,
        };
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
      expiresAt,
    };
  };
}

const someId = "00000000-0000-0000-0000-000000000000";

function valuesOf(fireTime: string, previousFireAt: Instant | null, name: string): TemplateValues {
  return { fire_time: fireTime, previous_fire_time: previousFireAt === null ? null : pythonTime(previousFireAt), name };
}

/** One message, for those who send a single one. */
export function buildMessage(input: MessageSource & MessageOccurrence): Message {
  return prepareMessage(input)(input);
}

/** Why a message is not sent any more. */
export function expiredText(expiresAt: Instant, now: Instant): string {
  return `it expired at ${new Date(expiresAt).toISOString()}, ${formatDuration(Math.max(0, now - expiresAt))} before it could be sent`;
}
