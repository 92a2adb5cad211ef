// PostgreSQL, as kombu's SQLAlchemy transport uses it: two tables that workers poll.

import { maskUrl } from "../core/mask.ts";
import { KeptBroker, type KeptBrokerOptions, type LinkListener, type Transport } from "./kept-broker.ts";
import { parsePostgresUrl } from "./postgres-address.ts";
import { connectFailure } from "./postgres-failure.ts";
import { openPostgresLink } from "./postgres-link.ts";
import { UnreadNotice } from "./unread-notice.ts";

export interface PostgresBrokerOptions extends KeptBrokerOptions {
  /** A connection whose server answers nothing for so long, with answers expected, is given up. */
  readonly confirmLimitMs?: number;
}

export class PostgresBroker extends KeptBroker {
  /** Throws BrokerError for a URL that is none. */
  constructor(url: string, options: PostgresBrokerOptions) {
    const address = parsePostgresUrl(url);
    const { clock, confirmLimitMs = 15_000 } = options;
    let tell = (_: string) => {};
    const notice = new UnreadNotice(address.workerUrl, (text) => tell(text));
    const transport: Transport = {
      url: maskUrl(url),
      at: address.at,
      window: 5_000,
      async open(abort: AbortController, listener: LinkListener) {
        tell = listener.notice;
        return openPostgresLink(address, abort, { clock, confirmLimitMs, notice }, listener);
      },
      failure: (error) => connectFailure(error, address),
    };
    super(transport, options);
  }
}
