// What is worth waking somebody for. Pure: given the same vitals, the same findings.

import { formatDuration, type Instant, secondMs } from "../core/time.ts";
import type { PublisherReport } from "./publisher.ts";

/** What the watchdog sees: all of it in memory, so that looking waits for nothing that may be in trouble itself. */
export interface Vitals {
  /** Wall clock. */
  readonly now: Instant;
  /** For how long the loops that this node has to keep going have not gone on; only counted while this process itself did. */
  readonly stalledMs: number;
  /** For how long the most overdue entry has waited for its claim. */
  readonly overdueMs: number;
  /** What is due and not done. */
  readonly outbox: { readonly count: number; readonly oldestDueAt: Instant };
  readonly brokers: readonly PublisherReport[];
  /** Why the store can't be used, and for how long. */
  readonly storeTrouble: { readonly reason: string; readonly forMs: number } | undefined;
  /** How many terms of any node began within the last minute. */
  readonly terms: number;
  /** What happened to the clocks within the last minute, or still has its effect. */
  readonly clockNews: string | undefined;
  /** How many entries are set aside. */
  readonly quarantined: number;
  /** What is wrong with the schedule files. */
  readonly filesTrouble: string | undefined;
}

/** How long a broker may be silent, or the store fail, before this node is not ready. Together with two looks, or a report: less than 5 s. */
const silenceLimitMs = 2 * secondMs;
/** The longest pause of a loop is 5 s. */
export const stallLimitMs = 10 * secondMs;
const termsAtMost = 3;

interface Rule {
  /** Why there is something to tell; undefined: nothing. */
  readonly find: (vitals: Vitals, toleranceMs: number) => string | undefined;
  /** Work does not go out as it should: the node is not ready. */
  readonly critical: boolean;
}

export const rules = {
  overdue: {
    critical: true,
    find: ({ overdueMs }, toleranceMs) =>
      overdueMs > toleranceMs ? `an entry has been due for ${time(overdueMs)} and is not claimed` : undefined,
  },
  stalled: {
    critical: true,
    find: ({ stalledMs }) =>
      stalledMs > stallLimitMs ? `the dispatcher's loop has stood still for ${time(stalledMs)}` : undefined,
  },
  outbox: {
    critical: true,
    find: ({ outbox: { count, oldestDueAt }, now, brokers }, toleranceMs) => {
      if (count === 0 || now - oldestDueAt <= toleranceMs) return undefined;
      const away = brokers.find(({ available }) => !available);
      const [lane] = brokers.flatMap(({ queues }) => queues);
      const why = (away ?? lane)?.reason;
      return `${count} due in the outbox, the oldest for ${time(now - oldestDueAt)}${why ? ` (${why})` : ""}`;
    },
  },
  broker: {
    critical: true,
    find: ({ brokers, now }, toleranceMs) => {
      const trouble = brokers.flatMap(({ url, available, reason, since, silentMs, unconfirmed }) => {
        if (!available)
          return now - since > toleranceMs ? `${url} has been away for ${time(now - since)}: ${reason}` : [];
        return silentMs > silenceLimitMs
          ? `${url} has confirmed nothing for ${time(silentMs)}; ${unconfirmed} messages are unconfirmed`
          : [];
      });
      return trouble.length === 0 ? undefined : trouble.join("; ");
    },
  },
  store: {
    critical: true,
    find: ({ storeTrouble }) =>
      storeTrouble !== undefined && storeTrouble.forMs > silenceLimitMs
        ? `the schedule database has been in trouble for ${time(storeTrouble.forMs)}: ${storeTrouble.reason}`
        : undefined,
  },
  lease: {
    critical: true,
    find: ({ terms }) => (terms > termsAtMost ? `the lead was taken ${terms} times within a minute` : undefined),
  },
  clock: { critical: false, find: ({ clockNews }) => clockNews },
  quarantine: {
    critical: false,
    find: ({ quarantined }) =>
      quarantined > 0
        ? `${quarantined} ${quarantined === 1 ? "entry is" : "entries are"} set aside; \`beat list\` tells which, \`beat show NAME\` why`
        : undefined,
  },
  files: { critical: false, find: ({ filesTrouble }) => filesTrouble },
} as const satisfies Readonly<Record<string, Rule>>;

export type AlertName = keyof typeof rules;

/** What is the matter, by alert. */
export function findings(vitals: Vitals, toleranceMs: number): ReadonlyMap<AlertName, string> {
  const found = new Map<AlertName, string>();
  for (const [name, rule] of Object.entries(rules) as [AlertName, Rule][]) {
    const message = rule.find(vitals, toleranceMs);
    if (message !== undefined) found.set(name, message);
  }
  return found;
}

/** Whole seconds. */
function time(ms: number): string {
  return formatDuration(Math.floor(ms / secondMs) * secondMs);
}
