// Extract, transform and load, in a thread of its own. What it returns is kept in the ledger.

import { createHash } from "node:crypto";
import type { JobContext } from "../../src/index.ts";

export function transform({ log, signal }: JobContext): { rows: number; tookMs: number } {
  const begunAt = performance.now();
  let rows = 0;
  for (let row = "0"; performance.now() - begunAt < 1_000; rows++) {
    row = createHash("sha256").update(row).digest("hex");
    // In a thread a busy loop does not hear of it; after 5 s more its thread is ended.
    if (signal.aborted) break;
  }
  log.info(`${rows} rows`);
  return { rows, tookMs: Math.round(performance.now() - begunAt) };
}
