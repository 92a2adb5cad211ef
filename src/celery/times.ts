// When a task may begin, and from when nobody wants it, as a message says it.

import type { TaskOptions } from "../core/target.ts";
import { type Instant, parseDuration, secondMs } from "../core/time.ts";
import { refusal } from "./refusal.ts";

/** What `eta`, `countdown` and `expires` count from. */
export interface Times {
  readonly fireAt: Instant;
  readonly dueAt: Instant;
  /** The fire time after this one; null: there is none. `expires: next` looks at it. */
  readonly nextFireAt: Instant | null;
}

type Moment = (times: Times) => Instant | null;

const never: Moment = () => null;

/** `2027-01-01T09:00:00+00:00`, with six digits of fraction where there is one: Python's `isoformat`. */
export function pythonTime(instant: Instant): string {
  const text = new Date(instant).toISOString();
  return instant % secondMs === 0 ? `${text.slice(0, -5)}+00:00` : `${text.slice(0, -1)}000+00:00`;
}

/** `countdown` counts from the due time, as a client's would from now; an `eta` that is a duration from the fire time. */
export function etaOf({ eta, countdown }: TaskOptions): Moment {
  if (countdown !== undefined) {
    if (eta !== undefined) throw refusal("is a second beside eta", "options.countdown", "Keep one of them.");
    const ms = parseDuration(countdown);
    return ms === 0 ? never : ({ dueAt }) => dueAt + ms;
  }
  if (eta === undefined) return never;
  const at = dateOf(eta, "options.eta");
  if (at !== undefined) return () => at;
  const ms = parseDuration(eta);
  return ({ fireAt }) => fireAt + ms;
}

export function expiryOf({ expires, eta, countdown }: TaskOptions): Moment {
  if (expires === undefined) return never;
  if (expires === "next") return ({ nextFireAt }) => nextFireAt;
  const at = dateOf(expires, "options.expires");
  if (at !== undefined) return () => at;
  const ms = parseDuration(expires);
  const begins = countdown ?? eta;
  if (begins !== undefined && dateOf(begins, "options.eta") === undefined && parseDuration(begins) >= ms) {
    throw refusal(
      "is over before the task may begin: workers would drop every message",
      "options.expires",
      "Make it longer than countdown or eta.",
    );
  }
  return ({ dueAt }) => dueAt + ms;
}

/** The instant of a date, as targets hold them; undefined for a duration. Without an offset, each worker would read its own zone into it. */
function dateOf(value: string | number, field: string): Instant | undefined {
  if (typeof value === "number" || !/^\d{4}-/.test(value)) return undefined;
  const instant = /(?:Z|[+-]\d\d:\d\d)$/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(instant)) throw refusal(`${JSON.stringify(value)} is not a date with an offset`, field);
  return instant;
}

/** `[hard, soft]` in seconds. */
export function timeLimitOf({ time_limit, soft_time_limit }: TaskOptions): readonly (number | null)[] {
  const seconds = (value: string | number | undefined) => (value === undefined ? null : secondsOf(value));
  return [seconds(time_limit), seconds(soft_time_limit)];
}

export function secondsOf(value: string | number): number {
  return parseDuration(value) / secondMs;
}
