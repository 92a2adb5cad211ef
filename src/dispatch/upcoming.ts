// What falls due soon. The timetable holds what falls due within the horizon; beyond it, entries are left in the store,
// which finds them by an index. An entry whose due time changed is put into its new place; one that went is taken out.

import { type Entry, isScheduled } from "../core/entry.ts";
import type { Clock, DueEntry, Store } from "../core/ports.ts";
import { type Instant, minuteMs } from "../core/time.ts";
import { type Due, Timetable } from "../core/timetable.ts";

const horizonMs = minuteMs;
const horizonPage = 50_000;

export class Upcoming {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #timetable = new Timetable();
  /** Up to when the timetable knows all; `after`: the last entry that was read; `more`: the store has more before the horizon. */
  #horizon: { at: Instant; after: DueEntry | undefined; more: boolean } = { at: 0, after: undefined, more: true };

  constructor(clock: Clock, store: Store) {
    this.#clock = clock;
    this.#store = store;
  }

  /** Forgets everything and reads anew. Rejects where the store does. */
  async begin(): Promise<void> {
    this.#timetable.clear();
    this.#horizon = { at: Number.NEGATIVE_INFINITY, after: undefined, more: true };
    await this.extend();
  }

  /** Reads on, where the horizon has come near. Rejects where the store does. */
  async extend(): Promise<void> {
    const now = this.#clock.now();
    const near = this.#horizon.at - now < horizonMs / 2;
    if (this.#horizon.more ? this.#timetable.size > horizonPage / 2 : !near) return;
    const before = Math.max(now + horizonMs, this.#horizon.at);
    const { after } = this.#horizon;
    const page = await this.#store.dueEntries({ before, ...(after && { after }), limit: horizonPage });
    for (const { id, nextFireAt } of page) this.#timetable.set(id, nextFireAt);
    const more = page.length === horizonPage;
    const last = page.at(-1) ?? after;
    this.#horizon = { at: more ? last!.nextFireAt : before - 1, after: last, more };
  }

  /** Puts an entry where it belongs now. */
  place(entry: Entry): void {
    if (isScheduled(entry) && entry.nextFireAt! <= this.#horizon.at) this.#timetable.set(entry.id, entry.nextFireAt!);
    else this.#timetable.delete(entry.id);
  }

  /** Gives back what was taken and not decided. */
  putBack({ id, dueAt }: Due): void {
    this.#timetable.set(id, dueAt);
  }

  takeDue(until: Instant, limit: number): Due[] {
    return this.#timetable.takeDue(until, limit);
  }

  /** About how many fall due by then, if those are more than `few`; otherwise 0. */
  crowdDue(until: Instant, few: number): number {
    // Mostly there are not so many at all, and then nothing is counted.
    const count = this.#timetable.size <= few ? 0 : this.#timetable.countDue(until);
    return count > few ? count : 0;
  }

  get nextDueAt(): Instant | undefined {
    return this.#timetable.nextDueAt;
  }

  /** Whether this entry's next fire time has come, and is still to be claimed. */
  isOverdue(entryId: number, now: Instant): boolean {
    // Mostly none is, and then nothing is looked up.
    const first = this.#timetable.nextDueAt;
    if (first === undefined || first > now) return false;
    const dueAt = this.#timetable.dueOf(entryId);
    return dueAt !== undefined && dueAt <= now;
  }
}
