// In a file of its own, since it is part of the package's public types, which must not need those of better-sqlite3.

export interface SqliteOptions {
  /** FULL (default): what was written survives a power cut. NORMAL: the last moments may be lost in one, nothing in a crash. */
  readonly synchronous?: "FULL" | "NORMAL";
  /** How long a call waits for another process's write; the event loop stands still meanwhile. Default 100. */
  readonly busyTimeoutMs?: number;
  /** Make the file where there is none. Default true. */
  readonly create?: boolean;
  /** Only read: nothing is created, migrated or written. Default false. */
  readonly readonly?: boolean;
}
