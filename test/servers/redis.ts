// A Redis of a test file's own, which syncs its log before each reply.

import { Redis } from "ioredis";
import { freePorts, type OwnServer, programPath, serverFolder, startServer } from "./own-server.ts";

export interface RedisServer extends OwnServer {
  /** `redis://127.0.0.1:<port>/0` */
  readonly url: string;
  readonly port: number;
  /** Of its data. */
  readonly folder: string;
  /** A connection of the test's own; it comes back after a `start`. */
  readonly client: Redis;
}

export interface RedisServerOptions {
  /** As in redis.conf; `FOLDER` stands for the data folder. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Starts a Sentinel with this configuration file, which it writes to. */
  readonly sentinelFile?: string;
  /** For the test's own connection. */
  readonly password?: string;
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const program = programPath("redis-server", ["redis-server", "redis"]);
  const folder = await serverFolder("redis");
  const [port] = await freePorts(1);
  const { sentinelFile } = options;
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir: "FOLDER",
    ...(sentinelFile === undefined && { save: "", appendonly: "yes", appendfsync: "always" }),
    ...options.settings,
  };
  const leading = sentinelFile === undefined ? [] : [sentinelFile, "--sentinel"];
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value.replace("FOLDER", folder)]);
  const client = new Redis({
    port: port!,
    host: "127.0.0.1",
    lazyConnect: true,
    protocol: 2,
    retryStrategy: () => 50,
    maxRetriesPerRequest: null,
    ...(options.password && { password: options.password }),
  });
  client.on("error", () => undefined);
  const server = await startServer({
    name: "redis-server",
    folder,
    command: [program, ...leading, ...args],
    answers: () => answers(client),
  });
  return {
    ...server,
    url: `redis://127.0.0.1:${port}/0`,
    port: port!,
    folder,
    client,
    async stop() {
      client.disconnect();
      await server.stop();
    },
  };
}

async function answers(client: Redis): Promise<boolean> {
  try {
    if (client.status === "wait" || client.status === "end") await client.connect();
    await client.ping();
    return true;
  } catch {
    return false;
  }
}
