// Fire times that other schedulers gave for their own schedules, one JSON object a line.

import { readFileSync } from "node:fs";

export interface Row {
  readonly id: string;
  readonly kind: string;
  /** Rows of kind `invalid`: the kind that must refuse it. */
  readonly for?: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly timezone?: string;
  readonly after: string;
  readonly next: readonly string[];
  /** Beat's own answer, where its rule for changes of the clocks gives another one. */
  readonly beat?: readonly string[];
  /** Nothing fires after the last of `next`. */
  readonly exhausted?: boolean;
  readonly error?: string;
  readonly tags?: readonly string[];
}

export function rowsOf(file: string): Row[] {
  const text = readFileSync(new URL(`${file}.jsonl`, import.meta.url), "utf8");
  return text.trim().split("\n").map((line) => JSON.parse(line) as Row);
}
