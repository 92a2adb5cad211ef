-- The whole state of a Beat: what is scheduled, what became of each fire time, who leads.
-- Times are whole milliseconds since 1970 (UTC). Everything here is written for two paths:
--   the burst   claim = 1 update of entries + 1 insert into occurrences; settle = 1 update of occurrences;
--   the start   a million entries, of which only those that fall due soon are read.

CREATE TABLE meta (
  only     INTEGER PRIMARY KEY CHECK (only = 1),
  store_id TEXT    NOT NULL,   -- UUID version 4; part of every occurrence's id
  revision INTEGER NOT NULL,   -- the last one given to an entry
  time_zone_data TEXT          -- the version of the rules with which next_fire_at was computed: 2026c
) STRICT;

INSERT INTO meta (only, store_id, revision) VALUES (1,
  lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
    || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))), 0);

CREATE TABLE entries (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: occurrences' ids are made of it
  name         TEXT    NOT NULL,
  origin       TEXT    NOT NULL,
  revision     INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  anchor_at    INTEGER NOT NULL,
  next_fire_at INTEGER,
  last_fire_at INTEGER,
  run_count    INTEGER NOT NULL DEFAULT 0,
  paused_at    INTEGER,
  pause_note   TEXT,
  quarantine   TEXT,
  removed_at   INTEGER,            -- a tombstone: kept while the ledger names it and until every reader has seen it
  enabled      INTEGER NOT NULL,   -- these two repeat the definition, for the indexes
  interval     INTEGER NOT NULL,
  definition   TEXT    NOT NULL CHECK (json_valid(definition)),
  -- The same condition as isScheduled() in src/core/entry.ts.
  scheduled    INTEGER NOT NULL AS (removed_at IS NULL AND enabled AND paused_at IS NULL AND quarantine IS NULL
                                    AND next_fire_at IS NOT NULL) VIRTUAL
) STRICT;

CREATE UNIQUE INDEX entries_by_name     ON entries (name) WHERE removed_at IS NULL;
CREATE        INDEX entries_by_origin   ON entries (origin, name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX entries_by_revision ON entries (revision);
CREATE        INDEX entries_due         ON entries (next_fire_at) WHERE scheduled;   -- and id, which every index has
CREATE        INDEX entries_idle        ON entries (id) WHERE removed_at IS NULL AND NOT scheduled;
CREATE        INDEX entries_removed     ON entries (name) WHERE removed_at IS NOT NULL;
-- Finds the entries that fired in the future, after the wall clock was put back.
CREATE        INDEX entries_fired       ON entries (last_fire_at) WHERE interval AND removed_at IS NULL;

-- Outbox and ledger in one. Clustered by fire time, so that a burst writes adjacent pages at the end of the table.
CREATE TABLE occurrences (
  fire_at       INTEGER NOT NULL,   -- the first one of a range
  entry_id      INTEGER NOT NULL REFERENCES entries (id),
  manual        INTEGER NOT NULL,
  id            TEXT    NOT NULL,   -- empty for fire times that were passed over
  until_fire_at INTEGER,            -- the last one of a range; NULL for a single fire time
  count         INTEGER NOT NULL DEFAULT 1,
  due_at        INTEGER NOT NULL,
  state         TEXT    NOT NULL,
  reason        TEXT,
  attempts      INTEGER NOT NULL DEFAULT 0,
  claimed_at    INTEGER NOT NULL,
  started_at    INTEGER,
  settled_at    INTEGER,            -- NULL while in the outbox or running
  time_zone_data TEXT,              -- the version of the rules that named this fire time
  PRIMARY KEY (fire_at, entry_id, manual),
  CHECK ((settled_at IS NULL) = (state IN ('claimed', 'running')))
) STRICT, WITHOUT ROWID;

CREATE INDEX occurrences_by_entry ON occurrences (entry_id, fire_at, manual);
CREATE INDEX occurrences_outbox   ON occurrences (state, due_at, entry_id, fire_at, manual) WHERE settled_at IS NULL;
CREATE INDEX occurrences_settled  ON occurrences (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE lease (
  only        INTEGER PRIMARY KEY CHECK (only = 1),
  token       INTEGER NOT NULL,   -- grows with each new holder, also over a release
  owner_id    TEXT,               -- NULL: released
  host        TEXT    NOT NULL,
  pid         INTEGER NOT NULL,
  acquired_at INTEGER NOT NULL,
  renewed_at  INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  report      TEXT    NOT NULL
) STRICT;
