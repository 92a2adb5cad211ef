// Jitter spreads occurrences that would all be due at one time. It is drawn from the occurrence's id, so that whoever
// computes it again, after a crash or on another node, finds the same; and it never reaches past the next fire time.

import { hash } from "node:crypto";
import type { Instant } from "./time.ts";

/**
 * When the occurrence `id` of `fireAt` is due: between `fireAt` and `fireAt` + the smaller of `jitterMs` and the gap to the
 * next fire time, evenly spread. `id`: a UUID of version 5, whose first 48 bits are a hash of entry and fire time.
 */
export function dueTime(id: string, fireAt: Instant, jitterMs: number, nextFireAt: Instant | null): Instant {
  const limitMs = nextFireAt === null ? jitterMs : Math.min(jitterMs, nextFireAt - fireAt);
  if (limitMs <= 0) return fireAt;
  const share = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) / 2 ** 48;
  return fireAt + Math.floor(share * limitMs);
}

/** A number in [0, 1) for one try of an occurrence: spread evenly, and the same wherever it is computed. */
export function shareOf(id: string, attempt: number): number {
  return Number.parseInt(hash("sha1", `${id}:${attempt}`, "hex").slice(0, 12), 16) / 2 ** 48;
}
