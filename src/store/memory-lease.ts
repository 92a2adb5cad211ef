// The lease in memory: kept like the row in SQLite, its token outlives every holder.

import type { Lease, LeaseOwner } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { leaseLost } from "./wording.ts";

export class MemoryLease {
  #lastToken = 0;
  #held: Lease | undefined;
  /** As it was at the renewal, JSON: written every second, and seldom read. */
  #report = "null";

  get current(): Lease | undefined {
    return this.#held && { ...this.#held, report: JSON.parse(this.#report) };
  }

  acquire({ ownerId, host, pid }: LeaseOwner, ttlMs: number, now: Instant, evenIf: number | undefined): Lease {
    const held = this.#held;
    if (held && held.ownerId !== ownerId && held.expiresAt > now && held.token !== evenIf) return held;
    const term = { ownerId, host, pid, renewedAt: now, expiresAt: now + ttlMs };
    const isOwn = held?.ownerId === ownerId;
    if (!isOwn) this.#report = "null";
    this.#held = isOwn ? { ...held, ...term } : { ...term, token: ++this.#lastToken, acquiredAt: now, report: null };
    return this.#held;
  }

  renew({ token }: Lease, ttlMs: number, now: Instant, report: unknown): Lease {
    const held = this.assertCurrent(token);
    const told = report ?? null;
    this.#report = JSON.stringify(told);
    this.#held = { ...held, renewedAt: now, expiresAt: now + ttlMs, report: told };
    return this.#held;
  }

  release({ token }: Lease): void {
    if (this.#held?.token === token) this.#held = undefined;
  }

  /** LeaseLostError. */
  assertCurrent(token: number): Lease {
    if (this.#held?.token !== token) throw leaseLost(token);
    return this.#held;
  }
}
