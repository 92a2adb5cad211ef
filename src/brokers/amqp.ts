// RabbitMQ (AMQP 0-9-1). What happens on a connection is in amqp-link.ts and amqp-publisher.ts.

import { maskUrl } from "../core/mask.ts";
import { parseAmqpUrl, placeOf } from "./amqp-address.ts";
import { Failover, failureOf } from "./amqp-failover.ts";
import { AmqpLink } from "./amqp-link.ts";
import { KeptBroker, type KeptBrokerOptions, type LinkListener } from "./kept-broker.ts";

export interface AmqpOptions extends KeptBrokerOptions {
  /** Whether missing queues are created where the URL does not say what to do about them. */
  readonly declareQueues: boolean;
  /** A connection whose broker confirms nothing for so long, with messages unconfirmed, is given up. */
  readonly confirmLimitMs?: number;
}

export class AmqpBroker extends KeptBroker {
  /** Throws BrokerError for a URL that is none. */
  constructor(url: string, options: AmqpOptions) {
    const address = parseAmqpUrl(url);
    const { clock, declareQueues, confirmLimitMs = 15_000, random = Math.random } = options;
    const declare = address.declare ?? (declareQueues ? "create" : "passive");
    const failover = new Failover(address.hosts, address.failoverStrategy === "shuffle" ? random : undefined);
    const transport = {
      url: maskUrl(url),
      at: address.hosts.map(placeOf).join(" or "),
      window: 2_500,
      open: (abort: AbortController, listener: LinkListener) =>
        failover.open(abort, (host, own) =>
          AmqpLink.open(address, host, own, { clock, declare, confirmLimitMs }, listener),
        ),
      failure: failureOf,
    };
    super(transport, options);
  }
}
