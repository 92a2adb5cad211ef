// From an occurrence of an entry with `http` to its request.

import { readsPreviousFireTime, type TemplateValues, templateOf } from "./celery/templates.ts";
import { pythonTime } from "./celery/times.ts";
import type { CompiledEntry } from "./core/entry.ts";
import { BeatError } from "./core/errors.ts";
import { fitsHeader, type HttpTarget, hostOf, type SecretSource } from "./core/http-target.ts";
import type { Message } from "./core/ports.ts";
import { type Instant, secondMs } from "./core/time.ts";

/** How long a request may take where the entry's `timeout` does not say. */
const defaultTimeoutMs = 30 * secondMs;

export interface RequestOf {
  readonly id: string;
  readonly fireAt: Instant;
  /** null: there was none, or nobody wants to know. */
  readonly previousFireAt: Instant | null;
}

/** Whether the request names the fire time before its own, which takes looking for. */
export function readsPrevious({ headers, body }: HttpTarget): boolean {
  return readsPreviousFireTime(headers) || readsPreviousFireTime(body);
}

/** Throws BeatError for a template that is not known. */
export function requestOf({ entry, policy }: CompiledEntry, target: HttpTarget, occurrence: RequestOf): Message {
  const { id, fireAt, previousFireAt } = occurrence;
  const values: TemplateValues = {
    fire_time: pythonTime(fireAt),
    previous_fire_time: previousFireAt === null ? null : pythonTime(previousFireAt),
    name: entry.name,
  };
  const { url, method, secret, expect, allowPrivate } = target;
  const written = filled(target.headers, "http.headers", values) as HttpTarget["headers"];
  const headers: Record<string, string> = {};
  const secretHeaders: Record<string, SecretSource> = {};
  for (const [name, value] of Object.entries(written)) {
    if (typeof value === "object" && value !== null) secretHeaders[name] = value;
    else headers[name] = headerText(name, value ?? "");
  }
  const body = filled(target.body, "http.body", values);
  const isText = typeof target.body === "string";
  const contentType = isText ? "text/plain; charset=utf-8" : "application/json";
  const isTyped = Object.keys(written).some((name) => name.toLowerCase() === "content-type");
  return {
    id,
    queue: hostOf(url),
    exchange: "",
    routingKey: "",
    headers: {
      "user-agent": "beat",
      ...(body !== undefined && !isTyped && { "content-type": contentType }),
      ...headers,
      "idempotency-key": id,
      "beat-fire-time": pythonTime(fireAt),
    },
    body: Buffer.from(body === undefined ? "" : isText ? String(body ?? "") : JSON.stringify(body)),
    contentType,
    contentEncoding: "utf-8",
    priority: 0,
    persistent: true,
    replyTo: "",
    expiresAt: null,
    request: {
      url,
      method,
      secretHeaders,
      secret,
      expect,
      allowPrivate,
      timeoutMs: policy.timeoutMs ?? defaultTimeoutMs,
    },
  };
}

/** What a template was filled with may be what a header can't hold. */
function headerText(name: string, text: string): string {
  if (fitsHeader(text)) return text;
  throw new BeatError(`the header ${name} can't hold ${JSON.stringify(text)}`, {
    remedy: "Keep to a single line of Latin text, or put it into the body.",
  });
}

function filled(value: unknown, field: string, values: TemplateValues): unknown {
  const render = templateOf(value, field);
  return render === undefined ? value : render(values);
}
