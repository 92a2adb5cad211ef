// Searching a sorted list.

/** The index of the first number of at least `bound`; the length of the list where there is none. */
export function firstAtOrAbove(ascending: readonly number[], bound: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! >= bound) high = middle;
    else low = middle + 1;
  }
  return low;
}
