// Redis as RQ's workers read it: a hash for each job, and its id in its queue's list.

import type { ChainableCommander } from "ioredis";
import { BrokerError, reasonOf } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { RedisBroker, type RedisBrokerOptions } from "./redis.ts";
import { workersOptions } from "./redis-address.ts";
import type { RedisFormat } from "./redis-format.ts";
import { rqJobOf } from "./rq-job.ts";
import { shellWord } from "./unread-notice.ts";

/**
 * A job that is there already is left as it is: a second send changes nothing for as long as RQ keeps the first one.
 * KEYS: the queue, the set of queues, the queue's registry of scheduled jobs.
 * ARGV: for each job its id, its time to live and its time (each may be ""), how many texts follow, and its fields.
 */
const script = `
redis.call("SADD", KEYS[2], KEYS[1])
local at = 1
while at <= #ARGV do
  local id, ttl, time, count = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local key, first = "rq:job:" .. id, at + 4
  at = first + count
  if redis.call("EXISTS", key) == 0 then
    if time == "" then redis.call("RPUSH", KEYS[1], id) else redis.call("ZADD", KEYS[3], time, id) end
    redis.call("HSET", key, unpack(ARGV, first, at - 1))
    if ttl ~= "" then redis.call("EXPIRE", key, ttl) end
  end
end`;
const listPrefix = "rq:queue:";
/** They are kombu's. */
const foreign = ["global_keyprefix", "priority_steps", "sep", ...workersOptions];

const rqFormat: RedisFormat = {
  write(message, now) {
    let job: ReturnType<typeof rqJobOf>;
    try {
      job = rqJobOf(message, now);
    } catch (error) {
      return { refusal: `the message cannot be encoded: ${reasonOf(error)}` };
    }
    if ("refusal" in job) return job;
    const { id, ttl = "", scheduledAt = "", fields } = job;
    return {
      list: listPrefix + job.queue,
      args: [id, String(ttl), String(scheduledAt), String(2 * fields.length), ...fields.flat()],
    };
  },
  push(pipeline: ChainableCommander, list, args) {
    const scheduled = `rq:scheduled:${list.slice(listPrefix.length)}`;
    pipeline.eval(script, 3, list, "rq:queues", scheduled, ...args);
  },
  nextIndex: 0,
  worker: (url, queues) =>
    `rq worker -u ${shellWord(url.replace(/^rq\+/, ""))} -S rq.serializers.JSONSerializer ${queues.map(shellWord).join(" ")}`,
};

export class RqBroker extends RedisBroker {
  /** Throws BrokerError for a URL that is none. */
  constructor(url: string, options: RedisBrokerOptions) {
    super(redisUrlOf(url), options, { scheme: "rq+", formatFor: () => rqFormat });
  }
}

/** Throws BrokerError for what RQ has not. */
export function redisUrlOf(url: string): string {
  const redisUrl = url.replace(/^rq\+/i, "");
  const unknown = foreign.find((name) => new RegExp(`[?&;]${name}=`).test(redisUrl));
  if (unknown === undefined) return redisUrl;
  throw new BrokerError(`unknown parameter "${unknown}" in ${maskUrl(url)}`, {
    remedy: "RQ has no such thing. Leave it out.",
  });
}
