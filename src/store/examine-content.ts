// What the rows of a database must be like, beyond what SQLite itself sees to.

import Database from "better-sqlite3";
import { policyOf } from "../core/definition.ts";
import { compileEntry, type Entry, firesAtStart, statusOf } from "../core/entry.ts";
import { reasonOf } from "../core/errors.ts";
import type { LeaseOwner } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { nextFireTime } from "../core/triggers/trigger.ts";
import { readMigrations } from "./migrate.ts";
import { storeIdIn, untimed } from "./readable.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { SqliteEntries } from "./sqlite-entries.ts";
import { damageRemedy } from "./sqlite-errors.ts";
import { SqliteLease } from "./sqlite-lease.ts";

/** `error`: schedules are, or will be, in trouble. `warning`: look into it. `note`: good to know. */
export type Severity = "error" | "warning" | "note";

export interface Finding {
  readonly severity: Severity;
  /** What was looked at. */
  readonly check: string;
  readonly message: string;
  readonly remedy: string;
}

export interface Surroundings {
  readonly now: Instant;
  /** Whether the process is known to be dead. */
  readonly isDead: (holder: LeaseOwner) => boolean;
}

/** What a check is given, and where it puts what it finds. */
export interface Patient extends Surroundings {
  readonly connection: SqliteConnection;
  readonly find: (severity: Severity, message: string, remedy: string) => void;
}

export interface ContentCheck {
  readonly name: string;
  readonly needs: "any schema" | "this schema";
  readonly check: (patient: Patient) => void;
}

/** In this order: where pages are damaged, what the others find is not to be trusted. */
export const contentChecks: readonly ContentCheck[] = [
  { name: "pages and indexes", needs: "any schema", check: pages },
  { name: "references", needs: "any schema", check: references },
  { name: "schema", needs: "this schema", check: schema },
  { name: "numbers", needs: "this schema", check: numbers },
  { name: "entries", needs: "this schema", check: entries },
  { name: "lease", needs: "this schema", check: lease },
];

const restore = "Restore a backup, or have it mended by somebody who knows SQL.";
const shownMost = 5;

function pages({ connection, find }: Patient): void {
  for (const complaint of connection.complaints("integrity_check(20)")) find("error", complaint, damageRemedy);
}

function references({ connection, find }: Patient): void {
  const lost = countOf(connection, "SELECT count(*) FROM pragma_foreign_key_check");
  if (lost > 0) find("error", `rows of the ledger that belong to no entry: ${lost}`, restore);
}

/** Tables and indexes as the migrations make them. */
function schema({ connection, find }: Patient): void {
  const query = "SELECT type || ' ' || name AS name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";
  const objectsOf = (database: Database.Database) =>
    new Map(
      database
        .prepare<[], { name: string; sql: string }>(query)
        .all()
        .map(({ name, sql }) => [name, sql]),
    );
  const model = new Database(":memory:");
  for (const { sql } of readMigrations()) model.exec(sql);
  const [expected, found] = [objectsOf(model), connection.read(() => objectsOf(connection.database))];
  model.close();
  for (const name of new Set([...expected.keys(), ...found.keys()])) {
    if (expected.get(name) === found.get(name)) continue;
    if (!found.has(name)) find("error", `${name} is missing`, restore);
    else if (!expected.has(name))
      find("note", `${name} is none of Beat's`, "Beat leaves it alone; others should keep out.");
    else find("error", `${name} is not as Beat made it`, restore);
  }
}

const anyUntimed = ["fire_at", "until_fire_at", "due_at", "claimed_at", "started_at", "settled_at"]
  .map(untimed)
  .join(" OR ");

