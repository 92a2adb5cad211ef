// Tells systemd what it asks for: that Beat is ready, that it is alive, that it stops (sd_notify). Node can't write to the unix
// datagram socket that systemd listens on, so `systemd-notify` does, which is wherever systemd is. The unit needs
// NotifyAccess=all, since the words come from a child process. Without NOTIFY_SOCKET nothing happens.

import { execFile } from "node:child_process";
import { reasonOf } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { secondMs } from "../core/time.ts";

export interface SystemdOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the loops go on: systemd is told so only as long as they do, and ends the process otherwise. */
  readonly isAlive: () => boolean;
  /** One line for `systemctl status`. */
  readonly status: () => string;
}

const statusEveryMs = 10 * secondMs;
const commandLimitMs = 5 * secondMs;

export class Systemd {
  readonly #options: SystemdOptions;
  readonly #isListening: boolean;
  /** Half of the time after which systemd takes the process for dead. */
  readonly #aliveEveryMs: number;
  #troubled = false;
  #status = "";
  #cancelTimer: (() => void) | undefined;

  constructor(options: SystemdOptions) {
    this.#options = options;
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = options.env;
    this.#isListening = Boolean(NOTIFY_SOCKET);
    const isMeant = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
    const limitMs = isMeant ? Number(WATCHDOG_USEC ?? 0) / 1_000 : 0;
    this.#aliveEveryMs = limitMs > 0 ? limitMs / 2 : Number.POSITIVE_INFINITY;
  }

  /** From now on systemd is told that it is alive, and how it is. */
  ready(): void {
    if (!this.#isListening) return;
    this.#tell("READY=1", ...this.#news());
    this.#beat();
  }

  /** It is alive until the end. */
  stopping(): void {
    if (this.#isListening) this.#tell("STOPPING=1", "STATUS=Finishing what goes on.");
  }

  close(): void {
    this.#cancelTimer?.();
  }

  #beat(): void {
    const { clock, isAlive } = this.#options;
    this.#cancelTimer = clock.setTimer(Math.min(this.#aliveEveryMs, statusEveryMs), () => {
      const words = [
        ...(isAlive() && this.#aliveEveryMs < Number.POSITIVE_INFINITY ? ["WATCHDOG=1"] : []),
        ...this.#news(),
      ];
      if (words.length > 0) this.#tell(...words);
      this.#beat();
    });
  }

  /** The status, where it has changed. */
  #news(): string[] {
    // A line of its own would be a word of its own.
    const status = this.#options.status().replaceAll(/\s+/g, " ");
    if (status === this.#status) return [];
    this.#status = status;
    return [`STATUS=${status}`];
  }

  #tell(...words: string[]): void {
    const { env, log } = this.#options;
    execFile("systemd-notify", words, { env: { ...env }, timeout: commandLimitMs }, (error) => {
      if (error !== null && !this.#troubled)
        log.warn(`systemd could not be told ${words[0]}: systemd-notify has to be installed and to work`, {
          reason: reasonOf(error),
        });
      this.#troubled = error !== null;
    });
  }
}
