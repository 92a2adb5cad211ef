// Notices that another program wrote into the file of a database in use: garbage, or another database with `cp`. SQLite
// itself, which has what it needs in memory and in the log, would find out much later, and mix both until then.
//
// In WAL mode nothing but a checkpoint writes into that file. So where it was written to and no checkpoint went on, it was
// somebody else, and what is there is examined. It can't simply be read: closing it drops every lock of this process on it.

import { StoreError } from "../core/errors.ts";
import { storeIdIn } from "./readable.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { damageRemedy } from "./sqlite-errors.ts";
import { logStamp, writtenStamp } from "./sqlite-files.ts";

interface Look {
  /** Another one after every write into the file. */
  readonly written: string | undefined;
  /** Another one for every new log. */
  readonly log: string;
  /** How much of the log checkpoints have copied into the file. */
  readonly copied: number;
}

export class OverwrittenCheck {
  readonly #connection: SqliteConnection;
  readonly #storeId: string | undefined;
  #accepted: Look | undefined;
  /** What was found when it was written last. */
  #found: { readonly written: string; readonly error: StoreError } | undefined;

  /** To be made in WAL mode. */
  constructor(connection: SqliteConnection) {
    this.#connection = connection;
    this.#storeId = this.#readStoreId();
    this.accept();
  }

  /** StoreError as long as the file holds something else. Not within a transaction. */
  assertUntouched(): void {
    const accepted = this.#accepted;
    const look = this.#look();
    // That it is gone is told elsewhere.
    if (look?.written === undefined || look.written === accepted?.written) return;
    if (this.#found?.written === look.written) throw this.#found.error;
    if (accepted !== undefined && !wasCopiedBetween(accepted, look)) {
      const damage = this.#examine();
      if (damage !== undefined) {
        const message = `the database ${this.#connection.location} was overwritten by another program while it was in use: nothing more is written (${damage})`;
        const error = new StoreError(message, { remedy: damageRemedy });
        this.#found = { written: look.written, error };
        throw error;
      }
    }
    this.#found = undefined;
    this.#accepted = look;
  }

  /** After each transaction of this process, which may have begun the log anew, and may have made a checkpoint. */
  accept(): void {
    const look = this.#look();
    const before = this.#accepted;
    const isIts = look === undefined || before === undefined || wasCopiedBetween(before, look);
    // What somebody else wrote just now is examined before the next transaction.
    this.#accepted = isIts ? look : { ...look, written: before.written };
  }

  /** Undefined where it can't be told, as without file descriptors: the database itself goes on. */
  #look(): Look | undefined {
    const { location, database } = this.#connection;
    try {
      const [state] = database.pragma("wal_checkpoint(NOOP)") as [{ readonly checkpointed: number }];
      return { written: writtenStamp(location), log: logStamp(location), copied: state.checkpointed };
    } catch {
      return undefined;
    }
  }

  /** What is wrong with it, all of it read anew. */
  #examine(): string | undefined {
    try {
      this.#connection.pragma("shrink_memory");
      const [complaint] = this.#connection.complaints("integrity_check(20)");
      if (complaint !== undefined) return complaint;
      return this.#readStoreId() === this.#storeId ? undefined : "it is another database";
    } catch (error) {
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  #readStoreId(): string | undefined {
    return this.#connection.read(() => storeIdIn(this.#connection.database));
  }
}

/** Whether a checkpoint wrote into the file. */
function wasCopiedBetween(before: Look, now: Look): boolean {
  return now.copied > (now.log === before.log ? before.copied : 0);
}
