// Celery's task message, protocol 2, as the Celery client and its beat write it: one format for every worker from 5.2.7
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

import { BeatError } from "../core/errors.ts";
import type { Message } from "../core/ports.ts";
import type { Target, TaskOptions } from "../core/target.ts";
import { formatDuration, type Instant, parseDuration, secondMs } from "../core/time.ts";
import { checkJson, isPlainObject } from "./arguments.ts";
import { pythonJson, pythonRepr } from "./python.ts";

export type TaskTarget = Extract<Target, { readonly kind: "task" }>;

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
  /** From when `expires` counts. Default: fireAt. */
  readonly dueAt?: Instant;
  /** The fire time after this one; null: there is none. `expires: next` looks at it. */
  readonly nextFireAt: Instant | null;
}

/** About a microsecond. Throws BeatError for an empty id. */
export type MessageBuilder = (occurrence: MessageOccurrence) => Message;

const maxBodyBytes = 1_048_576;
/** A short string of AMQP. */
const maxNameBytes = 255;
const embed = '{"callbacks": null, "errbacks": null, "chain": null, "chord": null}';

/** Checks what an entry sends and returns the builder of its messages. Throws BeatError; its place names the field. */
export function prepareMessage({ entryName, target, defaultQueue, origin }: MessageSource): MessageBuilder {
  const { task, args, kwargs, options } = target;
  checkTarget(target);
  const body = Buffer.from(`[${pythonJson(args)}, ${pythonJson(kwargs)}, ${embed}]`);
  if (body.length > maxBodyBytes) {
    throw refusal(
      `args and kwargs make a message of ${body.length.toLocaleString("en")} bytes; at most 1 MiB is sent`,
      "args",
      "Store the data elsewhere and send where it is.",
    );
  }
  const route = routeOf(options, defaultQueue);
  const argsRepr = pythonRepr(args);
  const kwargsRepr = pythonRepr(kwargs);
  const shadow = options.shadow ?? null;
  const timeLimit = timeLimitOf(options);
  const ignoreResult = options.ignore_result ?? null;
  const userHeaders = checkedHeaders(options.headers);
  const expiry = expiryOf(options);
  const priority = options.priority ?? 0;
  const replyTo = shortName(options.reply_to ?? "", "options.reply_to");
  const persistent = options.delivery_mode !== 1;

  return ({ id, fireAt, dueAt = fireAt, nextFireAt }) => {
    if (id === "") throw refusal("a task id must not be empty");
    const expiresAt = expiry(dueAt, nextFireAt);
    const headers: Record<string, unknown> = {
      lang: "py",
      task,
      id,
      shadow,
      eta: null,
      expires: expiresAt === null ? null : pythonTime(expiresAt),
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
      stamped_headers: null,
      stamps: noStamps,
    };
    for (const [name, value] of userHeaders) headers[name] = value;
    headers["celery_beat_task"] = true;
    headers["periodic_task_name"] = entryName;
    headers["beat_fire_time"] = pythonTime(fireAt);
    return {
      id,
      queue: route.queue,
      exchange: route.exchange,
      routingKey: route.routingKey,
      headers,
      body,
      contentType: "application/json",
      contentEncoding: "utf-8",
      priority,
      persistent,
      replyTo,
      expiresAt,
    };
  };
}

/** One message, for those who send a single one. */
export function buildMessage(input: MessageSource & MessageOccurrence): Message {
  return prepareMessage(input)(input);
}

const noStamps = Object.freeze({});

/** `2027-01-01T09:00:00+00:00`, with six digits of fraction where there is one: Python's `isoformat`. */
export function pythonTime(instant: Instant): string {
  const text = new Date(instant).toISOString();
  return instant % secondMs === 0 ? `${text.slice(0, -5)}+00:00` : `${text.slice(0, -1)}000+00:00`;
}

/** Why a message is not sent any more. */
export function expiredText(expiresAt: Instant, now: Instant): string {
  return `it expired at ${new Date(expiresAt).toISOString()}, ${formatDuration(Math.max(0, now - expiresAt))} before it could be sent`;
}

