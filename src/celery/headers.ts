// Headers that a user may add to a message.

import type { TaskOptions } from "../core/target.ts";
import { checkJson } from "./arguments.ts";
import { refusal } from "./refusal.ts";
import { shortName } from "./routing.ts";

/** Headers of Celery and Beat themselves, and those that RabbitMQ or JavaScript reads something into. */
const reserved: ReadonlySet<string> = new Set(
  [
    "lang task id shadow eta expires group group_index retries timelimit root_id parent_id argsrepr kwargsrepr origin",
    "ignore_result replaced_task_nesting stamped_headers stamps compression",
    "celery_beat_task periodic_task_name beat_fire_time CC BCC __proto__",
  ].flatMap((names) => names.split(" ")),
);

export function checkedHeaders(
  headers: TaskOptions["headers"],
  field = "options",
): readonly (readonly [string, unknown])[] {
  const entries = Object.entries(headers ?? {});
  for (const [name, value] of entries) {
    const at = `${field}.headers.${name}`;
    if (reserved.has(name)) throw refusal(`the header "${name}" is not free`, at, "Choose another name.");
    shortName(name, at);
    checkJson(value, at);
  }
  return entries;
}

/** What `stamped_headers` and `stamps` say: a stamp is inherited by the tasks that a task calls. */
export function checkedStamps(stamps: TaskOptions["stamps"]): Readonly<Record<string, unknown>> {
  for (const [name, value] of Object.entries(stamps ?? noStamps)) {
    const at = `options.stamps.${name}`;
    if (reserved.has(name)) throw refusal(`the stamp "${name}" is not free`, at, "Choose another name.");
    shortName(name, at);
    checkJson(value, at);
  }
  return stamps ?? noStamps;
}

const noStamps = Object.freeze({});
