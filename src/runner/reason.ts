// What the ledger is told about a run that failed: text of a bounded length, its secrets masked, whatever was thrown or
// printed.

import { reasonOf } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";

const maxReasonBytes = 2_048;

/** The text of anything thrown, at most 2 KiB of it. Never throws itself: a thrown value may have no text. */
export function failureReason(error: unknown): string {
  try {
    return keepStart(maskUrl(reasonOf(error)), maxReasonBytes) || "it failed without saying why";
  } catch {
    return "it threw a value that has no text";
  }
}

/** A summary and the end of what was printed, together at most 2 KiB: the last lines usually hold the cause. */
export function reasonWithOutput(summary: string, output: string): string {
  const end = maskUrl(output.trim());
  if (end === "") return keepStart(summary, maxReasonBytes);
  const roomBytes = maxReasonBytes - Buffer.byteLength(summary) - 2;
  return keepStart(`${summary}: ${keepEnd(end, roomBytes)}`, maxReasonBytes);
}

/** The first `bytes` bytes at most, whole characters only, with a mark where something was cut. */
function keepStart(text: string, bytes: number): string {
  const whole = Buffer.from(text);
  if (whole.length <= bytes) return text;
  let end = bytes - 3;
  while ((whole[end]! & 0xc0) === 0x80) end -= 1;
  return `${whole.toString("utf8", 0, end)}…`;
}

/** The last `bytes` bytes at most, whole characters only, with a mark where something was cut. */
function keepEnd(text: string, bytes: number): string {
  const whole = Buffer.from(text);
  if (whole.length <= bytes) return text;
  let start = whole.length - bytes + 3;
  while ((whole[start]! & 0xc0) === 0x80) start += 1;
  return `…${whole.toString("utf8", start)}`;
}