function checkTarget({ task, args, kwargs, options }: TaskTarget): void {
  if (typeof task !== "string" || task === "") throw refusal("a task needs a name", "task");
  if (!Array.isArray(args))
    throw refusal("args must be a list", "args", "Workers iterate over anything else, or lose the task.");
  if (!isPlainObject(kwargs))
    throw refusal("kwargs must be an object", "kwargs", "Workers lose a task with any other kwargs without a word.");
  checkJson(args, "args");
  checkJson(kwargs, "kwargs");
  const { priority = 0 } = options;
  if (!Number.isInteger(priority) || priority < 0 || priority > 255) {
    throw refusal(`${priority} is not a priority`, "options.priority", "Write a whole number from 0 to 255.");
  }
}

interface Route {
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
}

/**
 * Celery's rule: a queue is addressed directly, through the nameless exchange with the queue's name as routing key,
 * unless an exchange is given. What the fleet would make of a routing key alone depends on settings that Beat can't see.
 */
function routeOf(options: TaskOptions, defaultQueue: string): Route {
  const exchange = shortName(options.exchange ?? "", "options.exchange");
  const queue = shortName(options.queue ?? defaultQueue, "options.queue");
  if (exchange !== "") {
    const routingKey = shortName(options.routing_key ?? queue, "options.routing_key");
    // Not the name of a queue: trouble with an exchange must not be taken for trouble with a queue of that name.
    return { queue: `${exchange}/${routingKey}`, exchange, routingKey };
  }
  if (queue === "") throw refusal("the name of a queue must not be empty", "options.queue");
  const key = options.routing_key;
  if (key !== undefined && options.queue === undefined && key !== queue) {
    throw refusal(
      "routing_key without exchange or queue leads nowhere",
      "options.routing_key",
      "Give the exchange too, or name the queue instead.",
    );
  }
  return { queue, exchange, routingKey: queue };
}

function shortName(name: string, field: string): string {
  if (Buffer.byteLength(name) > maxNameBytes) throw refusal(`the name is longer than ${maxNameBytes} bytes`, field);
  return name;
}

/** `[hard, soft]` in seconds. */
function timeLimitOf({ time_limit, soft_time_limit }: TaskOptions): readonly (number | null)[] {
  const seconds = (value: string | number | undefined) =>
    value === undefined ? null : parseDuration(value) / secondMs;
  return [seconds(time_limit), seconds(soft_time_limit)];
}

function expiryOf({ expires }: TaskOptions): (dueAt: Instant, nextFireAt: Instant | null) => Instant | null {
  if (expires === undefined) return () => null;
  if (expires === "next") return (_, nextFireAt) => nextFireAt;
  const ms = parseDuration(expires);
  return (dueAt) => dueAt + ms;
}

/** Headers of Celery and Beat themselves, and those that RabbitMQ or JavaScript reads something into. */
const reservedHeaders: ReadonlySet<string> = new Set([
  ...[
    "lang",
    "task",
    "id",
    "shadow",
    "eta",
    "expires",
    "group",
    "group_index",
    "retries",
    "timelimit",
    "root_id",
    "parent_id",
  ],
  ...[
    "argsrepr",
    "kwargsrepr",
    "origin",
    "ignore_result",
    "replaced_task_nesting",
    "stamped_headers",
    "stamps",
    "compression",
  ],
  ...["celery_beat_task", "periodic_task_name", "beat_fire_time", "CC", "BCC", "__proto__"],
]);

function checkedHeaders(headers: TaskOptions["headers"]): readonly (readonly [string, unknown])[] {
  const entries = Object.entries(headers ?? {});
  for (const [name, value] of entries) {
    const field = `options.headers.${name}`;
    if (reservedHeaders.has(name)) throw refusal(`the header "${name}" is not free`, field, "Choose another name.");
    shortName(name, field);
    checkJson(value, field);
  }
  return entries;
}

function refusal(message: string, field?: string, remedy?: string): BeatError {
  return new BeatError(message, { ...(remedy && { remedy }), ...(field && { place: { field } }) });
}
