// Changes of entries by files, operators, clients and programs: all of a call in one transaction, or none.

import type { Statement } from "better-sqlite3";
import type { Definition } from "../core/definition.ts";
import type { Entry } from "../core/entry.ts";
import type { EntryChange } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { readable } from "./readable.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import type { EntryRow, SqliteEntries } from "./sqlite-entries.ts";
import type { SqliteOccurrences, UnsentRow } from "./sqlite-occurrences.ts";
import { nameConflict, revisionConflict, withdrawnReason } from "./wording.ts";

type Insert = Extract<EntryChange, { change: "insert" }>;
type Update = Extract<EntryChange, { change: "update" }>;
type Remove = Extract<EntryChange, { change: "remove" }>;

/** Occurrences of an entry that wait in the outbox, collected once for all the changes of a call, before any of them is made. */
type Unsent = () => ReadonlyMap<number, readonly UnsentRow[]>;

export class SqliteChanges {
  readonly #connection: SqliteConnection;
  readonly #entries: SqliteEntries;
  readonly #occurrences: SqliteOccurrences;
  readonly #insert: Statement<unknown[]>;
  readonly #update: Statement<unknown[]>;
  readonly #redefine: Statement<[number, number, string, Instant, number]>;
  readonly #remove: Statement<[Instant, number, number]>;

  constructor(connection: SqliteConnection, entries: SqliteEntries, occurrences: SqliteOccurrences) {
    this.#connection = connection;
    this.#entries = entries;
    this.#occurrences = occurrences;
    const { database } = connection;
    this.#insert = database.prepare(
      `INSERT INTO entries (name, origin, revision, created_at, anchor_at, next_fire_at, quarantine, enabled, interval, definition)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) WHERE removed_at IS NULL DO NOTHING`,
    );
    this.#update = database.prepare(
      `UPDATE entries SET origin = ?, revision = ?, anchor_at = ?, next_fire_at = ?, last_fire_at = ?, run_count = ?,
         paused_at = ?, pause_note = ?, quarantine = ? WHERE id = ?`,
    );
    this.#redefine = database.prepare(
      `UPDATE entries SET enabled = ?, interval = ?, definition = ?, created_at = coalesce(${readable("created_at")}, ?)
       WHERE id = ?`,
    );
    this.#remove = database.prepare("UPDATE entries SET removed_at = ?, revision = ? WHERE id = ?");
  }

  change(changes: readonly EntryChange[]): Entry[] {
    return this.#connection.write(() => {
      const unsent = lazily(() => this.#occurrences.unsentByEntry());
      return this.#entries.withRevisions((nextRevision) =>
        changes.map((change) => {
          if (change.change === "insert") return this.#inserted(change, nextRevision());
          if (change.change === "update") return this.#updated(change, nextRevision(), unsent);
          return this.#removed(change, nextRevision(), unsent);
        }),
      );
    });
  }

  #inserted(change: Insert, revision: number): Entry {
    const { name, origin, definition, createdAt, anchorAt, nextFireAt, quarantine } = change;
    const result = this.#insert.run(
      name,
      origin,
      revision,
      createdAt,
      anchorAt,
      nextFireAt,
      quarantine,
      ...definitionColumns(definition),
    );
    if (result.changes === 0) throw nameConflict(name);
    return this.#entries.byId(Number(result.lastInsertRowid))!;
  }

  #updated(change: Update, revision: number, unsent: Unsent): Entry {
    const entry = { ...this.#expect(change), ...change.fields };
    if (change.withdraw !== undefined) this.#withdraw(entry.id, change.withdraw, change.at, unsent);
    this.#update.run(
      entry.origin,
      revision,
      entry.anchorAt,
      entry.nextFireAt,
      entry.lastFireAt,
      entry.runCount,
      entry.pausedAt,
      entry.pauseNote,
      entry.quarantine,
      entry.id,
    );
    const { definition } = change.fields;
    if (definition) this.#redefine.run(...definitionColumns(definition), change.at, entry.id);
    this.#pass(change);
    return this.#entries.byId(entry.id)!;
  }

  #removed(change: Remove, revision: number, unsent: Unsent): Entry {
    const { id } = this.#expect(change);
    this.#remove.run(change.at, revision, id);
    this.#withdraw(id, change.withdraw, change.at, unsent);
    this.#pass(change);
    return this.#entries.byId(id)!;
  }

  /** The row as it is stored: one whose definition can't be read must not be written back as the `{}` that is shown for it. */
  #expect({ id, expectedRevision }: Update | Remove): EntryRow {
    const entry = this.#entries.rowById(id);
    if (entry === undefined || entry.removedAt !== null || entry.revision !== expectedRevision) {
      throw revisionConflict(id, entry?.name);
    }
    return entry;
  }

  #withdraw(entryId: number, reason: string, at: Instant, unsent: Unsent): void {
    for (const row of unsent().get(entryId) ?? []) {
      const { fireAt, manual, isTask } = row;
      const said = withdrawnReason(reason, row, isTask === 1, at);
      this.#occurrences.withdraw(entryId, fireAt, manual, "cancelled", said, at);
    }
  }

  /** A fire time that has a row already was decided already: that row stays. */
  #pass({ id, at, passed = [] }: Update | Remove): void {
    for (const range of passed) this.#occurrences.insertPassed(id, range, at);
  }
}

/** enabled, interval, definition */
function definitionColumns(definition: Definition): [number, number, string] {
  return [definition.enabled === false ? 0 : 1, definition.every === undefined ? 0 : 1, JSON.stringify(definition)];
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
