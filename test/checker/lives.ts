// A name that was given again after a removal is another entry's, with ids and a schedule of its own: each is judged for itself.

import type { Case } from "./accounts.ts";

export type Life = Pick<Case, "history" | "deliveries" | "rows" | "triggers" | "retries">;

/** One for each entry that had the name; one for all where nobody says which of them is which. */
export function livesOf(all: Life): Life[] {
  const { entry, changes } = all.history;
  const begins = changes.flatMap(({ definition, entryId }, index) => {
    const isNew = definition !== null && (index === 0 || changes[index - 1]!.definition === null);
    return isNew ? [{ index, entryId, at: changes[index]!.invokedAt }] : [];
  });
  if (begins.length < 2 || begins.some(({ entryId }) => entryId === undefined)) return [all];
  const entryIds = new Map(all.rows.map(({ id, entryId }) => [id, entryId]));
  /** What the ledger does not know belongs to the entry that was there then. */
  const placeOf = (entryId: number | undefined, at: number) => {
    const place = begins.findIndex((begin) => begin.entryId === entryId);
    return place >= 0
      ? place
      : Math.max(
          0,
          begins.findLastIndex((begin) => begin.at <= at),
        );
  };
  return begins.map(({ index, at }, place) => ({
    history: { entry, changes: changes.slice(index, begins[place + 1]?.index) },
    deliveries: all.deliveries.filter((one) => placeOf(entryIds.get(one.id), one.at) === place),
    rows: all.rows.filter((row) => placeOf(row.entryId, at) === place),
    triggers: all.triggers.filter((one) => placeOf(entryIds.get(one.id), one.invokedAt) === place),
    retries: all.retries.filter((one) => placeOf(undefined, one.invokedAt) === place),
  }));
}
