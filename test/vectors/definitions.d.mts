import type { Row } from "./rows.ts";
import type { Schedule } from "../../src/core/triggers/schedule.ts";

/** The schedule that a user would write for a row, or undefined where Beat has nothing to match. */
export function schedule(row: Row): Schedule | undefined;
/** Fire times, ISO 8601 in UTC. */
export function expected(row: Row): readonly string[];
export function toleranceSeconds(row: Row): number;
