// How pg is used: one plain connection, begun and ended within bounds.

import pg from "pg";
import type { Clock } from "../core/ports.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { isTlsMissing } from "./postgres-failure.ts";
import { passwordIn } from "./tls.ts";

/** How long closing may take. */
const closeLimitMs = 1_000;

/** Rejects with what pg threw, or with ETIMEDOUT. */
export async function connect(address: PostgresAddress, abort: AbortSignal, clock: Clock): Promise<pg.Client> {
  const { use } = address.tls;
  try {
    return await connectOnce(address, use !== "never", abort, clock);
  } catch (error) {
    if (use === "prefer" && isTlsMissing(error)) return connectOnce(address, false, abort, clock);
    throw error;
  }
}

async function connectOnce(
  address: PostgresAddress,
  isEncrypted: boolean,
  abort: AbortSignal,
  clock: Clock,
): Promise<pg.Client> {
  const { host, port, username, password, passwordFile, database, options } = address;
  const client = new pg.Client({
    host,
    port,
    user: username,
    password: passwordFile === undefined ? password : passwordIn(passwordFile),
    database,
    options,
    application_name: address.applicationName,
    keepAlive: true,
    ssl: isEncrypted ? address.tls.options() : false,
  });
  // What happens after the handshake is told by "end" as well.
  client.on("error", () => undefined);
  const { promise: ended, reject: end } = Promise.withResolvers<never>();
  const stop = (reason: string) => {
    end(new Error(reason));
    destroy(client);
  };
  const onAbort = () => stop("aborted");
  abort.addEventListener("abort", onAbort);
  const cancelTimer = clock.setTimer(address.connectTimeoutMs, () => stop("ETIMEDOUT"));
  try {
    await Promise.race([client.connect(), ended]);
    return client;
  } catch (error) {
    destroy(client);
    throw error;
  } finally {
    cancelTimer();
    abort.removeEventListener("abort", onAbort);
  }
}

/** Says goodbye, and ends it by force where that takes too long. Never rejects. */
export async function disconnect(client: pg.Client, clock: Clock): Promise<void> {
  const cancel = clock.setTimer(closeLimitMs, () => destroy(client));
  await client.end().catch(() => undefined);
  cancel();
}

/** Ends it at once, in the handshake too. */
export function destroy(client: pg.Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}
