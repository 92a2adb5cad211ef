// The files of a database as the file system sees them: is there one, can it be Beat's, is it still the one that was opened.
// A database in use is three files: itself, its write-ahead log (`-wal`) and the index of that (`-shm`).
//
// The database itself is looked at and never opened here: closing a file drops every lock that this process has on it,
// those of other connections included. SQLite takes no locks on the log.

import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { StoreError, StoreUnavailableError } from "../core/errors.ts";

const sideFiles = ["-wal", "-shm"] as const;

/** Whether there is a file. StoreError for what is no file, and where none could be made; StoreUnavailableError where waiting may help. */
export function isFileAt(location: string): boolean {
  const found = statOf(location);
  if (found?.isFile()) return true;
  if (found?.isDirectory()) {
    throw new StoreError(`${location} is a folder`, { remedy: "Give the path of a file in it, such as beat.sqlite." });
  }
  if (found) throw new StoreError(`${location} is not a file`, { remedy: "Give the path of a database file." });
  const folder = dirname(location);
  const parent = statOf(folder);
  if (!parent) {
    throw new StoreUnavailableError(`there is no folder ${folder} for ${basename(location)}`, {
      remedy: `Mount it, or make it: mkdir -p ${folder}`,
    });
  }
  if (!parent.isDirectory()) {
    throw new StoreError(`${folder} is not a folder, so there is no database in it`, {
      remedy: "Give the path of a file in a folder.",
    });
  }
  return false;
}

/** The smallest page of SQLite; it takes a file of less for a new database. */
const smallestBytes = 512;

/**
 * Refuses what SQLite would take for a new database, and write over: a file that lost its content, a log whose beginning
 * is not a log's. (A log that ends too early can't be told from one that a crash ended: its whole transactions count.)
 */
export function assertNotEmptied(location: string): void {
  const { size = smallestBytes } = statOf(location) ?? {};
  if (size < smallestBytes) {
    throw new StoreError(`the database ${location} is empty: a file of ${size} bytes`, {
      remedy: "If it held schedules, restore a backup. If it never did, remove it: Beat makes a new one.",
    });
  }
  const log = `${realpathOf(location)}-wal`;
  // Twice, since another process may just have been writing it.
  if (beginsWell(log) || beginsWell(log)) return;
  throw new StoreError(`the write-ahead log ${log} is damaged, and with it the last changes of the database`, {
    remedy: `Restore a backup; or, to go on without those changes, move ${log} away.`,
  });
}

export function hasLog(location: string): boolean {
  return (statOf(`${realpathOf(location)}-wal`)?.size ?? 0) > 0;
}

/** SQLite names a database's other files after what a link leads to. */
export function realpathOf(location: string): string {
  return statOf(location) ? realpathSync(location) : location;
}

const logHeaderBytes = 32;

/** An empty one and zeros, which a power cut can leave, hold nothing that could be lost. */
function beginsWell(log: string): boolean {
  const header = beginningOf(log);
  return header.every((byte) => byte === 0) || isLogHeader(header);
}

/** At most a header. Empty where there is no log. */
function beginningOf(log: string): Buffer {
  const found = statOf(log);
  if (!found?.isFile()) return Buffer.alloc(0);
  try {
    const file = openSync(log, "r");
    try {
      const header = Buffer.alloc(logHeaderBytes);
      return header.subarray(0, readSync(file, header, 0, logHeaderBytes, 0));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(error, log, "opened");
  }
}

/** A magic number that says in which byte order its checksums were made, five more words, and the checksum of these six. */
function isLogHeader(header: Buffer): boolean {
  if (header.length < logHeaderBytes) return false;
  const magic = header.readUInt32BE(0);
  if (magic !== 0x377f0682 && magic !== 0x377f0683) return false;
  const word = (index: number) => (magic & 1 ? header.readUInt32BE(index * 4) : header.readUInt32LE(index * 4));
  let [first, second] = [0, 0];
  for (let index = 0; index < 6; index += 2) {
    first = (first + word(index) + second) >>> 0;
    second = (second + word(index + 1) + first) >>> 0;
  }
  return header.readUInt32BE(24) === first && header.readUInt32BE(28) === second;
}

/** Which files a connection has open, whatever names they have by now. */
export class OpenFiles {
  readonly #location: string;
  readonly #opened: readonly (readonly [path: string, identity: string | undefined])[];

  /** To be made when all three are there: after the first transaction in WAL mode. */
  constructor(location: string) {
    this.#location = location;
    const real = realpathOf(location);
    const paths = [location, ...sideFiles.map((suffix) => real + suffix)];
    this.#opened = paths.map((path) => [path, identityOf(path)]);
  }

  /**
   * A file that was removed or replaced can still be written by those who have it open: into nowhere, with nobody
   * noticing; and without the log or its index, others no longer know of this process's locks. StoreError.
   */
  assertInPlace(): void {
    for (const [path, identity] of this.#opened) {
      if (identityOf(path) === identity) continue;
      const what =
        path === this.#location ? `the database ${path}` : `${path}, a part of the database ${this.#location},`;
      throw new StoreError(`${what} was removed or replaced while it was in use: nothing more is written`, {
        remedy:
          path === this.#location
            ? "Put the same file back (mv, not cp), and Beat goes on; or restart Beat, to use what is there then."
            : "Restart Beat, which then writes what it has into the database; these files belong to it.",
      });
    }
  }
}

/** Another one whenever something wrote into the file. Undefined where there is none. */
export function writtenStamp(path: string): string | undefined {
  const stats = statOf(path);
  return stats && `${stats.mtimeMs} ${stats.size}`;
}

/** Another one whenever the log of the database begins anew. */
export function logStamp(location: string): string {
  return beginningOf(`${realpathOf(location)}-wal`).toString("hex");
}

/** A private, empty file. Definitions hold arguments and commands: nobody else's business. SQLite gives its two side files the same mode. */
export function makeDraft(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    throw fileError(error, path, "made");
  }
}

/** Gives a finished draft its second, final name, durably and never in the place of another. False where that name is taken. */
export function publishDraft(draft: string, location: string): boolean {
  try {
    syncFile(draft);
    try {
      linkSync(draft, location);
    } catch (error) {
      if (codeOf(error) === "EEXIST") throw error;
      copyFileSync(draft, location, constants.COPYFILE_EXCL); // for file systems without links
    }
    syncFile(dirname(location));
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw fileError(error, location, "made");
  }
}

function syncFile(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw fileError(error, path, "opened");
  }
}

/** Device and inode. */
function identityOf(path: string): string | undefined {
  const stats = statOf(path);
  return stats && `${stats.dev}:${stats.ino}`;
}

/** What a disk or a server says that may be back soon. */
const passing: ReadonlySet<string | undefined> = new Set([
  "EIO",
  "ESTALE",
  "ENOTCONN",
  "ETIMEDOUT",
  "EHOSTDOWN",
  "EMFILE",
  "ENFILE",
]);

function fileError(error: unknown, location: string, verb: "made" | "opened"): StoreError | StoreUnavailableError {
  const message = `the database ${location} can't be ${verb}: ${(error as Error).message}`;
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new StoreUnavailableError(message, { remedy: "Free some space on its disk.", cause: error });
  }
  if (passing.has(code)) {
    return new StoreUnavailableError(message, {
      remedy: "See that its disk is there and in good order.",
      cause: error,
    });
  }
  return new StoreError(message, { remedy: "Let this user read and write the file and its folder.", cause: error });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
