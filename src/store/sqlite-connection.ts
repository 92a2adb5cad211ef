// One connection to one database file, and the only way in which the rest of the store uses it: whole transactions,
// every failure a BeatError, nothing half written.

import { resolve } from "node:path";
import Database from "better-sqlite3";
import { StoreError } from "../core/errors.ts";
import { storeErrorOf } from "./sqlite-errors.ts";
import { isFileAt, OpenFiles } from "./sqlite-files.ts";
import type { SqliteOptions } from "./sqlite-options.ts";
import { OverwrittenCheck } from "./sqlite-overwritten.ts";

/** The event loop stands still for as long: callers that can do without an answer for a while try again later. */
export const defaultBusyTimeoutMs = 100;

export class SqliteConnection {
  /** Absolute path. */
  readonly location: string;
  readonly readonly: boolean;
  readonly database: Database.Database;
  #files: OpenFiles | undefined;
  #overwritten: OverwrittenCheck | undefined;
  readonly #begin: Database.Statement<[]>;
  readonly #commit: Database.Statement<[]>;
  readonly #rollback: Database.Statement<[]>;

  /** Opens the file that is there and does nothing more: neither its journal mode nor its content changes. StoreError or StoreUnavailableError. */
  constructor(path: string, options: SqliteOptions = {}) {
    this.location = resolve(path);
    this.readonly = options.readonly ?? false;
    if (!isFileAt(this.location)) {
      throw new StoreError(`there is no database at ${this.location}`, { remedy: "`beat start` makes one." });
    }
    try {
      this.database = new Database(this.location, {
        readonly: this.readonly,
        fileMustExist: true,
        timeout: options.busyTimeoutMs ?? defaultBusyTimeoutMs,
      });
      this.#begin = this.database.prepare("BEGIN IMMEDIATE");
      this.#commit = this.database.prepare("COMMIT");
      this.#rollback = this.database.prepare("ROLLBACK");
    } catch (error) {
      throw storeErrorOf(error, this.location);
    }
  }

  /** Runs `work`, which reads one statement's worth or does not mind others writing in between. */
  read<T>(work: () => T): T {
    this.#assertOpen();
    try {
      return work();
    } catch (error) {
      throw storeErrorOf(error, this.location);
    }
  }

  /** Runs `work` in one transaction that has the write lock from its start. Whatever is thrown, nothing of it was written. */
  write<T>(work: () => T): T {
    this.#assertOpen();
    this.#overwritten?.assertUntouched();
    try {
      this.#begin.run();
      this.#files?.assertInPlace();
      const result = work();
      this.#commit.run();
      this.#overwritten?.accept();
      return result;
    } catch (error) {
      // SQLite itself rolls back after some failures, and then there is nothing left to roll back.
      if (this.database.inTransaction) this.#rollback.run();
      throw storeErrorOf(error, this.location);
    }
  }

  /** From now on writes are refused when a file of the database was removed, replaced or overwritten. To be called in WAL mode. */
  keepInPlace(): void {
    this.#files = new OpenFiles(this.location);
    this.#overwritten = new OverwrittenCheck(this);
  }

  pragma(text: string): unknown {
    return this.read(() => this.database.pragma(text, { simple: true }));
  }

  /** What SQLite finds wrong with its pages: nothing, or some of it. Not what a row says: that is its entry's trouble alone. */
  complaints(check: "quick_check(1)" | "integrity_check(20)"): string[] {
    this.pragma("ignore_check_constraints = ON");
    const lines = this.read(() => this.database.prepare<[], string>(`PRAGMA ${check}`).pluck().all());
    this.pragma("ignore_check_constraints = OFF");
    return lines.filter((line) => line !== "ok").map((line) => line.replace("*** in database main ***\n", ""));
  }

  close(): void {
    this.database.close();
  }

  #assertOpen(): void {
    if (!this.database.open) {
      throw new StoreError(`the database ${this.location} was closed`, { remedy: "Open it again." });
    }
  }
}
