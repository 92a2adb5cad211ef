// A column of whole numbers can hold what is no time. Beat writes no such thing; somebody who writes into the database by hand
// may, and then it concerns that row alone.

import type { Database } from "better-sqlite3";
import type { Instant } from "../core/time.ts";

/** The last and the first millisecond that a Date can name. */
export const lastInstant: Instant = 8_640_000_000_000_000;
export const firstInstant: Instant = -lastInstant;

export function isInstant(value: number): boolean {
  return value >= firstInstant && value <= lastInstant;
}

/** SQL: whether the column holds what is no time. */
export function untimed(column: string): string {
  return `${column} NOT BETWEEN ${firstInstant} AND ${lastInstant}`;
}

/** SQL: the column's time; NULL where it is none. */
export function readable(column: string): string {
  return `CASE WHEN ${column} BETWEEN ${firstInstant} AND ${lastInstant} THEN ${column} END`;
}

const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Undefined where it is missing or none. */
export function storeIdIn(database: Database): string | undefined {
  const id = database.prepare<[], string>("SELECT store_id FROM meta").pluck().get();
  return id !== undefined && uuid.test(id) ? id : undefined;
}
