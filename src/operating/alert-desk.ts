// Where alerts go: to the listeners of the program that Beat is part of, and to the operator's command or webhook.

import { hostname } from "node:os";
import { reasonOf } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import type { Log } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import type { OnAlert } from "./on-alert.ts";

interface Told {
  readonly alert: string;
  readonly state: string;
  readonly message: string;
  readonly since: Instant;
  readonly at: Instant;
}

/** How long the operator's command is waited for at the end. */
const lastAlertMs = 2_000;

export class AlertDesk<Alert extends Told> {
  readonly #log: Log;
  readonly #onAlert: OnAlert | undefined;
  readonly #listeners = new Set<(alert: Alert) => void>();

  constructor(log: Log, onAlert: OnAlert | undefined) {
    this.#log = log;
    this.#onAlert = onAlert;
  }

  on(listener: (alert: Alert) => void): void {
    this.#listeners.add(listener);
  }

  off(listener: (alert: Alert) => void): void {
    this.#listeners.delete(listener);
  }

  /** Never throws. `database`: whose alert it is. */
  tell(told: Alert, database: string): void {
    for (const listener of this.#listeners) {
      try {
        listener(told);
      } catch (error) {
        this.#log.error(`A listener for alerts threw: ${reasonOf(error)}`);
      }
    }
    const { alert, state, message, since, at } = told;
    this.#onAlert?.add({
      alert,
      state,
      message: maskUrl(message),
      since: new Date(since).toISOString(),
      at: new Date(at).toISOString(),
      host: hostname(),
      database,
    });
  }

  async close(): Promise<void> {
    await this.#onAlert?.close(lastAlertMs);
  }
}
