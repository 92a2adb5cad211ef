// What a rule that joins several keys of a definition says when it is broken.

import { unfitForJson, type ValuePath } from "./json-value.ts";

export interface Broken {
  readonly message: string;
  readonly remedy: string;
  readonly path?: ValuePath;
}

export function* unwritable(value: unknown, at: ValuePath): Generator<Broken> {
  for (const { path, what } of unfitForJson(value, at)) {
    yield {
      message: `${what} can't be written as JSON`,
      remedy: "Give texts, numbers, true, false, null, lists and maps.",
      path,
    };
  }
}
