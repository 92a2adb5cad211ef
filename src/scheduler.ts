// The composition root: the stages in the order in which data flows through them. Definitions go into the store, the
// dispatcher claims what is due, the relay sends it to the broker or the local runner, the ledger keeps what became of it.

import { BrokerConnections } from "./broker-connections.ts";
import { defaultBroker } from "./core/broker-definition.ts";
import { type Definition, parseDefinition } from "./core/definition.ts";
import { triggerOf } from "./core/entry.ts";
import { BeatError, reasonOf, UsageError } from "./core/errors.ts";
import { nextFireTime } from "./core/triggers/trigger.ts";
import { type LoadedFiles, loadScheduleFiles, schedulesRoot } from "./definitions/parse.ts";
import { Engine, type EngineReport, type Stopped } from "./dispatch/engine.ts";
import type { Alert } from "./dispatch/watchdog.ts";
import { createLog } from "./log.ts";
import { messageEncoder } from "./message-encoder.ts";
import { readSigner } from "./message-signing.ts";
import { AlertDesk } from "./operating/alert-desk.ts";
import { type Address, type Endpoint, parseAddress } from "./operating/endpoint.ts";
import { OnAlert } from "./operating/on-alert.ts";
import { isDead, thisProcess } from "./process-identity.ts";
import type { JobFunction } from "./runner/job.ts";
import { createRunner } from "./runner/runner.ts";
import { ScheduleFiles } from "./schedule-files.ts";
import {
  commandEnvironment,
  durationOption,
  type EntryOptions,
  type Handle,
  memory,
  type SchedulerOptions,
  type Work,
  writtenOptions,
} from "./scheduler-options.ts";
import { Schedules } from "./schedules.ts";
import { handleSignals } from "./signals.ts";
import { systemClock } from "./system-clock.ts";

/** Work is looked at once a second. */
const leastToleranceMs = 1_000;

export type { ClockReport } from "./dispatch/clock-steps.ts";
export type { Stopped } from "./dispatch/engine.ts";
export type { Alert } from "./dispatch/watchdog.ts";
export type { SchedulerStatus } from "./schedules.ts";

/** How long the start waits for a database that is there and locked. */
const lockedMs = 5_000;

