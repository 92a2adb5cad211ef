// Sees whether anyone takes messages from the lists that Beat wrote to. A list is never missing, so that a mistyped queue, or
// steps and prefixes that are not the workers', would be noticed by nobody. A list whose oldest message is another one than
// before, or which is empty again, has a reader, whoever else writes to it.

import type { Redis } from "ioredis";
import { isReply } from "./redis-failure.ts";
import type { RedisFormat } from "./redis-format.ts";
import { UnreadNotice } from "./unread-notice.ts";

interface WatchedList {
  readonly queue: string;
  /** Its oldest message when it was looked at last; null: there was none. */
  oldest: string | null;
  /** Whether something was sent there since. */
  isWrittenTo: boolean;
  /** This user may not look, or it is no list. */
  isBarred: boolean;
}

/** Lists that are watched. Each look reads a message of each. */
const maxLists = 100;

export class UnreadLists {
  readonly #nextIndex: number;
  readonly #notice: UnreadNotice;
  readonly #lists = new Map<string, WatchedList>();

  /** `url`: what a worker is started with. */
  constructor(url: string, { nextIndex, worker }: RedisFormat, tell: (text: string) => void) {
    this.#nextIndex = nextIndex;
    this.#notice = new UnreadNotice(url, tell, worker);
  }

  onSent(key: string, queue: string): void {
    const list = this.#lists.get(key);
    if (list !== undefined) list.isWrittenTo = true;
    else if (this.#lists.size < maxLists)
      this.#lists.set(key, { queue, oldest: null, isWrittenTo: true, isBarred: false });
  }

  /** `nowMs` is monotonic. Never rejects. */
  async look(redis: Redis, nowMs: number): Promise<void> {
    const lists = [...this.#lists].filter(([, { isBarred }]) => !isBarred);
    if (lists.length === 0) return;
    const pipeline = redis.pipeline();
    for (const [key] of lists) pipeline.llen(key).lindex(key, this.#nextIndex);
    const results = await pipeline.exec().catch(() => null);
    if (results === null || results.some(([error]) => error !== null && !isReply(error))) return;
    const taken = new Set<string>();
    const unread = new Map<string, number>();
    for (const [index, [, list]] of lists.entries()) {
      const [[countError, length], [oldestError, last]] = [results[2 * index]!, results[2 * index + 1]!];
      list.isBarred = countError !== null || oldestError !== null;
      if (list.isBarred) continue;
      const [count, oldest] = [length as number, last as string | null];
      const isTaken = list.oldest === null ? list.isWrittenTo && oldest === null : list.oldest !== oldest;
      if (isTaken) taken.add(list.queue);
      if (count > 0) unread.set(list.queue, (unread.get(list.queue) ?? 0) + count);
      list.oldest = oldest;
      list.isWrittenTo = false;
    }
    this.#notice.observe(
      [...unread].map(([name, count]) => ({ name, count })),
      taken,
      nowMs,
    );
  }
}
