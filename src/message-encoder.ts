// From an occurrence to its message: the one place where the schedule's terms meet Celery's.

import { hostname } from "node:os";
import { type MessageBuilder, prepareMessage } from "./celery/message.ts";
import type { Signer } from "./celery/signing.ts";
import { readsPreviousFireTime } from "./celery/templates.ts";
import type { CompiledEntry } from "./core/entry.ts";
import { BeatError } from "./core/errors.ts";
import type { HttpTarget } from "./core/http-target.ts";
import type { Message } from "./core/ports.ts";
import type { Target } from "./core/target.ts";
import type { Instant } from "./core/time.ts";
import { nextFireTime, previousFireTime } from "./core/triggers/trigger.ts";
import type { Encode } from "./dispatch/relay.ts";
import { readsPrevious, requestOf } from "./request-encoder.ts";

interface Prepared {
  readonly build: MessageBuilder;
  readonly readsNext: boolean;
  readonly readsPrevious: boolean;
}

export interface MessageEncoderOptions {
  /** The queue of tasks that name none, by their broker. */
  readonly defaultQueueOf: (broker: string | undefined) => string;
  /** Whether messages carry a `traceparent`. */
  readonly traced: boolean;
  readonly signer?: Signer | undefined;
}

/** Encodes occurrences of tasks. What an entry's messages have in common is prepared once for as long as its target lives. */
export function messageEncoder({ defaultQueueOf, traced, signer }: MessageEncoderOptions): Encode {
  const origin = `beat@${hostname()}`;
  const all = new WeakMap<Target, Prepared>();
  const prepare = ({ entry, target }: CompiledEntry): Prepared => {
    if (target.kind !== "task") throw new BeatError(`a ${target.kind} is not sent to a broker`);
    const prepared = {
      build: prepareMessage({
        entryName: entry.name,
        target,
        defaultQueue: defaultQueueOf(target.broker),
        origin,
        traced,
        signer,
      }),
      readsNext: target.options.expires === "next",
      readsPrevious: readsPreviousFireTime(target),
    };
    all.set(target, prepared);
    return prepared;
  };
  return (compiled, { id, fireAt, dueAt }) => {
    if (compiled.target.kind === "http") return encodeRequest(compiled, compiled.target, id, fireAt);
    const { build, readsNext, readsPrevious } = all.get(compiled.target) ?? prepare(compiled);
    const nextFireAt = readsNext ? nextFireTime(compiled.trigger, dueAt) : null;
    return build({
      id,
      fireAt,
      dueAt,
      nextFireAt,
      previousFireAt: readsPrevious ? fireTimeBefore(compiled, fireAt) : null,
    });
  };
}

function encodeRequest(compiled: CompiledEntry, target: HttpTarget, id: string, fireAt: Instant): Message {
  const previousFireAt = readsPrevious(target) ? fireTimeBefore(compiled, fireAt) : null;
  return requestOf(compiled, target, { id, fireAt, previousFireAt });
}

/** Before an entry was made it had no fire times, whatever its schedule says of the past. */
function fireTimeBefore({ entry, trigger }: CompiledEntry, fireAt: Instant): Instant | null {
  const at = previousFireTime(trigger, fireAt);
  return at === null || at < entry.createdAt ? null : at;
}
