// Exit codes are a contract: docs/cli.md lists them.

import { BeatError } from "../core/errors.ts";

const codes: Readonly<Record<string, number>> = {
  usage: 2,
  definition_invalid: 2,
  store_unusable: 3,
  store_unavailable: 3,
  broker_refused: 4,
  entry_not_found: 5,
};

/** `start` was stopped in time, and something that was due is left in the outbox. */
export const leftInOutbox = 6;

/** 0 done · 1 anything unforeseen · 2 wrong usage or definition · 3 the database can't be used · 4 the broker can't · 5 no such entry. */
export function exitCodeOf(error: unknown): number {
  return error instanceof BeatError ? (codes[error.code] ?? 1) : 1;
}
