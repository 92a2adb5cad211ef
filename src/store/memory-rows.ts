// Rows of occurrences in two arrays, of numbers and of texts. There may be many thousands a second, each kept for long: as objects they
// would cost the garbage collector more time than all that is done with them. A row goes by its number, which is given to another
// row after it was dropped; whoever asks for a row gets a copy.

import type { Entry } from "../core/entry.ts";
import { type Occurrence, type OccurrenceState, occurrenceStates } from "../core/occurrence.ts";
import { occurrenceId } from "../core/occurrence-id.ts";
import type { Claim, Settlement } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import type { OrderedBy } from "./order.ts";

/** Of a row, while it is there. */
export type RowNumber = number;

/** What may change of a row that has been claimed, or be another thing from the beginning. */
export type RowChanges = Partial<
  Omit<Occurrence, "entryId" | "entryName" | "fireAt" | "manual" | "missedCount" | "claimedAt" | "timeZoneData">
>;

/** Where the numbers of a row are. A flag is 0 or 1, a state its place among all states, and NaN stands for null. */
const [entryId, fireAt, untilFireAt, count, manual, dueAt, state, attempts] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const [missedCount, claimedAt, startedAt, settledAt, numbersEach] = [8, 9, 10, 11, 12] as const;
/** Where its texts are. */
const [id, entryName, reason, params, result, timeZoneData, textsEach] = [0, 1, 2, 3, 4, 5, 6] as const;

const firstCapacity = 1_024;
const codes = Object.fromEntries(occurrenceStates.map((name, code) => [name, code])) as Readonly<
  Record<OccurrenceState, number>
>;

export class MemoryRows {
  readonly #storeId: string;
  #numbers = new Float64Array(firstCapacity * numbersEach);
  readonly #texts: (string | null)[] = [];
  readonly #free: RowNumber[] = [];
  #end: RowNumber = 0;

  /** `storeId`: what ids are derived from. */
  constructor(storeId: string) {
    this.#storeId = storeId;
  }

