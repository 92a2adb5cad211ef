// What the operator did to the schedule, through the same operations as everybody, and when it was asked and done.

import { BeatError } from "../../src/core/errors.ts";
import type { Operations } from "../../src/definitions/operations.ts";
import type { Change, EntryHistory, ManualTrigger, Retry } from "../checker/evidence.ts";
import type { WallOffset } from "./machine.ts";
import type { Act } from "./scenario.ts";
import type { Scheduler } from "./scheduler.ts";

export class History {
  readonly triggers: ManualTrigger[] = [];
  readonly retries: Retry[] = [];
  readonly #scheduler: Scheduler;
  readonly #wall: WallOffset;
  readonly #operations: Operations;
  readonly #failedIds: (name: string) => Promise<string[]>;
  readonly #changes = new Map<string, Change[]>();
  #last: Promise<void> = Promise.resolve();

  /** `failedIds`: of an entry that is there, what the ledger calls failed. */
  constructor(
    scheduler: Scheduler,
    wall: WallOffset,
    operations: Operations,
    failedIds: (name: string) => Promise<string[]>,
  ) {
    this.#scheduler = scheduler;
    this.#wall = wall;
    this.#operations = operations;
    this.#failedIds = failedIds;
  }

  get entries(): EntryHistory[] {
    return [...this.#changes].map(([entry, changes]) => ({ entry, changes }));
  }

  /** One act after the other, so that their order is known. */
  perform(act: Act): Promise<void> {
    this.#last = this.#last.then(() => this.#perform(act));
    return this.#last;
  }

  async #perform(act: Act): Promise<void> {
    const invokedAt = this.#scheduler.now;
    const { entry } = act;
    try {
      const change = await this.#apply(act, invokedAt);
      const acknowledgedAt = this.#scheduler.now;
      this.#scheduler.note(`operator: ${JSON.stringify(act)}`);
      if (change === undefined) return;
      const changes = this.#changes.get(entry) ?? [];
      changes.push({ invokedAt, acknowledgedAt, ...change });
      this.#changes.set(entry, changes);
    } catch (error) {
      // Nothing was done: there is no such entry, or it would never fire.
      if (!(error instanceof BeatError)) throw error;
      this.#scheduler.note(`operator: ${act.do} ${entry} was refused`);
    }
  }

  async #apply(
    act: Act,
    invokedAt: number,
  ): Promise<Pick<Change, "definition" | "paused" | "entryId" | "anchorAt" | "catchesUp"> | undefined> {
    const operations = this.#operations;
    const { entry } = act;
    const paused = this.#changes.get(entry)?.at(-1)?.paused ?? false;
    const wall = invokedAt + this.#wall.ms;
    switch (act.do) {
      case "set": {
        const { id: entryId, anchorAt } = await operations.add(entry, act.definition, "cli", { conflict: "replace" });
        // Where it begins anew, it begins now; else its beginning is of no concern.
        const isNew = anchorAt >= Math.floor(wall);
        return { definition: act.definition, paused, entryId, ...(isNew && { anchorAt }) };
      }
      case "remove":
        await operations.remove(entry);
        return { definition: null };
      case "pause": {
        const { definition } = await operations.pause(entry);
        return { definition, paused: true };
      }
      case "resume": {
        const { definition } = await operations.resume(entry, act.from);
        return { definition, paused: false, ...(paused && act.from === "missed" && { catchesUp: true }) };
      }
      case "trigger": {
        const { id } = await operations.trigger(entry);
        this.triggers.push({ entry, id, invokedAt, acknowledgedAt: this.#scheduler.now });
        return undefined;
      }
      case "retry": {
        const ids = await this.#failedIds(entry);
        await operations.retry({ name: entry, limit: 10_000 });
        this.retries.push({ entry, ids, invokedAt, acknowledgedAt: this.#scheduler.now });
        return undefined;
      }
    }
  }
}
