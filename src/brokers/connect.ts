// From a URL to a broker. Each one's module, and the library that it needs, is loaded only when its scheme is asked for.

import { BrokerError, nearest } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import type { Broker, Clock, Log } from "../core/ports.ts";
import { amqpAlias } from "./url-text.ts";

export interface BrokerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Create queues that are missing, where the broker can miss one. */
  readonly declareQueues: boolean;
  readonly defaultQueue: string;
  /** From 0 to below 1; for tests. */
  readonly random?: () => number;
}

type Connect = (url: string, options: BrokerOptions) => Promise<Broker>;

const amqp: Connect = async (url, options) => new (await import("./amqp.ts")).AmqpBroker(url, options);
const redis: Connect = async (url, options) => new (await import("./redis.ts")).RedisBroker(url, options);
const rq: Connect = async (url, options) => new (await import("./rq.ts")).RqBroker(url, options);
const brokers: ReadonlyMap<string, Connect> = new Map([
  ["amqp", amqp],
  ["amqps", amqp],
  ["redis", redis],
  ["rediss", redis],
  ["redis+socket", redis],
  ["sentinel", redis],
  ["sqla+sqlite", async (url, options) => (await import("./database.ts")).DatabaseBroker.at(url, options)],
  ["sqla+postgresql", async (url, options) => new (await import("./postgres.ts")).PostgresBroker(url, options)],
  ["sqs", async (url, options) => new (await import("./sqs.ts")).SqsBroker(url, options)],
  ["filesystem", async (url, options) => new (await import("./filesystem.ts")).FilesystemBroker(url, options)],
  ["rq+redis", rq],
  ["rq+rediss", rq],
  ["rq+redis+socket", rq],
  ["rq+sentinel", rq],
  ["memory", async () => new (await import("./memory.ts")).MemoryBroker()],
]);

/**
 * The broker of a URL, not opened yet. Rejects with BrokerError, without the URL's password, for a URL that is none, a
 * scheme that is not known, and a database that is no broker's. A broker that is away is no error: `open` waits for it.
 */
export async function connectBroker(url: string, options: BrokerOptions): Promise<Broker> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  const known = [...brokers.keys()].map((name) => `${name}://`).join(", ");
  if (scheme === undefined) {
    throw new BrokerError(`${JSON.stringify(url.replace(/:.*@/s, ":***@"))} is not a broker URL`, {
      remedy: `Known: ${known}. For instance amqp://guest:guest@127.0.0.1:5672// or sqla+sqlite:///broker.sqlite.`,
    });
  }
  const connect = brokers.get(withoutAlias(scheme));
  if (connect !== undefined) return connect(url, options);
  const guess = nearest(scheme, brokers.keys());
  throw new BrokerError(`there is no broker for ${scheme}:// (in ${maskUrl(url)})`, {
    remedy: `${guess ? `Did you mean ${guess}://? ` : ""}Known: ${known}.`,
  });
}

/** SQLAlchemy's URLs may name a driver, which is the workers' matter, and kombu has two words for what Celery's results call `db`, and three for `amqp`. */
function withoutAlias(scheme: string): string {
  return scheme
    .replace(amqpAlias, "amqp")
    .replace(/^(?:sqla|sqlalchemy|db)\+(postgresql|sqlite)(?:\+[a-z0-9]+)?$/, "sqla+$1");
}
