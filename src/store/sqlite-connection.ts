// One connection to one database file, and the only way in which the rest of the store uses it: whole transactions,
// every failure a BeatError, nothing half written.

import { closeSync, openSync, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import Database from "better-sqlite3";
import { StoreError, StoreUnavailableError } from "../core/errors.ts";
import { storeErrorOf } from "./sqlite-errors.ts";
import type { SqliteOptions } from "./sqlite-options.ts";

export class SqliteConnection {
  /** Absolute path. */
  readonly location: string;
  readonly readonly: boolean;
  readonly database: Database.Database;
  /** Device and inode: which file it is, whatever its name. */
  readonly #identity: string | undefined;
  readonly #begin: Database.Statement<[]>;
  readonly #commit: Database.Statement<[]>;
  readonly #rollback: Database.Statement<[]>;

  /** Opens the file and nothing more: neither its journal mode nor its content changes. StoreError or StoreUnavailableError. */
  constructor(path: string, options: SqliteOptions = {}) {
    this.location = resolve(path);
    this.readonly = options.readonly ?? false;
    ensureFile(this.location, (options.create ?? true) && !this.readonly);
    try {
      this.database = new Database(this.location, {
        readonly: this.readonly,
        fileMustExist: true,
        timeout: options.busyTimeoutMs ?? 250,
      });
      this.#identity = identityOf(statOf(this.location));
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
    try {
      this.#begin.run();
      this.#assertInPlace();
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      // SQLite itself rolls back after some failures, and then there is nothing left to roll back.
      if (this.database.inTransaction) this.#rollback.run();
      throw storeErrorOf(error, this.location);
    }
  }

  pragma(text: string): unknown {
    return this.read(() => this.database.pragma(text, { simple: true }));
  }

  close(): void {
    this.database.close();
  }

  /** A file that was removed or replaced can still be written by those who have it open: into nowhere, with nobody noticing. */
  #assertInPlace(): void {
    if (identityOf(statOf(this.location)) === this.#identity) return;
    throw new StoreError(`the database ${this.location} was removed or replaced while it was in use`, {
      remedy: "Put the file back, or restart Beat to use the one that is there now.",
    });
  }

  #assertOpen(): void {
    if (!this.database.open) {
      throw new StoreError(`the database ${this.location} was closed`, { remedy: "Open it again." });
    }
  }
}

/**
 * SQLite says "unable to open database file" to all of this. An existing file is only looked at and never opened here:
 * closing a file drops every lock that this process has on it, those of other connections included.
 */
function ensureFile(location: string, create: boolean): void {
  const found = statOf(location);
  if (found?.isDirectory()) {
    throw new StoreError(`${location} is a folder`, { remedy: "Give the path of a file in it, such as beat.sqlite." });
  }
  if (found?.isFile()) return;
  if (found) throw new StoreError(`${location} is not a file`, { remedy: "Give the path of a database file." });
  if (!create) throw new StoreError(`there is no database at ${location}`, { remedy: "`beat start` makes one." });
  const folder = dirname(location);
  const parent = statOf(folder);
  if (!parent) {
    throw new StoreError(`there is no folder ${folder}, so no database can be made in it`, {
      remedy: `Make it first: mkdir -p ${folder}`,
    });
  }
  if (!parent.isDirectory()) {
    throw new StoreError(`${folder} is not a folder, so no database can be made in it`, {
      remedy: "Give the path of a file in a folder.",
    });
  }
  try {
    // Definitions hold arguments and commands: nobody else's business. SQLite gives its two side files the same mode.
    closeSync(openSync(location, "wx", 0o600));
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw fileError(error, location, "made");
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw fileError(error, path, "opened");
  }
}

function identityOf(stats: Stats | undefined): string | undefined {
  return stats && `${stats.dev}:${stats.ino}`;
}

function fileError(error: unknown, location: string, verb: "made" | "opened"): StoreError {
  const message = `the database ${location} can't be ${verb}: ${(error as Error).message}`;
  if (codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT") {
    return new StoreUnavailableError(message, { remedy: "Free some space on its disk.", cause: error });
  }
  return new StoreError(message, { remedy: "Let this user read and write the file and its folder.", cause: error });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
