// Redis, as kombu uses it: alone, over TLS, over a Unix socket, or behind Sentinels.

import { maskUrl } from "../core/mask.ts";
import { KeptBroker, type KeptBrokerOptions, type LinkListener } from "./kept-broker.ts";
import { parseRedisUrl, type RedisAddress } from "./redis-address.ts";
import { connectFailure } from "./redis-failure.ts";
import { kombuFormat, type RedisFormat } from "./redis-format.ts";
import { RedisLink } from "./redis-link.ts";
import { UnreadLists } from "./redis-unread.ts";

export interface RedisBrokerOptions extends KeptBrokerOptions {
  /** A connection whose server answers nothing for so long, with replies expected, is given up. */
  readonly confirmLimitMs?: number;
}

export interface RedisReaders {
  /** Before the URL. */
  readonly scheme: string;
  formatFor(address: RedisAddress): RedisFormat;
}

const celery: RedisReaders = { scheme: "", formatFor: ({ keys }) => kombuFormat(keys) };

export class RedisBroker extends KeptBroker {
  /** `readers`: who they are, where it is not Celery's workers. Throws BrokerError for a URL that is none. */
  constructor(url: string, options: RedisBrokerOptions, readers: RedisReaders = celery) {
    const address = parseRedisUrl(url);
    const format = readers.formatFor(address);
    const { clock, confirmLimitMs = 15_000 } = options;
    const masked = readers.scheme + maskUrl(url);
    const told = new Set<string>();
    let tell = (_: string) => {};
    // Beat's own parameters are none of kombu's.
    const unread = new UnreadLists(masked.replace(/\?[^;]*/g, ""), format, (text) => tell(text));
    const transport = {
      url: masked,
      at: address.at,
      window: 2_500,
      async open(abort: AbortController, listener: LinkListener) {
        const notice = (text: string) => {
          if (!told.has(text)) listener.notice(text);
          told.add(text);
        };
        tell = listener.notice;
        return RedisLink.open(address, abort, { clock, confirmLimitMs, format, unread }, { ...listener, notice });
      },
      failure: (error: unknown) => connectFailure(error, address),
    };
    super(transport, options);
  }
}
