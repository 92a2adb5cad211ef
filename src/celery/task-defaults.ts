// What a fleet's configuration says of every task, in Celery's own words: the queue and the route of a task that names
// none, and the options that it did not give. Celery's client looks at it when it sends; Beat when an entry is read, so that
// an entry holds what its messages will be.

import { z } from "zod";
import { isMap } from "../core/json-value.ts";
import { callOptions, optionsSchema, type TaskOptions } from "../core/target.ts";
import { durationSchema, parseDuration } from "../core/time.ts";
import { routeFor } from "./task-routes.ts";

const exchangeType = z.enum(["direct", "topic", "fanout", "headers"]);
const queueType = z.enum(["classic", "quorum"]);
const name = z.string().min(1);

/** kombu's Queue. */
const queueSchema = z.strictObject({
  exchange: name.optional(),
  exchange_type: exchangeType.optional(),
  routing_key: z.string().optional(),
  queue_arguments: z.record(name, z.unknown()).optional(),
  max_priority: z.int().min(0).max(255).optional(),
  message_ttl: durationSchema.optional(),
  expires: durationSchema.optional(),
  max_length: z.int().min(0).optional(),
  max_length_bytes: z.int().min(0).optional(),
});

const routesSchema = z.record(z.string(), z.union([name, optionsSchema]));

export const taskDefaultsSchema = z.strictObject({
  task_default_queue: name.optional(),
  task_default_exchange: name.optional(),
  task_default_exchange_type: exchangeType.optional(),
  task_default_routing_key: z.string().optional(),
  task_default_priority: z.int().min(0).max(255).optional(),
  task_default_delivery_mode: z.union([z.literal(1), z.literal(2), z.enum(["persistent", "transient"])]).optional(),
  task_default_queue_type: queueType.optional(),
  task_create_missing_queue_type: queueType.optional(),
  task_create_missing_queue_exchange_type: exchangeType.optional(),
  task_queue_max_priority: z.int().min(0).max(255).optional(),
  task_queues: z.record(name, queueSchema.nullable()).optional(),
  task_routes: z.union([routesSchema, z.array(routesSchema)]).optional(),
  task_serializer: optionsSchema.shape.serializer,
  task_compression: optionsSchema.shape.compression,
  task_protocol: optionsSchema.shape.task_protocol,
  task_ignore_result: optionsSchema.shape.ignore_result,
  task_publish_retry: optionsSchema.shape.retry,
  task_publish_retry_policy: optionsSchema.shape.retry_policy,
  /** Workers alone look at it; it stands here so that a configuration can be copied whole. */
  result_extended: z.boolean().optional(),
});

export type TaskDefaults = z.infer<typeof taskDefaultsSchema>;
type Written = Readonly<Record<string, unknown>>;

/**
 * An entry as it was written, with the options that the defaults give to its task. What its options say wins over its route,
 * and that over the defaults. What is no task, or not written as one, is returned as it is: checking comes after.
 */
export function withTaskDefaults(written: Written, defaults: TaskDefaults): Written {
  const task = taskOf(written);
  const { options = {} } = written;
  if (task === undefined || !isMap(options)) return written;
  const [first] = Array.isArray(written["chain"]) ? written["chain"] : [];
  const own = isMap(first) && isMap(first["options"]) ? first["options"] : {};
  const sent = messageOptions(task, { ...own, ...options }, defaults);
  return { ...written, ...routedCanvas(written, defaults), ...(Object.keys(sent).length > 0 && { options: sent }) };
}

/**
 * Of a group and of a chord's header Celery's client sends each task itself, under its own configuration: here a worker does, told
 * where to. What comes after them, and after the first task of a chain, workers send under theirs, for the client too.
 */
function routedCanvas({ group, chord }: Written, defaults: TaskDefaults): Written {
  const routed = (members: readonly unknown[]) => members.map((member) => routedMember(member, defaults));
  if (Array.isArray(group)) return { group: routed(group) };
  return isMap(chord) && Array.isArray(chord["header"]) ? { chord: { ...chord, header: routed(chord["header"]) } } : {};
}

function routedMember(member: unknown, defaults: TaskDefaults): unknown {
  if (isMap(member) && Array.isArray(member["chain"])) {
    return { ...member, chain: member["chain"].map((each, at) => (at === 0 ? routedMember(each, defaults) : each)) };
  }
  const call = typeof member === "string" ? { task: member } : member;
  if (!isMap(call) || typeof call["task"] !== "string") return member;
  const { options: own = {} } = call;
  if (!isMap(own)) return member;
  const sent = Object.entries(messageOptions(call["task"], own, defaults)).filter(
    ([key]) => key in own || (callOptions.includes(key) && key !== "ignore_result"),
  );
  return sent.length === 0 ? member : { ...call, options: Object.fromEntries(sent) };
}

