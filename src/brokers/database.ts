// The embedded broker: a SQLite file that Celery workers read through kombu's SQLAlchemy transport, with no server.
//
// Workers and Beat share one write lock. SQLite waits for it in short calls only, and between them the event loop runs;
// after ten seconds the messages go back to where they came from. The file is looked at before each write: a database
// that was deleted or replaced is opened anew, since what is written to a deleted file reaches nobody.

import { BrokerError, reasonOf } from "../core/errors.ts";
import type { Broker, BrokerListener, Clock, Log, Message, PublishOutcome } from "../core/ports.ts";
import {
  type DatabaseAddress,
  type DatabaseFile,
  identityOf,
  isBusy,
  openDatabaseFile,
  parseDatabaseUrl,
} from "./database-file.ts";
import { MessageRows } from "./database-rows.ts";
import { enveloped } from "./enveloped.ts";
import { watchMs } from "./kombu-rows.ts";
import { confirm, fail, failLater, type Sending } from "./sending.ts";
import { UnreadNotice } from "./unread-notice.ts";

export interface DatabaseOptions {
  readonly clock: Clock;
  readonly log: Log;
}

const batchSize = 1_000;
const lockLimitMs = 10_000;
const lockPauseMs = 50;
const retryMs = { first: 200, last: 5_000 };

export class DatabaseBroker implements Broker {
  readonly url: string;
  readonly window = 10_000;
  readonly #address: DatabaseAddress;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #notice: UnreadNotice;
  readonly #cancels = new Set<() => void>();
  #listener: BrokerListener | undefined;
  #file: DatabaseFile | undefined;
  #rows: MessageRows | undefined;
  #isOpen = false;
  #awayReason: string | undefined = "the broker is not opened yet";
  #line: Sending[] = [];
  /** Queues that workers took messages from since the last look at what is unread. */
  readonly #taken = new Set<string>();
  #observedAtMs = Number.NEGATIVE_INFINITY;
  #writing = false;
  #lockedSinceMs: number | undefined;
  #attempts = 0;
  #drained: (() => void) | undefined;

  private constructor(address: DatabaseAddress, { clock, log }: DatabaseOptions) {
    this.#address = address;
    this.url = `sqla+sqlite:///${address.path}`;
    this.#clock = clock;
    this.#log = log;
    this.#notice = new UnreadNotice(this.url, (text) => this.#listener?.notice(text));
  }

  /** Creates or checks the file. Rejects with BrokerError where it can't be used. */
  static async at(url: string, options: DatabaseOptions): Promise<DatabaseBroker> {
    const broker = new DatabaseBroker(parseDatabaseUrl(url), options);
    try {
      broker.#openFile();
    } catch (error) {
      if (!isBusy(error)) throw error; // A lock ends by itself: `open` tries again.
    }
    return broker;
  }

  async open(listener: BrokerListener): Promise<void> {
    this.#listener = listener;
    this.#isOpen = true;
    this.#after(0, () => this.#connect());
    this.#after(watchMs.idle, () => this.#watch());
  }

  publish(messages: readonly Message[], settle: (message: Message, outcome: PublishOutcome) => void): void {
    const sendings = messages.map((message) => ({ message, settle }));
    if (this.#awayReason !== undefined) {
      failLater(sendings, this.#awayReason);
      return;
    }
    const room = Math.max(0, this.window - this.#line.length);
    if (room < sendings.length) failLater(sendings.splice(room), `${this.window} messages wait to be written already`);
    for (const sending of sendings) this.#line.push(sending);
    this.#write();
  }

  async close(drainMs: number): Promise<void> {
    if (this.#line.length > 0 && this.#awayReason === undefined) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.setTimer(drainMs, resolve);
        this.#drained = () => {
          cancel();
          resolve();
        };
      });
    }
    this.#isOpen = false;
    this.#awayReason = "the broker was closed";
    for (const cancel of this.#cancels) cancel();
    this.#failLine(this.#awayReason);
    this.#closeFile();
  }

  // ------------------------------------------------------------------------------------------------------- the file

