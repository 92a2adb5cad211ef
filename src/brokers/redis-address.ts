// A Redis URL, read the way that kombu reads it. What Celery has in `broker_transport_options` and can't be in its URL
// stands in the URL's query here, under the same names.

import { BrokerError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { secondMs } from "../core/time.ts";
import { type TlsOptions, tlsOf, tlsParameters } from "./tls.ts";
import { checkParameters, hostAndPort, secondsOf, unescaped } from "./url-text.ts";

export interface RedisAddress {
  /** For people: `host:port`, the socket's path, or the master's name. */
  readonly at: string;
  readonly target: RedisTarget;
  /** "" for the user `default`. */
  readonly username: string;
  readonly password: string;
  /** Read at each connection; it takes the place of `password`. */
  readonly passwordFile: string | undefined;
  readonly database: number;
  /** Undefined without TLS. Reads the files that the URL names; throws BrokerError where that can't be done. */
  readonly tls: (() => TlsOptions) | undefined;
  readonly connectTimeoutMs: number;
  readonly keys: KeyRules;
}

export type RedisTarget =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | {
      readonly sentinels: readonly { readonly host: string; readonly port: number }[];
      readonly masterName: string;
      readonly sentinelUsername: string;
      readonly sentinelPassword: string;
    };

/** How a queue and a priority become the key of a list. They have to be the workers'. */
export interface KeyRules {
  readonly prefix: string;
  /** Ascending. */
  readonly steps: readonly number[];
  readonly separator: string;
}

const schemes = ["redis", "rediss", "redis+socket", "sentinel"] as const;
type Scheme = (typeof schemes)[number];

const common = ["global_keyprefix", "priority_steps", "sep", "socket_connect_timeout", "password_file"];
/** Of Celery's options for this transport, those that concern workers alone: they may stay where they are copied from. */
export const workersOptions: readonly string[] = [
  "visibility_timeout",
  "queue_order_strategy",
  "polling_interval",
  "socket_timeout",
  "socket_keepalive",
  "health_check_interval",
  "retry_on_timeout",
  "max_connections",
];
const parameters: Readonly<Record<Scheme, readonly string[]>> = {
  redis: common,
  rediss: [...common, ...tlsParameters],
  "redis+socket": [...common, "virtual_host"],
  sentinel: [...common, ...tlsParameters, "master_name", "sentinel_username", "sentinel_password"],
};
const maxPriority = 9;

/** Throws BrokerError, without the password, for a URL that is none. */
export function parseRedisUrl(url: string): RedisAddress {
  const [first, ...others] = url
    .split(";")
    .map((part, index) => partOf(part, index === 0 ? undefined : "sentinel", url));
  const { scheme } = first!;
  if (others.length > 0 && scheme !== "sentinel") {
    throw new BrokerError(`${maskUrl(url)} names several hosts`, {
      remedy:
        "Several hosts can only be Sentinels: sentinel://host:26379;sentinel://host:26379?master_name=mymaster. In a password, write ; as %3B.",
    });
  }
  checkOthers(first!, others, url);
  const query = new Map([first!, ...others].flatMap(({ parsed }) => [...parsed.searchParams]));
  checkParameters(query.keys(), [...parameters[scheme], ...workersOptions], url);
  const target = targetOf(first!, others, query, url);
  const connectTimeout = query.get("socket_connect_timeout");
  return {
    at: placeOf(target),
    target,
    username: unescaped(first!.parsed.username),
    password: unescaped(first!.parsed.password),
    passwordFile: query.get("password_file"),
    database: databaseOf(scheme === "redis+socket" ? (query.get("virtual_host") ?? "") : first!.parsed.pathname, url),
    tls: isEncrypted(scheme, query) ? tlsOf(query, url) : undefined,
    connectTimeoutMs:
      connectTimeout === undefined
        ? 5 * secondMs
        : Math.max(1, secondsOf("socket_connect_timeout", connectTimeout, url)) * secondMs,
    keys: {
      prefix: query.get("global_keyprefix") ?? "",
      steps: stepsOf(query.get("priority_steps") ?? "0,3,6,9", url),
      separator: query.get("sep") ?? "\x06\x16",
    },
  };
}

/** The key of the list from which workers take messages of this queue and priority: the low priorities first. */
export function listKey({ prefix, steps, separator }: KeyRules, queue: string, priority: number): string {
  const bounded = Math.min(Math.max(Math.trunc(priority), 0), maxPriority);
  // Like kombu, and Python: below the first step, the last one.
  const step = steps.findLast((step) => step <= bounded) ?? steps.at(-1)!;
  return step === 0 ? prefix + queue : `${prefix}${queue}${separator}${step}`;
}

interface Part {
  readonly scheme: Scheme;
  readonly parsed: URL;
}

function partOf(text: string, otherwise: Scheme | undefined, url: string): Part {
  const whole = otherwise !== undefined && !text.includes("://") ? `${otherwise}://${text}` : text;
  // URL has no empty host beside a user or a port; 127.0.0.1 is what kombu takes.
  const hasUser = /^[^/?#]*:\/\/[^/?#]*@/.test(whole);
  const filled = whole.replace(
    hasUser ? /^([^/?#]*:\/\/[^/?#]*@)(?=[:/?]|$)/ : /^([^/?#]*:\/\/)(?=[:?]|$)/,
    "$1127.0.0.1",
  );
  const parsed = URL.canParse(filled) ? new URL(filled) : undefined;
  const scheme = schemes.find((known) => `${known}:` === parsed?.protocol);
  // A password with one of these characters unescaped would be taken for a host and its port.
  const isWhole = parsed !== undefined && parsed.hash === "" && !`${parsed.pathname}${parsed.search}`.includes("@");
  if (scheme !== undefined && isWhole) return { scheme, parsed };
  throw new BrokerError(`${maskUrl(url)} is not a Redis URL`, {
    remedy:
      "Write redis://user:password@host:6379/0. In the password, write / as %2F, # as %23, ? as %3F and ; as %3B; in other parts, write @ as %40.",
  });
}

/** kombu takes user, password and database from the first Sentinel's URL, and no others' are looked at. */
function checkOthers(first: Part, others: readonly Part[], url: string): void {
  for (const { scheme, parsed } of others) {
    const { username, password, pathname } = parsed;
    const isSame = (one: string, of: string) => one === "" || one === of;
    const agrees =
      isSame(username, first.parsed.username) &&
      isSame(password, first.parsed.password) &&
      isSame(pathname.replace(/^\/$/, ""), first.parsed.pathname);
    if (scheme === "sentinel" && agrees) continue;
    throw new BrokerError(`the hosts of ${maskUrl(url)} do not agree`, {
      remedy:
        "Write user, password and database with the first one, where workers look for them: sentinel://user:password@host:26379/0;sentinel://host:26379.",
    });
  }
}

function targetOf(
  { scheme, parsed }: Part,
  others: readonly Part[],
  query: ReadonlyMap<string, string>,
  url: string,
): RedisTarget {
  if (scheme === "redis+socket") return { path: unescaped(parsed.pathname) };
  if (scheme !== "sentinel") return hostOf(parsed, 6379);
  const masterName = query.get("master_name");
  if (masterName === undefined || masterName === "") {
    throw new BrokerError(`${maskUrl(url)} does not say which master is meant`, {
      remedy: "Add ?master_name=mymaster: the name that Celery has in broker_transport_options.",
    });
  }
  return {
    sentinels: [parsed, ...others.map((other) => other.parsed)].map((sentinel) => hostOf(sentinel, 26379)),
    masterName,
    sentinelUsername: query.get("sentinel_username") ?? "",
    sentinelPassword: query.get("sentinel_password") ?? "",
  };
}

function hostOf({ hostname, port }: URL, defaultPort: number): { readonly host: string; readonly port: number } {
  return {
    host: unescaped(hostname).replace(/^\[|\]$/g, "") || "127.0.0.1",
    port: port === "" ? defaultPort : Number(port),
  };
}

function placeOf(target: RedisTarget): string {
  if ("path" in target) return target.path;
  if ("host" in target) return hostAndPort(target.host, target.port);
  const sentinels = target.sentinels.map(({ host, port }) => hostAndPort(host, port)).join(", ");
  return `master "${target.masterName}" (Sentinel ${sentinels})`;
}

function databaseOf(path: string, url: string): number {
  const text = path.replace(/^\/{0,2}/, "");
  if (/^\d{0,9}$/.test(text)) return Number(text);
  throw new BrokerError(`"${unescaped(text)}" in ${maskUrl(url)} is not the number of a Redis database`, {
    remedy: "Write a whole number: redis://host:6379/0.",
  });
}

function stepsOf(text: string, url: string): readonly number[] {
  const steps = /^\[?[\d\s,]+\]?$/.test(text) ? text.replace(/[[\]]/g, "").split(",").map(Number) : [];
  const isAscending = steps.every((step, index) => index === 0 || step > steps[index - 1]!);
  if (steps.length > 0 && isAscending) return steps;
  throw new BrokerError(`priority_steps=${text} in ${maskUrl(url)} are not ascending whole numbers`, {
    remedy: "Write them like priority_steps=0,3,6,9, the same as in Celery's broker_transport_options.",
  });
}

/** A Sentinel's URL has no scheme of its own for it. */
function isEncrypted(scheme: Scheme, query: ReadonlyMap<string, string>): boolean {
  return scheme === "rediss" || (scheme === "sentinel" && tlsParameters.some((name) => query.has(name)));
}
