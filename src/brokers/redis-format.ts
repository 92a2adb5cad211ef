// How messages lie in Redis, which depends on who reads them: Celery's workers, as kombu has them, or RQ's.

import type { ChainableCommander } from "ioredis";
import type { Message } from "../core/ports.ts";
import { enveloped } from "./enveloped.ts";
import { type KeyRules, listKey } from "./redis-address.ts";
import { celeryWorker, type WorkerCommand } from "./unread-notice.ts";

/** A message as one command has it among others: `args` follow one another. */
export interface WrittenMessage {
  /** The list from which a worker takes it. */
  readonly list: string;
  readonly args: readonly (string | Buffer)[];
}

export interface RedisFormat {
  /** Or why it is not written. */
  write(message: Message, now: number): WrittenMessage | { readonly refusal: string };
  /** One command that Redis carries out whole or not at all. `args`: of all messages for this list. */
  push(pipeline: ChainableCommander, list: string, args: readonly (string | Buffer)[]): void;
  /** Where in its list the message lies that is taken next. */
  readonly nextIndex: 0 | -1;
  readonly worker: WorkerCommand;
}

/** Lists of envelopes: pushed on the left, taken from the right. */
export function kombuFormat(keys: KeyRules): RedisFormat {
  return {
    write(message, now) {
      const envelope = enveloped(message, "Redis", now);
      if (typeof envelope !== "string") return envelope;
      return { list: listKey(keys, message.queue, message.priority), args: [envelope] };
    },
    push: (pipeline, list, args) => void pipeline.lpush(list, ...args),
    nextIndex: -1,
    worker: celeryWorker,
  };
}
