// The orders in which every store gives its rows: the same ones whether an index or a sort makes them.

import type { Occurrence } from "../core/occurrence.ts";
import type { DueEntry } from "../core/ports.ts";

export function byDueTime(a: DueEntry, b: DueEntry): number {
  return a.nextFireAt - b.nextFireAt || a.id - b.id;
}

/** What occurrences are ordered by. */
export type OrderedBy = Pick<Occurrence, "dueAt" | "entryId" | "fireAt" | "manual">;

export function byOutboxOrder(a: OrderedBy, b: OrderedBy): number {
  return a.dueAt - b.dueAt || a.entryId - b.entryId || a.fireAt - b.fireAt || Number(a.manual) - Number(b.manual);
}

export function byFireTime(a: OrderedBy, b: OrderedBy): number {
  return a.fireAt - b.fireAt || a.entryId - b.entryId || Number(a.manual) - Number(b.manual);
}

/** By code points, as databases order text; `<` goes by UTF-16 units, which puts U+10000 before U+E000. Null first. */
export function compareText(a: string | null, b: string | null): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  let index = 0;
  while (index < a.length && a[index] === b[index]) index++;
  return rankAt(a, index) - rankAt(b, index);
}

function rankAt(text: string, index: number): number {
  if (index >= text.length) return -1;
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
