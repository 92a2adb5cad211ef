// The brokers of the matrix, as data: how each is started, what Beat and a worker are told of it, and what is left in it.

import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "amqplib";
import Database from "better-sqlite3";
import type { CeleryVersion } from "../servers/celery.ts";
import { startMoto } from "../servers/moto.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRabbitmq } from "../servers/rabbitmq.ts";
import { startRedis } from "../servers/redis.ts";

type Options = Readonly<Record<string, unknown>>;

/** One queue of a broker, that nobody else uses. */
export interface Place {
  readonly queue: string;
  /** What Beat connects to. */
  readonly url: string;
  /** What the worker is started with, where it is another. */
  readonly workerUrl?: string;
  /** `broker_transport_options` of the worker. */
  readonly transportOptions?: Options;
  /** More of the worker's configuration. */
  readonly conf?: Options;
  /** Of every message. */
  readonly options?: Options;
  /** In which order a worker takes what waits: the sender's, or by priority. Undefined where there is none. */
  readonly order: "sent" | "high first" | "low first" | undefined;
  /** So long after it ran a task a worker has acknowledged it: over transports that block it does so between two polls. */
  readonly acknowledgedAfterMs?: number;
  /** Messages that are in the queue, or with a worker. */
  left(): Promise<number>;
}

export interface MatrixBroker {
  readonly name: string;
  /** Tables or files, that workers poll. */
  readonly isEmbedded?: true;
  /** Why workers of this version can't read it; undefined: they can. */
  readonly unreadable?: (version: CeleryVersion) => string | undefined;
  start(): Promise<Started>;
}

interface Started {
  /** Its name and version. */
  readonly server: string;
  place(version: CeleryVersion): Promise<Place>;
  stop(): Promise<void>;
}

/** Celery's worker polls for two seconds. */
const blocking = { order: "sent", acknowledgedAfterMs: 3_000 } as const;
const nameOf = (version: CeleryVersion) => `matrix_${version.replaceAll(".", "")}`;

/** RabbitMQ with queues of one type; its arguments are those that the workers' configuration leads to. */
function rabbitmq(order: Place["order"], queueArguments: Options, confOf: (queue: string) => Options) {
  return async (): Promise<Started> => {
    const server = await startRabbitmq();
    const connection = await connect(server.url);
    return {
      server: `RabbitMQ ${connection.connection.serverProperties.version}`,
      async place(version: CeleryVersion): Promise<Place> {
        const queue = nameOf(version);
        return {
          queue,
          url: `${server.url}?declare=create`,
          workerUrl: server.url,
          conf: confOf(queue),
          options: { queue_arguments: queueArguments },
          order,
          async left() {
            const channel = await connection.createChannel();
            const { messageCount } = await channel.checkQueue(queue);
            await channel.close();
            return messageCount;
          },
        };
      },
      async stop() {
        await connection.close();
        await server.stop();
      },
    };
  };
}

async function inFolder(
  server: string,
  make: (folder: string, version: CeleryVersion) => Promise<Place>,
): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), "beat-matrix-"));
  return {
    server,
    place: (version: CeleryVersion) => make(folder, version),
    stop: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The version of a package of the tests. */
async function pinned(requirements: string, name: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, "../servers", requirements), "utf8");
  return new RegExp(`^${name}(?:\\[.*\\])?==(.*)$`, "m").exec(text)?.[1] ?? "";
}

function sqliteVersion(): string {
  const database = new Database(":memory:");
  const version = database.prepare("SELECT sqlite_version()").pluck().get() as string;
  database.close();
  return version;
}

