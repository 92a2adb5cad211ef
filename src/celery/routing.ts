// Where a message goes.

import type { QueueDeclaration } from "../core/ports.ts";
import type { TaskOptions } from "../core/target.ts";
import { refusal } from "./refusal.ts";

export interface Route {
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly declaration: QueueDeclaration | undefined;
}

/**
 * Celery's rule: a queue is addressed directly, through the nameless exchange with the queue's name as routing key,
 * unless an exchange is given. What the fleet would make of a routing key alone depends on settings that Beat can't see.
 */
export function routeOf(options: TaskOptions, defaultQueue: string): Route {
  const exchange = shortName(options.exchange ?? "", "options.exchange");
  const queue = shortName(options.queue ?? defaultQueue, "options.queue");
  if (exchange !== "") {
    const routingKey = shortName(options.routing_key ?? queue, "options.routing_key");
    // Not the name of a queue: trouble with an exchange must not be taken for trouble with a queue of that name.
    const declaration = options.queue === undefined ? undefined : declarationOf(options, queue, exchange, routingKey);
    return { queue: `${exchange}/${routingKey}`, exchange, routingKey, declaration };
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
  return { queue, exchange, routingKey: queue, declaration: declarationOf(options, queue, queue, queue) };
}

function declarationOf(
  { exchange_type: exchangeType = "direct", queue_arguments: given = {} }: TaskOptions,
  queue: string,
  exchange: string,
  routingKey: string,
): QueueDeclaration {
  return { queue, arguments: given, exchange, exchangeType, routingKey };
}

/** A short string of AMQP. */
const maxNameBytes = 255;

export function shortName(name: string, field: string): string {
  if (Buffer.byteLength(name) > maxNameBytes) throw refusal(`the name is longer than ${maxNameBytes} bytes`, field);
  return name;
}

export function checkPriority({ priority = 0 }: Pick<TaskOptions, "priority">, field = "options"): number {
  if (Number.isInteger(priority) && priority >= 0 && priority <= 255) return priority;
  throw refusal(`${priority} is not a priority`, `${field}.priority`, "Write a whole number from 0 to 255.");
}
