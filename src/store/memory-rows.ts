// Rows of occurrences in two arrays, of numbers and of texts. There may be many thousands a second, each kept for long: as objects they
// would cost the garbage collector more time than all that is done with them. A row goes by its number, which is given to another
// row after it was dropped; whoever asks for a row gets a copy.

import { type Occurrence, type OccurrenceState, occurrenceStates } from "../core/occurrence.ts";
import { occurrenceId } from "../core/occurrence-id.ts";
import type { Instant } from "../core/time.ts";

/** Of a row, while it is there. */
export type RowNumber = number;

/** `id` null: it is derived when somebody asks for it. */
export type NewRow = Omit<Occurrence, "id"> & { readonly id: string | null };

/** What of a row may change. */
export type RowChanges = Partial<
  Pick<Occurrence, "state" | "reason" | "attempts" | "result" | "dueAt" | "startedAt" | "settledAt">
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

  add(given: NewRow): RowNumber {
    const row = this.#free.pop() ?? this.#end++;
    const at = row * numbersEach;
    if (at === this.#numbers.length) this.#grow();
    const numbers = this.#numbers;
    numbers[at + entryId] = given.entryId;
    numbers[at + fireAt] = given.fireAt;
    numbers[at + untilFireAt] = given.untilFireAt;
    numbers[at + count] = given.count;
    numbers[at + manual] = given.manual ? 1 : 0;
    numbers[at + missedCount] = given.missedCount;
    numbers[at + claimedAt] = given.claimedAt;
    const texts = this.#texts;
    const textsAt = row * textsEach;
    texts[textsAt + id] = given.id;
    texts[textsAt + entryName] = given.entryName;
    texts[textsAt + params] = given.params;
    texts[textsAt + timeZoneData] = given.timeZoneData;
    this.update(row, given);
    return row;
  }

  update(row: RowNumber, changes: RowChanges): void {
    const numbers = this.#numbers;
    const at = row * numbersEach;
    if (changes.state !== undefined) numbers[at + state] = codes[changes.state];
    if (changes.attempts !== undefined) numbers[at + attempts] = changes.attempts;
    if (changes.dueAt !== undefined) numbers[at + dueAt] = changes.dueAt;
    if (changes.startedAt !== undefined) numbers[at + startedAt] = changes.startedAt ?? Number.NaN;
    if (changes.settledAt !== undefined) numbers[at + settledAt] = changes.settledAt ?? Number.NaN;
    if (changes.reason !== undefined) this.#texts[row * textsEach + reason] = changes.reason;
    if (changes.result !== undefined) this.#texts[row * textsEach + result] = changes.result;
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

  entryIdOf(row: RowNumber): number {
    return this.#numbers[row * numbersEach + entryId]!;
  }

  fireAtOf(row: RowNumber): Instant {
    return this.#numbers[row * numbersEach + fireAt]!;
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
