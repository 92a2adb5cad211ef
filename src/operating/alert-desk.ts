// Where alerts go, beside the listeners of the program that Beat is part of: to the operator's command or webhook.

import { hostname } from "node:os";
import { maskUrl } from "../core/mask.ts";
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

export class AlertDesk {
  readonly #onAlert: OnAlert | undefined;

  constructor(onAlert: OnAlert | undefined) {
    this.#onAlert = onAlert;
  }

  /** Never throws. `database`: whose alert it is. */
  tell(told: Told, database: string): void {
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
