// An AMQP URL, read the way that kombu reads it: `amqp://first//;amqp://second//` names several hosts, of which one is
// connected to. What Celery has in settings of its own stands in the URL's query here, and holds for all hosts.

import { BrokerError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { secondMs } from "../core/time.ts";
import { passwordIn, type TlsOptions, tlsOf, tlsParameters } from "./tls.ts";
import { amqpAlias, checkParameters, choiceOf, flagOf, hostAndPort, secondsOf, unescaped } from "./url-text.ts";

export interface AmqpHost {
  readonly protocol: "amqp" | "amqps";
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
}

export interface AmqpAddress {
  /** At least one. */
  readonly hosts: readonly AmqpHost[];
  /** In which order they are tried. */
  readonly failoverStrategy: (typeof strategies)[number];
  readonly loginMethod: (typeof loginMethods)[number];
  /** Reads the password from its file, where the URL names one. Throws BrokerError. */
  readonly passwordOf: (host: AmqpHost) => string;
  /** Undefined without TLS. Reads the files that the URL names; throws BrokerError where that can't be done. */
  readonly tls: (() => TlsOptions) | undefined;
  /** Seconds; 0 turns it off. */
  readonly heartbeat: number;
  readonly connectTimeoutMs: number;
  /** What is done about queues before messages go there; undefined: the URL does not say. */
  readonly declare: Declare | undefined;
  /** What has an eta waits in RabbitMQ, in the queues that Celery's workers make for it beside quorum queues. */
  readonly nativeDelayedDelivery: boolean;
}

/** `passive`: looked for. `create`: made where they are missing. `never`: not asked after, for users that may only write. */
export type Declare = (typeof declares)[number];

const defaultPorts = { amqp: 5672, amqps: 5671 } as const;
const strategies = ["round-robin", "shuffle"] as const;
const loginMethods = ["PLAIN", "AMQPLAIN", "EXTERNAL"] as const;
const declares = ["passive", "create", "never"] as const;
const parameters = [
  "heartbeat",
  "connection_timeout",
  "failover_strategy",
  "login_method",
  "password_file",
  "declare",
  "native_delayed_delivery",
];

/**
 * `amqp://user:password@host:port/vhost?heartbeat=10&connection_timeout=5` (both in seconds). Left out: guest, guest,
 * 127.0.0.1, 5672 (amqps: 5671) and the virtual host `/`, which `//` and `/%2F` name as well. A further host without
 * `amqp://` has the first one's user, password and virtual host. Throws BrokerError, without the password.
 */
export function parseAmqpUrl(url: string): AmqpAddress {
  const parts = url.split(";").filter((part, index) => index === 0 || part.trim() !== "");
  const [first, ...others] = parts.map((part) => {
    const isWhole = part.includes("://");
    return { isWhole, parsed: parsedUrl(isWhole ? part : `amqp://${part}`, url) };
  });
  const main = hostOf(first!.parsed);
  const hosts = others.map(({ isWhole, parsed }) => (isWhole ? hostOf(parsed) : besides(main, parsed, url)));
  const query = new Map([first!, ...others].flatMap(({ parsed }) => [...parsed.searchParams]));
  const isEncrypted = [main, ...hosts].some(({ protocol }) => protocol === "amqps");
  checkParameters(query.keys(), [...parameters, ...(isEncrypted ? tlsParameters : [])], url);
  const seconds = (name: string, otherwise: number) => {
    const text = query.get(name);
    return text === undefined ? otherwise : secondsOf(name, text, url);
  };
  const passwordFile = query.get("password_file");
  return {
    hosts: [main, ...hosts],
    failoverStrategy: choiceOf("failover_strategy", query, strategies, url) ?? "round-robin",
    loginMethod: choiceOf("login_method", query, loginMethods, url) ?? "PLAIN",
    passwordOf: ({ password }) => (passwordFile === undefined ? password : passwordIn(passwordFile)),
    tls: isEncrypted ? tlsOf(query, url) : undefined,
    heartbeat: seconds("heartbeat", 10),
    connectTimeoutMs: Math.max(1, seconds("connection_timeout", 5)) * secondMs,
    declare: choiceOf("declare", query, declares, url),
    nativeDelayedDelivery: flagOf("native_delayed_delivery", query, url),
  };
}

/** For people: `host:port`. */
export function placeOf({ hostname, port }: AmqpHost): string {
  return hostAndPort(hostname, port);
}

function parsedUrl(written: string, url: string): URL {
  const text = written.replace(amqpAlias, "amqp");
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  const isAmqp = parsed?.protocol === "amqp:" || parsed?.protocol === "amqps:";
  // A password with one of these characters unescaped would be taken for a host and its port.
  if (isAmqp && parsed.hash === "" && !`${parsed.pathname}${parsed.search}`.includes("@")) return parsed;
  throw new BrokerError(`${maskUrl(url)} is not an AMQP URL`, {
    remedy:
      "Write amqp://user:password@host:5672/vhost. In the password, write / as %2F, # as %23, ? as %3F and ; as %3B; in the virtual host, write @ as %40.",
  });
}

function hostOf(parsed: URL): AmqpHost {
  const protocol = parsed.protocol === "amqps:" ? "amqps" : "amqp";
  return {
    protocol,
    hostname: parsed.hostname.replace(/^\[|\]$/g, "") || "127.0.0.1",
    port: parsed.port === "" ? defaultPorts[protocol] : Number(parsed.port),
    // Each for itself, as kombu does: guest@host has a password.
    username: unescaped(parsed.username) || "guest",
    password: unescaped(parsed.password) || "guest",
    vhost: unescaped(parsed.pathname.slice(1)) || "/",
  };
}

/** kombu takes all but host and port from the first URL. */
function besides(main: AmqpHost, parsed: URL, url: string): AmqpHost {
  if (parsed.username !== "" || parsed.password !== "" || parsed.pathname.length > 1) {
    throw new BrokerError(`the hosts of ${maskUrl(url)} are not clear`, {
      remedy:
        "Write a whole URL for each, amqp://user:password@host//;amqp://user:password@other//, or only host:port after the first. In a password, write ; as %3B.",
    });
  }
  const { hostname } = hostOf(parsed);
  return { ...main, hostname, port: parsed.port === "" ? defaultPorts[main.protocol] : Number(parsed.port) };
}
