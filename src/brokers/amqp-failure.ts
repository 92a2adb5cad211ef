// What a broker's refusals mean, in sentences for an operator.

import { BrokerError, reasonOf } from "../core/errors.ts";
import { type AmqpHost, placeOf } from "./amqp-address.ts";
import type { ConnectFailure } from "./kept-broker.ts";
import { tlsFailure } from "./tls.ts";

/** Why a connection could not be made. */
export function connectFailure(error: unknown, host: AmqpHost): ConnectFailure {
  const { hostname, protocol, username, vhost } = host;
  const at = placeOf(host);
  const text = reasonOf(error);
  const code = codeOf(error);
  const temporary = (reason: string) => ({ reason, permanent: false });
  const permanent = (reason: string) => ({ reason, permanent: true });
  if (error instanceof BrokerError) return permanent(error.describe());
  if (text.includes("ACCESS-REFUSED") || text.includes("ACCESS_REFUSED")) {
    return permanent(`the broker at ${at} refuses the user "${username}": wrong user name or password`);
  }
  // amqplib says no more than that the broker closed the connection where it should have opened the virtual host.
  if (text.includes("Expected ConnectionOpenOk") || text.includes("NOT_ALLOWED")) {
    return permanent(
      `the broker at ${at} refuses the virtual host "${vhost}": it does not exist, or user "${username}" may not use it`,
    );
  }
  const untrusted = tlsFailure(code, text);
  if (untrusted !== undefined) return permanent(`the broker at ${at} ${untrusted}`);
  if (code === "ECONNREFUSED") return temporary(`nothing listens at ${at}`);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return temporary(`the host name ${hostname} cannot be resolved`);
  if (text.includes("ETIMEDOUT") || code === "ETIMEDOUT") return temporary(`no answer from ${at}`);
  if (/abruptly|Unexpected close/.test(text) || code === "ECONNRESET" || code.startsWith("ERR_SSL")) {
    const tls = protocol === "amqps" ? "speaks TLS" : "does not want TLS";
    return temporary(
      `${at} ended the connection while it was being opened; check that an AMQP broker listens there and ${tls}`,
    );
  }
  return temporary(`no connection to ${at}: ${text}`);
}

/** Why the broker closed a channel, in its own words: `NOT_FOUND - no queue 'x' in vhost '/'`. */
export function channelFailure(error: unknown): string {
  const text = reasonOf(error);
  return /with message "([\s\S]*)"/.exec(text)?.[1] ?? text;
}

/** The AMQP reply code (404) or the system's (ECONNREFUSED) of an error, "" without one. */
export function codeOf(error: unknown): string {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" || typeof code === "number" ? String(code) : "";
}
