// From an occurrence of a task to its message: the one place where the schedule's terms meet Celery's.

import { hostname } from "node:os";
import { type MessageBuilder, prepareMessage } from "./celery/message.ts";
import { BeatError } from "./core/errors.ts";
import type { Target } from "./core/target.ts";
import { nextFireTime } from "./core/triggers/trigger.ts";
import type { Encode } from "./dispatch/relay.ts";

/** Encodes occurrences of tasks. What an entry's messages have in common is prepared once for as long as its target lives. */
export function messageEncoder(defaultQueue: string): Encode {
  const origin = `beat@${hostname()}`;
  const builders = new WeakMap<Target, MessageBuilder>();
  return ({ entry, target, trigger }, { id, fireAt, dueAt }) => {
    if (target.kind !== "task") throw new BeatError(`a ${target.kind} is not sent to a broker`);
    let build = builders.get(target);
    if (build === undefined) {
      build = prepareMessage({ entryName: entry.name, target, defaultQueue, origin });
      builders.set(target, build);
    }
    const nextFireAt = target.options.expires === "next" ? nextFireTime(trigger, dueAt) : null;
    return build({ id, fireAt, dueAt, nextFireAt });
  };
}
