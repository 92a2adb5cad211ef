// What an entry's definition says of times that could not be kept: read here once more, apart from Beat's own reading.

import { durationMs, type Written } from "./nominal-times.ts";

export interface WrittenPolicy {
  readonly jitterMs: number;
  readonly graceMs: number | null;
  readonly coalesce: "latest" | "earliest" | "all";
  readonly catchUpLimit: number;
  readonly overlapSkips: boolean;
  readonly maxRuns: number;
  /** After its fire time; `next`: when the next one falls due; null: it does not expire. */
  readonly expiresMs: number | "next" | null;
  /** A message is not tried for ever. */
  readonly givesUp: boolean;
  readonly isLocal: boolean;
}

export function policyOf(definition: Written): WrittenPolicy {
  const { jitter, misfire_grace_time: grace, coalesce, catch_up_limit, overlap, max_runs, options, task } = definition;
  const { expires, retry, retry_policy } = (options ?? {}) as Written;
  return {
    jitterMs: jitter === undefined ? 0 : durationMs(jitter),
    graceMs: grace === undefined ? null : durationMs(grace),
    coalesce: (coalesce as WrittenPolicy["coalesce"]) ?? "latest",
    catchUpLimit: Number(catch_up_limit ?? 1_000),
    overlapSkips: (overlap ?? (task === undefined ? "skip" : "allow")) === "skip",
    maxRuns: max_runs === undefined ? Number.POSITIVE_INFINITY : Number(max_runs),
    expiresMs: expires === undefined ? null : expires === "next" ? "next" : durationMs(expires),
    givesUp: retry === false || (retry_policy as Written | undefined)?.["max_retries"] != null,
    isLocal: task === undefined,
  };
}
