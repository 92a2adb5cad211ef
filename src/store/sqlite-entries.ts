// Entries as SQLite holds them: reading. What changes them is in sqlite-changes.ts and sqlite-claims.ts.

import type { Statement } from "better-sqlite3";
import type { Definition } from "../core/definition.ts";
import type { Entry, EntryStatus } from "../core/entry.ts";
import { reasonOf } from "../core/errors.ts";
import type { DueEntry, Store } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { firstInstant, isInstant, lastInstant } from "./readable.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

type EntryQuery = Parameters<Store["listEntries"]>[0];

/** As it is stored: the definition is JSON text. */
export type EntryRow = Omit<Entry, "definition"> & { readonly definition: string };

const columns = `id, name, origin, definition, created_at AS createdAt, anchor_at AS anchorAt, next_fire_at AS nextFireAt,
  last_fire_at AS lastFireAt, run_count AS runCount, paused_at AS pausedAt, pause_note AS pauseNote, quarantine,
  removed_at AS removedAt, revision`;

/** Above every text that goes on after a prefix. */
const lastCharacter = "\u{10FFFF}";

export class SqliteEntries {
  readonly #connection: SqliteConnection;
  readonly #byId: Statement<[number], EntryRow>;
  readonly #byIds: Statement<[string], EntryRow>;
  readonly #byName: Statement<[string], EntryRow>;
  readonly #all: Statement<[string, number], EntryRow>;
  readonly #ofOrigin: Statement<[string, string, number], EntryRow>;
  readonly #ofPrefix: Statement<[string, string, string, number], EntryRow>;
  readonly #dueThen: Statement<[Instant, number, Instant, number], DueEntry>;
  readonly #dueLater: Statement<[Instant, Instant, number], DueEntry>;
  readonly #dueNever: Statement<[number], DueEntry>;
  readonly #changed: Statement<[number, number], EntryRow>;
  readonly #ahead: Statement<[Instant, number], EntryRow>;
  readonly #active: Statement<[], number>;
  readonly #idle: Statement<[], { status: EntryStatus; count: number }>;
  readonly #revision: Statement<[], number>;
  readonly #setRevision: Statement<[number]>;
  readonly #dataVersion: Statement<[], number>;
  readonly #atStart: Statement<[number], EntryRow>;
  readonly #touch: Statement<[number, number]>;
  readonly #timeZoneData: Statement<[], string | null>;
  readonly #setTimeZoneData: Statement<[string]>;
  #knownRevision = 0;
  #knownDataVersion: number | undefined;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
    const { database } = connection;
    this.#byId = database.prepare(`SELECT ${columns} FROM entries WHERE id = ?`);
    // One statement for all ids takes half the time of one for each.
    this.#byIds = database.prepare(
      `SELECT ${columns} FROM entries WHERE id IN (SELECT value FROM json_each(?)) AND removed_at IS NULL`,
    );
    this.#byName = database.prepare(`SELECT ${columns} FROM entries WHERE name = ? AND removed_at IS NULL`);
    this.#all = database.prepare(
      `SELECT ${columns} FROM entries INDEXED BY entries_by_name WHERE removed_at IS NULL AND name > ? ORDER BY name LIMIT ?`,
    );
    this.#ofOrigin = database.prepare(
      `SELECT ${columns} FROM entries INDEXED BY entries_by_origin
       WHERE removed_at IS NULL AND origin = ? AND name > ? ORDER BY name LIMIT ?`,
    );
    this.#ofPrefix = database.prepare(
      `SELECT ${columns} FROM entries INDEXED BY entries_by_origin
       WHERE removed_at IS NULL AND origin >= ? AND origin < ? AND name > ? ORDER BY name LIMIT ?`,
    );
    // Two statements, since SQLite can't seek to a pair of which one is the rowid: it would look through all that is due
    // at the cursor's time, and that can be everything.
    const due = (condition: string) =>
      `SELECT id, next_fire_at AS nextFireAt FROM entries INDEXED BY entries_due
       WHERE scheduled AND ${condition} ORDER BY next_fire_at, id LIMIT ?`;
    this.#dueThen = database.prepare(due("next_fire_at = ? AND id > ? AND next_fire_at < ?"));
    this.#dueLater = database.prepare(due("next_fire_at > ? AND next_fire_at < ?"));
    this.#dueNever = database.prepare(
      `SELECT id, ${firstInstant} AS nextFireAt FROM entries INDEXED BY entries_due
       WHERE scheduled AND next_fire_at > ${lastInstant} ORDER BY next_fire_at, id LIMIT ?`,
    );
    this.#changed = database.prepare(
      `SELECT ${columns} FROM entries INDEXED BY entries_by_revision WHERE revision > ? ORDER BY revision LIMIT ?`,
    );
    this.#ahead = database.prepare(
      `SELECT ${columns} FROM entries INDEXED BY entries_fired
       WHERE interval AND removed_at IS NULL AND last_fire_at > ? AND last_fire_at <= ${lastInstant} ORDER BY last_fire_at, id LIMIT ?`,
    );
    this.#active = database
      .prepare<[], number>("SELECT count(*) FROM entries INDEXED BY entries_due WHERE scheduled")
      .pluck();
    // The same order of precedence as statusOf() in core/entry.ts.
    this.#idle = database.prepare(
      `SELECT CASE WHEN quarantine IS NOT NULL THEN 'quarantined' WHEN NOT enabled THEN 'disabled'
                   WHEN paused_at IS NOT NULL THEN 'paused' ELSE 'finished' END AS status, count(*) AS count
       FROM entries INDEXED BY entries_idle WHERE removed_at IS NULL AND NOT scheduled GROUP BY 1`,
    );
    this.#revision = database.prepare<[], number>("SELECT revision FROM meta").pluck();
    this.#touch = database.prepare("UPDATE entries SET revision = ? WHERE id = ?");
    this.#atStart = database.prepare(
      `SELECT ${columns} FROM entries INDEXED BY entries_idle WHERE removed_at IS NULL AND NOT scheduled
       AND CASE WHEN json_valid(definition) THEN lower(trim(definition ->> 'cron')) = '@reboot' END AND quarantine IS NULL AND paused_at IS NULL AND enabled ORDER BY id LIMIT ?`,
    );
    this.#timeZoneData = database.prepare<[], string | null>("SELECT time_zone_data FROM meta").pluck();
    this.#setTimeZoneData = database.prepare("UPDATE meta SET time_zone_data = ?");
    this.#setRevision = database.prepare("UPDATE meta SET revision = ?");
    this.#dataVersion = database.prepare<[], number>("PRAGMA data_version").pluck();
  }

  /** Removed ones too. */
  byId(id: number): Entry | undefined {
    return this.#connection.read(() => decoded(this.#byId.get(id)));
  }

  rowById(id: number): EntryRow | undefined {
    return this.#connection.read(() => this.#byId.get(id));
  }

  byName(name: string): Entry | undefined {
    return this.#connection.read(() => decoded(this.#byName.get(name)));
  }

  byIds(ids: readonly number[]): Entry[] {
    return this.#connection.read(() => this.#byIds.all(JSON.stringify(ids)).map(decode));
  }

  list({ origin, originPrefix, afterName = "", limit }: EntryQuery): Entry[] {
    return this.#connection.read(() => {
      if (origin !== undefined) {
        if (originPrefix !== undefined && !origin.startsWith(originPrefix)) return [];
        return this.#ofOrigin.all(origin, afterName, limit).map(decode);
      }
      if (originPrefix !== undefined) {
        return this.#ofPrefix.all(originPrefix, originPrefix + lastCharacter, afterName, limit).map(decode);
      }
      return this.#all.all(afterName, limit).map(decode);
    });
  }

  due(before: Instant, after: DueEntry | undefined, limit: number): DueEntry[] {
    return this.#connection.read(() => {
      if (after === undefined) {
        // First what would never fall due: a time that can't be read, so that its entry is set aside.
        const never = this.#dueNever.all(limit);
        return never.concat(this.#dueLater.all(Number.NEGATIVE_INFINITY, before, limit - never.length));
      }
      const then = this.#dueThen.all(after.nextFireAt, after.id, before, limit);
      return then.concat(this.#dueLater.all(after.nextFireAt, before, limit - then.length));
    });
  }

  changedSince(revision: number, limit: number): Entry[] {
    if (this.currentRevision() <= revision) return [];
    return this.#connection.read(() => this.#changed.all(revision, limit).map(decode));
  }

  /** SQLite keeps count of the commits of other connections (`data_version`): asking for it is all that an unchanged store costs. */
  currentRevision(): number {
    return this.#connection.read(() => {
      const dataVersion = this.#dataVersion.get();
      if (dataVersion !== this.#knownDataVersion) {
        this.#knownRevision = this.#revision.get()!;
        this.#knownDataVersion = dataVersion;
      }
      return this.#knownRevision;
    });
  }

  /** Within a write: hands new revisions to `work`, one for each changed row, so that paging by revision misses nothing. */
  withRevisions<T>(work: (nextRevision: () => number) => T): T {
    const first = this.#revision.get()!;
    let last = first;
    const result = work(() => ++last);
    if (last !== first) {
      this.#setRevision.run(last);
      this.#knownDataVersion = undefined; // own commits do not show in data_version
    }
    return result;
  }

  /** Within a write: an entry with a new revision and nothing else new, so that the leader looks at it again. */
  touch(id: number): void {
    this.withRevisions((nextRevision) => this.#touch.run(nextRevision(), id));
  }

  atStart(limit: number): Entry[] {
    return this.#connection.read(() => this.#atStart.all(limit).map(decode));
  }

  timeZoneData(): string | null {
    return this.#connection.read(() => this.#timeZoneData.get() ?? null);
  }

  setTimeZoneData(version: string): void {
    this.#connection.write(() => this.#setTimeZoneData.run(version));
  }

  aheadOf(now: Instant, limit: number): Entry[] {
    return this.#connection.read(() => this.#ahead.all(now, limit).map(decode));
  }

  count(): Record<EntryStatus, number> {
    return this.#connection.read(() => {
      const counts = { active: this.#active.get()!, paused: 0, disabled: 0, finished: 0, quarantined: 0 };
      for (const { status, count } of this.#idle.all()) counts[status] = count;
      return counts;
    });
  }
}

