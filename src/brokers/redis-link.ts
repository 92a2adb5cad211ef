// One connection to Redis, from its handshake to its end, and the messages on it.
//
// Workers take messages from lists, which a push makes where there are none: there is nothing to declare. Messages are
// encoded in short slices, so that a burst does not hold up the event loop, and those of a slice for the same list go
// in one command, which Redis takes whole or not at all. Its reply is the confirmation.
//
// A server that answers and takes no writes (out of memory, a replica, loading) is as good as away. That is found out by a
// write that changes nothing: LPUSHX on a list that is not there, when the connection is made and every few seconds.

import type { Redis } from "ioredis";
import { reasonOf } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { ConfirmDeadline } from "./confirm-deadline.ts";
import type { Link, LinkListener } from "./kept-broker.ts";
import type { RedisAddress } from "./redis-address.ts";
import { closeLimitMs, connectRedis, probe, probeKey } from "./redis-client.ts";
import { isReply, replyFailure } from "./redis-failure.ts";
import type { RedisFormat } from "./redis-format.ts";
import type { UnreadLists } from "./redis-unread.ts";
import { Line, type Sending, Unsettled } from "./sending.ts";

export interface RedisLinkOptions {
  readonly clock: Clock;
  readonly confirmLimitMs: number;
  readonly format: RedisFormat;
  readonly unread: UnreadLists;
}

/** What went to one list in one command. */
interface Batch {
  readonly queue: string;
  readonly sendings: Sending[];
  readonly args: (string | Buffer)[];
}

const probeEveryMs = 10_000;
/** Messages encoded in one turn of the event loop, and how much of them. */
const slice = { messages: 256, length: 1 << 20 };

export class RedisLink implements Link {
  blockedReason: string | undefined;
  endReason: string | undefined;
  readonly #redis: Redis;
  readonly #address: RedisAddress;
  readonly #clock: Clock;
  readonly #listener: LinkListener;
  readonly #deadline: ConfirmDeadline;
  readonly #format: RedisFormat;
  readonly #unread: UnreadLists;
  readonly #line = new Line();
  readonly #unsettled = new Unsettled();
  readonly #inFlight = new Set<Batch>();
  /** Replies that are still to come. */
  #expected = 0;
  #pumping = false;
  #fault: unknown;
  #cancelProbe: (() => void) | undefined;

  private constructor(redis: Redis, address: RedisAddress, options: RedisLinkOptions, listener: LinkListener) {
    this.#redis = redis;
    this.#address = address;
    this.#clock = options.clock;
    this.#listener = listener;
    this.#format = options.format;
    this.#unread = options.unread;
    this.#deadline = new ConfirmDeadline(
      options.clock,
      options.confirmLimitMs,
      () => false,
      (idleMs) => this.#end(`Redis at ${address.at} answered nothing for ${Math.round(idleMs / 1_000)} s`),
    );
    redis.on("error", (error) => (this.#fault ??= error));
    // The replies that came before the end are told first.
    redis.on("close", () => setImmediate(() => this.#end(this.#lossReason())));
    this.#probeLater();
    void this.#warnOfEviction();
  }

  /** Rejects as connectRedis does. */
  static async open(
    address: RedisAddress,
    abort: AbortController,
    options: RedisLinkOptions,
    listener: LinkListener,
  ): Promise<RedisLink> {
    const redis = await connectRedis(address, abort.signal, options.clock);
    return new RedisLink(redis, address, options, listener);
  }

  get unsettled(): number {
    return this.#unsettled.count;
  }

  publish(sendings: readonly Sending[]): void {
    this.#unsettled.add(sendings.length);
    this.#line.push(sendings);
    this.#pump();
  }

  drained(): Promise<void> {
    return this.#unsettled.drained();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.#redis.status === "end") resolve();
      else this.#redis.once("end", resolve);
    });
    this.#end("the broker connection was closed");
    let cancel = () => {};
    const limit = new Promise<void>((resolve) => (cancel = this.#clock.setTimer(closeLimitMs, resolve)));
    await Promise.race([closed, limit]);
    cancel();
  }

  /** What is unsettled goes back: it may have arrived. */
  #end(reason: string): void {
    if (this.endReason !== undefined) return;
    this.endReason = this.blockedReason ?? reason;
    this.blockedReason = this.endReason;
    this.#deadline.stop();
    this.#cancelProbe?.();
    this.#redis.disconnect();
    const left = [...this.#inFlight].flatMap(({ sendings }) => sendings).concat(this.#line.clear());
    this.#inFlight.clear();
    this.#unsettled.fail(left, "unavailable", this.endReason);
    this.#listener.lost(this.endReason);
  }

  #lossReason(): string {
    const { at } = this.#address;
    if (this.#fault === undefined) return `Redis at ${at} closed the connection`;
    return `the connection to Redis at ${at} broke: ${reasonOf(this.#fault)}`;
  }

  // ------------------------------------------------------------------------------------------------------- sending

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      if (this.blockedReason === undefined) this.#slice();
    });
  }

