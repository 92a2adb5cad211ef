// RabbitMQ (AMQP 0-9-1). What happens on a connection is in amqp-link.ts and amqp-publisher.ts.

import { maskUrl } from "../core/mask.ts";
import { parseAmqpUrl } from "./amqp-address.ts";
import { connectFailure } from "./amqp-failure.ts";
import { AmqpLink } from "./amqp-link.ts";
import { KeptBroker, type KeptBrokerOptions, type LinkListener } from "./kept-broker.ts";

export interface AmqpOptions extends KeptBrokerOptions {
  readonly declareQueues: boolean;
  /** A connection whose broker confirms nothing for so long, with messages unconfirmed, is given up. */
  readonly confirmLimitMs?: number;
}

export class AmqpBroker extends KeptBroker {
  /** Throws BrokerError for a URL that is none. */
  constructor(url: string, options: AmqpOptions) {
    const address = parseAmqpUrl(url);
    const { clock, declareQueues, confirmLimitMs = 15_000 } = options;
    const transport = {
      url: maskUrl(url),
      at: `${address.hostname}:${address.port}`,
      window: 2_500,
      open: (abort: AbortController, listener: LinkListener) =>
        AmqpLink.open(address, abort, { clock, declareQueues, confirmLimitMs }, listener),
      failure: (error: unknown) => connectFailure(error, address),
    };
    super(transport, options);
  }
}
