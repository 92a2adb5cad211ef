// What commands print: tables for people, JSON for programs.

import { DateTime } from "luxon";
import type { Definition } from "../core/definition.ts";
import { describe } from "../core/describe.ts";
import { type Entry, firesAtStart, statusOf } from "../core/entry.ts";
import { DefinitionError } from "../core/errors.ts";
import { hostOf } from "../core/http-target.ts";
import { maskAll, maskUrl } from "../core/mask.ts";
import type { Occurrence } from "../core/occurrence.ts";
import { type Member, type Target, targetOf } from "../core/target.ts";
import { dayMs, formatDuration, hourMs, type Instant, minuteMs, secondMs } from "../core/time.ts";
import { triggerKeys } from "../core/triggers/schedule.ts";
import type { ListedEntry } from "../scheduler.ts";

/** Secrets in URLs are masked in all that is printed. */
export function print(text: string): void {
  process.stdout.write(`${maskUrl(text)}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(maskAll(value), null, 2)}\n`);
}

/** Columns aligned, a heading over them. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd();
  return [line(heading), ...rows.map(line)].join("\n");
}

/** `2027-01-01 09:00:00 +01:00`; milliseconds only where there are any. */
export function localTime(at: Instant, zone: string): string {
  const time = DateTime.fromMillis(at, { zone });
  return time.toFormat(at % 1_000 === 0 ? "yyyy-MM-dd HH:mm:ss ZZ" : "yyyy-MM-dd HH:mm:ss.SSS ZZ");
}

export function utc(at: Instant): string {
  return new Date(at).toISOString().replace(".000Z", "Z");
}

/** `957ms`, `3s`, `2h5m`, `9d`; `0s` since a time that the clock, put back, has still to come to. */
export function roughly(elapsedMs: number): string {
  const durationMs = Math.max(0, elapsedMs);
  const unitMs = durationMs < secondMs ? 1 : durationMs < hourMs ? secondMs : durationMs < 7 * dayMs ? minuteMs : dayMs;
  return formatDuration(Math.round(durationMs / unitMs) * unitMs);
}

/** `in 2h5m`, `3s ago`. */
export function relative(at: Instant, now: Instant): string {
  const text = roughly(Math.abs(at - now));
  return at >= now ? `in ${text}` : `${text} ago`;
}

/** `1 entry`, `2 entries`. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** `every 30s`, `cron 0 9 * * 1-5`. */
function triggerText(definition: Definition): string {
  const key = triggerKeys.find((name) => definition[name] !== undefined);
  const value = key === undefined ? "" : definition[key];
  const text = typeof value === "string" || typeof value === "number" ? String(value) : JSON.stringify(value);
  return `${key ?? "?"} ${text}${key === "every" && typeof value === "number" ? "s" : ""}`;
}

/** When an entry fires, in words; null for one whose stored definition has lost its meaning (a zone that is no more). */
export function whenText({ name, definition }: Pick<Entry, "name" | "definition">): string | null {
  try {
    return describe(definition, { name });
  } catch (error) {
    if (error instanceof DefinitionError) return null;
    throw error;
  }
}

function targetText(definition: Definition): string {
  const target = targetIfValid(definition);
  if (target === undefined) return "?";
  if (target.kind === "job") return `job ${target.job}`;
  if (target.kind === "http")
    return `${target.method} ${typeof target.url === "string" ? target.url : hostOf(target.url)}`;
  if (target.kind === "run") return `run ${[target.command].flat().join(" ")}`;
  const { task, canvas } = target;
  if (canvas === undefined) return `task ${task}`;
  if ("chain" in canvas) return `chain ${chainText([{ task }, ...canvas.chain])}`;
  if ("group" in canvas) return `group ${canvas.group.map(memberText).join(", ")}`;
  return `chord ${canvas.chord.header.map(memberText).join(", ")} → ${memberText(canvas.chord.body)}`;
}

function targetIfValid(definition: Definition): Target | undefined {
  try {
    return targetOf(definition);
  } catch (error) {
    if (error instanceof DefinitionError) return undefined;
    throw error;
  }
}

const chainText = (tasks: readonly { readonly task: string }[]) => tasks.map(({ task }) => task).join(" → ");
const memberText = (member: Member) => ("chain" in member ? `(${chainText(member.chain)})` : member.task);

export function zoneOf(entry: Entry): string {
  return entry.definition.timezone ?? "UTC";
}

/** An entry as programs read it: times as ISO 8601. */
export function entryJson(entry: Entry & Partial<Parked>): Record<string, unknown> {
  const iso = (at: Instant | null) => (at === null ? null : new Date(at).toISOString());
  return {
    name: entry.name,
    status: statusOf(entry),
    origin: entry.origin,
    when: whenText(entry),
    definition: entry.definition,
    next_fire_time: iso(entry.nextFireAt),
    last_fire_time: iso(entry.lastFireAt),
    run_count: entry.runCount,
    created_at: iso(entry.createdAt),
    paused_at: iso(entry.pausedAt),
    pause_note: entry.pauseNote,
    quarantine: entry.quarantine,
    parked: entry.parked ?? null,
  };
}

export function occurrenceJson(occurrence: Occurrence): Record<string, unknown> {
  const iso = (at: Instant | null) => (at === null ? null : new Date(at).toISOString());
  const { fireAt, untilFireAt, dueAt, claimedAt, startedAt, settledAt } = occurrence;
  return {
    entry: occurrence.entryName,
    id: occurrence.id,
    state: occurrence.state,
    reason: occurrence.reason,
    result: occurrence.result === null ? null : valueIn(occurrence.result),
    fire_time: iso(fireAt),
    ...(occurrence.count > 1 && { until_fire_time: iso(untilFireAt), count: occurrence.count }),
    manual: occurrence.manual,
    due_at: iso(dueAt),
    claimed_at: iso(claimedAt),
    started_at: iso(startedAt),
    settled_at: iso(settledAt),
    lateness_ms: settledAt === null ? null : (startedAt ?? settledAt) - dueAt,
    attempts: occurrence.attempts,
    missed_count: occurrence.missedCount,
    params: occurrence.params === null ? null : valueIn(occurrence.params),
    time_zone_data: occurrence.timeZoneData,
  };
}

/** JSON of the ledger; what is none is shown as it is. */
export function valueIn(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

type Parked = Pick<ListedEntry, "parked">;

function nextRun(entry: Entry & Partial<Parked>): string {
  const status = statusOf(entry);
  if (status === "finished" && firesAtStart(entry.definition)) return "at each start";
  if (status === "active" && (entry.parked ?? null) !== null) return "parked";
  return status === "active" ? localTime(entry.nextFireAt!, zoneOf(entry)) : status;
}

/** The entries that fire next, as `beat start` and `beat list` show them. */
export function entriesTable(entries: readonly (Entry & Partial<Parked>)[], now: Instant): string {
  const rows = entries.map((entry) => [
    entry.name,
    nextRun(entry),
    entry.nextFireAt === null || statusOf(entry) !== "active" ? "" : relative(entry.nextFireAt, now),
    triggerText(entry.definition),
    targetText(entry.definition),
    zoneOf(entry),
  ]);
  return table(["NAME", "NEXT RUN", "", "SCHEDULE", "TARGET", "ZONE"], rows);
}
