// The composition root: what is to be scheduled goes into the store, the stages carry it out, and whoever listens hears of it.

import { BrokerConnections } from "./broker-connections.ts";
import { defaultBroker } from "./core/broker-definition.ts";
import type { Definition } from "./core/definition.ts";
import type { Entry } from "./core/entry.ts";
import { BeatError, reasonOf, UsageError } from "./core/errors.ts";
import type { BeatEvent, EntryEvent, EventPattern } from "./core/events.ts";
import type { Occurrence } from "./core/occurrence.ts";
import type { Told } from "./definitions/operations.ts";
import { schedulesRoot } from "./definitions/parse.ts";
import type { Engine, EngineReport, Stopped } from "./dispatch/engine.ts";
import type { EntryHandle } from "./embedding/entry-handle.ts";
import { type EventStream, Events, type Listener } from "./embedding/events.ts";
import {
  defineJob,
  type Job,
  type JobDefinition,
  type JobOptions,
  type JobWork,
  type OfJson,
} from "./embedding/job.ts";
import { Program } from "./embedding/program.ts";
import { createLog } from "./log.ts";
import { readSigner } from "./message-signing.ts";
import { AlertDesk } from "./operating/alert-desk.ts";
import { type Address, type Endpoint, parseAddress } from "./operating/endpoint.ts";
import { OnAlert } from "./operating/on-alert.ts";
import type { LocalRunner } from "./runner/runner.ts";
import { ScheduleFiles } from "./schedule-files.ts";
import {
  checkOptions,
  commandEnvironment,
  durationOption,
  type EntryOptions,
  memory,
  type SchedulerOptions,
  type Triggers,
  type Work,
  writtenOptions,
} from "./scheduler-options.ts";
import { Schedules } from "./schedules.ts";
import { handleSignals } from "./signals.ts";
import { joinStages } from "./stages.ts";
import { systemClock } from "./system-clock.ts";

/** Work is looked at once a second. */
const leastToleranceMs = 1_000;

export type { ClockReport } from "./dispatch/clock-steps.ts";
export type { Stopped } from "./dispatch/engine.ts";
export type { Alert } from "./dispatch/watchdog.ts";
export type { ListedEntry, SchedulerStatus } from "./schedules.ts";

/** How long the start waits for a database that is there and locked. */
const lockedMs = 5_000;

