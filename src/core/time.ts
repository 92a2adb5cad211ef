// Instants are epoch milliseconds, whole numbers. Durations are written as people write them and held in milliseconds.

import { z } from "zod";
import { BeatError } from "./errors.ts";

/** Epoch milliseconds, UTC. */
export type Instant = number;

export const secondMs = 1_000;
export const minuteMs = 60_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** Durations reach at most 1,000 years, so that adding one to an instant stays exact. */
const maxDurationMs = 1_000 * 366 * dayMs;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: secondMs, m: minuteMs, h: hourMs, d: dayMs, w: 7 * dayMs };
const compact = /^(?:\d{1,15}(?:\.\d{1,9})?(?:ms|[smhdw]))+$/;
const compactPart = /(\d{1,15}(?:\.\d{1,9})?)(ms|[smhdw])/g;
const iso =
  /^P(?:(\d{1,9}(?:\.\d{1,9})?)W)?(?:(\d{1,9}(?:\.\d{1,9})?)D)?(?:T(?:(\d{1,9}(?:\.\d{1,9})?)H)?(?:(\d{1,9}(?:\.\d{1,9})?)M)?(?:(\d{1,15}(?:\.\d{1,9})?)S)?)?$/;
const durationRemedy = "Write a number of seconds, or a text like 30s, 1h30m, 500ms, 2d or PT1H30M.";

/**
 * Milliseconds of `30s`, `1h30m`, `500ms`, `2d`, ISO 8601 `PT1H30M`, or a number of seconds. Whole, rounded to the
 * millisecond. Throws BeatError for anything else, for a negative one and for more than 1,000 years.
 */
export function parseDuration(value: string | number): number {
  const ms = typeof value === "number" ? value * secondMs : textMs(value.trim());
  if (!Number.isFinite(ms) || ms < 0 || ms > maxDurationMs) {
    throw new BeatError(`${JSON.stringify(value)?.slice(0, 80)} is not a duration`, { remedy: durationRemedy });
  }
  return Math.round(ms);
}

function textMs(text: string): number {
  if (text.length > 64) return Number.NaN;
  if (compact.test(text)) {
    let ms = 0;
    for (const [, amount, unit] of text.matchAll(compactPart)) ms += Number(amount) * unitMs[unit!]!;
    return ms;
  }
  const match = iso.exec(text);
  if (match === null || text.endsWith("P") || text.endsWith("T")) return Number.NaN;
  const [weeks, days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return weeks! * 7 * dayMs + days! * dayMs + hours! * hourMs + minutes! * minuteMs + seconds! * secondMs;
}

/** `1h30m`, `2d`, `500ms`, `0s`: what parseDuration reads back exactly. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  let rest = Math.abs(ms);
  let text = ms < 0 ? "-" : "";
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const amount = Math.floor(rest / unitMs[unit]!);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * unitMs[unit]!;
  }
  return text;
}

/** A duration as a user writes it. Not converted here: what was written is what is stored and shown. */
export const durationSchema = z.union([z.string(), z.number()]).superRefine((value, context) => {
  try {
    parseDuration(value);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as BeatError).describe() });
  }
});
