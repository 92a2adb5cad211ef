// What a job is given goes into the store as JSON, and comes out of it the same or is refused here.

import { DefinitionError, type Place } from "./errors.ts";
import { sizeOf, unfitForJson } from "./json-value.ts";

/** A copy as JSON gives it back; a key without a value is as good as none. Throws DefinitionError that names the place. */
export function checkedParams(params: unknown, place: Place): unknown {
  if (params === undefined) return undefined;
  if (sizeOf(params) === undefined)
    throw new DefinitionError("takes more than 1 MiB, or nests deeper than 64 levels", {
      remedy: "Keep large data elsewhere, and give a reference to it.",
      place: { ...place, field: "params" },
    });
  for (const { path, what } of unfitForJson(params, ["params"])) {
    if (what === "undefined" && typeof path.at(-1) === "string") continue;
    throw new DefinitionError(`${what} can't be written as JSON`, {
      remedy: "Give texts, numbers, true, false, null, lists and maps.",
      place: { ...place, field: path.join(".") },
    });
  }
  return JSON.parse(JSON.stringify(params));
}
