// What `beat doctor` finds out about a database: everything that can be wrong with it, each with what to do about it.
// It reads and changes nothing. A check that can't be made is a finding too.

import { accessSync, constants, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { BeatError } from "../core/errors.ts";
import {
  contentChecks,
  countOf,
  type Finding,
  type Patient,
  type Severity,
  type Surroundings,
} from "./examine-content.ts";
import { readMigrations, schemaOf } from "./migrate.ts";
import { realpathOf, statOf } from "./sqlite-files.ts";
import { openToLook } from "./sqlite-open.ts";

export type { Finding } from "./examine-content.ts";

export interface Examination {
  readonly location: string;
  readonly bytes: number;
  readonly logBytes: number;
  /** Free on its disk. */
  readonly freeBytes: number | null;
  /** Null where the database can't be read. */
  readonly content: {
    readonly schema: number;
    readonly entries: number;
    readonly occurrences: number;
  } | null;
  readonly findings: readonly Finding[];
}

const megabyte = 1_000_000;
const littleSpaceBytes = 100 * megabyte;
const largeLogBytes = 256 * megabyte;

export function examineSqlite(path: string, surroundings: Surroundings): Examination {
  const location = resolve(path);
  const findings: Finding[] = [];
  const under = (check: string) => (severity: Severity, message: string, remedy: string) =>
    void findings.push({ severity, check, message, remedy });
  const unknown = { bytes: 0, logBytes: 0, freeBytes: null };
  const files = found(() => examineFiles(location, under("files")), under("files")) ?? unknown;
  const content = found(() => examineContent(location, surroundings, under), under("opening")) ?? null;
  return { location, ...files, content, findings };
}

/** What `look` returns; where it fails, that is found instead. */
function found<Result>(look: () => Result, find: Patient["find"]): Result | undefined {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof BeatError)) throw error;
    find("error", error.message, error.remedy ?? "Mend what else is found, and try again.");
    return undefined;
  }
}

type Under = (check: string) => Patient["find"];

function examineFiles(location: string, find: Patient["find"]): Pick<Examination, "bytes" | "logBytes" | "freeBytes"> {
  const real = realpathOf(location);
  const log = `${real}-wal`;
  const folder = dirname(real);
  const stats = statOf(location);
  const freeBytes = freeBytesOf(folder);
  if (stats?.isFile()) {
    for (const path of [real, log, `${real}-shm`]) examineRights(path, find);
    examineFolder(folder, find);
    if (stats.nlink > 1)
      find(
        "warning",
        "it has a second name (a hard link); SQLite keeps a log for each name, and damages what is opened under both",
        `Find it (find / -samefile ${real}) and remove it; a symbolic link is fine, and for a copy there is \`beat backup\`.`,
      );
    if (!mayWrite(location) || !mayWrite(folder))
      find("note", "this user can't write it", "`beat start` has to run as one who can write the file and its folder.");
  }
  const logBytes = statOf(log)?.size ?? 0;
  if (logBytes > largeLogBytes) {
    find(
      "warning",
      `its write-ahead log has ${megabytes(logBytes)}: some process has been reading it without an end`,
      `Find that process (fuser ${location}) and end it; the log then shrinks by itself.`,
    );
  }
  if (freeBytes !== null && freeBytes < littleSpaceBytes)
    find("warning", `its disk has ${megabytes(freeBytes)} left`, "Free some space; a full disk holds up every run.");
  return { bytes: stats?.size ?? 0, logBytes, freeBytes };
}

function examineRights(path: string, find: Patient["find"]): void {
  const mode = statOf(path)?.mode ?? 0;
  if (process.platform === "win32") return;
  if (mode & 0o002) {
    find(
      "warning",
      `${path} can be written by every user of this machine, who can so run commands as Beat's user`,
      `chmod o-w ${path}`,
    );
  } else if (mode & 0o004) {
    find(
      "note",
      `${path} can be read by every user of this machine, with the arguments and commands in it`,
      `chmod o-r ${path}`,
    );
  }
}

/** Who may rename files in the folder may put others in their place, unless it is sticky. */
function examineFolder(folder: string, find: Patient["find"]): void {
  const mode = statOf(folder)?.mode ?? 0;
  if (process.platform === "win32" || !(mode & 0o002) || mode & 0o1000) return;
  find("warning", `every user of this machine can replace files in ${folder}`, `chmod o-w ${folder}`);
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function freeBytesOf(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return null; // no such folder: opening the database says so
  }
}

function examineContent(location: string, surroundings: Surroundings, under: Under): Examination["content"] {
  const connection = openToLook(location);
  try {
    const known = readMigrations().length;
    const schema = schemaOf(connection, known);
    if (schema < known) {
      under("schema")(
        "note",
        `it has schema ${schema} and this program knows ${known}`,
        "`beat start` and `beat migrate` bring it up to date; run `beat backup` before, and `beat doctor` again after.",
      );
    }
    const checks = contentChecks.filter(({ needs }) => needs === "any schema" || schema === known);
    for (const { name, check } of checks) {
      const find = under(name);
      found(() => check({ ...surroundings, connection, find }), find);
    }
    const count = (table: string) => countOf(connection, `SELECT count(*) FROM ${table}`);
    return { schema, entries: count("entries WHERE removed_at IS NULL"), occurrences: count("occurrences") };
  } finally {
    connection.close();
  }
}

export function megabytes(bytes: number): string {
  return `${(bytes / megabyte).toFixed(bytes < megabyte ? 2 : 0)} MB`;
}