export class Scheduler extends Schedules implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #drainMs: number;
  readonly #retentionMs: number;
  readonly #overdueToleranceMs: number;
  readonly #alerts: AlertDesk<Alert>;
  readonly #metricsAt: Address | undefined;
  #monitoring: Endpoint | undefined;
  readonly #jobs = new Map<string, JobFunction>();
  readonly #names = new Set<string>();
  /** Entries on their way into the store. */
  readonly #added = new Set<Promise<unknown>>();
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
    const { maxRate = Number.POSITIVE_INFINITY } = options;
    if (!(maxRate > 0)) throw new UsageError(`max-rate: ${maxRate} is not a number of messages a second above 0`);
    this.#alerts = new AlertDesk(this.log, this.#onAlert(options));
    this.#metricsAt = options.metrics === undefined ? undefined : parseAddress("metrics", options.metrics);
  }

  #onAlert({ onAlert: target, allowPrivateAddresses: allowPrivate = false, alertSecret: secret }: SchedulerOptions) {
    const stage = { clock: this.clock, log: this.log, env: commandEnvironment() };
    return target === undefined ? undefined : new OnAlert({ ...stage, target, allowPrivate, secret });
  }

  // ------------------------------------------------------------------------------------------------- what to schedule

  /** Every so often: `30s`, `1h30m`, or seconds. */
  every(interval: string | number, work: Work, options: EntryOptions = {}): Handle {
    return this.#define({ every: interval }, `every ${interval}`, work, options);
  }

  /** Unix cron: five fields, day-of-month OR day-of-week. */
  cron(expression: string, work: Work, options: EntryOptions = {}): Handle {
    return this.#define({ cron: expression }, `cron ${expression}`, work, options);
  }

  /** Celery's crontab: five fields or its arguments, day-of-month AND day-of-week. */
  crontab(expression: NonNullable<Definition["crontab"]>, work: Work, options: EntryOptions = {}): Handle {
    return this.#define({ crontab: expression }, `crontab ${JSON.stringify(expression)}`, work, options);
  }

  /** Once, or once at each of several times. A text is local to the entry's zone unless it carries an offset. */
  at(when: Date | string | readonly (Date | string)[], work: Work, options: EntryOptions = {}): Handle {
    const list = (Array.isArray(when) ? when : [when]) as readonly (Date | string)[];
    const at = list.map((one) => (one instanceof Date ? one.toISOString() : one));
    return this.#define({ at }, `at ${at.join(", ")}`, work, options);
  }

  #define(trigger: Record<string, unknown>, label: string, work: Work, options: EntryOptions): Handle {
    const { name: wanted, ...rest } = options;
    const name = this.#freeName(
      wanted ?? (typeof work === "function" && work.name ? work.name : label),
      wanted !== undefined,
    );
    const target = typeof work === "function" ? { job: name } : work;
    const raw = { timezone: this.#options.timezone ?? "UTC", ...trigger, ...target, ...writtenOptions(rest) };
    const definition = parseDefinition(raw, { entry: name });
    if (typeof work === "function") this.#jobs.set(name, work);
    this.#names.add(name);
    this.#write(name, definition);
    const trigger_ = triggerOf({ definition, name, anchorAt: this.clock.now(), lastFireAt: null });
    return {
      name,
      next: (count = 1) => {
        const times: Date[] = [];
        for (
          let at = nextFireTime(trigger_, this.clock.now());
          at !== null && times.length < count;
          at = nextFireTime(trigger_, at)
        ) {
          times.push(new Date(at));
        }
        return times;
      },
    };
  }

  /** In the background; start() waits for it and rejects where it failed. Later failures go to the log. */
  #write(name: string, definition: Definition): void {
    const added = this.add(name, definition, { replace: true });
    this.#added.add(added);
    added.then(
      () => this.#added.delete(added),
      (error) => {
        if (this.#engine !== undefined && this.#added.delete(added)) this.log.error(reasonOf(error));
      },
    );
  }

  #freeName(base: string, exact: boolean): string {
    if (!this.#names.has(base)) return base;
    if (exact)
      throw new BeatError(`there is an entry "${base}" already`, {
        remedy: "Give each entry a name of its own.",
        place: { entry: base },
      });
    for (let number = 2; ; number++) if (!this.#names.has(`${base} ${number}`)) return `${base} ${number}`;
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

  /** `alert`: something needs an operator, or is over. A listener that throws harms nothing. */
  on(_event: "alert", listener: (alert: Alert) => void): this {
    this.#alerts.on(listener);
    return this;
  }

  off(_event: "alert", listener: (alert: Alert) => void): this {
    this.#alerts.off(listener);
    return this;
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
    await Promise.all(this.#added);
    const { schedules = [], broker } = this.#options;
    const connections = this.#connections();
    // In this order: the first of a name counts.
    const brokers = broker === undefined ? [] : await connections.connectGiven({ [defaultBroker]: broker });
    if (schedules.length > 0) {
      this.#files = new ScheduleFiles({
        paths: schedules,
        jobsDir: this.#options.jobsDir,
        operations,
        clock: this.clock,
        log: this.log,
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
    this.#engine = new Engine({
      clock: this.clock,
      store,
      log: this.log,
      brokers,
      runner: createRunner({
        clock: this.clock,
        log: this.log,
        jobs: this.#jobs,
        jobsDir,
        env: commandEnvironment(),
      }),
      encode: messageEncoder({
        defaultQueueOf: (each) => connections.queueOf(each),
        traced: this.#options.traceparent ?? false,
        signer,
      }),
      owner: thisProcess(),
      isDead,
      random: Math.random,
      retentionMs: this.#retentionMs,
      ...(this.#options.retentionRows !== undefined && { retentionRows: this.#options.retentionRows }),
      timeZoneData: process.versions["tz"] ?? "unknown",
      overdueToleranceMs: this.#overdueToleranceMs,
      onAlert: (alert) => this.#alerts.tell(alert, store.location),
      onStalled: (reason) => this.#fail(reason),
    });
    if (this.#stopped === undefined) await this.#engine.start();
  }

  async #stop(drainMs: number): Promise<Stopped> {
    try {
      await this.#started?.catch(() => {});
      await this.#files?.close();
      const stopped = (await this.#engine?.stop(drainMs)) ?? { finished: 0, aborted: 0, left: 0 };
      await this.#alerts.close();
      await Promise.allSettled(this.#added);
      await this.close();
      return stopped;
    } finally {
      await this.#monitoring?.close();
      this.#onStopped();
    }
  }

  #connections(): BrokerConnections {
    const { declareQueues = false, defaultQueue = "celery", maxRate } = this.#options;
    const { clock, log } = this;
    return new BrokerConnections({ clock, log, env: process.env, declareQueues, defaultQueue, maxRate });
  }

  /** Whether stop() was called. */
  override get stopping(): boolean {
    return this.#stopped !== undefined;
  }

  protected override changed(): void {
    this.#engine?.wake();
  }
}

export interface Health {
  readonly state: "starting" | "leading" | "standing by" | "stopping";
  /** Whether its loops go on. */
  readonly alive: boolean;
  readonly alerts: EngineReport["alerts"]["active"];
}

/** Reads and checks schedule files without a store. */
export async function checkScheduleFiles(paths: readonly string[]): Promise<LoadedFiles> {
  return loadScheduleFiles(paths);
}
