// What a run gave back, as the ledger keeps it: JSON of a bounded length, or a note that says why there is none.

import { sizeOf, unfitForJson } from "../core/json-value.ts";

const maxBytes = 65_536;

export interface Kept {
  /** Null: nothing was given back, or nothing that can be kept. */
  readonly json: string | null;
  /** Why it is not kept; null: it is, or there was nothing. */
  readonly note: string | null;
}

const nothing: Kept = { json: null, note: null };

/** Never throws, whatever the value. */
export function keptResult(value: unknown): Kept {
  if (value === undefined) return nothing;
  try {
    if (sizeOf(value) === undefined) return refused("it takes more than 1 MiB, or nests deeper than 64 levels");
    for (const { path, what } of unfitForJson(value)) {
      // A key without a value is as good as none.
      if (what === "undefined" && typeof path.at(-1) === "string") continue;
      return refused(`${path.length === 0 ? "" : `${path.join(".")}: `}${what} can't be written as JSON`);
    }
    const json = JSON.stringify(value);
    const bytes = Buffer.byteLength(json);
    return bytes <= maxBytes ? { json, note: null } : refused(`it takes ${bytes} bytes, and ${maxBytes} are the most`);
  } catch {
    return refused("it can't be read");
  }
}

function refused(why: string): Kept {
  return { json: null, note: `its result is not kept: ${why}` };
}
