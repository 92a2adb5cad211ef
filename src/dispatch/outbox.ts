// The part of the outbox that is held in memory: claimed occurrences that are not done. What does not fit stays in the
// store alone and is read when there is room; nothing depends on memory but speed.

import type { CompiledEntry } from "../core/entry.ts";
import type { Message, Occurrence } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";

export interface Held {
  readonly id: string;
  readonly compiled: CompiledEntry;
  readonly fireAt: Instant;
  readonly dueAt: Instant;
  readonly manual: boolean;
  /** `reserved`: a claim that is being written will supersede it. `starting`: a local run is being recorded. `in-flight`: with the broker or the runner. `gone`: done, or withdrawn. */
  state: "waiting" | "reserved" | "starting" | "in-flight" | "gone";
  attempts: number;
  /** It may have been sent before: it must be sent again, and never gives way to a newer one. */
  doubtful: boolean;
  message: Message | undefined;
  /** When a local run began. */
  startedAt: Instant | undefined;
}

export class Outbox {
  readonly #byId = new Map<string, Held>();
  readonly #byEntry = new Map<number, Set<Held>>();
  readonly capacity: number;
  /** Whether this node leads: if not, what comes back undone is left to the node that does. */
  leading = false;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Held | undefined {
    return this.#byId.get(id);
  }

  add(
    compiled: CompiledEntry,
    occurrence: Pick<Occurrence, "id" | "fireAt" | "dueAt" | "manual" | "attempts">,
    doubtful: boolean,
  ): Held {
    const { id, fireAt, dueAt, manual, attempts } = occurrence;
    const held: Held = {
      id,
      compiled,
      fireAt,
      dueAt,
      manual,
      state: "waiting",
      attempts,
      doubtful,
      message: undefined,
      startedAt: undefined,
    };
    this.#byId.set(id, held);
    const siblings = this.#byEntry.get(compiled.entry.id);
    if (siblings === undefined) this.#byEntry.set(compiled.entry.id, new Set([held]));
    else siblings.add(held);
    return held;
  }

  delete(held: Held): void {
    held.state = "gone";
    if (!this.#byId.delete(held.id)) return;
    const siblings = this.#byEntry.get(held.compiled.entry.id);
    siblings?.delete(held);
    if (siblings?.size === 0) this.#byEntry.delete(held.compiled.entry.id);
  }

  has(entryId: number): boolean {
    return this.#byEntry.has(entryId);
  }

  ofEntry(entryId: number): Iterable<Held> {
    return this.#byEntry.get(entryId) ?? [];
  }

  /** Lets go of everything but what is with the broker or the runner, whose outcome is still to be written. The store keeps the rest. */
  clear(): void {
    for (const held of [...this.#byId.values()]) {
      if (held.state !== "in-flight" && held.state !== "starting") this.delete(held);
    }
  }
}
