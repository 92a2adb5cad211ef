// One trial's world: a database and a queue of its own, `beat start` behind a proxy, and a witness that is straight at the
// broker. It keeps a log of what was done to them.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Occurrence, Scheduler, type SchedulerStatus, silentLog, sqlite } from "../../src/index.ts";
import type { Fault, Tolerance } from "../checker/evidence.ts";
import { Daemon, folder } from "../e2e/beat.ts";
import { TcpProxy } from "../servers/proxy.ts";
import type { FaultyBroker } from "./brokers.ts";
import { type Moment, promised } from "./judged.ts";
import { Probe, unreadyAfterMs, untilReady } from "./readiness.ts";
import { type Named, timetable } from "./timetable.ts";
import { Witness } from "./witness.ts";

/** FAULTS=full: each fault lasts as long as in the peers' table. Otherwise as long as its point needs. */
export const isFull = process.env["FAULTS"] === "full";
export const lasting = (fullMs: number, shortMs: number) => (isFull ? fullMs : shortMs);

/** What keeps the work from going out, for as long as `meanwhile` takes. */
export interface Trouble {
  readonly harm: () => unknown;
  readonly meanwhile: () => Promise<unknown>;
  readonly heal: () => unknown;
  /** How soon its readiness has to tell. */
  readonly unreadyWithinMs?: number;
}

/** A connection or a store in trouble; a machine that tests other things at the same time may be later. */
const unreadyWithinMs = lasting(5_000, 7_000);

/** Beside the timetable's, for a queue and a first fire time. */
export type Entries = (queue: string, startAt: number) => readonly Named[];

/** A daemon that runs has noticed new entries before their first fire time. */
const beginInMs = 1_500;
/** Of the timetable's entries, every 5 s. */
const longestJitterMs = 2_000;

export class Rig {
  readonly faults: Fault[] = [];
  readonly daemons: Daemon[] = [];
  /** Entries that a row has for other ends. */
  readonly unjudged = new Set<string>();
  /** What this row may take beyond what is promised everywhere. */
  tolerance: Partial<Tolerance> = {};
  readonly t: TestContext;
  readonly broker: FaultyBroker;
  readonly cwd: string;
  /** The schedule database; a row may put it elsewhere before it begins. */
  db: string;
  readonly queue: string;
  readonly proxy: TcpProxy;
  readonly witness: Witness;
  readonly #more: Entries;
  /** How far the daemons' clock is ahead of ours all the time. */
  wallOffsetMs = 0;
  /** The first fire time, by our clock, once the entries are there. */
  startAt = Number.NaN;
  planned: readonly Named[] = [];
  /** When they were written. */
  added: Moment | undefined;
  /** How long it took at most until readiness told of trouble. */
  unreadyMs: number | undefined;

  private constructor(world: Pick<Rig, "t" | "broker" | "cwd" | "queue" | "proxy" | "witness">, more: Entries) {
    this.t = world.t;
    this.broker = world.broker;
    this.cwd = world.cwd;
    this.db = join(world.cwd, "beat.sqlite");
    this.queue = world.queue;
    this.proxy = world.proxy;
    this.witness = world.witness;
    this.#more = more;
  }

  /** `more`: entries beside the timetable's. */
  static async open(t: TestContext, broker: FaultyBroker, more: Entries = () => []): Promise<Rig> {
    const cwd = await folder(t);
    const queue = `faults-${randomUUID()}`;
    const witness = await Witness.open(broker.tap, queue);
    t.after(() => witness.close());
    const proxy = await TcpProxy.to(broker.port);
    t.after(() => proxy.cut());
    return new Rig({ t, broker, cwd, queue, proxy, witness }, more);
  }

