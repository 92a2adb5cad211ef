// Several hosts of one broker: they are tried in turn, beginning with the one that answered last, as kombu does. Waiting
// comes only after all of them.

import { reasonOf } from "../core/errors.ts";
import type { AmqpHost } from "./amqp-address.ts";
import { connectFailure } from "./amqp-failure.ts";
import type { ConnectFailure } from "./kept-broker.ts";

/** No host could be connected to. */
export class HostsFailure extends Error {
  readonly failure: ConnectFailure;

  constructor(failures: readonly ConnectFailure[]) {
    const reason = failures.map((each) => each.reason).join("; ");
    super(reason);
    this.failure = { reason, permanent: failures.every(({ permanent }) => permanent) };
  }
}

export class Failover {
  readonly #hosts: readonly AmqpHost[];
  readonly #random: (() => number) | undefined;
  #last = 0;

  /** With `random`, from 0 to below 1, in any order. */
  constructor(hosts: readonly AmqpHost[], random: (() => number) | undefined) {
    this.#hosts = hosts;
    this.#random = random;
  }

  /** `abort` ends what is connected, or being connected, at any time. Rejects with HostsFailure. */
  async open<Link>(
    abort: AbortController,
    connect: (host: AmqpHost, abort: AbortController) => Promise<Link>,
  ): Promise<Link> {
    const failures: ConnectFailure[] = [];
    for (const index of this.#order()) {
      const host = this.#hosts[index]!;
      // Giving up one host is not giving up the others.
      const own = new AbortController();
      abort.signal.addEventListener("abort", () => own.abort(), { once: true });
      try {
        const link = await connect(host, own);
        this.#last = index;
        return link;
      } catch (error) {
        failures.push(connectFailure(error, host));
        if (abort.signal.aborted) break;
      }
    }
    throw new HostsFailure(failures);
  }

  #order(): number[] {
    const { length } = this.#hosts;
    const order = Array.from({ length }, (_, index) => (this.#last + index) % length);
    const random = this.#random;
    if (random === undefined) return order;
    return order
      .map((index) => ({ index, at: random() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ index }) => index);
  }
}

export function failureOf(error: unknown): ConnectFailure {
  return error instanceof HostsFailure ? error.failure : { reason: reasonOf(error), permanent: false };
}
