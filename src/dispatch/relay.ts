// Claimed occurrences on their way out: to the broker or to the local runner. The relay is handed what the dispatcher
// claims, and finds in the store what an earlier process left there or what did not fit into memory.

import { defaultBroker, requestBroker } from "../core/broker-definition.ts";
import { inDoubt } from "../core/doubt.ts";
import type { CompiledEntry } from "../core/entry.ts";
import { reasonOf } from "../core/errors.ts";
import type { Occurrence } from "../core/occurrence.ts";
import type { Clock, Closed, Log, Message, Store } from "../core/ports.ts";
import { isMessage } from "../core/target.ts";
import type { Instant } from "../core/time.ts";
import type { EntryCache } from "./entry-cache.ts";
import type { Herald } from "./herald.ts";
import type { Launcher } from "./launcher.ts";
import type { Narrator } from "./narrator.ts";
import { type Held, type Kept, note, type Outbox } from "./outbox.ts";
import type { Publisher, PublisherReport } from "./publisher.ts";
import type { Settlements } from "./settlements.ts";
import type { Tally } from "./tally.ts";

const pageSize = 1_000;
const none: readonly never[] = [];

/** Builds the message of an occurrence. Throws BeatError where it can't be sent. */
export type Encode = (compiled: CompiledEntry, occurrence: Pick<Occurrence, "id" | "fireAt" | "dueAt">) => Message;

export interface RelayOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly log: Log;
  readonly outbox: Outbox;
  readonly entries: EntryCache;
  readonly settlements: Settlements;
  readonly narrator: Narrator;
  readonly herald: Herald;
  readonly tally: Tally;
  /** By the broker's name. A task of a broker that is not among them fails with that reason. */
  readonly publishers: ReadonlyMap<string, Publisher>;
  /** The one of this name, which may be made for it. */
  readonly publisherOf: (name: string) => Publisher | undefined;
  readonly launcher: Launcher;
  readonly encode: Encode;
}

export class Relay {
  readonly #options: RelayOptions;
  /** The store holds claimed rows that are not in memory. */
  #more = false;
  /** The last row that was read of them. */
  #after: Occurrence | undefined;
  /** Some were claimed while they were read, and did not fit: perhaps behind the reader. */
  #overflowed = false;
  /** How often reading them was begun. */
  #readings = 0;
  /** Let go of while it was in doubt whether they had been sent: they are still, when they are read again. */
  readonly #doubtful = new Set<string>();
  /** Let go of, and not found in the store again yet: withdrawn, unless they are. */
  readonly #missing = new Map<string, Held>();
  /** Entries of which something is held back. */
  readonly #reserved = new Set<number>();
  /** What the store holds at the beginning of a term may have been sent by another process. */
  #inheriting = false;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Whether an occurrence of this entry waits or is under way. */
  holds(entryId: number): boolean {
    return this.#options.outbox.has(entryId);
  }

  /** Holds back what is late of this entry, but for the newest `kept`, while a newer one is decided. Returns what it holds. */
  reserve(entryId: number, kept: number): readonly Held[] {
    const { outbox, clock } = this.#options;
    if (!outbox.has(entryId)) return none;
    const now = clock.now();
    // Not yet due is not late: jitter may keep one until just before the next.
    const late = outbox
      .ofEntry(entryId)
      .filter(({ state, doubtful, manual, dueAt }) => state === "waiting" && !doubtful && !manual && dueAt < now);
    const reserved = late.slice(0, Math.max(0, late.length - kept));
    for (const held of reserved) held.state = "reserved";
    if (reserved.length > 0) this.#reserved.add(entryId);
    return reserved;
  }

