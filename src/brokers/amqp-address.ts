// An AMQP URL, read the way that kombu reads it.

import { BrokerError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { secondMs } from "../core/time.ts";
import { checkParameters, secondsOf, unescaped } from "./url-text.ts";

export interface AmqpAddress {
  readonly protocol: "amqp" | "amqps";
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  /** Seconds; 0 turns it off. */
  readonly heartbeat: number;
  readonly connectTimeoutMs: number;
}

const defaultPorts = { amqp: 5672, amqps: 5671 } as const;
const parameters = ["heartbeat", "connection_timeout"] as const;

/**
 * `amqp://user:password@host:port/vhost?heartbeat=10&connection_timeout=5` (both in seconds). Left out: guest, guest,
 * 127.0.0.1, 5672 (amqps: 5671) and the virtual host `/`, which `//` and `/%2F` name as well. Throws BrokerError,
 * without the password.
 */
export function parseAmqpUrl(url: string): AmqpAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const protocol = parsed?.protocol.slice(0, -1);
  if (parsed === undefined || (protocol !== "amqp" && protocol !== "amqps")) throw malformed(url);
  // A password with one of these characters unescaped would be taken for a host and its port.
  if (parsed.hash !== "" || `${parsed.pathname}${parsed.search}`.includes("@")) throw malformed(url);
  const hasUser = parsed.username !== "" || parsed.password !== "";
  const number = (name: (typeof parameters)[number], otherwise: number) => {
    const text = parsed.searchParams.get(name);
    return text === null ? otherwise : secondsOf(name, text, url);
  };
  checkParameters(parsed.searchParams.keys(), parameters, url);
  return {
    protocol,
    hostname: parsed.hostname.replace(/^\[|\]$/g, "") || "127.0.0.1",
    port: parsed.port === "" ? defaultPorts[protocol] : Number(parsed.port),
    username: hasUser ? unescaped(parsed.username) : "guest",
    password: hasUser ? unescaped(parsed.password) : "guest",
    vhost: unescaped(parsed.pathname.slice(1)) || "/",
    heartbeat: number("heartbeat", 10),
    connectTimeoutMs: Math.max(1, number("connection_timeout", 5)) * secondMs,
  };
}

function malformed(url: string): BrokerError {
  return new BrokerError(`${maskUrl(url)} is not an AMQP URL`, {
    remedy:
      "Write amqp://user:password@host:5672/vhost. In the password, write / as %2F, # as %23 and ? as %3F; in the virtual host, write @ as %40.",
  });
}