export const matrixBrokers: readonly MatrixBroker[] = [
  {
    name: "RabbitMQ classic",
    start: rabbitmq("high first", { "x-max-priority": 10 }, () => ({ task_queue_max_priority: 10 })),
  },
  {
    name: "RabbitMQ quorum",
    unreadable: (version) =>
      ["5.2.7", "5.3.6", "5.4.0"].includes(version)
        ? "these workers ask for a prefetch count of the whole channel, which RabbitMQ refuses beside quorum queues (540 NOT_IMPLEMENTED); Celery 5.5 is the first that reads them"
        : undefined,
    start: rabbitmq("sent", { "x-queue-type": "quorum" }, (queue) => ({
      task_queues: {
        [queue]: { exchange: queue, routing_key: queue, queue_arguments: { "x-queue-type": "quorum" } },
      },
    })),
  },
  {
    name: "Redis",
    async start() {
      const server = await startRedis();
      const info = await server.client.info("server");
      return {
        server: `Redis ${/redis_version:(\S+)/.exec(info)?.[1]}`,
        async place(version) {
          const database = Number(version.split(".")[1]);
          return {
            queue: nameOf(version),
            url: server.url.replace(/0$/, String(database)),
            order: "low first",
            async left() {
              await server.client.select(database);
              const keys = await server.client.keys("*");
              return keys.filter((key) => !key.startsWith("_kombu.binding")).length;
            },
          };
        },
        stop: () => server.stop(),
      };
    },
  },
  {
    name: "SQS",
    async start() {
      const server = await startMoto();
      const url = `sqs://key:s3cret@127.0.0.1:${server.port}`;
      return {
        server: `moto ${await pinned("requirements-moto.txt", "moto")}`,
        async place(version) {
          const queue = nameOf(version);
          return {
            queue,
            url: `${url}?declare=create`,
            workerUrl: url,
            transportOptions: { region: "us-east-1", wait_time_seconds: 1, polling_interval: 0.1 },
            order: undefined,
            async left() {
              const { ready, delayed, taken } = await server.count(queue);
              return ready + delayed + taken;
            },
          };
        },
        stop: () => server.stop(),
      };
    },
  },
  {
    name: "sqla+sqlite",
    isEmbedded: true,
    start: () =>
      inFolder(`SQLite ${sqliteVersion()}`, async (folder, version) => {
        const file = join(folder, `${version}.sqlite`);
        return {
          queue: nameOf(version),
          url: `sqla+sqlite:///${file}`,
          ...blocking,
          async left() {
            const database = new Database(file, { readonly: true, timeout: 5_000 });
            const count = database.prepare("SELECT count(*) FROM kombu_message WHERE visible").pluck().get();
            database.close();
            return count as number;
          },
        };
      }),
  },
  {
    name: "sqla+postgresql",
    isEmbedded: true,
    async start() {
      const server = await startPostgres();
      const [row] = await server.sql("SHOW server_version");
      return {
        server: `PostgreSQL ${String(row!["server_version"]).split(" ")[0]}`,
        async place(version) {
          const name = nameOf(version);
          await server.sql(`CREATE DATABASE ${name}`);
          return {
            queue: name,
            url: server.url.replace(/[^/]+$/, name),
            ...blocking,
            async left() {
              const [row] = await server.sql("SELECT count(*)::int FROM kombu_message WHERE visible", [], name);
              return row!["count"] as number;
            },
          };
        },
        stop: () => server.stop(),
      };
    },
  },
  {
    name: "filesystem",
    isEmbedded: true,
    start: () =>
      inFolder("files", async (base, version) => {
        const path = (name: string) => join(base, version, name);
        for (const name of ["messages", "control", "processed"]) await mkdir(path(name), { recursive: true });
        return {
          queue: nameOf(version),
          url: `filesystem://?data_folder_out=${encodeURIComponent(path("messages"))}`,
          workerUrl: "filesystem://",
          transportOptions: {
            data_folder_in: path("messages"),
            data_folder_out: path("messages"),
            control_folder: path("control"),
            processed_folder: path("processed"),
            store_processed: true,
            polling_interval: 0.1,
          },
          ...blocking,
          left: async () =>
            (await readdir(path("messages"))).filter((name) => name.endsWith(`.${nameOf(version)}.msg`)).length,
        };
      }),
  },
];
