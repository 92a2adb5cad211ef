// What there is of each entry, found by its id. Stores count ids up from 1, so that an array finds them where a Map has to hash; where
// few of them are left, far apart, the engine makes a dictionary of it by itself.

export class ById<Value> {
  readonly #values: (Value | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Value | undefined {
    return this.#values[id];
  }

  has(id: number): boolean {
    return this.#values[id] !== undefined;
  }

  set(id: number, value: Value & {}): void {
    if (this.#values[id] === undefined) this.#size++;
    this.#values[id] = value;
  }

  /** Nothing happens where there is nothing. */
  delete(id: number): void {
    if (this.#values[id] === undefined) return;
    this.#size--;
    delete this.#values[id];
  }

  /** In no order. */
  values(): Value[] {
    return Object.values(this.#values) as Value[];
  }

  /** In no order. */
  entries(): [id: number, value: Value][] {
    return Object.entries(this.#values).map(([id, value]) => [Number(id), value!]);
  }
}
