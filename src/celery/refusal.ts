import { BeatError } from "../core/errors.ts";

/** Why something is not sent. `field` says where it stands in the entry: `options.priority`. */
export function refusal(message: string, field?: string, remedy?: string): BeatError {
  return new BeatError(message, { ...(remedy && { remedy }), ...(field && { place: { field } }) });
}
