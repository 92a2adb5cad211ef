// `every`: elapsed time, counted from an anchor. It does not drift and knows no zone; catching up is arithmetic.

import { z } from "zod";
import { BeatError, DefinitionError, nearest } from "../errors.ts";
import { isMap } from "../json-value.ts";
import { dayMs, hourMs, type Instant, minuteMs, parseDuration, secondMs } from "../time.ts";
import type { CompileContext } from "./context.ts";
import { inQuotes } from "./date-time.ts";

export interface Interval {
  readonly kind: "interval";
  readonly everyMs: number;
  /** Fire times are `firstAt` and every `everyMs` from there. */
  readonly firstAt: Instant;
  /** Counts elapsed time from an anchor that nobody named: it may be moved when the wall clock was put back. */
  readonly anchored: boolean;
}

export const minIntervalMs = 100;

const unitMs = { weeks: 7 * dayMs, days: dayMs, hours: hourMs, minutes: minuteMs, seconds: secondMs } as const;
const unitNames = Object.keys(unitMs) as (keyof typeof unitMs)[];
const amount = z.number().min(0).optional();

export const intervalSchema = z.union([
  z.string(),
  z.number(),
  z.strictObject({ weeks: amount, days: amount, hours: amount, minutes: amount, seconds: amount }),
]);

const remedy =
  "Write a number of seconds, a text like 30s, 1h30m or PT1H30M, or a map of weeks, days, hours, minutes, seconds.";

/** With `start_at` the first fire time is `start_at`; without, one interval after the anchor. */
export function compileInterval(value: unknown, { startAt, anchorAt }: CompileContext): Interval {
  const everyMs = durationMs(value);
  if (everyMs < minIntervalMs) {
    throw new DefinitionError(`${inQuotes(value)} is too short an interval`, {
      remedy: `An interval is at least ${minIntervalMs} ms.`,
      place: { field: "every" },
    });
  }
  return { kind: "interval", everyMs, firstAt: startAt ?? anchorAt + everyMs, anchored: startAt === null };
}

function durationMs(value: unknown): number {
  try {
    if (typeof value === "string" || typeof value === "number") return parseDuration(value);
    if (isMap(value)) return parseDuration(mapSeconds(value));
  } catch (error) {
    if (error instanceof DefinitionError || !(error instanceof BeatError)) throw error;
    throw new DefinitionError(error.message, { remedy, place: { field: "every" }, cause: error });
  }
  throw new DefinitionError(`${inQuotes(value)} is not a duration`, { remedy, place: { field: "every" } });
}

function mapSeconds(map: object): number {
  let ms = 0;
  for (const [unit, amount] of Object.entries(map)) {
    if (amount === undefined) continue;
    const place = { field: `every.${unit}` };
    if (!Object.hasOwn(unitMs, unit)) {
      const guess = nearest(unit, unitNames);
      throw new DefinitionError(`unknown unit ${inQuotes(unit)}`, {
        remedy: guess ? `Did you mean "${guess}"?` : `Units: ${unitNames.join(", ")}.`,
        place,
      });
    }
    if (typeof amount !== "number" || !Number.isFinite(amount) || amount < 0) {
      throw new DefinitionError(`${inQuotes(amount)} is not a number of ${unit}`, {
        remedy: "Write a number, 0 or more.",
        place,
      });
    }
    ms += amount * unitMs[unit as keyof typeof unitMs];
  }
  return ms / secondMs;
}

export function nextInterval({ everyMs, firstAt }: Interval, after: Instant): Instant | null {
  const next = after < firstAt ? firstAt : firstAt + (Math.floor((after - firstAt) / everyMs) + 1) * everyMs;
  return next <= maxInstant ? next : null;
}

export function previousInterval({ everyMs, firstAt }: Interval, before: Instant): Instant | null {
  return before <= firstAt ? null : firstAt + (Math.ceil((before - firstAt) / everyMs) - 1) * everyMs;
}

/** How many fire times lie in [from, until]. */
export function countInterval({ everyMs, firstAt }: Interval, from: Instant, until: Instant): number {
  if (until < firstAt || until < from) return 0;
  const before = from <= firstAt ? 0 : Math.ceil((from - firstAt) / everyMs);
  return Math.floor((until - firstAt) / everyMs) + 1 - before;
}

/** The fire times that two intervals have in common (the Chinese remainder theorem); undefined: none that an instant can hold. */
export function commonInterval(left: Interval, right: Interval): Interval | undefined {
  const [a, b] = [BigInt(left.everyMs), BigInt(right.everyMs)];
  const gap = BigInt(right.firstAt) - BigInt(left.firstAt);
  const { divisor, inverse } = euclid(a, b);
  if (gap % divisor !== 0n) return undefined;
  const every = (a / divisor) * b;
  const steps = modulo((gap / divisor) * inverse, b / divisor);
  const any = BigInt(left.firstAt) + steps * a;
  const latestStart = BigInt(Math.max(left.firstAt, right.firstAt));
  const first = latestStart + modulo(any - latestStart, every);
  if (first > maxInstant) return undefined;
  const everyMs = every > maxInstant ? Number(maxInstant) : Number(every);
  return { kind: "interval", everyMs, firstAt: Number(first), anchored: left.anchored && right.anchored };
}

/** Nothing fires after the year 9999. */
const maxInstant = BigInt(Date.UTC(9999, 11, 31, 23, 59, 59, 999));

export const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

const modulo = (value: bigint, by: bigint): bigint => ((value % by) + by) % by;

/** The greatest common divisor of a and b, and a factor of a that makes it, modulo b. */
function euclid(a: bigint, b: bigint): { divisor: bigint; inverse: bigint } {
  let [divisor, rest, inverse, nextInverse] = [a, b, 1n, 0n];
  while (rest !== 0n) {
    const quotient = divisor / rest;
    [divisor, rest] = [rest, divisor - quotient * rest];
    [inverse, nextInverse] = [nextInverse, inverse - quotient * nextInverse];
  }
  return { divisor, inverse };
}