  #openFile(): void {
    this.#closeFile();
    this.#file = openDatabaseFile(this.#address);
    this.#rows = new MessageRows(this.#file.database, this.#address.tables);
  }

  #closeFile(): void {
    this.#rows = undefined;
    this.#file?.database.close();
    this.#file = undefined;
  }

  /** The tables of the file that is at the path now. Throws. */
  #current(): MessageRows {
    if (this.#rows === undefined || this.#file?.identity !== identityOf(this.#address.path)) this.#openFile();
    return this.#rows!;
  }

  #connect(): void {
    try {
      this.#current().probe();
    } catch (error) {
      this.#away(error);
      return;
    }
    this.#attempts = 0;
    this.#awayReason = undefined;
    this.#listener?.available();
  }

  #away(error: unknown): void {
    const permanent = error instanceof BrokerError;
    const reason = permanent
      ? error.describe()
      : `the broker database ${this.#address.path} cannot be written: ${reasonOf(error)}`;
    const delayMs = Math.min(retryMs.last, retryMs.first * 2 ** Math.min(this.#attempts++, 10));
    this.#log.debug("the broker database is away", { broker: this.url, reason, retryMs: delayMs });
    this.#after(delayMs, () => this.#connect());
    this.#awayReason = reason;
    this.#failLine(reason);
    this.#listener?.unavailable(reason, permanent);
  }

  // -------------------------------------------------------------------------------------------------------- writing

  #write(): void {
    if (this.#writing || this.#line.length === 0) return;
    this.#writing = true;
    setImmediate(() => this.#writeBatch());
  }

  #writeBatch(): void {
    this.#writing = false;
    if (this.#awayReason !== undefined) return;
    const batch = this.#line.slice(0, batchSize);
    const now = this.#clock.now();
    const rows: { readonly queue: string; readonly payload: string }[] = [];
    const written: Sending[] = [];
    const refused: [Sending, string][] = [];
    for (const sending of batch) {
      const payload = enveloped(sending.message, "the embedded broker", now);
      if (typeof payload === "string") {
        rows.push({ queue: sending.message.queue, payload });
        written.push(sending);
      } else {
        refused.push([sending, payload.refusal]);
      }
    }
    try {
      if (rows.length > 0) this.#current().insert(rows);
    } catch (error) {
      this.#onWriteError(error);
      return;
    }
    this.#lockedSinceMs = undefined;
    this.#line.splice(0, batch.length);
    for (const [sending, reason] of refused) fail(sending, "refused", reason);
    for (const sending of written) confirm(sending);
    if (this.#line.length === 0) this.#drained?.();
    this.#write();
  }

  #onWriteError(error: unknown): void {
    const now = this.#clock.monotonic();
    this.#lockedSinceMs ??= now;
    if (isBusy(error) && now - this.#lockedSinceMs < lockLimitMs) {
      this.#writing = true;
      this.#after(lockPauseMs, () => this.#writeBatch());
      return;
    }
    this.#lockedSinceMs = undefined;
    this.#away(error);
  }

  #failLine(reason: string): void {
    failLater(this.#line.splice(0), reason);
    this.#drained?.();
  }

  // ------------------------------------------------------------------------------------------------------- watching

  #watch(): void {
    let more = false;
    if (this.#awayReason === undefined) {
      try {
        more = this.#clearUp();
      } catch (error) {
        // Whoever holds the lock may keep it: the next round does it. What else is wrong shows when a message is written.
        this.#log.debug("the broker database was not cleared up", { broker: this.url, reason: reasonOf(error) });
      }
    }
    this.#after(more ? watchMs.busy : watchMs.idle, () => this.#watch());
  }

  #clearUp(): boolean {
    const rows = this.#current();
    const consumed = rows.removeConsumed();
    for (const queue of consumed) this.#taken.add(queue);
    const more = rows.removeExpired(this.#clock.now());
    const now = this.#clock.monotonic();
    if (now - this.#observedAtMs >= watchMs.idle) {
      this.#observedAtMs = now;
      this.#notice.observe(rows.unread(), this.#taken, now);
      this.#taken.clear();
    }
    return more || consumed.length > 0;
  }

  #after(delayMs: number, callback: () => void): void {
    const cancel = this.#clock.setTimer(delayMs, () => {
      this.#cancels.delete(cancel);
      if (this.#isOpen) callback();
    });
    this.#cancels.add(cancel);
  }
}