function decoded(row: EntryRow | undefined): Entry | undefined {
  return row && decode(row);
}

/** What of a row has to be a time, where it is anything. */
const times = [
  ["createdAt", "created_at"],
  ["anchorAt", "anchor_at"],
  ["nextFireAt", "next_fire_at"],
  ["lastFireAt", "last_fire_at"],
  ["pausedAt", "paused_at"],
] as const;

/**
 * A row that can't be read must not keep the other entries from being read. Such an entry comes out quarantined, with a
 * definition of `{}`: that is no valid Definition, and whoever respects the quarantine never looks into it.
 */
function decode(row: EntryRow): Entry {
  try {
    for (const [key, column] of times) {
      const at = row[key];
      if (at !== null && !isInstant(at)) throw new Error(`its ${column} in the database is no time: ${at}`);
    }
    return { ...row, definition: parsed(row.definition) };
  } catch (error) {
    const quarantine = row.quarantine ?? reasonOf(error);
    return { ...row, ...soundTimes(row), definition: {} as Definition, quarantine };
  }
}

function parsed(text: string): Definition {
  try {
    const definition: unknown = JSON.parse(text);
    if (typeof definition !== "object" || definition === null || Array.isArray(definition))
      throw new Error("not an object");
    return definition as Definition;
  } catch (error) {
    throw new Error(`its definition in the database can't be read: ${reasonOf(error)}`);
  }
}

/** A time that is none is as good as not there; but what was paused is. */
function soundTimes(row: EntryRow): Pick<Entry, (typeof times)[number][0]> {
  const sound = (at: Instant | null) => (at !== null && isInstant(at) ? at : null);
  return {
    createdAt: sound(row.createdAt) ?? 0,
    anchorAt: sound(row.anchorAt) ?? 0,
    nextFireAt: sound(row.nextFireAt),
    lastFireAt: sound(row.lastFireAt),
    pausedAt: row.pausedAt === null ? null : (sound(row.pausedAt) ?? 0),
  };
}
