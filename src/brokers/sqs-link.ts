// SQS, as one connection: from the first request that was answered to one that was not.
//
// Messages go in batches of ten, several batches under way at once. A FIFO queue has one under way, so that its messages keep
// their order; a standard queue promises no order in any case. SQS answers for each message of a batch. What it is too
// busy for is sent again, by itself, after a pause that doubles; that of one queue holds up no other.

import type { SendMessageBatchResult } from "@aws-sdk/client-sqs";
import type { Clock } from "../core/ports.ts";
import { secondMs } from "../core/time.ts";
import type { Link, LinkListener } from "./kept-broker.ts";
import { type Failure, Line, type Sending, Unsettled } from "./sending.ts";
import { isFifo, type SqsAddress } from "./sqs-address.ts";
import { SqsClients, SqsQueueError } from "./sqs-clients.ts";
import { type SqsBatch, takeBatch } from "./sqs-entry.ts";
import { isPassing, sqsFailure } from "./sqs-failure.ts";

export interface SqsLinkOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** A request that is not answered for so long is given up. */
  readonly confirmLimitMs: number;
  /** Batches under way at once. */
  readonly maxRequests: number;
  readonly createsQueues: boolean;
  /** Asked after to see whether SQS is there. */
  readonly probeQueue: string;
}

/** The messages to one queue. */
interface Lane {
  readonly queue: string;
  readonly line: Line;
  requests: number;
  /** How often in a row SQS was too busy for this queue. */
  refusals: number;
  cancelPause: (() => void) | undefined;
}

const pauseMs = { first: 200, last: 5 * secondMs };
/** After so many pauses, some 20 s, SQS counts as away. */
const maxRefusals = 8;
/** Requests cost money: an idle connection is looked after now and then. */
const probeEveryMs = 30 * secondMs;

export class SqsLink implements Link {
  blockedReason: string | undefined;
  endReason: string | undefined;
  readonly #clients: SqsClients;
  readonly #address: SqsAddress;
  readonly #options: SqsLinkOptions;
  readonly #listener: LinkListener;
  readonly #lanes = new Map<string, Lane>();
  readonly #unsettled = new Unsettled();
  readonly #underWay = new Set<AbortController>();
  #requests = 0;
  #pumping = false;
  #isAnswered = true;
  #cancelProbe: () => void;

  private constructor(clients: SqsClients, address: SqsAddress, options: SqsLinkOptions, listener: LinkListener) {
    this.#clients = clients;
    this.#address = address;
    this.#options = options;
    this.#listener = listener;
    this.#cancelProbe = this.#probeLater();
  }

  /** Rejects with what the SDK threw. */
  static async open(
    address: SqsAddress,
    abort: AbortController,
    options: SqsLinkOptions,
    listener: LinkListener,
  ): Promise<SqsLink> {
    const clients = new SqsClients(address, options.createsQueues);
    const cancel = options.clock.setTimer(options.confirmLimitMs, () => abort.abort());
    try {
      await clients.probe(options.probeQueue, abort.signal);
      return new SqsLink(clients, address, options, listener);
    } catch (error) {
      clients.destroy();
      throw error;
    } finally {
      cancel();
    }
  }

  get unsettled(): number {
    return this.#unsettled.count;
  }

  publish(sendings: readonly Sending[]): void {
    this.#unsettled.add(sendings.length);
    for (const sending of sendings) this.#laneOf(sending.message.queue).line.push([sending]);
    this.#pump();
  }

  drained(): Promise<void> {
    return this.#unsettled.drained();
  }

  async close(): Promise<void> {
    this.#end("the broker connection was closed");
  }

  /** What is under way is given up, and may have arrived. */
  #end(reason: string): void {
    if (this.endReason !== undefined) return;
    this.endReason = this.blockedReason ?? reason;
    this.blockedReason = this.endReason;
    this.#cancelProbe();
    this.#clear(this.endReason);
    for (const abort of this.#underWay) abort.abort();
    this.#clients.destroy();
    this.#listener.lost(this.endReason);
  }

