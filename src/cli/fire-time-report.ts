// Fire times as `beat next` shows them: to people, to programs, and to calendars.

import { createHash } from "node:crypto";
import { listed, someOf } from "../core/describe-pattern.ts";
import type { Instant } from "../core/time.ts";
import { type ClockMark, clockMark } from "../core/triggers/clock-change.ts";
import type { Trigger } from "../core/triggers/trigger.ts";
import type { WallTime } from "../core/zone.ts";
import { localTime, relative, table, utc } from "./output.ts";

export interface FireTimeReport {
  /** The entry's name, or nothing. */
  readonly name: string | undefined;
  /** When it fires, in words. */
  readonly when: string;
  readonly trigger: Trigger;
  readonly times: readonly Instant[];
  /** The zone that local times are shown in. */
  readonly zone: string;
  readonly now: Instant;
}

export function fireTimesTable({ when, trigger, times, zone, now }: FireTimeReport): string {
  const rows = times.map((at) => [
    localTime(at, zone),
    utc(at),
    relative(at, now),
    noteOf(clockMark(trigger, at), at, zone),
  ]);
  return `${when}\n\n${table([`LOCAL (${zone})`, "UTC", "", ""], rows)}`;
}

export function fireTimesJson({ trigger, times, zone, now }: FireTimeReport): Record<string, unknown>[] {
  return times.map((at) => {
    const mark = clockMark(trigger, at);
    const { walls, ...rest } = { walls: undefined, ...mark };
    const missing = walls && { missing: walls.map((wall) => new Date(wall).toISOString().replace(/\.?0*Z$/, "")) };
    return {
      local: localTime(at, zone),
      utc: new Date(at).toISOString(),
      relative: relative(at, now),
      clock_change: mark && { ...rest, ...missing, note: noteOf(mark, at, zone) },
    };
  });
}

/** What a change of the clocks did to a run; "" where it did nothing. */
function noteOf(mark: ClockMark | null, at: Instant, zone: string): string {
  if (mark === null) return "";
  const note = markText(mark, localTime(at, mark.zone).slice(0, 10));
  return mark.zone === zone ? note : `${note} (${mark.zone})`;
}

/** `day`: the date of the run, on the clock that was changed. */
function markText(mark: ClockMark, day: string): string {
  switch (mark.kind) {
    case "moved":
      return `moved: ${wallText(mark.walls[0]!, day)} does not exist that day`;
    case "merged": {
      const walls = someOf(
        mark.walls.map((wall) => wallText(wall, day)),
        3,
      );
      return walls.length === 1
        ? `merged with ${walls[0]}, which does not exist that day`
        : `merged: ${listed(walls)} do not exist that day`;
    }
    case "first-pass":
      return mark.repeats ? "first pass of two" : "first pass of two, the one that runs";
    case "second-pass":
      return "second pass";
  }
}

/** `02:30`; seconds only where there are any; the date where it is another one, as in a gap of a whole day. */
function wallText(wall: WallTime, day: string): string {
  const text = new Date(wall).toISOString();
  const time = text.slice(11, wall % 60_000 === 0 ? 16 : 19);
  return text.startsWith(day) ? time : `${text.slice(0, 10)} ${time}`;
}

// --------------------------------------------------------------------------------------------------------- iCalendar

const maxLineBytes = 75;

/** An iCalendar object (RFC 5545) with an event for each fire time. The same fire time of the same schedule always has the same UID. */
export function fireTimesCalendar({ name, when, trigger, times, zone, now }: FireTimeReport): string {
  const series = createHash("sha256")
    .update(`${name ?? ""}\n${name === undefined ? `${when}\n${zone}` : ""}`)
    .digest("hex")
    .slice(0, 24);
  const events = times.flatMap((at) => {
    const note = noteOf(clockMark(trigger, at), at, zone);
    return [
      "BEGIN:VEVENT",
      `UID:${at}-${series}@beatd`,
      `DTSTAMP:${basic(now)}`,
      `DTSTART:${basic(at)}`,
      `SUMMARY:${escaped(name ?? when)}`,
      `DESCRIPTION:${escaped([when, `${localTime(at, zone)} ${zone}`, ...(note === "" ? [] : [note])].join("\n"))}`,
      "TRANSP:TRANSPARENT",
      "END:VEVENT",
    ];
  });
  const lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//beatd//beat next//EN", ...events, "END:VCALENDAR"];
  return lines.map((line) => `${folded(line)}\r\n`).join("");
}

/** `20270101T080000Z`. */
const basic = (at: Instant): string => `${new Date(at).toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;

const escaped = (text: string): string => text.replaceAll(/[\\;,]/g, "\\$&").replaceAll(/\r\n|\r|\n/g, "\\n");

/** Lines of at most 75 bytes, folded between characters. */
function folded(line: string): string {
  const lines: string[] = [];
  let current = "";
  let bytes = 0;
  for (const character of line) {
    const size = Buffer.byteLength(character);
    if (bytes + size > maxLineBytes) {
      lines.push(current);
      current = " ";
      bytes = 1;
    }
    current += character;
    bytes += size;
  }
  return [...lines, current].join("\r\n");
}
