// A map that a user wrote within a trigger: all its keys are known.

import { DefinitionError, nearest } from "../errors.ts";
import { isMap } from "../json-value.ts";
import { inQuotes } from "./date-time.ts";

/** `field`: where it stands, unless its reader knows; `what` it should be, and how to write it. */
export function checkedMap<Key extends string>(
  value: unknown,
  keys: readonly Key[],
  field: string | undefined,
  { what = "a map", remedy }: { readonly what?: string; readonly remedy: string },
): Readonly<Partial<Record<Key, unknown>>> {
  if (!isMap(value)) {
    throw new DefinitionError(`${inQuotes(value)} is not ${what}`, { remedy, ...(field && { place: { field } }) });
  }
  const unknown = Object.keys(value).find((key) => !(keys as readonly string[]).includes(key));
  if (unknown === undefined) return value as Partial<Record<Key, unknown>>;
  const guess = nearest(unknown, keys);
  throw new DefinitionError(`unknown key ${inQuotes(unknown)}`, {
    remedy: guess ? `Did you mean "${guess}"?` : `Keys: ${keys.join(", ")}.`,
    place: { field: field === undefined ? unknown : `${field}.${unknown}` },
  });
}
