// What kombu's SQLAlchemy transport keeps in a database, whichever it is: two tables, in which a worker that takes a message
// marks its row as invisible and leaves it there for ever. So consumed rows are deleted by Beat, as are those that
// nobody took before their `expires` header passed; workers would discard them.

export interface UnreadQueue {
  readonly name: string;
  readonly count: number;
}

/** kombu's tables: `queue_tablename` and `message_tablename` in Celery's options. */
export interface TableNames {
  readonly queue: string;
  readonly message: string;
}

export const tableParameters = ["queue_tablename", "message_tablename"] as const;

export function tableNamesOf(query: ReadonlyMap<string, string>): TableNames {
  const [queue, message] = tableParameters.map((name) => query.get(name));
  return { queue: queue || "kombu_queue", message: message || "kombu_message" };
}

/** The columns that kombu needs. */
export const columns = {
  queue: ["id", "name"],
  message: ["id", "visible", "timestamp", "payload", "version", "queue_id"],
} as const;

/** A name as it stands in a statement. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

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
