// Protocol 1, which Celery 3 speaks: no headers of Celery's, everything in one object of the body.

import type { TaskTarget } from "../core/target.ts";
import type { Contents } from "./canvas.ts";
import type { Encoding } from "./encoding.ts";
import type { Own, Written } from "./protocol2.ts";
import { refusal } from "./refusal.ts";
import { timeLimitOf } from "./times.ts";

/** Throws BeatError for what this protocol has no place for. */
export function prepareProtocol1(
  { task, canvas, options }: TaskTarget,
  contents: Contents,
  { encode }: Encoding,
): (own: Own) => Written {
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
  const timeLimit = timeLimitOf(options);

  return ({ id, eta, expires, values }) => {
    const { args, kwargs, embed } = contents.of(id, values);
    const body = encode({
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
    });
    return { headers: {}, body };
  };
}