  /** The claim was written: what it superseded is gone. Otherwise everything goes on as before. */
  release(entryId: number, superseded: boolean): void {
    if (!this.#reserved.delete(entryId)) return;
    const { outbox } = this.#options;
    for (const held of [...outbox.ofEntry(entryId)]) {
      if (held.state !== "reserved") continue;
      if (superseded) {
        outbox.delete(held);
        this.#options.herald.superseded(held);
      } else {
        held.state = "waiting";
        this.#route(held, this.#options.clock.now());
      }
    }
  }

  /** Takes what has just been claimed. What does not fit stays in the store for now. */
  offer(compiled: CompiledEntry, claimed: Kept, now: Instant): void {
    const { outbox } = this.#options;
    if (outbox.size < outbox.capacity) this.#hold(compiled, claimed, false, null, now);
    else if (this.#more) this.#overflowed = true;
    else this.#readAgain();
  }

  /** Sends and starts what may be. */
  async pump(): Promise<void> {
    for (const publisher of this.#options.publishers.values()) publisher.pump();
    await this.#options.launcher.pump();
  }

  /** The entry changed: what is unsent in memory is let go, and what the store still has is read again. */
  forget(entryIds: Iterable<number>): void {
    const { outbox } = this.#options;
    for (const entryId of entryIds) {
      for (const held of [...outbox.ofEntry(entryId)]) {
        if (held.state !== "waiting") continue;
        if (held.doubtful) this.#doubtful.add(held.id);
        this.#missing.set(held.id, held);
        outbox.delete(held);
      }
    }
    this.#readAgain();
  }

  /** The beginning of a term: what is in the store's outbox, which another process may have sent already, is to be taken over. */
  begin(): void {
    this.#options.outbox.leading = true;
    this.#inheriting = true;
    this.#readAgain();
  }

  #readAgain(): void {
    this.#more = true;
    this.#overflowed = false;
    this.#after = undefined;
    this.#readings++;
  }

  /** Whether the store has claimed rows that are still to be read, and memory has room for them. */
  get mayRead(): boolean {
    const { outbox } = this.#options;
    return this.#more && outbox.leading && outbox.size <= outbox.capacity - pageSize;
  }

  /**
   * Reads one page of what the store has beside what is in memory. Not while something is being claimed: what a claim takes
   * out of the outbox would come back. Returns whether there is more; rejects where the store can't be read.
   */
  async readPage(): Promise<boolean> {
    if (!this.mayRead) return false;
    const { store, outbox, entries, settlements } = this.#options;
    const reading = this.#readings;
    // What is done but not written yet would look as if it were still to be sent.
    if (!(await settlements.flush())) return false;
    const [page, left] = await outbox.whileReading(() =>
      store.outbox({ ...(this.#after && { after: this.#after }), limit: pageSize }),
    );
    const missing = page.filter((one) => outbox.find(one) === undefined && !left.has(one.id));
    const ids = [...new Set(missing.map(({ entryId }) => entryId))];
    const { compiled, broken } = await entries.load(ids);
    const byId = new Map(compiled.map((entry, index) => [ids[index]!, entry]));
    // An entry changed meanwhile.
    if (reading !== this.#readings) return true;
    for (const occurrence of missing) {
      const wasHeld = this.#missing.delete(occurrence.id);
      const entry = byId.get(occurrence.entryId);
      const fault = broken.find(({ entry: { id } }) => id === occurrence.entryId)?.reason ?? "its entry is gone";
      if (entry === undefined) this.#giveUp(occurrence, this.#isDoubtful(occurrence, true) ? inDoubt(fault) : fault);
      else this.#takeOver(entry, occurrence, wasHeld);
    }
    this.#after = page.at(-1);
    if (page.length < pageSize) this.#onAllRead();
    return this.#more;
  }

  #takeOver(compiled: CompiledEntry, occurrence: Occurrence, wasHeld: boolean): void {
    const { fireAt, dueAt, manual } = occurrence;
    const doubtful = this.#isDoubtful(occurrence, isMessage(compiled.target));
    const { entry, policy } = compiled;
    // Not yet due is not late: jitter may keep one until after the next was claimed. What was only let go of was kept by that claim.
    const isLate = dueAt < this.#options.clock.now() && !wasHeld;
    const isOld = entry.lastFireAt !== null && fireAt < entry.lastFireAt && isLate;
    if (isOld && policy.coalesce === "latest" && !doubtful && !manual) {
      const reason = "a newer fire time was claimed before this one could be sent";
      this.#settle(occurrence, "coalesced", reason);
      const range = { fromFireAt: fireAt, untilFireAt: fireAt, count: 1, state: "coalesced", reason } as const;
      this.#options.herald.passed(compiled, [range]);
    } else this.#hold(compiled, occurrence, doubtful, occurrence.reason, this.#options.clock.now());
  }

  #onAllRead(): void {
    const { outbox, log, tally, herald } = this.#options;
    if (this.#inheriting && outbox.size > 0)
      log.info(`${outbox.size} occurrences were in the outbox; they go out now.`);
    this.#inheriting = false;
    this.#doubtful.clear();
    if (this.#overflowed) {
      this.#readAgain();
      return;
    }
    this.#more = false;
    tally.occurrences.cancelled += this.#missing.size;
    for (const held of this.#missing.values()) herald.withdrawn(held);
    this.#missing.clear();
  }

  /** The end of a term: nothing more goes out from here; the store keeps what did not. */
  end(): void {
    this.#options.outbox.leading = false;
    for (const publisher of this.#options.publishers.values()) publisher.clear();
    this.#options.launcher.clear();
    this.#options.outbox.clear();
    this.#options.herald.clear();
    this.#doubtful.clear();
    this.#missing.clear();
    this.#more = false;
  }

  /** What is not sent by then is left to the next process, which is told what was not even tried. */
  async close(drainMs: number): Promise<Closed> {
    const { publishers, launcher, settlements, outbox, clock } = this.#options;
    const published = Promise.all([...publishers.values()].map((publisher) => publisher.close(drainMs)));
    const [runs] = await Promise.all([launcher.close(drainMs), published]);
    for (const held of outbox.waiting()) {
      if (!held.noted && !held.doubtful)
        settlements.add(note(held, "the scheduler stopped before it was sent", clock.now()));
    }
    await settlements.close();
    return runs;
  }

  report(): {
    readonly brokers: readonly PublisherReport[];
    readonly held: number;
    readonly running: number;
    readonly runsWaiting: number;
  } {
    const { publishers, launcher, outbox } = this.#options;
    return {
      brokers: [...publishers.values()].map((publisher) => publisher.report()),
      held: outbox.size,
      running: launcher.running,
      runsWaiting: launcher.waiting,
    };
  }

  #hold(compiled: CompiledEntry, kept: Kept, doubtful: boolean, reason: string | null, now: Instant): void {
    const { outbox, encode } = this.#options;
    const held = outbox.add(compiled, kept, doubtful);
    held.noted = !doubtful && reason !== null;
    if (isMessage(compiled.target)) {
      try {
        held.message = encode(compiled, held);
      } catch (error) {
        this.#fail(held, reasonOf(error));
        return;
      }
    }
    this.#route(held, now);
  }

  #route(held: Held, now: Instant): void {
    const { publisherOf, launcher } = this.#options;
    const { target } = held.compiled;
    if (!isMessage(target)) {
      launcher.add(held, now);
      return;
    }
    const name = target.kind === "http" ? requestBroker : target.broker;
    const publisher = publisherOf(name ?? defaultBroker);
    if (publisher !== undefined) publisher.add(held, now);
    else if (name === undefined) this.#fail(held, "there is no broker to send it to");
    else this.#fail(held, `no broker "${name}" is known: \`brokers\` of a schedule file names them`);
  }

  #fail(held: Held, why: string): void {
    const { outbox, narrator } = this.#options;
    const reason = held.doubtful ? inDoubt(why) : why;
    outbox.delete(held);
    narrator.settled(held, "failed", reason, this.#options.clock.now());
    const { fireAt, manual, attempts, compiled } = held;
    this.#settle({ entryId: compiled.entry.id, fireAt, manual, attempts }, "failed", reason);
  }

  /** What no entry can be made ready for. */
  #giveUp(occurrence: Occurrence, reason: string): void {
    const { entryName, id } = occurrence;
    this.#options.log.error(`failed ${entryName}: ${reason}`, { entry: entryName, id, reason });
    this.#settle(occurrence, "failed", reason);
  }

  /** Whether it may have been sent before. A reason without an attempt was noted for what no queue took; a local run is recorded before it begins. */
  #isDoubtful({ id, attempts, reason }: Occurrence, isTask: boolean): boolean {
    return attempts > 0 || this.#doubtful.has(id) || (isTask && this.#inheriting && reason === null);
  }

  #settle(
    { entryId, fireAt, manual, attempts }: Pick<Occurrence, "entryId" | "fireAt" | "manual" | "attempts">,
    state: "failed" | "coalesced",
    reason: string,
  ): void {
    const at = this.#options.clock.now();
    this.#options.settlements.add({ entryId, fireAt, manual, state, reason, attempts, at });
  }
}
