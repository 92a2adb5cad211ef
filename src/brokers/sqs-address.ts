// An SQS URL, read the way that kombu reads it. What Celery has in `broker_transport_options` and can't be in its URL stands
// in the URL's query here, under the same names.

import { BrokerError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { checkParameters, choiceOf, flagOf, secondsOf, unescaped } from "./url-text.ts";

/** Where requests go, and as whom. */
export interface SqsAccess {
  /** Undefined: AWS's own, of the region. */
  readonly endpoint: string | undefined;
  /** Undefined: what the environment or the AWS profile says, and us-east-1 where they say nothing. */
  readonly region: string | undefined;
  /** Undefined: the SDK's chain finds them (environment, profile, the role of a container, function or machine). */
  readonly credentials: SqsCredentials | undefined;
}

export interface SqsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface PredefinedQueue {
  readonly url: string;
  readonly access: SqsAccess;
}

export interface SqsAddress extends SqsAccess {
  /** For people: `host:port`, or `SQS`. */
  readonly at: string;
  readonly queueNamePrefix: string;
  /** By name. Where there are some, there are no others. */
  readonly predefinedQueues: ReadonlyMap<string, PredefinedQueue>;
  /** Whether the envelope is base64 once more, as kombu does unless told otherwise. */
  readonly isBase64: boolean;
  /** Seconds; of a queue that is created. */
  readonly visibilityTimeout: number;
  /** Queues that are missing are created. */
  readonly creates: boolean;
}

const parameters = [
  "region",
  "endpoint_url",
  "is_secure",
  "queue_name_prefix",
  "predefined_queues",
  "sqs_base64_encoding",
  "visibility_timeout",
  "session_token",
  "declare",
  // Of Celery's, those that concern workers alone.
  "polling_interval",
  "wait_time_seconds",
];
const isAws = /\.amazonaws\.com(\.cn)?(:\d+)?$/;

/** Throws BrokerError, without the secret, for a URL that is none. */
export function parseSqsUrl(url: string): SqsAddress {
  const parts = /^sqs:\/\/(?:([^/?#]*)@)?([^/?#@]*)\/?(?:\?([^#]*))?$/is.exec(url);
  const [, user = "", host = "", search = ""] = parts ?? [];
  const [, key, secret] = /^([^:]*):(.*)$/s.exec(user) ?? ["", user, ""];
  if (parts === null || (host !== "" && !URL.canParse(`http://${host}`)) || (key === "") !== (secret === "")) {
    throw new BrokerError(`${maskUrl(url)} is not an SQS URL`, {
      remedy:
        "Write sqs:// (credentials and region as AWS tools find them), sqs://key:secret@ or sqs://key:secret@host:port. In the secret, write / as %2F and + as %2B; name queues by URL in predefined_queues.",
    });
  }
  const query = new Map(new URLSearchParams(search));
  checkParameters(query.keys(), parameters, url);
  const endpoint = query.get("endpoint_url") ?? endpointOf(host, query, url);
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint)) {
    throw new BrokerError(`endpoint_url=${endpoint} in ${maskUrl(url)} is not a URL`, {
      remedy: "Write it like http://localhost:4566.",
    });
  }
  const sessionToken = query.get("session_token");
  const access: SqsAccess = {
    endpoint,
    region: query.get("region"),
    credentials: key ? { ...credentialsOf(key, secret!), ...(sessionToken && { sessionToken }) } : undefined,
  };
  return {
    ...access,
    at: endpoint === undefined ? "SQS" : new URL(endpoint).host,
    queueNamePrefix: query.get("queue_name_prefix") ?? "",
    predefinedQueues: predefinedOf(query.get("predefined_queues"), access, url),
    isBase64: choiceOf("sqs_base64_encoding", query, ["true", "false"], url) !== "false",
    visibilityTimeout: secondsOf("visibility_timeout", query.get("visibility_timeout") ?? "1800", url),
    creates: choiceOf("declare", query, ["passive", "create"], url) === "create",
  };
}

const credentialsOf = (key: string, secret: string): SqsCredentials => ({
  accessKeyId: unescaped(key),
  secretAccessKey: unescaped(secret),
});

/** Like kombu, http unless `is_secure`; but AWS itself is never spoken to in the clear. */
function endpointOf(host: string, query: ReadonlyMap<string, string>, url: string): string | undefined {
  const isSecure = flagOf("is_secure", query, url);
  return host === "" ? undefined : `${isSecure || isAws.test(host) ? "https" : "http"}://${host}`;
}

function predefinedOf(text: string | undefined, access: SqsAccess, url: string): ReadonlyMap<string, PredefinedQueue> {
  if (text === undefined) return new Map();
  const refuse = (what: string): never => {
    throw new BrokerError(`predefined_queues in ${maskUrl(url)} ${what}`, {
      remedy:
        'Write Celery\'s map as JSON: {"emails": {"url": "https://sqs.eu-west-1.amazonaws.com/123456789012/emails"}}.',
    });
  };
  let queues: unknown;
  try {
    queues = JSON.parse(text);
  } catch {
    return refuse("is not JSON");
  }
  if (typeof queues !== "object" || queues === null || Array.isArray(queues)) return refuse("is not a map");
  return new Map(
    Object.entries(queues).map(([name, settings]) => {
      const text = (key: string): string | undefined => {
        const value = Object(settings)[key];
        return value === undefined || typeof value === "string"
          ? value
          : refuse(`has a ${key} of "${name}" that is no text`);
      };
      const queueUrl = text("url") ?? refuse(`has no url for "${name}"`);
      if (!/^https?:\/\/[^/]+\/./.test(queueUrl)) refuse(`has a url of "${name}" that is none`);
      if (queueUrl.endsWith(".fifo") !== name.endsWith(".fifo"))
        refuse(`has a FIFO queue whose name and url do not both end with .fifo: "${name}"`);
      const [key, secret, token] = [text("access_key_id"), text("secret_access_key"), text("session_token")];
      if ((key === undefined) !== (secret === undefined))
        refuse(`has one of access_key_id and secret_access_key for "${name}", and not both`);
      const own = key && secret && { accessKeyId: key, secretAccessKey: secret, ...(token && { sessionToken: token }) };
      const region =
        text("region") ?? access.region ?? /^https?:\/\/sqs\.([a-z0-9-]+)\.amazonaws\./.exec(queueUrl)?.[1];
      return [name, { url: queueUrl, access: { ...access, region, credentials: own || access.credentials } }];
    }),
  );
}

/** The name that a queue has in SQS: kombu's rule. */
export function sqsNameOf(queue: string, { queueNamePrefix }: Pick<SqsAddress, "queueNamePrefix">): string {
  const name = queueNamePrefix + queue;
  const [stem, suffix] = isFifo(name) ? [name.slice(0, -".fifo".length), ".fifo"] : [name, ""];
  return stem.replaceAll(".", "-").replace(/[!-,/:-@[-^`{-~]/g, "_") + suffix;
}

export const isFifo = (queue: string): boolean => queue.endsWith(".fifo");
