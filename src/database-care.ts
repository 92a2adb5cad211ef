// Looking after the schedule database: what `beat doctor` and `beat backup` do.

import { isDead } from "./process-identity.ts";
import { type Examination, examineSqlite } from "./store/examine.ts";
import { systemClock } from "./system-clock.ts";

export { type Backup, backUpSqlite as backUpDatabase } from "./store/backup.ts";
export { type Examination, type Finding, megabytes } from "./store/examine.ts";

/** Looks through all of the database and changes nothing. Never rejects for what it finds. */
export function examineDatabase(path: string): Examination {
  return examineSqlite(path, { now: systemClock.now(), isDead });
}
