// Remote control of Celery's workers: what they are asked, and which queues they say they read.

import { isMap } from "../core/json-value.ts";

/** All workers of a fleet hear what goes there. */
export const pidboxExchange = "celery.pidbox";
export const pidboxReplyExchange = "reply.celery.pidbox";

/** The body of a question, JSON. `address`: the routing key of the answers; they carry the `ticket`. */
export function pidboxQuestion(
  method: string,
  { ticket, address }: { readonly ticket: string; readonly address: string },
) {
  return {
    method,
    arguments: {},
    destination: null,
    pattern: null,
    matcher: null,
    ticket,
    reply_to: { exchange: pidboxReplyExchange, routing_key: address },
  };
}

/** By the worker's name. */
export type Answers = ReadonlyMap<string, unknown>;

/** Of one reply. None where it is no JSON: a worker that answers with signed messages can't be understood. */
export function answersIn(text: string): [worker: string, answer: unknown][] {
  try {
    const answer: unknown = JSON.parse(text);
    return isMap(answer) ? Object.entries(answer) : [];
  } catch {
    return [];
  }
}

export interface FleetQueue {
  readonly name: string;
  readonly exchange: string;
  readonly exchangeType: string;
  readonly routingKey: string;
  /** As kombu's Queue has them: `queue_arguments`, `max_priority`… Those that it has not are left out. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Workers that read it and declare it like this. */
  readonly workers: readonly string[];
}

const settingNames = ["queue_arguments", "max_priority", "message_ttl", "expires", "max_length", "max_length_bytes"];

/** What `active_queues` was answered with, by name. A queue that workers declare in different ways is in it once for each. */
export function queuesIn(answers: Answers): FleetQueue[] {
  const found = new Map<string, FleetQueue & { readonly workers: string[] }>();
  for (const [worker, answer] of answers) {
    for (const written of Array.isArray(answer) ? answer : []) {
      const queue = queueOf(written);
      if (queue === undefined) continue;
      const key = JSON.stringify(queue);
      const same = found.get(key) ?? { ...queue, workers: [] };
      same.workers.push(worker);
      found.set(key, same);
    }
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function queueOf(written: unknown): Omit<FleetQueue, "workers"> | undefined {
  if (!isMap(written) || typeof written["name"] !== "string") return undefined;
  const exchange = isMap(written["exchange"]) ? written["exchange"] : {};
  const settings = Object.fromEntries(
    settingNames
      .map((name) => [name, written[name]] as const)
      .filter(([, value]) => value !== null && value !== undefined && JSON.stringify(value) !== "{}"),
  );
  const text = (value: unknown, otherwise: string) => (typeof value === "string" ? value : otherwise);
  return {
    name: written["name"],
    exchange: text(exchange["name"], ""),
    exchangeType: text(exchange["type"], "direct"),
    routingKey: text(written["routing_key"], ""),
    settings,
  };
}
