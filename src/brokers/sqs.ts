// Amazon SQS, and what speaks its language, as kombu uses it.

import { maskUrl } from "../core/mask.ts";
import { KeptBroker, type KeptBrokerOptions, type LinkListener } from "./kept-broker.ts";
import { parseSqsUrl } from "./sqs-address.ts";
import { sqsFailure } from "./sqs-failure.ts";
import { SqsLink } from "./sqs-link.ts";

export interface SqsBrokerOptions extends KeptBrokerOptions {
  /** Create queues that are missing. */
  readonly declareQueues?: boolean;
  readonly defaultQueue?: string;
  /** A request that is not answered for so long is given up. */
  readonly confirmLimitMs?: number;
  /** Batches of ten messages under way at once. */
  readonly maxRequests?: number;
}

export class SqsBroker extends KeptBroker {
  /** Throws BrokerError for a URL that is none. */
  constructor(url: string, options: SqsBrokerOptions) {
    const address = parseSqsUrl(url);
    const { clock, declareQueues = false, defaultQueue = "celery" } = options;
    const linkOptions = {
      clock,
      random: options.random ?? Math.random,
      confirmLimitMs: options.confirmLimitMs ?? 15_000,
      maxRequests: options.maxRequests ?? 16,
      createsQueues: declareQueues || address.creates,
      probeQueue: defaultQueue,
    };
    const transport = {
      url: maskUrl(url),
      at: address.at,
      window: 2_500,
      open: (abort: AbortController, listener: LinkListener) => SqsLink.open(address, abort, linkOptions, listener),
      failure: (error: unknown) => sqsFailure(error, defaultQueue, address.at),
    };
    super(transport, options);
  }
}