  #slice(): void {
    const batches = new Map<string, Batch>();
    const now = this.#clock.now();
    let length = 0;
    for (let count = 0; count < slice.messages && length < slice.length; count++) {
      const sending = this.#line.next();
      if (sending === undefined) break;
      const { message } = sending;
      const written = this.#format.write(message, now);
      if ("refusal" in written) {
        this.#unsettled.fail([sending], "refused", written.refusal);
        continue;
      }
      const { list, args } = written;
      for (const arg of args) length += arg.length;
      const batch = batches.get(list);
      if (batch === undefined) batches.set(list, { queue: message.queue, sendings: [sending], args: [...args] });
      else {
        batch.sendings.push(sending);
        batch.args.push(...args);
      }
    }
    if (batches.size > 0) this.#send(batches);
    if (!this.#line.isEmpty) this.#pump();
  }

  #send(batches: ReadonlyMap<string, Batch>): void {
    const sent = [...batches.values()];
    const pipeline = this.#redis.pipeline();
    for (const [key, batch] of batches) {
      this.#format.push(pipeline, key, batch.args);
      this.#inFlight.add(batch);
      this.#unread.onSent(key, batch.queue);
    }
    this.#expect();
    pipeline.exec().then(
      (results) => {
        for (const [index, batch] of sent.entries()) this.#onReply(batch, results?.[index]?.[0] ?? null);
        this.#onReplied();
      },
      (error) => this.#end(reasonOf(error)),
    );
  }

  #onReply(batch: Batch, error: Error | null): void {
    if (!this.#inFlight.delete(batch)) return;
    if (error === null) {
      this.#unsettled.confirm(batch.sendings);
      return;
    }
    if (!isReply(error)) {
      this.#unsettled.fail(batch.sendings, "unavailable", this.endReason ?? this.#lossReason());
      return;
    }
    const { concerns, reason } = replyFailure(error, batch.queue, this.#address);
    this.#unsettled.fail(batch.sendings, concerns === "list" ? "no-queue" : "unavailable", reason);
    if (concerns === "server") this.#block(reason);
  }

  /** The server takes nothing: what is unsent goes back, and the connection ends once what was sent is answered. */
  #block(reason: string): void {
    if (this.blockedReason !== undefined) return;
    this.blockedReason = reason;
    this.#listener.blocked(reason);
    this.#unsettled.fail(this.#line.clear(), "unavailable", reason);
  }

  #expect(): void {
    if (this.#expected++ === 0) this.#deadline.start();
  }

  #onReplied(): void {
    this.#deadline.progress();
    if (--this.#expected > 0 || this.endReason !== undefined) return;
    this.#deadline.stop();
    if (this.blockedReason !== undefined) this.#end(this.blockedReason);
  }

  // ------------------------------------------------------------------------------------------------------- watching

  #probeLater(): void {
    this.#cancelProbe = this.#clock.setTimer(probeEveryMs, () => void this.#probe());
  }

  /** Also tells firewalls that the connection is in use. */
  async #probe(): Promise<void> {
    this.#expect();
    try {
      await probe(this.#redis, this.#address);
      await this.#unread.look(this.#redis, this.#clock.monotonic());
    } catch (error) {
      if (isReply(error)) this.#block(replyFailure(error as Error, probeKey, this.#address).reason);
    }
    if (this.endReason === undefined) this.#probeLater();
    this.#onReplied();
  }

  async #warnOfEviction(): Promise<void> {
    const memory = await this.#redis.info("memory").catch(() => ""); // Not every user may ask.
    const policy = /^maxmemory_policy:(allkeys-\S+)/m.exec(memory)?.[1];
    if (policy === undefined || /^maxmemory:0\s/m.test(memory)) return;
    this.#listener.notice(
      `Redis at ${this.#address.at} deletes whole queues when its memory is full (maxmemory-policy ${policy}); set it to noeviction.`,
    );
  }
}
