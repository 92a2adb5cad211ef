// A connection to one host, with its handshake done.

import { type ChannelModel, connect, credentials } from "amqplib";
import type { AmqpAddress, AmqpHost } from "./amqp-address.ts";

/** `signal` ends it at any time. Rejects with what amqplib threw, or with BrokerError for a file that can't be read. */
export async function connectTo(
  { heartbeat, connectTimeoutMs, loginMethod, passwordOf, tls }: AmqpAddress,
  host: AmqpHost,
  signal: AbortSignal,
): Promise<ChannelModel> {
  const { protocol, hostname, port, vhost, username } = host;
  const { plain, amqplain, external } = credentials;
  const login = { PLAIN: plain, AMQPLAIN: amqplain, EXTERNAL: external }[loginMethod];
  const socket = {
    timeout: connectTimeoutMs,
    noDelay: true,
    keepAlive: true,
    signal,
    clientProperties: { connection_name: "beat" },
    credentials: login(username, loginMethod === "EXTERNAL" ? "" : passwordOf(host)),
    ...(protocol === "amqps" && tls?.()),
  };
  return connect({ protocol, hostname, port, vhost: encodeURIComponent(vhost), heartbeat }, socket);
}