export class Scheduler extends Schedules implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #drainMs: number;
  readonly #retentionMs: number;
  readonly #overdueToleranceMs: number;
  readonly #alerts: AlertDesk;
  readonly #metricsAt: Address | undefined;
  #monitoring: Endpoint | undefined;
  readonly #program: Program;
  readonly #events: Events;
  #runner: LocalRunner | undefined;
  #engine: Engine | undefined;
  #files: ScheduleFiles | undefined;
  #started: Promise<void> | undefined;
  #stopped: Promise<Stopped> | undefined;
  /** Why it stopped by itself. */
  #failure: BeatError | undefined;
  #onStopped!: () => void;
  readonly #untilStopped = new Promise<void>((resolve) => {
    this.#onStopped = resolve;
  });

  constructor(options: SchedulerOptions = {}) {
    checkOptions(options);
    const { store = memory(), wait = 0, clock = systemClock, log = createLog({ level: "warn" }) } = options;
    super(store, durationOption("wait", wait), clock, log);
    this.#options = options;
    this.#drainMs = durationOption("drain", options.drain ?? "30s");
    this.#retentionMs = durationOption("retention", options.retention ?? "7d");
    this.#overdueToleranceMs = durationOption("overdue-tolerance", options.overdueTolerance ?? "10s");
    if (this.#overdueToleranceMs < leastToleranceMs)
      throw new UsageError("overdue-tolerance: less than a second is no sign of trouble", {
        remedy: "Give 1s or more.",
      });
    this.#alerts = new AlertDesk(this.#onAlert(options));
    this.#events = new Events(this.log);
    this.#program = new Program({
      host: this,
      log: this.log,
      timezone: options.timezone ?? "UTC",
      onRegistered: (job) => this.#engine?.registered(job),
    });
    this.#metricsAt = options.metrics === undefined ? undefined : parseAddress("metrics", options.metrics);
  }

  #onAlert({ onAlert: target, allowPrivateAddresses: allowPrivate = false, alertSecret: secret }: SchedulerOptions) {
    const stage = { clock: this.clock, log: this.log, env: commandEnvironment() };
    return target === undefined ? undefined : new OnAlert({ ...stage, target, allowPrivate, secret });
  }

  // ------------------------------------------------------------------------------------------------- what to schedule

  /** Every so often: `30s`, `1h30m`, or seconds. */
  every(interval: string | number, work: Work, options: EntryOptions = {}): EntryHandle {
    return this.#program.define({ every: interval }, `every ${interval}`, work, options);
  }

  /** Unix cron: five fields, day-of-month OR day-of-week. */
  cron(expression: string, work: Work, options: EntryOptions = {}): EntryHandle {
    return this.#program.define({ cron: expression }, `cron ${expression}`, work, options);
  }

  /** Celery's crontab: five fields or its arguments, day-of-month AND day-of-week. */
  crontab(expression: NonNullable<Definition["crontab"]>, work: Work, options: EntryOptions = {}): EntryHandle {
    return this.#program.define({ crontab: expression }, `crontab ${JSON.stringify(expression)}`, work, options);
  }

  /** Once, or once at each of several times. A text is local to the entry's zone unless it carries an offset. */
  at(when: Triggers["at"], work: Work, options: EntryOptions = {}): EntryHandle {
    const at = [writtenOptions({ at: when })["at"] ?? []].flat();
    return this.#program.define({ at }, `at ${at.join(", ")}`, work, options);
  }

  /**
   * Registers a function under a name that the store can hold, so that its entries outlive the process. What it is given is
   * JSON. A job is registered once; `defineJob` makes one that several programs share. Entries that waited for it go on.
   */
  job<Params, Result>(definition: JobDefinition<Params, Result>): Job<Params, Result>;
  job<Params = undefined, Result = unknown>(
    name: string,
    work: JobWork<Params, Result> & OfJson<NoInfer<Params>>,
    options?: JobOptions,
  ): Job<Params, Result>;
  job<Params, Result>(
    given: string | JobDefinition<Params, Result>,
    work?: JobWork<Params, Result> & OfJson<NoInfer<Params>>,
    options: JobOptions = {},
  ): Job<Params, Result> {
    const isDefinition = typeof given === "object" && typeof given?.work === "function";
    return this.#program.job(isDefinition ? given : defineJob(given as string, work!, options));
  }

  // ---------------------------------------------------------------------------------------------------------- running

  /** Starts in the background. Resolves when it leads or stands by. */
  async start(): Promise<void> {
    if (this.stopping) throw new BeatError("this scheduler was stopped", { remedy: "Make a new one." });
    this.#started ??= this.#start();
    await this.#started;
  }

  /**
   * Starts, and goes on until stop(), SIGINT or SIGTERM; then drains. A second signal ends the process at once, SIGHUP reads
   * the schedule files anew. Rejects where it ended by itself, because it stood still.
   */
  async run({ onStopping }: { readonly onStopping?: () => void } = {}): Promise<Stopped> {
    const release = handleSignals({
      clock: this.clock,
      log: this.log,
      stop: () => {
        onStopping?.();
        void this.stop();
      },
      reload: () => {
        if (this.#files === undefined) this.log.info("SIGHUP: there are no schedule files to read.");
        else void this.#files.readNow();
      },
    });
    try {
      await this.start().catch((error) => {
        if (!this.stopping) throw error;
        this.log.warn(`It was stopped before it had started: ${reasonOf(error)}`);
      });
      await this.#untilStopped;
      const stopped = await this.stop();
      if (this.#failure !== undefined) throw this.#failure;
      return stopped;
    } finally {
      release();
    }
  }

  /** Lets what goes on end within the drain time, then ends it. What was claimed and not sent stays in the outbox. */
  async stop(options: { readonly drain?: string | number } = {}): Promise<Stopped> {
    this.#stopped ??= this.#stop(options.drain === undefined ? this.#drainMs : durationOption("drain", options.drain));
    return this.#stopped;
  }

  /** Calls `listener` for each event of that name, of a kind (`run:*`) or of all (`*`). One that throws harms nothing. */
  on<Pattern extends EventPattern>(pattern: Pattern, listener: Listener<Pattern>): this {
    this.#events.on(pattern, listener);
    return this;
  }

  /** As on(), for the next event alone. */
  once<Pattern extends EventPattern>(pattern: Pattern, listener: Listener<Pattern>): this {
    this.#events.on(pattern, listener, true);
    return this;
  }

  off<Pattern extends EventPattern>(pattern: Pattern, listener: Listener<Pattern>): this {
    this.#events.off(pattern, listener);
    return this;
  }

  /**
   * Events from now on, for `for await`. As many as `buffer` (default 1,000) wait for whoever reads; beyond that the oldest are
   * dropped and counted. Ends when the scheduler has stopped.
   */
  events<Pattern extends EventPattern = "*">(
    pattern: Pattern = "*" as Pattern,
    { buffer }: { readonly buffer?: number } = {},
  ): EventStream<Pattern> {
    return this.#events.stream(pattern, buffer) as unknown as EventStream<Pattern>;
  }

  /** How this process is, leading or standing by. */
  health(): Health {
    const { alerts } = this.#engine?.report() ?? {};
    const state = this.stopping
      ? "stopping"
      : this.#engine === undefined
        ? "starting"
        : this.#engine.leading
          ? "leading"
          : "standing by";
    return { state, alive: this.#engine?.alive ?? true, alerts: alerts?.active ?? [] };
  }

  /** What a loop that stands still leaves: the store knows everything else, and the next process goes on from there. */
  #fail(reason: string): void {
    this.#failure = new BeatError(`Beat stopped: ${reason}`, {
      remedy: "Start it again, and please report it with the log before it.",
    });
    void this.stop({ drain: 0 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    await this.#watch();
    try {
      await this.#begin();
    } catch (error) {
      await this.#monitoring?.close();
      throw error;
    }
  }

  /** Before anything else: also a start that takes its time is watched. */
  async #watch(): Promise<void> {
    const address = this.#metricsAt;
    if (address === undefined) return;
    // Loaded only where it is wanted.
    const { openMonitoring } = await import("./monitoring.ts");
    const { clock, log } = this;
    this.#monitoring = await openMonitoring({
      address,
      clock,
      log,
      health: () => this.health(),
      report: () => this.#engine?.report(),
      status: () => this.status(),
    });
  }

  async #begin(): Promise<void> {
    const { security } = this.#options;
    const { clock, log } = this;
    const signer = security === undefined ? undefined : await readSigner(security, { clock, log });
    const { operations, store } = await this.open();
    await this.#program.start();
    const { schedules = [], broker } = this.#options;
    const connections = this.#connections();
    // In this order: the first of a name counts.
    const brokers = broker === undefined ? [] : await connections.connectGiven({ [defaultBroker]: broker });
    if (schedules.length > 0) {
      this.#files = new ScheduleFiles({
        paths: schedules,
        jobsDir: this.#options.jobsDir,
        operations,
        clock,
        log,
        onApplied: async (written) => {
          const found = await connections.connectWritten(written);
          if (this.#engine === undefined) brokers.push(...found);
          else await Promise.all(found.map((each) => this.#engine!.addBroker(each)));
          this.#engine?.wake();
        },
      });
      // Somebody else's long write is no reason not to start.
      await this.whenAvailable(() => this.#files!.read(), Math.max(this.waitMs, lockedMs));
    }
    brokers.push(...(await connections.connectGiven(this.#options.brokers ?? {})));
    const jobsDir = this.#options.jobsDir ?? (schedules.length > 0 ? schedulesRoot(schedules) : undefined);
    const { engine, runner } = joinStages(this.#options, {
      clock,
      log,
      store,
      brokers,
      connections,
      signer,
      jobs: this.#program.functions,
      limits: this.#program.limits,
      jobsDir,
      retentionMs: this.#retentionMs,
      overdueToleranceMs: this.#overdueToleranceMs,
      filesTrouble: () => this.#files?.trouble,
      onAlert: (alert) => {
        this.#events.emit({ type: "alert", ...alert });
        this.#alerts.tell(alert, store.location);
      },
      onEvent: (event) => this.#onEvent(event),
      isHeard: () => this.#events.isHeard || this.waiting.isHearing,
      onStalled: (reason) => this.#fail(reason),
    });
    this.#runner = runner;
    this.#engine = engine;
    if (this.#stopped !== undefined) return;
    await engine.start();
    this.#events.emit({ type: "scheduler:started", at: this.clock.now() });
  }

  async #stop(drainMs: number): Promise<Stopped> {
    this.#events.emit({ type: "scheduler:stopping", at: this.clock.now() });
    try {
      await this.#started?.catch(() => {});
      await this.#files?.close();
      const stopped = (await this.#engine?.stop(drainMs)) ?? { finished: 0, aborted: 0, left: 0 };
      await this.#alerts.close();
      await this.#program.stop();
      await this.waiting.end();
      await this.close();
      this.#events.emit({ type: "scheduler:stopped", at: this.clock.now(), ...stopped });
      return stopped;
    } finally {
      this.#events.close();
      await this.#monitoring?.close();
      this.#onStopped();
    }
  }

  #connections(): BrokerConnections {
    const { declareQueues = false, defaultQueue = "celery", maxRate } = this.#options;
    const { clock, log } = this;
    return new BrokerConnections({ clock, log, env: process.env, declareQueues, defaultQueue, maxRate });
  }

  /** Whether anything is on its way out, or runs here. */
  protected get busy(): boolean {
    return this.#engine?.busy === true;
  }

  /** Whether stop() was called. */
  override get stopping(): boolean {
    return this.#stopped !== undefined;
  }

  protected override changed(): void {
    this.#engine?.wake();
  }

  protected override told({ did, ...rest }: Told): void {
    this.#events.emit({ type: `entry:${did}`, at: this.clock.now(), ...rest } as EntryEvent);
  }

  #onEvent(event: BeatEvent): void {
    this.waiting.hear(event);
    this.#events.emit(event);
  }

  /** What has ended is written first. */
  override async history(query: Parameters<Schedules["history"]>[0] = {}): Promise<Occurrence[]> {
    await this.#engine?.flush();
    return super.history(query);
  }

  /** Whoever leads knows its own jobs, also for entries that are not due yet. */
  protected override async whyParked(): Promise<(entry: Entry) => string | null> {
    const runner = this.#runner;
    if (runner === undefined || this.#engine?.leading !== true) return super.whyParked();
    return ({ definition: { job } }) => (job === undefined ? null : (runner.whyMissing(job) ?? null));
  }
}

export interface Health {
  readonly state: "starting" | "leading" | "standing by" | "stopping";
  /** Whether its loops go on. */
  readonly alive: boolean;
  readonly alerts: EngineReport["alerts"]["active"];
}
