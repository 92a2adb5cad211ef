-- What a run was given, what it gave back, and how many fire times it stands for. What a process left running when it ended
-- is a state of its own.

ALTER TABLE occurrences ADD COLUMN missed_count INTEGER NOT NULL DEFAULT 0;   -- fire times before it that did not run
ALTER TABLE occurrences ADD COLUMN params       TEXT;   -- JSON; NULL: what the entry's definition says
ALTER TABLE occurrences ADD COLUMN result       TEXT;   -- JSON

UPDATE occurrences SET state = 'abandoned' WHERE state = 'failed' AND reason LIKE 'abandoned%';
