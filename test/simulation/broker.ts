// A broker as it is in bad times. A message that was handed over may have arrived or not, its confirmation may be slow or
// never come, and a connection may break at any moment between; but it never says of a message that it has it when it has not.

import type { Broker, BrokerListener, Message, PublishOutcome } from "../../src/core/ports.ts";
import type { Delivery, Publish } from "../checker/evidence.ts";
import type { Machine } from "./machine.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

const window = 100;
const reconnectMs = 400;
/** The adapter gives up a connection on which a confirmation is so late. */
export const confirmDeadlineMs = 10_000;

/** What became of one message that was handed to the broker. */
export interface Attempt {
  readonly id: string;
  readonly at: number;
  readonly machine: Machine;
  outcome: Publish["outcome"];
}

export class SimulatedServer {
  up = true;
  /** Takes nothing from its connections: a memory alarm. */
  blocked = false;
  /** Extra time for what arrives and for each confirmation. */
  slowMs = 0;
  /** The share of the messages whose confirmation never comes, and of those that it refuses for good. */
  forgetfulShare = 0;
  refusedShare = 0;
  readonly missingQueues = new Set<string>();
  readonly deliveries: Delivery[] = [];
  readonly attempts: Attempt[] = [];
  readonly connections = new Set<SimulatedConnection>();
  readonly scheduler: Scheduler;
  readonly random: Random;
  #held: (() => void)[] = [];

  constructor(scheduler: Scheduler, random: Random) {
    this.scheduler = scheduler;
    this.random = random;
  }

  /** Breaks every connection. `loses`: what it had not confirmed is gone. */
  cut(loses: boolean): void {
    for (const connection of [...this.connections]) connection.break("the connection was cut", loses);
  }

  unblock(): void {
    this.blocked = false;
    for (const take of this.#held.splice(0)) take();
  }

  /** Takes a message; `answer` is called at most once, in its own time. */
  take(message: Message, answer: (outcome: PublishOutcome) => void): Delivery | undefined {
    const { random, scheduler } = this;
    const soon = (outcome: PublishOutcome) =>
      scheduler.after(random.share() * 2 + random.share() * this.slowMs, () => answer(outcome));
    if (this.missingQueues.has(message.queue)) soon({ result: "no-queue", reason: "there is no such queue" });
    else if (random.chance(this.refusedShare)) soon({ result: "refused", reason: "the broker refused it" });
    else {
      const delivery = this.deliver(message);
      if (!random.chance(this.forgetfulShare)) soon({ result: "confirmed" });
      return delivery;
    }
    return undefined;
  }

  deliver({ id, headers }: Message): Delivery {
    const entry = String(headers["periodic_task_name"]);
    const fireAt = Date.parse(String(headers["beat_fire_time"]));
    const delivery = { entry, fireAt, id, redelivered: false, at: this.scheduler.now };
    this.scheduler.note(`delivered  ${entry} of ${new Date(fireAt).toISOString()}`);
    this.deliveries.push(delivery);
    // Brokers deliver again what no consumer acknowledged, and say so.
    if (this.random.chance(0.01)) this.deliveries.push({ ...delivery, redelivered: true });
    return delivery;
  }

  whenTaking(take: () => void): void {
    if (this.blocked) this.#held.push(take);
    else take();
  }
}

interface Outstanding {
  readonly message: Message;
  readonly attempt: Attempt;
  readonly settle: (message: Message, outcome: PublishOutcome) => void;
  delivery: Delivery | undefined;
  isTaken: boolean;
}

export class SimulatedConnection implements Broker {
  readonly url = "simulated://";
  readonly window = window;
  readonly #server: SimulatedServer;
  readonly #machine: Machine;
  #listener: BrokerListener | undefined;
  #connected = false;
  #closed = false;
  readonly #outstanding = new Set<Outstanding>();

  constructor(server: SimulatedServer, machine: Machine) {
    this.#server = server;
    this.#machine = machine;
  }

  async open(listener: BrokerListener): Promise<void> {
    this.#listener = listener;
    this.#connect();
  }