  /** A fire time that has just been claimed. Its id is derived when somebody asks for it. */
  add(entry: Entry, due: Claim["due"][number], isManual: boolean, now: Instant, version: string | null): RowNumber {
    const row = this.#free.pop() ?? this.#end++;
    const at = row * numbersEach;
    if (at === this.#numbers.length) this.#grow();
    const numbers = this.#numbers;
    numbers[at + entryId] = entry.id;
    numbers[at + fireAt] = due.fireAt;
    numbers[at + untilFireAt] = due.fireAt;
    numbers[at + count] = 1;
    numbers[at + manual] = isManual ? 1 : 0;
    numbers[at + dueAt] = due.dueAt;
    numbers[at + state] = codes.claimed;
    numbers[at + attempts] = 0;
    numbers[at + missedCount] = due.missedCount ?? 0;
    numbers[at + claimedAt] = now;
    numbers[at + startedAt] = Number.NaN;
    numbers[at + settledAt] = Number.NaN;
    const texts = this.#texts;
    const textsAt = row * textsEach;
    texts[textsAt + id] = null;
    texts[textsAt + entryName] = entry.name;
    texts[textsAt + reason] = null;
    texts[textsAt + params] = null;
    texts[textsAt + result] = null;
    texts[textsAt + timeZoneData] = version;
    return row;
  }

  update(row: RowNumber, changes: RowChanges): void {
    const numbers = this.#numbers;
    const at = row * numbersEach;
    if (changes.state !== undefined) numbers[at + state] = codes[changes.state];
    if (changes.untilFireAt !== undefined) numbers[at + untilFireAt] = changes.untilFireAt;
    if (changes.count !== undefined) numbers[at + count] = changes.count;
    if (changes.attempts !== undefined) numbers[at + attempts] = changes.attempts;
    if (changes.dueAt !== undefined) numbers[at + dueAt] = changes.dueAt;
    if (changes.startedAt !== undefined) numbers[at + startedAt] = changes.startedAt ?? Number.NaN;
    if (changes.settledAt !== undefined) numbers[at + settledAt] = changes.settledAt ?? Number.NaN;
    const texts = this.#texts;
    const textsAt = row * textsEach;
    if (changes.id !== undefined) texts[textsAt + id] = changes.id;
    if (changes.reason !== undefined) texts[textsAt + reason] = changes.reason;
    if (changes.params !== undefined) texts[textsAt + params] = changes.params;
    if (changes.result !== undefined) texts[textsAt + result] = changes.result;
  }

  /** What became of it. */
  settle(row: RowNumber, settlement: Settlement): void {
    const numbers = this.#numbers;
    const at = row * numbersEach;
    const textsAt = row * textsEach;
    const isOver = settlement.state !== "claimed" && settlement.state !== "running";
    numbers[at + state] = codes[settlement.state];
    numbers[at + attempts] = settlement.attempts;
    if (settlement.state === "running") numbers[at + startedAt] = settlement.at;
    numbers[at + settledAt] = isOver ? settlement.at : Number.NaN;
    this.#texts[textsAt + reason] = settlement.reason;
    if (isOver) this.#texts[textsAt + result] = settlement.result ?? null;
  }

  /** Its number may be another row's from now on. */
  drop(row: RowNumber): void {
    this.#texts.fill(null, row * textsEach, (row + 1) * textsEach);
    this.#free.push(row);
  }

  /** A copy. */
  read(row: RowNumber): Occurrence {
    const number = (column: number): number => this.#numbers[row * numbersEach + column]!;
    const instant = (column: number): Instant | null => (Number.isNaN(number(column)) ? null : number(column));
    const text = (column: number): string | null => this.#texts[row * textsEach + column]!;
    return {
      id: text(id) ?? occurrenceId(this.#storeId, number(entryId), number(fireAt)),
      entryId: number(entryId),
      entryName: text(entryName)!,
      fireAt: number(fireAt),
      untilFireAt: number(untilFireAt),
      count: number(count),
      manual: this.isManual(row),
      dueAt: number(dueAt),
      state: this.stateOf(row),
      reason: text(reason),
      attempts: number(attempts),
      missedCount: number(missedCount),
      params: text(params),
      result: text(result),
      claimedAt: number(claimedAt),
      startedAt: instant(startedAt),
      settledAt: instant(settledAt),
      timeZoneData: text(timeZoneData),
    };
  }

  /** What it is ordered by, so that no more of them are read than are wanted. */
  keyOf(row: RowNumber): OrderedBy & { readonly row: RowNumber } {
    const [entryId, fireAt, dueAt] = [this.entryIdOf(row), this.fireAtOf(row), this.dueAtOf(row)];
    return { row, entryId, fireAt, dueAt, manual: this.isManual(row) };
  }

  entryIdOf(row: RowNumber): number {
    return this.#numbers[row * numbersEach + entryId]!;
  }

  fireAtOf(row: RowNumber): Instant {
    return this.#numbers[row * numbersEach + fireAt]!;
  }

  dueAtOf(row: RowNumber): Instant {
    return this.#numbers[row * numbersEach + dueAt]!;
  }

  attemptsOf(row: RowNumber): number {
    return this.#numbers[row * numbersEach + attempts]!;
  }

  reasonOf(row: RowNumber): string | null {
    return this.#texts[row * textsEach + reason]!;
  }

  isManual(row: RowNumber): boolean {
    return this.#numbers[row * numbersEach + manual] === 1;
  }

  stateOf(row: RowNumber): OccurrenceState {
    return occurrenceStates[this.#numbers[row * numbersEach + state]!]!;
  }

  isSettled(row: RowNumber): boolean {
    return !Number.isNaN(this.settledAtOf(row));
  }

  /** NaN: it is not. */
  settledAtOf(row: RowNumber): Instant {
    return this.#numbers[row * numbersEach + settledAt]!;
  }

  /** Whether it was to be sent or run: fire times that passed never got an id. */
  hasId(row: RowNumber): boolean {
    return this.#texts[row * textsEach + id] !== "";
  }

  #grow(): void {
    const longer = new Float64Array(2 * this.#numbers.length);
    longer.set(this.#numbers);
    this.#numbers = longer;
  }
}