function numbers({ connection, find }: Patient): void {
  if (connection.read(() => storeIdIn(connection.database)) === undefined)
    find("error", "its row of meta is missing, or holds no id", restore);
  const greatest = countOf(connection, "SELECT max(revision) FROM entries");
  if (greatest > countOf(connection, "SELECT revision FROM meta"))
    find("error", "entries have greater revisions than were given out, so that changes go unnoticed", restore);
  const unsettled = "SELECT count(*) FROM occurrences WHERE (settled_at IS NULL) <> (state IN ('claimed', 'running'))";
  const lost = countOf(connection, unsettled);
  if (lost > 0) find("error", `rows of the ledger that are neither settled nor open: ${lost}`, restore);
  const timeless = countOf(connection, `SELECT count(*) FROM occurrences WHERE ${anyUntimed}`);
  if (timeless > 0) find("error", `rows of the ledger with times that are none: ${timeless}`, restore);
  const contradicting = `SELECT count(*) FROM entries WHERE removed_at IS NULL AND CASE WHEN json_valid(definition)
    THEN enabled <> coalesce(definition ->> 'enabled', 1) OR interval <> (definition ->> 'every' IS NOT NULL) END`;
  const count = countOf(connection, contradicting);
  if (count > 0)
    find(
      "error",
      `entries whose definitions were changed by hand, so that columns beside them say something else: ${count}`,
      "Add these entries anew.",
    );
}

interface Kind {
  readonly severity: Severity;
  readonly what: string;
  readonly remedy: string;
}

const unreadable: Kind = {
  severity: "error",
  what: "can't be scheduled as they are, and are set aside when they fall due",
  remedy: "Write their definitions anew, or remove them.",
};
const setAside: Kind = {
  severity: "warning",
  what: "are set aside and do not run",
  remedy: "Write their definitions anew (a file that was mended, or `beat add NAME … --replace`), or remove them.",
};
const stuck: Kind = {
  severity: "error",
  what: "have no next fire time although their schedules do, so that they never run",
  remedy: "Note what `beat show` prints, remove them and add them again.",
};

function entries({ connection, now, find }: Patient): void {
  const seen = new Map<Kind, string[]>();
  const store = connection.read(() => new SqliteEntries(connection));
  for (let afterName = ""; ; ) {
    const page = store.list({ afterName, limit: 1_000 });
    for (const entry of page) {
      const [kind, why] = troubleOf(entry, now) ?? [];
      if (kind === undefined) continue;
      const texts = seen.get(kind) ?? [];
      seen.set(kind, texts);
      texts.push(why === undefined ? entry.name : `${entry.name} (${why})`);
    }
    if (page.length < 1_000) break;
    afterName = page.at(-1)!.name;
  }
  for (const [{ severity, what, remedy }, texts] of seen) {
    const more = texts.length > shownMost ? ` … and ${texts.length - shownMost} more` : "";
    find(severity, `entries that ${what} (${texts.length}): ${texts.slice(0, shownMost).join(", ")}${more}`, remedy);
  }
}

function troubleOf(entry: Entry, now: Instant): [Kind, string?] | undefined {
  if (entry.quarantine !== null) return [setAside, entry.quarantine];
  try {
    const { trigger } = compileEntry(entry);
    if (statusOf(entry) !== "finished" || firesAtStart(entry.definition)) return undefined;
    const { maxRuns } = policyOf(entry.definition);
    if (maxRuns !== null && entry.runCount >= maxRuns) return undefined;
    return nextFireTime(trigger, now) === null ? undefined : [stuck];
  } catch (error) {
    return [unreadable, reasonOf(error)]; // of any kind: what a row may hold is not known
  }
}

function lease({ connection, now, isDead, find }: Patient): void {
  const held = connection.read(() => new SqliteLease(connection)).current();
  if (held === undefined) return;
  const who = `process ${held.pid} on ${held.host.split("/")[0]}`;
  if (isDead(held)) {
    find("note", `the lead is still with ${who}, which is gone`, "Nothing to do: the next scheduler takes it at once.");
  } else if (held.expiresAt <= now) {
    find(
      "note",
      `the lead is still with ${who}, which has not been heard of`,
      "Nothing to do: another scheduler takes it after watching it for a few seconds.",
    );
  }
}

export function countOf(connection: SqliteConnection, query: string): number {
  return connection.read(() => connection.database.prepare<[], number>(query).pluck().get() ?? 0);
}
