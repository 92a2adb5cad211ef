// A request that an entry sends: what a user writes of it, and the rules that join its keys.

import { z } from "zod";
import { type Broken, unwritable } from "./broken-rule.ts";
import type { ValuePath } from "./json-value.ts";

/** Where a secret is kept, so that it is in no definition: an environment variable or a file. */
const secretSchema = z.union([z.strictObject({ env: z.string().min(1) }), z.strictObject({ file: z.string().min(1) })]);
export type SecretSource = z.infer<typeof secretSchema>;

const statusSchema = z.union([z.int().min(200).max(599), z.enum(["2xx", "3xx", "4xx", "5xx"])]);
export type ExpectedStatus = z.infer<typeof statusSchema>;

export const httpSchema = z
  .strictObject({
    /** One that is a secret itself is kept elsewhere. */
    url: z.union([z.string().min(1), secretSchema]),
    method: z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]).optional(),
    headers: z.record(z.string().min(1), z.union([z.string(), secretSchema])).optional(),
    /** A text is sent as it is, anything else as JSON. */
    body: z.unknown().optional(),
    expect: z.union([statusSchema, z.array(statusSchema).min(1)]).optional(),
    /** Signs what is sent. */
    secret: secretSchema.optional(),
    allow_private: z.boolean().optional(),
  })
  .meta({ id: "http" });

export interface HttpTarget {
  readonly kind: "http";
  readonly url: string | SecretSource;
  readonly method: string;
  readonly headers: Readonly<Record<string, string | SecretSource>>;
  readonly body: unknown;
  readonly expect: readonly ExpectedStatus[];
  readonly secret: SecretSource | undefined;
  /** Whether addresses of this machine and of private networks may be asked. */
  readonly allowPrivate: boolean;
}

/** What makes a message a request: what is known of it before it is sent. */
export interface RequestTerms {
  readonly url: string | SecretSource;
  readonly method: string;
  /** Headers whose values are kept elsewhere, and are read as it is sent. */
  readonly secretHeaders: Readonly<Record<string, SecretSource>>;
  /** What signs it. */
  readonly secret: SecretSource | undefined;
  readonly expect: readonly ExpectedStatus[];
  /** Whether addresses of this machine and of private networks may be asked. */
  readonly allowPrivate: boolean;
  /** How long it may take, with its answer. */
  readonly timeoutMs: number;
}

/** The host that is asked, or where the URL is kept; for people, and for telling hosts apart. */
export function hostOf(url: string | SecretSource): string {
  if (typeof url === "string") return new URL(url).origin;
  return "env" in url ? `the URL in ${url.env}` : `the URL in ${url.file}`;
}

/** Undefined: it is none that can be asked. */
export function httpUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === "http:" || url?.protocol === "https:" ? url : undefined;
}

export function httpTargetOf(written: z.infer<typeof httpSchema>): HttpTarget {
  const { url, body, headers = {}, expect = "2xx", secret, allow_private: allowPrivate = false } = written;
  const method = written.method ?? "POST";
  return { kind: "http", url, method, headers, body, expect: [expect].flat(), secret, allowPrivate };
}

/** How often a request is tried at most that may have arrived, and was not answered as it should be. */
export const defaultHttpRetries = 10;

/** What Beat says itself, and what the connection decides. */
const ownHeaders = new Set([
  "connection",
  "content-length",
  "host",
  "transfer-encoding",
  "upgrade",
  "idempotency-key",
  "beat-signature",
  "beat-fire-time",
]);
/** Their values would be stored and shown like the rest of the entry. */
const secretName = /authorization|cookie|token|secret|passw|api-?key/i;
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const notInHeaders = /[^\t\x20-\x7e\x80-\xff]/;

export const fitsHeader = (text: string): boolean => !notInHeaders.test(text);

export function* brokenHttpRules(value: unknown): Generator<Broken> {
  if (typeof value !== "object" || value === null) return;
  const { url, method, headers, body } = value as Record<string, unknown>;
  if (typeof url === "string") yield* urlRules(url);
  for (const [name, text] of Object.entries(Object(headers) as Record<string, unknown>)) yield* headerRules(name, text);
  if (body === undefined) return;
  if (method === "GET" || method === "HEAD") {
    yield { message: `is not sent with ${method}`, remedy: "Remove it, or use POST.", path: ["http", "body"] };
  }
  yield* unwritable(body, ["http", "body"]);
}

function* urlRules(text: string): Generator<Broken> {
  const path: ValuePath = ["http", "url"];
  const url = httpUrl(text);
  if (url === undefined) {
    yield { message: "is not an http(s) URL", remedy: "Write it like https://example.org/hook.", path };
  } else if (url.username !== "" || url.password !== "") {
    const remedy = "Write headers: {Authorization: {file: …}}, with the header's value in the file.";
    const message = "must not hold a name or a password: they would be stored and shown like the rest of the entry";
    yield { message, remedy, path };
  }
}

function* headerRules(name: string, text: unknown): Generator<Broken> {
  const path: ValuePath = ["http", "headers", name];
  if (!token.test(name)) yield { message: "is not the name of a header", remedy: "Write it like X-Reason.", path };
  else if (ownHeaders.has(name.toLowerCase())) yield { message: "is set by Beat", remedy: "Remove it.", path };
  else if (typeof text === "string" && secretName.test(name))
    yield {
      message: "would be stored and shown like the rest of the entry",
      remedy: "Keep its value elsewhere: {env: NAME} or {file: PATH}.",
      path,
    };
  if (typeof text === "string" && !fitsHeader(text))
    yield { message: "holds a character that no header can", remedy: "Keep to a single line of Latin text.", path };
}
