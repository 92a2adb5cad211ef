// Claiming: the one transaction in which a fire time gets its row and its entry advances. Fenced by the lease's token,
// and each claim guarded by what its entry was when it was decided.
//
// A fire time that is in the ledger already undoes its claim alone. That needs a savepoint around each claim, and never
// happens on a good day; so a batch is tried without any, and only if it meets such a fire time done anew with them.

import type { Statement } from "better-sqlite3";
import { occurrenceId } from "../core/occurrence-id.ts";
import type { Claim, ClaimResult } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { readable } from "./readable.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import type { SqliteEntries } from "./sqlite-entries.ts";
import type { SqliteLease } from "./sqlite-lease.ts";
import type { SqliteOccurrences } from "./sqlite-occurrences.ts";
import { supersededReason } from "./wording.ts";

class DuplicateFireTime extends Error {}

type NextRevision = () => number;

export class SqliteClaims {
  readonly #connection: SqliteConnection;
  readonly #storeId: string;
  readonly #entries: SqliteEntries;
  readonly #occurrences: SqliteOccurrences;
  readonly #lease: SqliteLease;
  readonly #advance: Statement<[Instant | null, Instant | null, number, number, number, Instant | null]>;
  readonly #anchor: Statement<[Instant, number]>;
  readonly #quarantine: Statement<[string, number, number]>;
  readonly #savepoint: Statement<[]>;
  readonly #release: Statement<[]>;
  readonly #undo: Statement<[]>;

  constructor(
    connection: SqliteConnection,
    storeId: string,
    entries: SqliteEntries,
    occurrences: SqliteOccurrences,
    lease: SqliteLease,
  ) {
    this.#connection = connection;
    this.#storeId = storeId;
    this.#entries = entries;
    this.#occurrences = occurrences;
    this.#lease = lease;
    const { database } = connection;
    this.#advance = database.prepare(
      `UPDATE entries SET next_fire_at = ?, last_fire_at = ?, run_count = ?
       WHERE id = ? AND revision = ? AND ${readable("next_fire_at")} IS ? AND removed_at IS NULL`,
    );
    this.#anchor = database.prepare("UPDATE entries SET anchor_at = ? WHERE id = ?");
    this.#quarantine = database.prepare("UPDATE entries SET quarantine = ?, revision = ? WHERE id = ?");
    this.#savepoint = database.prepare("SAVEPOINT claim");
    this.#release = database.prepare("RELEASE claim");
    this.#undo = database.prepare("ROLLBACK TO claim");
  }

  claim(token: number, claims: readonly Claim[], now: Instant): ClaimResult[] {
    try {
      return this.#transaction(token, claims, (claim, next) => this.#apply(claim, now, next));
    } catch (error) {
      if (!(error instanceof DuplicateFireTime)) throw error;
      return this.#transaction(token, claims, (claim, next) => this.#applyAlone(claim, now, next));
    }
  }

  #transaction(
    token: number,
    claims: readonly Claim[],
    apply: (claim: Claim, next: NextRevision) => ClaimResult,
  ): ClaimResult[] {
    return this.#connection.write(() => {
      this.#lease.assertCurrent(token);
      return this.#entries.withRevisions((next) => claims.map((claim) => apply(claim, next)));
    });
  }

  /** Throws DuplicateFireTime, part of it written. */
  #apply(claim: Claim, now: Instant, nextRevision: NextRevision): ClaimResult {
    const { entry, becomes } = claim;
    const entryId = entry.id;
    const { changes } = this.#advance.run(
      becomes.nextFireAt,
      becomes.lastFireAt,
      becomes.runCount,
      entryId,
      entry.revision,
      entry.nextFireAt,
    );
    if (changes === 0) return "stale";
    for (const due of claim.due) {
      const id = occurrenceId(this.#storeId, entryId, due.fireAt);
      if (!this.#occurrences.insertDue(entryId, { ...due, id, manual: false }, now)) throw new DuplicateFireTime();
    }
    for (const range of claim.passed) {
      const isNew = this.#occurrences.insertPassed(entryId, range, now);
      if (!isNew && range.state !== "excluded") throw new DuplicateFireTime();
    }
    for (const fireAt of claim.superseded) {
      this.#occurrences.withdraw(entryId, fireAt, 0, "coalesced", supersededReason, now);
    }
    if (becomes.anchorAt !== entry.anchorAt) this.#anchor.run(becomes.anchorAt, entryId);
    if (becomes.quarantine !== null) this.#quarantine.run(becomes.quarantine, nextRevision(), entryId);
    return "claimed";
  }

  #applyAlone(claim: Claim, now: Instant, nextRevision: NextRevision): ClaimResult {
    this.#savepoint.run();
    try {
      return this.#apply(claim, now, nextRevision);
    } catch (error) {
      if (!(error instanceof DuplicateFireTime)) throw error;
      this.#undo.run();
      return "duplicate";
    } finally {
      if (this.#connection.database.inTransaction) this.#release.run();
    }
  }
}
