// The part of the outbox that is held in memory: claimed occurrences that are not done. What does not fit stays in the
// store alone and is read when there is room; nothing depends on memory but speed.

import type { Policy } from "../core/definition.ts";
import type { CompiledEntry, Entry } from "../core/entry.ts";
import { ListsByEntry } from "../core/lists-by-entry.ts";
import { missedReason } from "../core/misfire.ts";
import type { Occurrence } from "../core/occurrence.ts";
import { occurrenceId } from "../core/occurrence-id.ts";
import type { Message, Place, Run, Settlement } from "../core/ports.ts";
import type { Target } from "../core/target.ts";
import { formatDuration, type Instant } from "../core/time.ts";

/** An occurrence on its way: what the publisher sends, or what the runner runs. */
export class Held implements Run {
  readonly compiled: CompiledEntry;
  readonly fireAt: Instant;
  readonly dueAt: Instant;
  readonly manual: boolean;
  readonly missedCount: number;
  /** `reserved`: a claim that is being written will supersede it. `starting`: a local run is being recorded. `in-flight`: with the broker or the runner. `gone`: done, or withdrawn. */
  state: "waiting" | "reserved" | "starting" | "in-flight" | "gone" = "waiting";
  attempts: number;
  /** Whether an older one of its entry was held when it came. */
  isBehind = false;
  /** It may have been sent before: it must be sent again, and never gives way to a newer one. */
  doubtful: boolean;
  /** The store holds the reason why it was not sent yet, and so that it was not: before it is sent, that is taken back. */
  noted = false;
  message: Message | undefined = undefined;
  /** Where a local run will go on that is about to begin. */
  place: Place | undefined = undefined;
  /** When a local run began. */
  startedAt: Instant | undefined = undefined;
  readonly #storeId: string;
  #id: string | undefined;
  /** JSON of what this run was given; null: what its entry says. */
  readonly #params: string | null;

  constructor(storeId: string, compiled: CompiledEntry, kept: Kept, doubtful: boolean) {
    const { id, fireAt, dueAt, manual = false, attempts = 0, missedCount = 0, params = null } = kept;
    this.#storeId = storeId;
    this.#id = id;
    this.#params = params;
    this.compiled = compiled;
    this.fireAt = fireAt;
    this.dueAt = dueAt;
    this.manual = manual;
    this.missedCount = missedCount;
    this.attempts = attempts;
    this.doubtful = doubtful;
  }

  /** Derived when it is asked for: of thousands of runs a second in process, mostly never. */
  get id(): string {
    this.#id ??= occurrenceId(this.#storeId, this.compiled.entry.id, this.fireAt);
    return this.#id;
  }

  get entry(): Entry {
    return this.compiled.entry;
  }

  get policy(): Policy {
    return this.compiled.policy;
  }

  get target(): Target {
    return this.compiled.target;
  }

  get attempt(): number {
    return this.attempts;
  }

  get isAgain(): boolean {
    return this.attempts > 0 && this.startedAt === undefined;
  }

  get params(): unknown {
    return this.#params === null ? this.compiled.entry.definition.params : JSON.parse(this.#params);
  }
}

/** What of an occurrence is held; without an id: it is derived. */
export type Kept = Pick<Occurrence, "fireAt" | "dueAt"> &
  Partial<Pick<Occurrence, "id" | "manual" | "attempts" | "missedCount" | "params">>;

export class Outbox {
  readonly #held = new ListsByEntry<Held>();
  /** The ids of what has left while the store is read. */
  #left: Set<string> | undefined;
  readonly #storeId: string;
  readonly capacity: number;
  /** Whether this node leads: if not, what comes back undone is left to the node that does. */
  leading = false;

  /** `storeId`: what ids are derived from. */
  constructor(storeId: string, capacity: number) {
    this.#storeId = storeId;
    this.capacity = capacity;
  }

  get size(): number {
    return this.#held.size;
  }

