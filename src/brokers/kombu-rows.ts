// What kombu's SQLAlchemy transport keeps in a database, whichever it is: two tables, in which a worker that takes a message
// marks its row as invisible and leaves it there for ever. So consumed rows are deleted by Beat, as are those that
// nobody took before their `expires` header passed; workers would discard them.

export interface UnreadQueue {
  readonly name: string;
  readonly count: number;
}

/** The columns that kombu needs, by its own name of the table. */
export const columns = {
  kombu_queue: ["id", "name"],
  kombu_message: ["id", "visible", "timestamp", "payload", "version", "queue_id"],
} as const;

/** Rows looked at in one step of clearing up. */
export const stepRows = 500;
/** Clearing up goes on soon where there is more to do, and else every now and then. */
export const watchMs = { busy: 100, idle: 2_000 };
/** Unread rows are counted up to here. */
export const countLimit = 10_000;

/** A time without an offset is in the workers' zone, which is not known here: such a message stays. */
export function isPast(expires: unknown, now: number): boolean {
  return typeof expires === "string" && /(?:Z|[+-]\d\d:\d\d)$/.test(expires) && Date.parse(expires) < now;
}
