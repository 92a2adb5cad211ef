// The one error family. Every error that a user can meet is a BeatError: its message says what is wrong and where,
// `remedy` says what to do, `code` is stable for programs, and ids and places are fields.

export interface Place {
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
  readonly entry?: string;
  /** Path inside the entry: `options.expires`. */
  readonly field?: string;
}

export interface BeatErrorOptions extends ErrorOptions {
  readonly remedy?: string;
  readonly place?: Place;
}

export class BeatError extends Error {
  readonly code: string = "error";
  readonly remedy: string | undefined;
  readonly place: Place | undefined;

  constructor(message: string, options: BeatErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.remedy = options.remedy;
    this.place = options.place;
  }

  /** `file:line:column: entry "x", field: message. Remedy.` Shape for terminals and logs. */
  describe(): string {
    const { file, line, column, entry, field } = this.place ?? {};
    const at = file === undefined ? "" : `${[file, line, column].filter((part) => part !== undefined).join(":")}: `;
    const name = entry === undefined ? "" : `entry "${entry}"`;
    // Said once, where the message says it too.
    const who = [this.message.includes(name) ? "" : name, field ?? ""].filter(Boolean).join(", ");
    const text = `${at}${who ? `${who}: ` : ""}${this.message}`;
    return this.remedy ? `${text.replace(/[.]$/, "")}. ${this.remedy}` : text;
  }
}

/** What a user wrote (a file, a flag, an API argument) is not a valid definition. `problems` holds every one found. */
export class DefinitionError extends BeatError {
  override readonly code: string = "definition_invalid";
  readonly problems: readonly BeatError[];

  constructor(message: string, options: BeatErrorOptions & { readonly problems?: readonly BeatError[] } = {}) {
    super(message, options);
    this.problems = options.problems ?? [this];
  }

  override describe(): string {
    return this.problems.length === 1 && this.problems[0] === this
      ? super.describe()
      : this.problems.map((problem) => problem.describe()).join("\n");
  }
}

/** No entry of that name. */
export class EntryNotFoundError extends BeatError {
  override readonly code: string = "entry_not_found";
}

/** An entry was changed by somebody else between reading and writing. Try again. */
export class ConflictError extends BeatError {
  override readonly code: string = "conflict";
}

/** The schedule database can't be used as it is: foreign, newer than the program, unreadable, corrupt. Waiting does not help. */
export class StoreError extends BeatError {
  override readonly code: string = "store_unusable";
}

/** The schedule database can't be used now: locked, disk full, away. Waiting may help. */
export class StoreUnavailableError extends BeatError {
  override readonly code: string = "store_unavailable";
}

/** This node's lease ended or went to another: it may claim nothing. */
export class LeaseLostError extends BeatError {
  override readonly code: string = "lease_lost";
}

/** The broker URL is wrong, or the broker refuses for good (unknown scheme, wrong password). */
export class BrokerError extends BeatError {
  override readonly code: string = "broker_refused";
}

/** A local job could not be found, or failed. */
export class JobError extends BeatError {
  override readonly code: string = "job_failed";
}

/** A command line that can't be carried out. */
export class UsageError extends BeatError {
  override readonly code: string = "usage";
}

/** The text of anything thrown. */
export function reasonOf(error: unknown): string {
  if (error instanceof BeatError) return error.describe();
  return error instanceof Error ? error.message || error.name : String(error);
}

/** The candidate nearest to a mistyped word, or undefined where none is near. Distance: Damerau-Levenshtein, at most a third of the word. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 12) return 99;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        value = Math.min(value, beforeLast[j - 2]! + 1);
      row.push(value);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
