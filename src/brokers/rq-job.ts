// A message as a job of RQ 2, for workers with its JSON serializer. What RQ has no place for is refused: its workers would
// run something else than what was meant.

import { deflateSync } from "node:zlib";
import { expiredText } from "../celery/message.ts";
import { pythonJson, pythonRepr } from "../celery/python.ts";
import type { Message } from "../core/ports.ts";
import { secondMs } from "../core/time.ts";

export interface RqJob {
  readonly id: string;
  readonly queue: string;
  /** Of the hash `rq:job:ID`, in RQ's order. */
  readonly fields: readonly (readonly [name: string, value: string | Buffer])[];
  /** Seconds for which the job is there to be taken; undefined: for ever. */
  readonly ttl: number | undefined;
  /** Unix seconds from which it is to run; undefined: at once. */
  readonly scheduledAt: number | undefined;
}

/** RQ's own default, in seconds, which its client writes down too. */
const defaultTimeout = 180;
const reprLength = 75;
/** Headers that say what a job has fields for, or nothing that it could use. The others become its `meta`. */
const celerysOwn = new Set(
  "lang task id shadow eta expires group group_index retries timelimit root_id parent_id argsrepr kwargsrepr origin ignore_result replaced_task_nesting stamped_headers stamps celery_beat_task compression".split(
    " ",
  ),
);

/** The job, or why there is none. */
export function rqJobOf(message: Message, now: number): RqJob | { readonly refusal: string } {
  const { id, queue, headers, expiresAt, properties = {} } = message;
  if (message.exchange !== "")
    return { refusal: `RQ has no exchanges: give the task a queue instead of the exchange "${message.exchange}"` };
  if (expiresAt !== null && expiresAt < now) return { refusal: expiredText(expiresAt, now) };
  const call = callIn(message);
  if (typeof call === "string") return { refusal: call };
  const { task, args, kwargs } = call;
  const dueAt = typeof headers["eta"] === "string" ? Date.parse(headers["eta"]) : now;
  const isScheduled = dueAt > now;
  const [hardLimit] = (headers["timelimit"] ?? []) as (number | null)[];
  const ttl = expiresAt === null ? undefined : Math.max(1, Math.ceil((expiresAt - now) / secondMs));
  const meta = Object.entries(headers).filter(([name]) => !celerysOwn.has(name));
  const empty = ["success_callback_name", "failure_callback_name", "stopped_callback_name"];
  const unset = ["started_at", "ended_at", "last_heartbeat", "worker_name", "group_id"];
  const fields: (readonly [string, string | Buffer])[] = [
    ["status", isScheduled ? "scheduled" : "queued"],
    ["created_at", rqTime(now)],
    ["data", deflateSync(pythonJson([task, null, args, kwargs]))],
    ...[...empty, ...unset].map((name) => [name, ""] as const),
    ["origin", queue],
    ["description", (headers["shadow"] as string | null) ?? callText(task, args, kwargs)],
    ...(isScheduled ? [] : [["enqueued_at", rqTime(now)] as const]),
    ["timeout", String(typeof hardLimit === "number" ? Math.ceil(hardLimit) : defaultTimeout)],
    ...["result_ttl", "failure_ttl"].flatMap((name) => {
      const value = properties[name];
      return value === undefined ? [] : [[name, String(Math.ceil(Number(value)))] as const];
    }),
    ...(meta.length === 0 ? [] : [["meta", pythonJson(Object.fromEntries(meta))] as const]),
    ...(ttl === undefined ? [] : [["ttl", String(ttl)] as const]),
  ];
  return { id, queue, fields, ttl, scheduledAt: isScheduled ? Math.ceil(dueAt / secondMs) : undefined };
}

interface Call {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/** What is to be called, read back from Celery's body; or why RQ can't. */
function callIn({ body, contentType, headers }: Message): Call | string {
  const task = headers["task"];
  if (contentType !== "application/json" || headers["compression"] !== undefined)
    return "RQ's JSON serializer reads neither other serializers nor compressions; leave both out";
  const content: unknown = JSON.parse(body.toString());
  if (typeof task !== "string" || !Array.isArray(content))
    return "RQ has no protocols of Celery's: leave task_protocol out";
  const [args, kwargs, embed] = content;
  const isCanvas = task === "celery.group" || task === "celery.chord";
  if (isCanvas || Object.values(Object(embed)).some((value) => value !== null))
    return "RQ has no chain, group, chord, link and link_error: give the function alone";
  if (!task.includes(".")) return `RQ needs a function's dotted path, like reports.send, and not "${task}"`;
  return { task, args, kwargs };
}

/** `reports.send('weekly', attach=True)`: RQ's own description of a call. */
function callText(task: string, args: Call["args"], kwargs: Call["kwargs"]): string {
  const shown = (value: unknown) => {
    const text = pythonRepr(value);
    return text.length > reprLength ? `${text.slice(0, reprLength)}...` : text;
  };
  const named = Object.entries(kwargs).map(([name, value]) => `${name}=${shown(value)}`);
  return `${task}(${[...args.map(shown), ...named.toSorted()].join(", ")})`;
}

/** UTC with six digits of fraction. */
const rqTime = (instant: number): string => `${new Date(instant).toISOString().slice(0, -1)}000Z`;
