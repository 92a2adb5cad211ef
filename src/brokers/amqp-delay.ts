// Celery's native delayed delivery: what has an eta goes to a chain of queues that Celery's workers make beside quorum
// queues, each of which holds it for a power of two of seconds or passes it on at once, as a digit of its routing key says.

import type { Message } from "../core/ports.ts";
import { secondMs } from "../core/time.ts";

export const firstDelayExchange = "celery_delayed_27";
export const lastDelayExchange = "celery_delayed_delivery";
const digits = 28;

/** Whole seconds for which a message has to wait; undefined where it can go at once, or Celery would leave the wait to the worker. */
export function delayOf({ headers, exchange, declaration }: Message, now: number): number | undefined {
  const eta = headers["eta"];
  if (typeof eta !== "string") return undefined;
  // The digits mean nothing to a direct exchange: Celery sends such messages as usual.
  if (exchange !== "" && (declaration?.exchangeType ?? "direct") === "direct") return undefined;
  // Rounded down: what comes a moment too soon the worker holds, since it reads the eta too.
  const seconds = Math.floor((Date.parse(eta) - now) / secondMs);
  return seconds >= 1 && seconds < 2 ** digits ? seconds : undefined;
}

export function delayedRoutingKey(seconds: number, routingKey: string): string {
  return `${[...seconds.toString(2).padStart(digits, "0")].join(".")}.${routingKey}`;
}

/** What the last exchange of the chain has to be bound by, so that messages come out of it. */
export function delayedPattern(routingKey: string): string {
  return `#.${routingKey}`;
}
