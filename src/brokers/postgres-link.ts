// One connection to PostgreSQL, from its handshake to its end. The messages of a batch go in one INSERT, which is a
// transaction: when it is answered they are committed, all of them.

import type { Client } from "pg";
import { BatchLink, type BatchLinkOptions, type BatchPlace, type NewRow } from "./batch-link.ts";
import type { LinkListener } from "./kept-broker.ts";
import { watchMs } from "./kombu-rows.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { connect, destroy, disconnect } from "./postgres-client.ts";
import { codes, isCode, isReply, statementFailure } from "./postgres-failure.ts";
import { maxQueueName, PostgresTables } from "./postgres-tables.ts";
import type { UnreadNotice } from "./unread-notice.ts";

export interface PostgresLinkOptions extends BatchLinkOptions {
  readonly notice: UnreadNotice;
}

/** Rejects with what pg threw. */
export async function openPostgresLink(
  address: PostgresAddress,
  abort: AbortController,
  options: PostgresLinkOptions,
  listener: LinkListener,
): Promise<BatchLink> {
  const { clock } = options;
  const client = await connect(address, abort.signal, clock);
  let fault: Error | undefined;
  const stop = () => destroy(client);
  abort.signal.addEventListener("abort", stop);
  const tables = new PostgresTables(client, address.tables);
  const cancelTimer = clock.setTimer(options.confirmLimitMs, () => {
    const seconds = Math.round(options.confirmLimitMs / 1_000);
    fault = new Error(`it answered nothing for ${seconds} s; another program may hold kombu's tables`);
    stop();
  });
  try {
    await tables.prepare();
    const place = new PostgresPlace(client, tables, address, options);
    const link = new BatchLink(place, options, listener);
    // The answers that came before the end are told first.
    client.on("end", () => setImmediate(() => link.end(place.lossReason)));
    return link;
  } catch (error) {
    stop();
    throw fault ?? error;
  } finally {
    cancelTimer();
    abort.signal.removeEventListener("abort", stop);
  }
}

class PostgresPlace implements BatchPlace {
  readonly name: string;
  readonly transport = "kombu's database transport";
  readonly slice = { messages: 500, characters: 1 << 20 };
  readonly #client: Client;
  readonly #tables: PostgresTables;
  readonly #address: PostgresAddress;
  readonly #options: PostgresLinkOptions;
  #fault: unknown;
  /** Queues that workers took messages from since the last look at what is unread. */
  readonly #taken = new Set<string>();
  #observedAtMs = Number.NEGATIVE_INFINITY;

  constructor(client: Client, tables: PostgresTables, address: PostgresAddress, options: PostgresLinkOptions) {
    this.name = `PostgreSQL at ${address.at}`;
    this.#client = client;
    this.#tables = tables;
    this.#address = address;
    this.#options = options;
    client.on("error", (error) => (this.#fault ??= error));
  }

  get lossReason(): string {
    if (this.#fault === undefined) return `${this.name} closed the connection`;
    return this.reason(this.#fault);
  }

  refusal(queue: string): string | undefined {
    if (queue.length > maxQueueName)
      return `the queue's name is longer than kombu's table takes: ${maxQueueName} characters`;
    return queue.includes("\0") ? "the queue's name holds a NUL, which no text in PostgreSQL can" : undefined;
  }

  store(rows: readonly NewRow[]): Promise<void> {
    return this.#tables.insert(rows);
  }

  reason(error: unknown): string {
    if (isReply(error)) return statementFailure(error, this.#address).reason;
    return `the connection to ${this.name} broke: ${(error as Error).message}`;
  }

  async clearUp(): Promise<boolean> {
    const { clock, notice } = this.#options;
    try {
      const consumed = await this.#tables.removeConsumed();
      for (const queue of consumed) this.#taken.add(queue);
      const more = await this.#tables.removeExpired(clock.now());
      const now = clock.monotonic();
      if (now - this.#observedAtMs >= watchMs.idle) {
        this.#observedAtMs = now;
        notice.observe(await this.#tables.unread(), this.#taken, now);
        this.#taken.clear();
      }
      return more || consumed.length > 0;
    } catch (error) {
      // Who may only add messages leaves the clearing up, and the word on readers, to others.
      if (isCode(error, codes.noRights)) return false;
      throw error;
    }
  }

  close(): Promise<void> {
    return disconnect(this.#client, this.#options.clock);
  }
}
