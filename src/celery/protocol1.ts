// Protocol 1, which Celery 3 speaks: no headers of Celery's, everything in one object of the body.

import type { TaskTarget } from "../core/target.ts";
import type { Content } from "./canvas.ts";
import { refusal } from "./refusal.ts";

/** Throws BeatError for what this protocol has no place for. */
export function checkProtocol1({ canvas, options }: TaskTarget): void {
  if (canvas !== undefined) {
    throw refusal(
      `protocol 1 has no ${Object.keys(canvas).join()}`,
      "options.task_protocol",
      "Leave it out for Celery 4 and later; for older ones use link.",
    );
  }
  for (const key of ["shadow", "ignore_result", "argsrepr", "kwargsrepr", "stamps"] as const) {
    if (options[key] !== undefined) throw refusal("has no place in protocol 1", `options.${key}`, "Remove it.");
  }
}

export function protocol1Body({
  task,
  id,
  content: { args, kwargs, embed },
  eta,
  expires,
  timeLimit,
}: {
  readonly task: string;
  readonly id: string;
  readonly content: Content;
  readonly eta: string | null;
  readonly expires: string | null;
  readonly timeLimit: readonly (number | null)[];
}): Readonly<Record<string, unknown>> {
  return {
    task,
    id,
    args,
    kwargs,
    group: null,
    group_index: null,
    retries: 0,
    eta,
    expires,
    utc: true,
    callbacks: embed.callbacks,
    errbacks: embed.errbacks,
    timelimit: timeLimit,
    taskset: null,
    chord: null,
  };
}
