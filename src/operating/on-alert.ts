// Hands alerts to an operator's command or webhook, one after the other. What is slow or fails is said in the log and stands in
// nobody's way: the queue is short, each delivery has its time, and the last alerts are what counts.

import { BeatError, reasonOf, UsageError } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { formatDuration, secondMs } from "../core/time.ts";
import { runCommand } from "../runner/command.ts";
import { send } from "../webhook/request.ts";

/** What an operator is told: an alert, and whose it is. */
export interface AlertMessage {
  readonly alert: string;
  readonly state: string;
  readonly message: string;
  /** ISO 8601. */
  readonly since: string;
  readonly at: string;
  readonly host: string;
  readonly database: string;
}

export interface OnAlertOptions {
  /** A URL, an array that is started as it is, or a text for the shell. */
  readonly target: string | readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly allowPrivate: boolean;
  /** Signs what is sent to a URL. */
  readonly secret?: string | undefined;
}

const limitMs = 10 * secondMs;
const graceMs = secondMs;
const queueAtMost = 100;

export class OnAlert {
  readonly #options: OnAlertOptions;
  readonly #url: URL | undefined;
  #queue: AlertMessage[] = [];
  #working: Promise<void> | undefined;
  readonly #abort = new AbortController();

  /** Throws UsageError for a URL that is none. */
  constructor(options: OnAlertOptions) {
    this.#options = options;
    const { target } = options;
    if (typeof target !== "string" || !/^https?:/i.test(target)) return;
    if (!URL.canParse(target)) throw new UsageError("on-alert: this is not a URL");
    this.#url = new URL(target);
  }

  add(alert: AlertMessage): void {
    if (this.#queue.push(alert) > queueAtMost) {
      const lost = this.#queue.shift()!;
      this.#options.log.error(`on_alert is too slow; it is not told of the alert "${lost.alert}" of ${lost.at}.`);
    }
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Waits for what is under way at most `patienceMs`, then ends it. */
  async close(patienceMs: number): Promise<void> {
    const cancel = this.#options.clock.setTimer(patienceMs, () => {
      this.#queue = [];
      this.#abort.abort(new BeatError("Beat stopped"));
    });
    await this.#working;
    cancel();
  }

  async #work(): Promise<void> {
    for (let alert = this.#queue.shift(); alert !== undefined; alert = this.#queue.shift()) {
      try {
        await this.#deliver(alert);
      } catch (error) {
        this.#options.log.error(`on_alert failed for the alert "${alert.alert}": ${reasonOf(error)}`);
      }
    }
  }

  async #deliver(alert: AlertMessage): Promise<void> {
    const { clock, log, target, env, allowPrivate, secret } = this.#options;
    const tooLate = new AbortController();
    const why = new BeatError(`it took longer than ${formatDuration(limitMs)}`);
    const cancel = clock.setTimer(limitMs, () => tooLate.abort(why));
    const signal = AbortSignal.any([tooLate.signal, this.#abort.signal]);
    const input = JSON.stringify(alert);
    try {
      if (this.#url === undefined) {
        const command = { command: target, env: { ...env, ...variables(alert) }, input: `${input}\n` };
        await runCommand({ ...command, signal, graceMs, clock, log });
      } else {
        const headers = { "content-type": "application/json" };
        const request = { url: this.#url, method: "POST", headers, body: input, signal, allowPrivate, secret };
        const { status } = await send({ ...request, now: clock.now() });
        if (status < 200 || status > 299) throw new BeatError(`${this.#url.host} answered with ${status}`);
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      cancel();
    }
  }
}

/** A variable has its limit (128 KiB on Linux); the whole text is in the JSON. */
const variableLengthAtMost = 8_192;

function variables({ alert, ...rest }: AlertMessage): Record<string, string> {
  const of = (text: string) => text.slice(0, variableLengthAtMost);
  const others = Object.entries(rest).map(([key, value]) => [`BEAT_ALERT_${key.toUpperCase()}`, of(value)]);
  return { BEAT_ALERT: of(alert), ...Object.fromEntries(others) };
}
