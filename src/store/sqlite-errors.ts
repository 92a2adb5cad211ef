// What SQLite says, in the two kinds that a caller can act on: wait (StoreUnavailableError) or have it mended (StoreError).

import { BeatError, StoreError, StoreUnavailableError } from "../core/errors.ts";

interface Meaning {
  readonly kind: typeof StoreError;
  readonly what: string;
  readonly remedy: string;
}

export const damageRemedy =
  "Stop every Beat on it, keep a copy of it and of its -wal file, then restore a backup or run `sqlite3 FILE .recover`. `beat doctor` says what is damaged.";

/** The StoreError for damage that was found by looking for it. */
export function damaged(location: string, what: string): StoreError {
  return new StoreError(`the database ${location} is damaged: ${what}`, { remedy: damageRemedy });
}

const busyRemedy = "Try again; where it lasts, see which program holds it (`fuser FILE`) and end that.";

/** By the first part of the code that follows `SQLITE_`. */
const meanings: Readonly<Record<string, Meaning>> = {
  BUSY: { kind: StoreUnavailableError, what: "is locked by another process", remedy: busyRemedy },
  LOCKED: { kind: StoreUnavailableError, what: "is locked", remedy: "Try again." },
  PROTOCOL: { kind: StoreUnavailableError, what: "could not be locked", remedy: "Try again." },
  FULL: { kind: StoreUnavailableError, what: "can't grow: the disk is full", remedy: "Free some space on its disk." },
  NOMEM: { kind: StoreUnavailableError, what: "needs more memory than there is", remedy: "Free some memory." },
  IOERR: {
    kind: StoreUnavailableError,
    what: "could not be read or written",
    remedy: "See that its disk has space left and is in good order.",
  },
  CORRUPT: {
    kind: StoreError,
    what: "is damaged",
    remedy: damageRemedy,
  },
  NOTADB: {
    kind: StoreError,
    what: "is not a SQLite database",
    remedy: "If it was Beat's, it was overwritten: restore a backup. Else give the path of another file.",
  },
  READONLY: {
    kind: StoreError,
    what: "can't be written",
    remedy: "Let this user write the file and its folder (SQLite keeps two files beside it).",
  },
  PERM: { kind: StoreError, what: "may not be used by this user", remedy: "Let this user read and write the file." },
  CANTOPEN: {
    kind: StoreError,
    what: "can't be opened",
    remedy: "Let this user read and write the file and its folder, on a disk that is not read-only.",
  },
};

/** The BeatError for whatever was thrown while working on the database at `location`; what is none of SQLite's stays as it is. */
export function storeErrorOf(error: unknown, location: string): unknown {
  if (error instanceof BeatError || !(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  if (typeof code !== "string" || !code.startsWith("SQLITE_")) return error;
  const meaning = meanings[code.split("_")[1] ?? ""];
  if (meaning === undefined) {
    return new StoreError(`the database ${location} refused: ${error.message} (${code})`, {
      remedy:
        "This is a fault of Beat or a database that was changed by hand: see `beat doctor`, and please report it.",
      cause: error,
    });
  }
  return new meaning.kind(`the database ${location} ${meaning.what}: ${error.message} (${code})`, {
    remedy: meaning.remedy,
    cause: error,
  });
}

/** Whether another connection holds a lock, so that the same call may succeed in a moment. */
export function isLocked(error: unknown): boolean {
  const { code } = ((error as Error | undefined)?.cause ?? {}) as { code?: unknown };
  return error instanceof StoreUnavailableError && /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(String(code));
}
