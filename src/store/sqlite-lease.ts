// The lease as SQLite holds it: one row, whose token outlives every holder.

import type { Statement } from "better-sqlite3";
import type { Lease, LeaseOwner } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { leaseLost } from "./wording.ts";

type LeaseRow = Omit<Lease, "report" | "ownerId"> & { readonly report: string; readonly ownerId: string | null };

export class SqliteLease {
  readonly #connection: SqliteConnection;
  readonly #read: Statement<[], LeaseRow>;
  readonly #token: Statement<[], number>;
  readonly #write: Statement<[number, string, string, number, Instant, Instant, Instant, string]>;
  readonly #release: Statement<[number]>;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
    const { database } = connection;
    this.#read = database.prepare(
      `SELECT token, owner_id AS ownerId, host, pid, acquired_at AS acquiredAt, renewed_at AS renewedAt,
         expires_at AS expiresAt, report FROM lease`,
    );
    this.#token = database.prepare<[], number>("SELECT token FROM lease WHERE owner_id IS NOT NULL").pluck();
    this.#write = database.prepare(
      `INSERT OR REPLACE INTO lease (only, token, owner_id, host, pid, acquired_at, renewed_at, expires_at, report)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#release = database.prepare("UPDATE lease SET owner_id = NULL WHERE token = ?");
  }

  acquire(owner: LeaseOwner, ttlMs: number, now: Instant, evenIf: number | undefined): Lease {
    const inForce = (held: Lease | undefined) =>
      held && held.ownerId !== owner.ownerId && held.expiresAt > now && held.token !== evenIf ? held : undefined;
    // Looked at first without the write lock: a node that stands by asks often and must not be in the leader's way.
    return (
      inForce(this.current()) ?? this.#connection.write(() => inForce(this.current()) ?? this.#take(owner, ttlMs, now))
    );
  }

  /** A holder that takes its own lease goes on with its term, even if that ran out: nobody had it in between. */
  #take({ ownerId, host, pid }: LeaseOwner, ttlMs: number, now: Instant): Lease {
    const held = this.current();
    const term = { ownerId, host, pid, renewedAt: now, expiresAt: now + ttlMs };
    if (held?.ownerId === ownerId) return this.#put({ ...held, ...term });
    const token = (this.#read.get()?.token ?? 0) + 1;
    return this.#put({ ...term, token, acquiredAt: now, report: null });
  }

  renew(lease: Lease, ttlMs: number, now: Instant, report: unknown): Lease {
    return this.#connection.write(() => {
      this.assertCurrent(lease.token);
      return this.#put({ ...this.current()!, renewedAt: now, expiresAt: now + ttlMs, report });
    });
  }

  release(lease: Lease): void {
    this.#connection.write(() => this.#release.run(lease.token));
  }

  current(): Lease | undefined {
    return this.#connection.read(() => {
      const row = this.#read.get();
      return row && decode(row);
    });
  }

  /** Within a write. LeaseLostError. */
  assertCurrent(token: number): void {
    if (this.#token.get() !== token) throw leaseLost(token);
  }

  #put(lease: Lease): Lease {
    const { token, ownerId, host, pid, acquiredAt, renewedAt, expiresAt } = lease;
    const report = JSON.stringify(lease.report ?? null);
    this.#write.run(token, ownerId, host, pid, acquiredAt, renewedAt, expiresAt, report);
    return { ...lease, report: JSON.parse(report) };
  }
}

/** Undefined where it was released. */
function decode(row: LeaseRow): Lease | undefined {
  const { ownerId } = row;
  return ownerId === null ? undefined : { ...row, ownerId, report: parsed(row.report) };
}

/** It is for people alone: one that can't be read must not stand in the way of the lease. */
function parsed(report: string): unknown {
  try {
    return JSON.parse(report);
  } catch {
    return null;
  }
}