  add(compiled: CompiledEntry, kept: Kept, doubtful: boolean): Held {
    const entryId = compiled.entry.id;
    const held = new Held(this.#storeId, compiled, kept, doubtful);
    held.isBehind = this.#held.add(entryId, held) > 1;
    return held;
  }

  /** Runs `read`, and tells what has left meanwhile: what it found of that is out of date. */
  async whileReading<Result>(read: () => Promise<Result>): Promise<[Result, ReadonlySet<string>]> {
    const left = new Set<string>();
    this.#left = left;
    try {
      return [await read(), left];
    } finally {
      this.#left = undefined;
    }
  }

  delete(held: Held): void {
    held.state = "gone";
    this.#left?.add(held.id);
    this.#held.delete(held.compiled.entry.id, held);
  }

  has(entryId: number): boolean {
    return this.ofEntry(entryId).length > 0;
  }

  find({ entryId, fireAt, manual }: Pick<Occurrence, "entryId" | "fireAt" | "manual">): Held | undefined {
    return this.ofEntry(entryId).find((held) => held.fireAt === fireAt && held.manual === manual);
  }

  /** The oldest occurrence of the same entry that waits before it. */
  olderThan(held: Held): Held | undefined {
    if (!held.isBehind) return undefined;
    for (const other of this.ofEntry(held.compiled.entry.id)) {
      if (other === held) return undefined;
      if (other.state === "waiting" && !other.manual) return other;
    }
    return undefined;
  }

  /** The one added first comes first. Changes as they come and go. */
  ofEntry(entryId: number): readonly Held[] {
    return this.#held.of(entryId);
  }

  waiting(): Held[] {
    return this.#in((state) => state === "waiting");
  }

  /** What is due and not done, runs and requests that go on left out: how many, and since when the oldest. */
  late(now: Instant): { readonly count: number; readonly oldestDueAt: Instant } {
    let count = 0;
    let oldestDueAt = now;
    this.#held.forEach(({ state, compiled, dueAt, missedCount }) => {
      // One that was claimed ahead may stand for others that were due.
      if (dueAt >= now && missedCount === 0) return;
      // A broker confirms at once; runs and requests take the time that they take.
      if (state === "in-flight" && compiled.target.kind !== "task") return;
      count++;
      if (dueAt < oldestDueAt) oldestDueAt = dueAt;
    });
    return { count, oldestDueAt };
  }

  /** Lets go of everything but what is with the broker or the runner, whose outcome is still to be written. The store keeps the rest. */
  clear(): void {
    for (const held of this.#in((state) => state !== "in-flight" && state !== "starting")) this.delete(held);
  }

  #in(matches: (state: Held["state"]) => boolean): Held[] {
    const found: Held[] = [];
    this.#held.forEach((held) => {
      if (matches(held.state)) found.push(held);
    });
    return found;
  }
}

/** Why nobody wants a waiting occurrence any more, and what that makes of it; undefined: it is still wanted. */
export function lapseOf(
  { compiled, message, dueAt, manual, doubtful }: Held,
  now: Instant,
): { readonly state: "missed" | "failed"; readonly reason: string } | undefined {
  const expiresAt = message?.expiresAt ?? Number.POSITIVE_INFINITY;
  if (expiresAt <= now) {
    const ago = formatDuration(now - expiresAt);
    return doubtful
      ? { state: "failed", reason: `in doubt: it may have been sent, and expired ${ago} before that was confirmed` }
      : { state: "missed", reason: `expired ${ago} before it could be sent` };
  }
  const { misfireGraceMs } = compiled.policy;
  if (misfireGraceMs === null || manual || doubtful || now - dueAt <= misfireGraceMs) return undefined;
  return { state: "missed", reason: missedReason(misfireGraceMs) };
}

/** The new state of an occurrence, as the store takes it. */
export function settlementOf(
  held: Held,
  state: Settlement["state"],
  reason: string | null,
  at: Instant,
  result: string | null = null,
): Settlement {
  const { compiled, fireAt, manual, attempts } = held;
  return { entryId: compiled.entry.id, fireAt, manual, state, reason, attempts, result, at };
}

/** Writes down why it was not sent yet, and so that it was not; where it may have been, nothing is said. */
export function note(held: Held, reason: string, at: Instant): Settlement {
  held.noted = !held.doubtful;
  return settlementOf(held, "claimed", held.doubtful ? null : reason, at);
}
