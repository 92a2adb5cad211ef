// Entries whose job is not registered in this process are parked: nothing of them is claimed, nothing that was claimed is
// begun, and nothing of them is lost. When the job is registered they go on as after a stop. Parking is of this process and
// this term alone, and is never written: another process may have the job.

import type { CompiledEntry, Entry } from "../core/entry.ts";
import type { Log } from "../core/ports.ts";
import type { Herald } from "./herald.ts";

export interface Parked {
  readonly id: number;
  readonly name: string;
  readonly reason: string;
}

/** Why a job of this name can't run here; undefined: it can. */
export type WhyMissing = (job: string) => string | undefined;

export class Parking {
  readonly #whyMissing: WhyMissing;
  readonly #log: Log;
  readonly #herald: Herald;
  readonly #parked = new Map<number, { readonly entry: Entry; readonly job: string; readonly reason: string }>();

  constructor(whyMissing: WhyMissing | undefined, log: Log, herald: Herald) {
    this.#whyMissing = whyMissing ?? (() => undefined);
    this.#log = log;
    this.#herald = herald;
  }

  /** Parks the entry where its job is missing; said once. A job that is there stays. */
  look({ entry, target }: CompiledEntry): void {
    const reason = target.kind === "job" ? this.#whyMissing(target.job) : undefined;
    if (reason === undefined || target.kind !== "job" || this.#parked.has(entry.id)) return;
    this.#parked.set(entry.id, { entry, job: target.job, reason });
    this.#log.error(`${entry.name} is parked until its job is there: ${reason}`, { entry: entry.name, reason });
    this.#herald.parked(entry, reason);
  }

  /** Whether the entry has to wait for its job. What was under way while it got another job goes on with its own. */
  holds({ entry, target }: CompiledEntry): boolean {
    return this.#parked.size > 0 && target.kind === "job" && this.#parked.get(entry.id)?.job === target.job;
  }

  /** Why the entry waits; undefined: it does not. */
  reasonOf(entryId: number): string | undefined {
    return this.#parked.get(entryId)?.reason;
  }

  /** The job is there now. Returns the ids of the entries that waited for it. */
  release(job: string): number[] {
    const released = [...this.#parked.values()].filter((one) => one.job === job);
    for (const { entry } of released) {
      this.#parked.delete(entry.id);
      this.#log.info(`${entry.name} goes on: its job is there.`, { entry: entry.name });
      this.#herald.resumed(entry);
    }
    return released.map(({ entry }) => entry.id);
  }

  /** The entry changed, and may have another job now. */
  notice({ id, removedAt, definition }: Entry): void {
    if (removedAt !== null || definition.job !== this.#parked.get(id)?.job) this.#parked.delete(id);
  }

  clear(): void {
    this.#parked.clear();
  }

  get size(): number {
    return this.#parked.size;
  }

  list(limit: number): Parked[] {
    return [...this.#parked.values()].slice(0, limit).map(({ entry: { id, name }, reason }) => ({ id, name, reason }));
  }
}
