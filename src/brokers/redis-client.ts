// How ioredis is used, and what is said first on a connection.

import type { EventEmitter } from "node:events";
import { Redis, type RedisOptions } from "ioredis";
import type { Clock } from "../core/ports.ts";
import type { RedisAddress } from "./redis-address.ts";
import { firstWord, isReply } from "./redis-failure.ts";
import { passwordIn } from "./tls.ts";

/** How long closing may take. */
export const closeLimitMs = 1_000;
/** A list that is never there. */
export const probeKey = "beat.probe";

/** How long the handshake may take after the connection is made. */
const handshakeLimitMs = 10_000;

/** A connection that takes writes. `signal` ends the attempt. Rejects with what ioredis threw, or Redis answered. */
export async function connectRedis(address: RedisAddress, signal: AbortSignal, clock: Clock): Promise<Redis> {
  const redis = new Redis(optionsOf(address));
  // ioredis rejects with "Connection is closed." and tells the cause here.
  let fault: unknown;
  const onFault = (error: unknown) => (fault ??= error);
  redis.on("error", onFault);
  (redis as EventEmitter).on("sentinelError", (error: Error) => {
    // Sentinels that don't answer are in the rejection; one that does and knows no such master is told here only.
    if (error.message.includes("invalid reply")) fault = error;
  });
  const stop = () => redis.disconnect();
  signal.addEventListener("abort", stop);
  const cancelTimer = clock.setTimer(address.connectTimeoutMs + handshakeLimitMs, () => {
    fault ??= new Error("ETIMEDOUT");
    stop();
  });
  try {
    await redis.connect();
    await greet(redis, address);
    if (redis.status !== "ready") throw new Error("Connection is closed.");
    return redis;
  } catch (error) {
    redis.disconnect();
    throw isReply(error) ? error : (fault ?? error);
  } finally {
    cancelTimer();
    signal.removeEventListener("abort", stop);
    redis.off("error", onFault);
    redis.on("error", () => undefined);
  }
}

/** Who we are, which database, and whether it takes writes. Rejects with what Redis answers. */
async function greet(redis: Redis, address: RedisAddress): Promise<void> {
  const { username, passwordFile, database } = address;
  const password = passwordFile === undefined ? address.password : passwordIn(passwordFile);
  if (username !== "") await redis.call("AUTH", username, password);
  else if (password !== "") await redis.call("AUTH", password);
  redis.call("CLIENT", "SETNAME", "beat").catch(() => undefined); // For whoever lists the clients; old servers know no names.
  if (database !== 0) await redis.call("SELECT", database);
  await probe(redis, address);
}

/** Rejects where the server takes no writes now. */
export async function probe(redis: Redis, { keys }: RedisAddress): Promise<void> {
  await redis.call("LPUSHX", keys.prefix + probeKey, "").catch((error: Error) => {
    // A user who may only write to queues finds out with a message.
    if (firstWord(error.message) !== "NOPERM") throw error;
  });
}

/** ioredis as a plain client: one connection, nothing is tried twice behind our back. */
function optionsOf({ target, tls, connectTimeoutMs }: RedisAddress): Omit<RedisOptions, "replyMapping"> {
  const options: RedisOptions = {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: closeLimitMs / 2,
    retryStrategy: null,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    disableClientInfo: true,
    protocol: 2,
    ...(tls && { tls: tls() }),
  };
  if (!("sentinels" in target)) return { ...options, ...target };
  const { sentinels, masterName, sentinelUsername, sentinelPassword } = target;
  return {
    ...options,
    sentinels: [...sentinels],
    name: masterName,
    sentinelUsername,
    sentinelPassword,
    sentinelRetryStrategy: () => null,
    sentinelCommandTimeout: connectTimeoutMs,
    updateSentinels: false,
    enableTLSForSentinelMode: tls !== undefined,
  };
}