  /** Writes the entries. Called by the first `start`, unless the row did before. */
  async begin(inMs = beginInMs): Promise<void> {
    const invokedAt = Date.now();
    this.startAt = Math.ceil((invokedAt + inMs) / 1_000) * 1_000;
    const wallStartAt = this.startAt + this.wallOffsetMs;
    this.planned = [...timetable(this.queue, wallStartAt), ...this.#more(this.queue, wallStartAt)];
    await this.ask((scheduler) => scheduler.addAll(this.planned));
    this.added = { invokedAt, acknowledgedAt: Date.now() };
  }

  /** Where the daemons find the broker: through the proxy. */
  get url(): string {
    return this.broker.url.replace(`:${this.broker.port}`, `:${this.proxy.port}`);
  }

  get daemon(): Daemon {
    return this.daemons.at(-1)!;
  }

  /** One more `beat start` on the database. */
  spawn(args: readonly string[] = [], env: Record<string, string> = {}): Daemon {
    const daemon = new Daemon(this.t, ["--schedule-db", this.db, "--metrics", "0", ...args], {
      env: { BEAT_BROKER: this.url, ...env },
    });
    this.daemons.push(daemon);
    return daemon;
  }

  /** Resolves once it is connected and has something to do. */
  async start(args: readonly string[] = [], env: Record<string, string> = {}): Promise<Daemon> {
    const daemon = this.spawn(args, env);
    await daemon.line(/^Connected to/);
    if (this.added === undefined) await this.begin();
    return daemon;
  }

  /** SIGTERM. Its exit code says whether something is left to send. */
  async end(daemon = this.daemon): Promise<void> {
    const code = await daemon.stop();
    const left = await this.ask((scheduler) => scheduler.history({ states: ["claimed"], limit: 1 }));
    assert.ok(code === 0 || (code === 6 && left.length > 0), `SIGTERM ended it with ${code}`);
  }

  /** Writes down that something goes wrong for as long as `act` takes. `more`: what else the checker should know of it. */
  async fault(what: string, act: () => Promise<unknown>, more: Partial<Fault> = {}): Promise<Fault> {
    const from = Date.now();
    await act();
    const fault = { what, from, until: Date.now(), ...more };
    this.faults.push(fault);
    return fault;
  }

  /** A fault that the daemon's readiness has to tell of, from soon after it was done until it is healed. */
  async trouble(what: string, trouble: Trouble, more: Partial<Fault> = {}): Promise<void> {
    const { harm, meanwhile, heal } = trouble;
    // An earlier one is over.
    const [running] = this.daemons.slice(-1);
    if (running !== undefined) await untilReady(running, promised.recoveryMs);
    const probe = new Probe(() => this.daemons.at(-1));
    let harmedAt = Number.NaN;
    let healedAt = Number.NaN;
    await this.fault(
      what,
      async () => {
        await harm();
        harmedAt = Date.now();
        await meanwhile();
        healedAt = Date.now();
        await heal();
      },
      more,
    ).finally(() => probe.end());
    const limits = { harmedAt, healedAt, withinMs: trouble.unreadyWithinMs ?? unreadyWithinMs };
    const afterMs = unreadyAfterMs(probe.answers, limits);
    if (afterMs !== undefined) this.unreadyMs = Math.max(afterMs, this.unreadyMs ?? 0);
  }

  /** A few seconds without a fault, counted from the first fire time at the earliest. */
  async calm(ms: number): Promise<void> {
    await sleep(Math.max(0, this.startAt - Date.now()) + ms);
  }

  /** Waits for a moment between two seconds at which no jitter is at work: whether something was due before what is done then or after it is no question. */
  async lull(): Promise<void> {
    let at = this.startAt + Math.ceil((Date.now() - this.startAt) / 1_000) * 1_000;
    while ((at - this.startAt) % 5_000 < longestJitterMs) at += 1_000;
    await sleep(at + 300 - Date.now());
  }

  /** Asks as `beat status` and `beat history` do: from a process that does not lead. */
  async ask<Answer>(question: (scheduler: Scheduler) => Promise<Answer>): Promise<Answer> {
    await using scheduler = new Scheduler({ store: sqlite(this.db), log: silentLog });
    return await question(scheduler);
  }

  status(): Promise<SchedulerStatus> {
    return this.ask((scheduler) => scheduler.status());
  }

  ledger(): Promise<Occurrence[]> {
    return this.ask((scheduler) => scheduler.history({ limit: 10_000_000 }));
  }
}
