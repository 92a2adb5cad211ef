// RabbitMQ closes a channel for the fault of one message, and every unconfirmed message on it is in doubt. What can be
// learnt from that keeps the next channel from the same end.

import { expiredText } from "../celery/message.ts";
import type { Clock, Message } from "../core/ports.ts";
import { channelFailure, codeOf } from "./amqp-failure.ts";

/** How long nothing goes to an exchange that this user may not write to, or that is missing and can't be looked for. */
const forbiddenMs = 30_000;

export class Restrictions {
  readonly #clock: Clock;
  readonly #looks: boolean;
  readonly #forbidden = new Map<string, { readonly reason: string; readonly untilMs: number }>();
  #maxBodyBytes = Number.POSITIVE_INFINITY;

  /** `looks`: exchanges are looked for before messages go there. */
  constructor(clock: Clock, looks: boolean) {
    this.#clock = clock;
    this.#looks = looks;
  }

  /** Returns the exchange that turned out to be missing, if that was the fault. */
  learn(channelError: unknown): string | undefined {
    const text = channelFailure(channelError);
    const limit = /message size \d+ .*larger than .*max.* size (\d+)/i.exec(text)?.[1];
    if (limit !== undefined) this.#maxBodyBytes = Number(limit);
    const name = /exchange '([^']*)'/.exec(text)?.[1];
    if (name === undefined) return undefined;
    const exchange = name === "amq.default" ? "" : name;
    if (codeOf(channelError) !== "403" && this.#looks) return exchange || undefined;
    this.#forbidden.set(exchange, { reason: text, untilMs: this.#clock.monotonic() + forbiddenMs });
    return undefined;
  }

  /** Why this message is not even tried. `exchange`: where it goes first. */
  refusal(
    { body, expiresAt }: Message,
    exchange: string,
    now: number,
  ): { readonly result: "no-queue" | "refused"; readonly reason: string } | undefined {
    const forbidden = this.#forbidden.size === 0 ? undefined : this.#forbiddenReason(exchange);
    if (forbidden !== undefined) return { result: "no-queue", reason: forbidden };
    if (expiresAt !== null && expiresAt < now) return { result: "refused", reason: expiredText(expiresAt, now) };
    if (body.length <= this.#maxBodyBytes) return undefined;
    const reason = `the message has ${body.length} bytes, and the broker takes at most ${this.#maxBodyBytes}`;
    return { result: "refused", reason };
  }

  #forbiddenReason(exchange: string): string | undefined {
    const entry = this.#forbidden.get(exchange);
    if (entry === undefined || entry.untilMs > this.#clock.monotonic()) return entry?.reason;
    this.#forbidden.delete(exchange);
    return undefined;
  }
}
