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

interface Kind {
  readonly connect: (url: string, options: BrokerOptions) => Promise<Broker>;
  /** Reads the URL as `connect` does. Rejects with BrokerError for one that is none; connects, opens and creates nothing. */
  readonly check: (url: string) => Promise<unknown>;
}

const amqp: Kind = {
  connect: async (url, options) => new (await import("./amqp.ts")).AmqpBroker(url, options),
  check: async (url) => (await import("./amqp-address.ts")).parseAmqpUrl(url),
};
const redis: Kind = {
  connect: async (url, options) => new (await import("./redis.ts")).RedisBroker(url, options),
  check: async (url) => (await import("./redis-address.ts")).parseRedisUrl(url),
};
const rq: Kind = {
  connect: async (url, options) => new (await import("./rq.ts")).RqBroker(url, options),
  check: async (url) => redis.check((await import("./rq.ts")).redisUrlOf(url)),
};
const sqlite: Kind = {
  connect: async (url, options) => (await import("./database.ts")).DatabaseBroker.at(url, options),
  check: async (url) => (await import("./database-file.ts")).parseDatabaseUrl(url),
};
const postgres: Kind = {
  connect: async (url, options) => new (await import("./postgres.ts")).PostgresBroker(url, options),
  check: async (url) => (await import("./postgres-address.ts")).parsePostgresUrl(url),
};
const sqs: Kind = {
  connect: async (url, options) => new (await import("./sqs.ts")).SqsBroker(url, options),
  check: async (url) => (await import("./sqs-address.ts")).parseSqsUrl(url),
};
const filesystem: Kind = {
  connect: async (url, options) => new (await import("./filesystem.ts")).FilesystemBroker(url, options),
  check: async (url) => (await import("./filesystem.ts")).folderOf(url),
};
const memory: Kind = {
  connect: async () => new (await import("./memory.ts")).MemoryBroker(),
  check: async () => undefined,
};

const kinds: ReadonlyMap<string, Kind> = new Map([
  ["amqp", amqp],
  ["amqps", amqp],
  ["redis", redis],
  ["rediss", redis],
  ["redis+socket", redis],
  ["sentinel", redis],
  ["sqla+sqlite", sqlite],
  ["sqla+postgresql", postgres],
  ["sqs", sqs],
  ["filesystem", filesystem],
  ["rq+redis", rq],
  ["rq+rediss", rq],
  ["rq+redis+socket", rq],
  ["rq+sentinel", rq],
  ["memory", memory],
]);

/** Transports of kombu's that Beat has no counterpart for, and the databases of its SQLAlchemy transport that Beat can't write to. */
const celerysOthers =
  /^(?:mongodb|gcpubsub|(?:confluent)?kafka|pgmq|azurestoragequeues|azureservicebus|zookeeper|consul|etcd|pyro|qpid|slmq|sqla|sqlalchemy)(?:\+|$)/;

/**
 * The broker of a URL, not opened yet. Rejects with BrokerError, without the URL's password, for a URL that is none, a
 * scheme that is not known, and a database that is no broker's. A broker that is away is no error: `open` waits for it.
 */
export async function connectBroker(url: string, options: BrokerOptions): Promise<Broker> {
  return kindOf(url).connect(url, options);
}

/** Rejects with BrokerError where `connectBroker` would for what the URL says. */
export async function checkBrokerUrl(url: string): Promise<void> {
  await kindOf(url).check(url);
}

/** Throws BrokerError where there is none. */
function kindOf(url: string): Kind {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  const known = [...kinds.keys()].map((name) => `${name}://`).join(", ");
  if (scheme === undefined) {
    throw new BrokerError(`${JSON.stringify(url.replace(/:.*@/s, ":***@"))} is not a broker URL`, {
      remedy: `Known: ${known}. For instance amqp://guest:guest@127.0.0.1:5672// or sqla+sqlite:///broker.sqlite.`,
    });
  }
  const kind = kinds.get(withoutAlias(scheme));
  if (kind !== undefined) return kind;
  const message = `there is no broker for ${scheme}:// (in ${maskUrl(url)})`;
  if (celerysOthers.test(scheme)) {
    throw new BrokerError(`${message}: Celery has one, and Beat does not`, {
      remedy: `docs/brokers.md says why, under "Brokers that are not there". Known: ${known}.`,
    });
  }
  const guess = nearest(scheme, kinds.keys());
  throw new BrokerError(message, { remedy: `${guess ? `Did you mean ${guess}://? ` : ""}Known: ${known}.` });
}

/** SQLAlchemy's URLs may name a driver, which is the workers' matter, and kombu has two words for what Celery's results call `db`, and three for `amqp`. */
function withoutAlias(scheme: string): string {
  return scheme
    .replace(amqpAlias, "amqp")
    .replace(/^(?:sqla|sqlalchemy|db)\+(postgresql|sqlite)(?:\+[a-z0-9]+)?$/, "sqla+$1");
}
