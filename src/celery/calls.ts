// The call of a task: its name and arguments, and the signature of it, Celery's word for a call that is still to be made.

import { isMap } from "../core/json-value.ts";
import type { Signature } from "../core/target.ts";
import { checkJson } from "./arguments.ts";
import { prepareEncoding } from "./encoding.ts";
import { checkedHeaders } from "./headers.ts";
import { refusal } from "./refusal.ts";
import { checkPriority, shortName } from "./routing.ts";
import { type Render, type TemplateValues, templateOf } from "./templates.ts";
import { secondsOf } from "./times.ts";

interface Call {
  readonly task: string;
  readonly args?: readonly unknown[] | undefined;
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined;
}

/** Fills a part of the message in; the same part each time where `isFixed`. */
export interface Filled {
  readonly isFixed: boolean;
  readonly fill: Render;
}

/** As a message's body holds it, in the order in which Celery's client writes it. */
export interface WrittenSignature {
  readonly task: string;
  readonly args: unknown;
  readonly kwargs: unknown;
  readonly options: Readonly<Record<string, unknown>>;
  readonly subtask_type: string | null;
  readonly immutable: boolean;
}

/** What decides whether a message can be sent must not depend on its fire time: each part is filled in once for a check. */
const sample: TemplateValues = { fire_time: "2027-01-01T09:00:00+00:00", previous_fire_time: null, name: "name" };

/** Throws BeatError for what workers would lose, or die of. */
export function checkCall({ task, args = [], kwargs = {} }: Call, at: string): { args: Filled; kwargs: Filled } {
  if (typeof task !== "string" || task === "") throw refusal("a task needs a name", `${at}task`);
  if (!Array.isArray(args))
    throw refusal("args must be a list", `${at}args`, "Workers iterate over anything else, or lose the task.");
  if (!isMap(kwargs))
    throw refusal(
      "kwargs must be an object",
      `${at}kwargs`,
      "Workers lose a task with any other kwargs without a word.",
    );
  return { args: filled(args, `${at}args`), kwargs: filled(kwargs, `${at}kwargs`) };
}

function filled(value: unknown, field: string): Filled {
  checkJson(value, field);
  const render = templateOf(value, field);
  if (render === undefined) return { isFixed: true, fill: () => value };
  checkJson(render(sample), field);
  return { isFixed: false, fill: render };
}

/** How a signature is written; `more` are options that it gets beside its own. */
export function prepareSignature(
  signature: Signature,
  field: string,
): {
  readonly isFixed: boolean;
  write(values: TemplateValues, more?: Readonly<Record<string, unknown>>): WrittenSignature;
} {
  const { args, kwargs } = checkCall(signature, `${field}.`);
  const { task, immutable = false } = signature;
  const options = callOptions(signature.options ?? {}, `${field}.options`);
  return {
    isFixed: args.isFixed && kwargs.isFixed,
    write: (values, more) => ({
      task,
      args: args.fill(values),
      kwargs: kwargs.fill(values),
      options: more === undefined ? options : { ...options, ...more },
      subtask_type: null,
      immutable,
    }),
  };
}

const durations = ["countdown", "expires", "time_limit", "soft_time_limit"] as const;

/** The arguments of the worker's apply_async: durations are numbers of seconds there, and a compression has the name that kombu knows. */
function callOptions(options: NonNullable<Signature["options"]>, field: string): Record<string, unknown> {
  checkedHeaders(options.headers, field);
  checkPriority(options, field);
  const { compression } = prepareEncoding(options, field);
  for (const key of ["queue", "exchange", "routing_key"] as const) shortName(options[key] ?? "", `${field}.${key}`);
  const seconds = durations
    .filter((key) => options[key] !== undefined)
    .map((key) => [key, secondsOf(options[key]!)] as const);
  return { ...options, ...(compression && { compression }), ...Object.fromEntries(seconds) };
}