/** What the message will name. */
function taskOf({ task, chain, group, chord }: Written): string | undefined {
  if (group !== undefined) return "celery.group";
  if (chord !== undefined) return "celery.chord";
  const first: unknown = Array.isArray(chain) ? chain[0] : task;
  const found = isMap(first) ? first["task"] : first;
  return typeof found === "string" ? found : undefined;
}

function messageOptions(task: string, own: TaskOptions, defaults: TaskDefaults): TaskOptions {
  const options: TaskOptions = { ...routeFor(task, defaults.task_routes), ...own };
  const given: TaskOptions = {
    priority: defaults.task_default_priority,
    delivery_mode: deliveryMode(defaults.task_default_delivery_mode),
    serializer: defaults.task_serializer,
    compression: defaults.task_compression,
    task_protocol: defaults.task_protocol,
    ignore_result: defaults.task_ignore_result,
    retry: defaults.task_publish_retry,
    retry_policy: defaults.task_publish_retry_policy,
    ...destination(options, defaults),
  };
  for (const [key, value] of Object.entries(given) as [keyof TaskOptions, never][])
    if (options[key] === undefined && value !== undefined) options[key] = value;
  return options;
}

/** Celery's rule: a queue of a direct exchange is addressed by its name, and any other through its exchange. */
function destination(options: TaskOptions, defaults: TaskDefaults): TaskOptions {
  const hasExchange = Boolean(options.exchange);
  const queue = options.queue ?? (hasExchange ? undefined : defaults.task_default_queue);
  const described = describedQueue(queue, defaults);
  const type = options.exchange_type ?? described.exchangeType;
  return {
    queue,
    ...((hasExchange || type !== "direct") && {
      exchange: described.exchange,
      exchange_type: type,
      routing_key: described.routingKey,
    }),
    ...(Object.keys(described.arguments).length > 0 && { queue_arguments: described.arguments }),
  };
}

const celerysQueue = "celery";

interface DescribedQueue {
  readonly exchange: string;
  readonly exchangeType: NonNullable<TaskOptions["exchange_type"]>;
  readonly routingKey: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

function describedQueue(queue: string | undefined, defaults: TaskDefaults): DescribedQueue {
  const { task_queue_max_priority: maxPriority, task_default_queue: defaultQueue = celerysQueue } = defaults;
  const name = queue ?? defaultQueue;
  const queues = defaults.task_queues ?? {};
  // Where queues are declared, a default queue that is not among them is one that is missing.
  const found = Object.hasOwn(queues, name)
    ? declaredQueue(name, queues[name] ?? {}, defaults)
    : name === defaultQueue && Object.keys(queues).length === 0
      ? { ...defaultDestination(defaults), arguments: typeArgument(defaults.task_default_queue_type) }
      : {
          exchange: name,
          exchangeType: defaults.task_create_missing_queue_exchange_type ?? "direct",
          routingKey: name,
          arguments: typeArgument(defaults.task_create_missing_queue_type),
        };
  const priority = maxPriority === undefined ? {} : { "x-max-priority": maxPriority };
  return { ...found, arguments: { ...priority, ...found.arguments } };
}

function defaultDestination({
  task_default_queue: queue = celerysQueue,
  task_default_exchange: exchange = queue,
  task_default_exchange_type: exchangeType = "direct",
  task_default_routing_key: routingKey = queue,
}: TaskDefaults) {
  return { exchange, exchangeType, routingKey } as const;
}

function declaredQueue(name: string, queue: z.infer<typeof queueSchema>, defaults: TaskDefaults): DescribedQueue {
  const otherwise = defaultDestination(defaults);
  const { exchange, exchange_type, routing_key = name } = queue;
  return {
    exchange: exchange ?? otherwise.exchange,
    exchangeType: exchange_type ?? (exchange === undefined ? otherwise.exchangeType : "direct"),
    routingKey: routing_key || otherwise.routingKey,
    arguments: argumentsOf(queue),
  };
}

function typeArgument(type: "classic" | "quorum" | undefined): Record<string, unknown> {
  return type === "quorum" ? { "x-queue-type": type } : {};
}

function argumentsOf(queue: z.infer<typeof queueSchema>): Record<string, unknown> {
  const found = {
    "x-expires": queue.expires === undefined ? undefined : parseDuration(queue.expires),
    "x-message-ttl": queue.message_ttl === undefined ? undefined : parseDuration(queue.message_ttl),
    "x-max-length": queue.max_length,
    "x-max-length-bytes": queue.max_length_bytes,
    "x-max-priority": queue.max_priority,
    ...queue.queue_arguments,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

function deliveryMode(mode: TaskDefaults["task_default_delivery_mode"]): 1 | 2 | undefined {
  if (typeof mode !== "string") return mode;
  return mode === "transient" ? 1 : 2;
}