  publish(messages: readonly Message[], settle: Outstanding["settle"]): void {
    for (const message of messages) {
      if (!this.#machine.survives()) return;
      const machine = this.#machine;
      const attempt: Attempt = {
        id: message.id,
        at: this.#server.scheduler.now,
        machine,
        outcome: "doubtful",
      };
      this.#server.attempts.push(attempt);
      machine.note(
        `sends ${String(message.headers["periodic_task_name"])} of ${String(message.headers["beat_fire_time"])}`,
      );
      const outstanding = { message, attempt, settle, delivery: undefined, isTaken: false };
      if (this.#connected) this.#transmit(outstanding);
      else this.#answer(outstanding, { result: "unavailable", reason: "there is no connection" });
    }
  }

  async close(drainMs: number): Promise<void> {
    const { clock } = this.#machine;
    const endsAt = clock.monotonic() + drainMs;
    while (this.#outstanding.size > 0 && this.#connected && clock.monotonic() < endsAt)
      await new Promise<void>((resolve) => clock.setTimer(10, resolve));
    this.#closed = true;
    this.break("it was closed", false);
  }

  /** The process died: what it had handed over may arrive or not. */
  abandon(): void {
    this.#closed = true;
    this.break("its process died", false);
  }

  break(reason: string, loses: boolean): void {
    if (!this.#connected) return;
    this.#connected = false;
    const { random, connections, deliveries } = this.#server;
    connections.delete(this);
    for (const outstanding of [...this.#outstanding]) {
      if (outstanding.delivery === undefined && !outstanding.isTaken && !this.#server.blocked && random.chance(0.5))
        this.#server.deliver(outstanding.message);
      else if (outstanding.delivery !== undefined && loses)
        deliveries.splice(deliveries.indexOf(outstanding.delivery), 1);
      this.#answer(outstanding, { result: "unavailable", reason }, random.share() * 5);
    }
    this.#outstanding.clear();
    if (!this.#closed) this.#machine.later(random.share() * 30, () => this.#listener!.unavailable(reason, false));
    this.#machine.later(reconnectMs, () => this.#connect());
  }

  #connect(): void {
    if (this.#closed || this.#connected) return;
    if (!this.#server.up) {
      this.#listener!.unavailable("the broker does not answer", false);
      this.#machine.later(reconnectMs, () => this.#connect());
      return;
    }
    this.#machine.later(this.#server.random.share() * 20, () => {
      if (this.#closed || this.#connected) return;
      if (!this.#server.up) return this.#connect();
      this.#connected = true;
      this.#server.connections.add(this);
      this.#listener!.available();
    });
  }

  #transmit(outstanding: Outstanding): void {
    const { random, slowMs, scheduler } = this.#server;
    this.#outstanding.add(outstanding);
    scheduler.after(0.2 + random.share() + random.share() * slowMs, () => {
      this.#server.whenTaking(() => {
        if (!this.#outstanding.has(outstanding)) return;
        outstanding.isTaken = true;
        outstanding.delivery = this.#server.take(outstanding.message, (outcome) => {
          if (this.#outstanding.delete(outstanding)) this.#answer(outstanding, outcome);
        });
      });
    });
    this.#machine.later(confirmDeadlineMs, () => {
      if (this.#outstanding.has(outstanding)) this.break("a confirmation did not come", false);
    });
  }

  #answer({ message, attempt, settle }: Outstanding, outcome: PublishOutcome, delayMs = 0): void {
    this.#machine.later(delayMs, () => {
      attempt.outcome = outcome.result === "unavailable" ? "doubtful" : outcome.result;
      settle(message, outcome);
    });
  }
}

/**
 * As the checker reads them. A confirmation that was not in the ledger within a second left another process in doubt:
 * `publishedAt` says when the ledger was told.
 */
export function publishesOf(attempts: readonly Attempt[], publishedAt: (id: string) => number): Publish[] {
  const next = new Map<string, Attempt>();
  return attempts
    .toReversed()
    .map((attempt): Publish => {
      const { id, at, outcome, machine } = attempt;
      const later = next.get(id);
      next.set(id, attempt);
      const toldAt = publishedAt(id);
      const isOver =
        later === undefined ? !machine.alive || machine.stoodStillWithin(at, toldAt) : later.machine !== machine;
      const isLost =
        outcome === "confirmed" && isOver && toldAt > Math.min(later?.at ?? Number.POSITIVE_INFINITY, at + 1_000);
      return { id, at, outcome: isLost ? "doubtful" : outcome };
    })
    .toReversed();
}
