// Requests over HTTP go out as messages do: what was answered as expected is confirmed, a host that can't be reached or asks
// for patience keeps its requests waiting, and what may have arrived is sent again under the same idempotency key.

import { readFile } from "node:fs/promises";
import { Agent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import { BeatError, reasonOf } from "../core/errors.ts";
import { type ExpectedStatus, hostOf, httpUrl, type RequestTerms, type SecretSource } from "../core/http-target.ts";
import type { Broker, BrokerListener, Clock, Message, PublishOutcome } from "../core/ports.ts";
import { formatDuration, hourMs, minuteMs } from "../core/time.ts";
import { PrivateAddressError } from "../webhook/addresses.ts";
import { type Reply, send, UnansweredError } from "../webhook/request.ts";

export interface HttpBrokerOptions {
  readonly clock: Clock;
  /** Where secrets may be kept. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether every request may go to addresses of this machine and of private networks. */
  readonly allowPrivate: boolean;
}

/** Connections to one host at a time; requests beyond it wait for one. */
const connectionsToHost = 50;
const longestPatienceMs = hourMs;

export class HttpBroker implements Broker {
  readonly url = "http(s)://";
  readonly window = 500;
  readonly mayBeSilent = true;
  readonly longestRetryMs = minuteMs;
  readonly #options: HttpBrokerOptions;
  readonly #underWay = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  /** A connection to an address that some may ask must not be there for those that may not. */
  readonly #agents = { public: agents(), private: agents() };

  constructor(options: HttpBrokerOptions) {
    this.#options = options;
  }

  async open(listener: BrokerListener): Promise<void> {
    queueMicrotask(() => listener.available());
  }

  publish(messages: readonly Message[], settle: (message: Message, outcome: PublishOutcome) => void): void {
    for (const message of messages) {
      const done = this.#outcome(message).then((outcome) => settle(message, outcome));
      this.#underWay.add(done);
      void done.finally(() => this.#underWay.delete(done));
    }
  }

  async close(drainMs: number): Promise<void> {
    const end = () => this.#abort.abort(new BeatError("the scheduler stopped"));
    const cancel = this.#options.clock.setTimer(drainMs, end);
    await Promise.all(this.#underWay);
    cancel();
    end();
    for (const each of Object.values(this.#agents)) for (const agent of Object.values(each)) agent.destroy();
  }

  /** Never rejects, and never resolves synchronously. */
  async #outcome({ request, headers, body }: Message): Promise<PublishOutcome> {
    if (request === undefined) return { result: "refused", reason: "this is a message to a broker, and no request" };
    const { clock } = this.#options;
    const limit = new AbortController();
    const why = new BeatError(`it took longer than ${formatDuration(request.timeoutMs)}`);
    const cancel = clock.setTimer(request.timeoutMs, () => limit.abort(why));
    try {
      const signal = AbortSignal.any([limit.signal, this.#abort.signal]);
      const reply = await this.#send(request, headers as Record<string, string>, body, signal);
      return outcomeOf(reply, request.expect, clock.now());
    } catch (error) {
      const reason = reasonOf(error);
      if (error instanceof PrivateAddressError) return { result: "refused", reason };
      const mayHaveArrived = error instanceof UnansweredError && error.sent;
      return { result: mayHaveArrived ? "unavailable" : "no-queue", reason };
    } finally {
      cancel();
    }
  }

  async #send(
    request: RequestTerms,
    plain: Readonly<Record<string, string>>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<Reply> {
    const url = httpUrl(typeof request.url === "string" ? request.url : await this.#secret(request.url));
    if (url === undefined) throw new BeatError(`${hostOf(request.url)} is not an http(s) URL`);
    const allowPrivate = request.allowPrivate || this.#options.allowPrivate;
    const headers: Record<string, string> = { ...plain };
    for (const [name, source] of Object.entries(request.secretHeaders)) headers[name] = await this.#secret(source);
    const secret = request.secret && (await this.#secret(request.secret));
    const agent = this.#agents[allowPrivate ? "private" : "public"][url.protocol === "https:" ? "https" : "http"];
    const content = body.length === 0 ? undefined : body;
    const { method } = request;
    return send({
      url,
      method,
      headers,
      body: content,
      signal,
      allowPrivate,
      secret,
      agent,
      now: this.#options.clock.now(),
    });
  }

  /** Read at each request, so that a secret can be changed at any time. */
  async #secret(source: SecretSource): Promise<string> {
    const where = "file" in source ? source.file : `the environment variable ${source.env}`;
    const value = "file" in source ? (await readFile(source.file, "utf8")).trim() : this.#options.env[source.env];
    if (value === undefined || value === "")
      throw new BeatError(`${where} ${value === "" ? "is empty" : "is not set"}`);
    return value;
  }
}

function agents() {
  const options = { keepAlive: true, maxSockets: connectionsToHost };
  return { http: new Agent(options), https: new SecureAgent(options) };
}

function outcomeOf(
  { status, retryAfter, excerpt }: Reply,
  expect: readonly ExpectedStatus[],
  now: number,
): PublishOutcome {
  if (expect.some((each) => each === status || each === `${Math.floor(status / 100)}xx`))
    return { result: "confirmed" };
  const isRedirect = status >= 300 && status <= 399;
  const reason = `answered with ${status}${isRedirect ? "; redirects are not followed" : ""}${excerpt && `: ${excerpt}`}`;
  // Not now: it did nothing yet.
  if (status === 429 || status === 503) return { result: "no-queue", reason, ...patience(retryAfter, now) };
  // It began, and may have done it.
  if (status >= 500 || status === 408) return { result: "unavailable", reason, ...patience(retryAfter, now) };
  return { result: "refused", reason };
}

/** Retry-After: seconds or a date. Whoever asks for more than an hour is asked again after one. */
function patience(retryAfter: string | undefined, now: number): { readonly retryAfterMs?: number } {
  if (retryAfter === undefined) return {};
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1_000 : Date.parse(retryAfter) - now;
  return ms > 0 ? { retryAfterMs: Math.min(ms, longestPatienceMs) } : {};
}
