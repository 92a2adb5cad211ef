// Asks the workers of a fleet over its broker. Transports without fan-out have no remote control.

import type { Answers } from "../celery/pidbox.ts";
import { BrokerError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import type { Clock } from "../core/ports.ts";
import { amqpAlias } from "./url-text.ts";

export interface AskOptions {
  readonly clock: Clock;
  /** How long answers are waited for: how many workers there are nobody knows. */
  readonly waitMs: number;
}

/** What each worker answers to `method`; none: no worker heard it, or takes such questions. Rejects with BrokerError where the broker can't be used. */
export async function askFleet(url: string, method: string, options: AskOptions): Promise<Answers> {
  if (/^amqps?:/i.test(url.replace(amqpAlias, "amqp")))
    return (await import("./amqp-pidbox.ts")).askByAmqp(url, method, options);
  if (/^(rediss?|redis\+socket|sentinel):/i.test(url))
    return (await import("./redis-pidbox.ts")).askByRedis(url, method, options);
  throw new BrokerError(`workers can't be asked over ${maskUrl(url)}`, {
    remedy: "Remote control works over amqp:// and redis://.",
  });
}
