// What Beat can learn from the workers of a fleet: what `beat queues` does.

import { askFleet } from "./brokers/pidbox.ts";
import { type FleetQueue, queuesIn } from "./celery/pidbox.ts";
import type { Clock } from "./core/ports.ts";

export type { FleetQueue };

export interface Fleet {
  /** The names of those that answered, in order. */
  readonly workers: readonly string[];
  /** By name; one that workers declare in different ways stands here once for each. */
  readonly queues: readonly FleetQueue[];
}

/** Asks the workers which queues they read. Rejects with BrokerError where the broker can't be used. */
export async function askQueues(
  url: string,
  options: { readonly clock: Clock; readonly waitMs: number },
): Promise<Fleet> {
  const answers = await askFleet(url, "active_queues", options);
  return { workers: [...answers.keys()].toSorted(), queues: queuesIn(answers) };
}
