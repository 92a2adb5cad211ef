// Protocol 2: Celery's headers beside the body. What does not change between two messages is written once.

import type { TaskTarget } from "../core/target.ts";
import type { Content, Contents } from "./canvas.ts";
import type { Encoding } from "./encoding.ts";
import { checkedStamps } from "./headers.ts";
import { pythonRepr } from "./python.ts";
import type { TemplateValues } from "./templates.ts";
import { timeLimitOf } from "./times.ts";

/** What makes one message of an entry differ from another. */
export interface Own {
  readonly id: string;
  readonly eta: string | null;
  readonly expires: string | null;
  readonly values: TemplateValues;
}

export interface Written {
  /** Celery's own. The user's and Beat's come after them. */
  readonly headers: Record<string, unknown>;
  readonly body: Buffer;
}

export function prepareProtocol2(
  { task, options }: TaskTarget,
  contents: Contents,
  { encode }: Encoding,
  origin: string,
): (own: Own) => Written {
  const timeLimit = timeLimitOf(options);
  const shadow = options.shadow ?? null;
  const ignoreResult = options.ignore_result ?? null;
  const stamps = checkedStamps(options.stamps);
  const stampedHeaders = options.stamps === undefined ? null : Object.keys(stamps);
  const write = ({ args, kwargs, embed }: Content) => ({
    body: encode([args, kwargs, embed]),
    argsRepr: options.argsrepr ?? pythonRepr(args),
    kwargsRepr: options.kwargsrepr ?? pythonRepr(kwargs),
  });
  let fixed: ReturnType<typeof write> | undefined;

  return ({ id, eta, expires, values }) => {
    const written = fixed ?? write(contents.of(id, values));
    if (contents.isFixed) fixed = written;
    const headers = {
      lang: "py",
      task,
      id,
      shadow,
      eta,
      expires,
      group: null,
      group_index: null,
      retries: 0,
      timelimit: timeLimit,
      root_id: id,
      parent_id: null,
      argsrepr: written.argsRepr,
      kwargsrepr: written.kwargsRepr,
      origin,
      ignore_result: ignoreResult,
      replaced_task_nesting: 0,
      stamped_headers: stampedHeaders,
      stamps,
    };
    return { headers, body: written.body };
  };
}