  /** What is unsent goes back, and the connection ends once what is under way, this request too, is answered. */
  #block(reason: string): void {
    if (this.blockedReason !== undefined) return;
    this.blockedReason = reason;
    this.#listener.blocked(reason);
    this.#clear(reason);
  }

  #clear(reason: string): void {
    for (const lane of this.#lanes.values()) {
      lane.cancelPause?.();
      this.#unsettled.fail(lane.line.clear(), "unavailable", reason);
    }
  }

  // ------------------------------------------------------------------------------------------------------- sending

  #laneOf(queue: string): Lane {
    const known = this.#lanes.get(queue);
    if (known !== undefined) return known;
    const lane: Lane = { queue, line: new Line(), requests: 0, refusals: 0, cancelPause: undefined };
    this.#lanes.set(queue, lane);
    return lane;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      let isBusy = true;
      while (isBusy && this.blockedReason === undefined) {
        isBusy = false;
        for (const lane of this.#lanes.values()) isBusy = this.#sendFrom(lane) || isBusy;
      }
    });
  }

  /** Sends one batch, if it is this queue's turn. */
  #sendFrom(lane: Lane): boolean {
    const maxRequests = isFifo(lane.queue) ? 1 : this.#options.maxRequests;
    if (lane.line.isEmpty || lane.cancelPause !== undefined || lane.requests >= maxRequests) return false;
    if (this.#requests >= this.#options.maxRequests) return false;
    const batch = takeBatch(lane.line, this.#address.isBase64, this.#options.clock.now(), (sending, reason) =>
      this.#unsettled.fail([sending], "refused", reason),
    );
    if (batch.sendings.length > 0) void this.#send(lane, batch);
    return true;
  }

  async #send(lane: Lane, { sendings, entries }: SqsBatch): Promise<void> {
    lane.requests++;
    this.#requests++;
    try {
      const result = await this.#request((signal) =>
        this.#clients.send(
          lane.queue,
          entries.map((entry, index) => ({ Id: String(index), ...entry })),
          signal,
        ),
      );
      this.#onAnswer(lane, sendings, result);
    } catch (error) {
      await this.#onError(lane, { sendings, entries }, error);
    }
    lane.requests--;
    this.#onRequestDone();
  }

  #onRequestDone(): void {
    if (--this.#requests === 0 && this.blockedReason !== undefined) this.#end(this.blockedReason);
    else this.#pump();
  }

  async #request<Result>(send: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const abort = new AbortController();
    const cancel = this.#options.clock.setTimer(this.#options.confirmLimitMs, () => abort.abort());
    this.#underWay.add(abort);
    try {
      const result = await send(abort.signal);
      this.#isAnswered = true;
      return result;
    } finally {
      cancel();
      this.#underWay.delete(abort);
    }
  }

  #onAnswer(lane: Lane, sendings: readonly Sending[], { Successful = [], Failed = [] }: SendMessageBatchResult): void {
    const again: Sending[] = [];
    const left = new Map(sendings.map((sending, index) => [String(index), sending]));
    let busyReason = "";
    for (const { Id = "" } of Successful) {
      const sending = left.get(Id);
      if (sending === undefined || !left.delete(Id)) continue;
      this.#unsettled.confirm([sending]);
    }
    for (const failure of Failed) {
      const sending = left.get(failure.Id ?? "");
      if (sending === undefined || !left.delete(failure.Id!)) continue;
      const reason = `${this.#address.at} answers ${failure.Code}: ${failure.Message ?? ""}`;
      if (isPassing(failure)) {
        again.push(sending);
        busyReason = reason;
      } else this.#unsettled.fail([sending], "refused", reason);
    }
    this.#unsettled.fail(
      [...left.values()],
      "unavailable",
      `${this.#address.at} said nothing of this message of a batch`,
    );
    if (again.length > 0) this.#sendAgain(lane, again, busyReason);
    else lane.refusals = 0;
  }

  async #onError(lane: Lane, { sendings, entries }: SqsBatch, error: unknown): Promise<void> {
    const failAll = (result: Failure, reason: string) => this.#unsettled.fail(sendings, result, reason);
    if (this.endReason !== undefined) return failAll("unavailable", this.endReason);
    if (error instanceof SqsQueueError) return failAll(error.isFinal ? "refused" : "no-queue", error.message);
    const { concerns, reason, permanent } = sqsFailure(error, lane.queue, this.#address.at);
    // Other queues may have other credentials.
    if (concerns === "queue" || (permanent && this.#address.predefinedQueues.size > 1)) failAll("no-queue", reason);
    else if (concerns === "busy") this.#sendAgain(lane, sendings, reason);
    else if (concerns === "request" && sendings.length === 1) failAll("refused", reason);
    else if (concerns === "request") {
      for (const [index, sending] of sendings.entries()) {
        if (this.blockedReason !== undefined) this.#unsettled.fail([sending], "unavailable", this.blockedReason);
        else await this.#send(lane, { sendings: [sending], entries: [entries[index]!] });
      }
    } else {
      failAll("unavailable", reason);
      this.#block(reason);
    }
  }

  #sendAgain(lane: Lane, sendings: readonly Sending[], reason: string): void {
    if (this.blockedReason !== undefined || lane.refusals >= maxRefusals) {
      this.#unsettled.fail(sendings, "unavailable", this.blockedReason ?? reason);
      this.#block(reason);
      return;
    }
    lane.line.putBack(sendings);
    if (lane.cancelPause !== undefined) return;
    const { clock, random } = this.#options;
    const delayMs = Math.min(pauseMs.last, pauseMs.first * 2 ** lane.refusals++) * (0.5 + random() / 2);
    lane.cancelPause = clock.setTimer(delayMs, () => {
      lane.cancelPause = undefined;
      this.#pump();
    });
  }

  // ------------------------------------------------------------------------------------------------------- watching

  #probeLater(): () => void {
    return this.#options.clock.setTimer(probeEveryMs, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    if (!this.#isAnswered) {
      const { probeQueue } = this.#options;
      this.#requests++;
      await this.#request((signal) => this.#clients.probe(probeQueue, signal)).catch((error) => {
        if (this.endReason === undefined) this.#block(sqsFailure(error, probeQueue, this.#address.at).reason);
      });
      this.#onRequestDone();
    }
    this.#isAnswered = false;
    if (this.endReason === undefined) this.#cancelProbe = this.#probeLater();
  }
}
