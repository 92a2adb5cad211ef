// Never silent: once a second the watchdog looks at the vitals. What is the matter is told once, again every hour while it
// lasts, and once when it is over.
//
// The loop of the dispatcher and that of the leader can't die unnoticed: each counts its turns. Whether they grow is
// measured in looks, not in time, so that a machine that slept or a process that was stopped is not taken for a dead
// loop: whatever kept the loop from its turns then kept the watchdog from looking. A loop that stands still for half a
// minute will not go on by itself, since every wait in it is bounded: then `onStalled` ends it all.

import { reasonOf } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { formatDuration, hourMs, type Instant, secondMs } from "../core/time.ts";
import { type AlertName, findings, rules, stallLimitMs, type Vitals } from "./alerts.ts";

export interface Alert {
  readonly alert: AlertName;
  /** `lasting`: told of already, an hour or more ago. */
  readonly state: "raised" | "lasting" | "resolved";
  /** One sentence. */
  readonly message: string;
  /** When it was raised. */
  readonly since: Instant;
  readonly at: Instant;
}

export interface AlertsReport {
  /** How many of each were raised since the process began. */
  readonly raised: Readonly<Record<AlertName, number>>;
  readonly active: readonly Pick<Alert, "alert" | "message" | "since">[];
  /** Why this node is not ready to do its work in time; empty: it is. */
  readonly notReady: readonly string[];
}

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Gathers what is to be looked at. */
  readonly vitals: (stalledMs: number) => Vitals;
  /** For each loop that has to go on, a count that grows as long as it does. */
  readonly turns: () => readonly number[];
  readonly toleranceMs: number;
  readonly onAlert: (alert: Alert) => void;
  /** A loop has come to its end without a word. Called once. */
  readonly onStalled: (reason: string) => void;
}

const lookEveryMs = secondMs;
const remindEveryMs = hourMs;
/** A loop that has not gone on for so long is dead: the longest pause of one is 5 s. */
const deadAfterMs = 30 * secondMs;

interface Active {
  readonly since: Instant;
  message: string;
  /** Monotonic. */
  toldAt: number;
  /** When it was found last; monotonic. */
  foundAt: number;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #active = new Map<AlertName, Active>();
  readonly #raised = Object.fromEntries(Object.keys(rules).map((alert) => [alert, 0])) as Record<AlertName, number>;
  /** What the last look found. */
  #found: ReadonlyMap<AlertName, string> = new Map();
  #turns: readonly number[] = [];
  /** For how many looks in a row each loop has not gone on. */
  #missed: number[] = [];
  #dead = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancelTimer = this.#options.clock.setTimer(lookEveryMs, () => {
      this.start();
      this.#look();
    });
  }

  stop(): void {
    this.#cancelTimer?.();
  }

  /** Whether all loops go on. */
  get alive(): boolean {
    return this.#stalledMs <= stallLimitMs;
  }

  report(): AlertsReport {
    const active = [...this.#active].map(([alert, { message, since }]) => ({ alert, message, since }));
    return { raised: { ...this.#raised }, active, notReady: this.#notReady() };
  }

  /** Stricter than the alerts: whoever asks wants to know now. */
  #notReady(): string[] {
    const vitals = this.#options.vitals(this.#stalledMs);
    const found = findings(vitals, this.#options.toleranceMs);
    const reasons = [...found].filter(([alert]) => rules[alert].critical).map(([, message]) => message);
    if (!found.has("broker"))
      for (const { url, available, reason } of vitals.brokers) if (!available) reasons.push(`${url}: ${reason}`);
    return reasons;
  }

  get #stalledMs(): number {
    return Math.max(0, ...this.#missed) * lookEveryMs;
  }

  #look(): void {
    const { clock, vitals, toleranceMs } = this.#options;
    this.#countTurns();
    const found = findings(vitals(this.#stalledMs), toleranceMs);
    // Seen twice: whoever has just woken up has its work still before it.
    for (const [alert, message] of found) if (this.#found.has(alert)) this.#tell(alert, message);
    this.#found = found;
    // What is due and unsent gives way to newer ones in an outage, and is late anew: it is over when it was well for long enough.
    const overSince = clock.monotonic() - 2 * toleranceMs;
    for (const [alert, active] of this.#active)
      if (!found.has(alert) && active.foundAt < overSince) this.#resolve(alert, active);
    if (!this.#dead && this.#stalledMs >= deadAfterMs) {
      this.#dead = true;
      this.#options.onStalled(found.get("stalled")!);
    }
  }

  #countTurns(): void {
    const turns = this.#options.turns();
    this.#missed = turns.map((count, loop) => (count === this.#turns[loop] ? this.#missed[loop]! + 1 : 0));
    this.#turns = turns;
  }

  #tell(alert: AlertName, message: string): void {
    const { clock, log } = this.#options;
    const active = this.#active.get(alert);
    const monotonic = clock.monotonic();
    if (active !== undefined) {
      active.message = message;
      active.foundAt = monotonic;
      if (monotonic - active.toldAt < remindEveryMs) return;
      active.toldAt = monotonic;
    } else {
      this.#active.set(alert, { since: clock.now(), message, toldAt: monotonic, foundAt: monotonic });
      this.#raised[alert]++;
    }
    log.error(`Alert: ${message.replace(/\.$/, "")}.`, { alert });
    this.#emit(alert, active === undefined ? "raised" : "lasting", this.#active.get(alert)!);
  }

  #resolve(alert: AlertName, active: Active): void {
    const { clock, log } = this.#options;
    this.#active.delete(alert);
    const lastedMs = Math.max(0, Math.floor((clock.now() - active.since) / secondMs) * secondMs);
    log.info(`Over after ${formatDuration(lastedMs)}: ${active.message}.`, { alert });
    this.#emit(alert, "resolved", active);
  }

  /** Nothing that is done with an alert may keep the next one from being told. */
  #emit(alert: AlertName, state: Alert["state"], { since, message }: Active): void {
    const { onAlert, clock, log } = this.#options;
    try {
      onAlert({ alert, state, message, since, at: clock.now() });
    } catch (error) {
      log.error(`The alert "${alert}" could not be passed on: ${reasonOf(error)}`);
    }
  }
}
