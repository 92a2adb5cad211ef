// The dates of an .ics file (RFC 5545): what its events take up. Days that are whole stay days, of whatever zone the schedule
// has; times are kept as instants, or as local times where the file says no zone. Rules of recurrence are followed from 1970
// to 2100, by the same trigger that `rrule` is.

import { BeatError, DefinitionError, type Place } from "../core/errors.ts";
import { dayMs, hourMs, type Instant, minuteMs, secondMs } from "../core/time.ts";
import { inQuotes, parseDateTime, startOf } from "../core/triggers/date-time.ts";
import { compileSchedule } from "../core/triggers/schedule.ts";
import { nextFireTime } from "../core/triggers/trigger.ts";
import { type Zone, zoneOf } from "../core/zone.ts";
import { type ContentLine, eventsOf, type IcalendarEvent } from "./icalendar-lines.ts";

/** Whole days, both inclusive, counted from 1970-01-01. */
export interface DaySpan {
  readonly firstDay: number;
  readonly lastDay: number;
}

export interface CalendarDates {
  readonly days: readonly DaySpan[];
  /** Date-times and ranges of them, as `except` writes them. */
  readonly times: readonly string[];
}

const maxDates = 10_000;
const maxRules = 500;
const maxProblems = 100;
const firstInstant = Date.UTC(1970, 0);
const endInstant = Date.UTC(2101, 0);

/** What an event's times are written as: whole days, times of a zone, or times of whatever zone the schedule has. */
type Kind = "day" | "zoned" | "floating";

/** `at`: for a day and a floating time as if it were UTC. */
interface Moment {
  readonly kind: Kind;
  readonly at: Instant;
  readonly zone: Zone;
}

/** Never throws for what the text says: each problem has its line. */
export function parseIcalendar(
  text: string,
  file: string,
): { readonly dates: CalendarDates; readonly problems: readonly DefinitionError[] } {
  const { events, problems } = eventsOf(text, file, maxProblems);
  const series = events.filter((event) => event.values("RECURRENCE-ID").length === 0);
  const moved = Map.groupBy(
    events.filter((event) => event.values("RECURRENCE-ID").length > 0),
    (event) => event.value("UID") ?? "",
  );
  const reader = new Reader(file);
  const read = (event: IcalendarEvent, replaced: readonly IcalendarEvent[]) => {
    // Rules that bring too many dates are followed once, and not for each of hundreds of events.
    if (problems.length >= maxProblems || reader.isFull) return;
    try {
      reader.add(event, replaced);
    } catch (error) {
      if (!(error instanceof DefinitionError)) throw error;
      problems.push(error);
    }
  };
  for (const event of series) read(event, moved.get(event.value("UID") ?? "") ?? []);
  for (const event of [...moved.values()].flat()) read(event, []);
  return { dates: { days: reader.days, times: reader.times }, problems };
}

class Reader {
  readonly days: DaySpan[] = [];
  readonly times: string[] = [];
  readonly #file: string;
  #count = 0;
  #rules = 0;

  constructor(file: string) {
    this.#file = file;
  }

  get isFull(): boolean {
    return this.#count > maxDates;
  }

  /** `replaced`: events of the same name that stand for single times of this one. Throws DefinitionError. */
  add(event: IcalendarEvent, replaced: readonly IcalendarEvent[]): void {
    if (event.value("STATUS")?.toUpperCase() === "CANCELLED") return;
    const written = this.#only(event, "DTSTART");
    if (written === undefined) throw this.#problem(event.line, `${titleOf(event)} has no DTSTART`, "Give it one.");
    const start = this.#moment(written, written.value);
    const extent = this.#extentOf(event, start);
    const leftOut = new Set(event.lines("EXDATE").flatMap((line) => this.#alike(line, start)));
    for (const other of replaced)
      for (const line of other.lines("RECURRENCE-ID")) leftOut.add(this.#singleInstance(line, start));
    const starts = new Set([start.at, ...event.lines("RDATE").flatMap((line) => this.#alike(line, start))]);
    for (const at of this.#recurring(event, start)) {
      starts.add(at);
      if (starts.size - leftOut.size > maxDates) break;
    }
    for (const at of starts) {
      if (leftOut.has(at) || at < firstInstant || at >= endInstant) continue;
      if (++this.#count > maxDates) {
        throw this.#problem(
          event.line,
          `${titleOf(event)} brings the file over ${maxDates} dates`,
          "Give rules an end (UNTIL), or leave events out.",
        );
      }
      this.#keep(start.kind, at, extent(at));
    }
  }

  /** `end`: exclusive; an event may take up one instant alone. */
  #keep(kind: Kind, at: Instant, end: Instant): void {
    if (kind === "day") this.days.push({ firstDay: at / dayMs, lastDay: end / dayMs - 1 });
    else {
      const text = (instant: Instant) =>
        new Date(instant).toISOString().replace(/(\.000)?Z$/, kind === "zoned" ? "Z" : "");
      this.times.push(end > at ? `${text(at)}..${text(end - 1)}` : text(at));
    }
  }

  /** From the start of an occurrence to its end. */
  #extentOf(event: IcalendarEvent, start: Moment): (at: Instant) => Instant {
    const end = this.#only(event, "DTEND");
    const duration = this.#only(event, "DURATION");
    const fallbackMs = start.kind === "day" ? dayMs : 0;
    if (end !== undefined && duration !== undefined)
      throw this.#problem(duration.line, "DURATION stands beside DTEND", "Keep one of them.");
    if (duration !== undefined) {
      const { days, timeMs } = this.#durationOf(duration, start.kind);
      if (days === 0 && timeMs === 0) return (at) => at + fallbackMs;
      return (at) => laterBy(start, at, days) + timeMs;
    }
    if (end === undefined) return (at) => at + fallbackMs;
    const until = this.#moment(end, end.value, start);
    if (until.kind !== start.kind) throw this.#unlike(end);
    const lengthMs = until.at - start.at;
    if (lengthMs < 0)
      throw this.#problem(end.line, `${titleOf(event)} ends before it starts`, "Write DTEND after DTSTART.");
    return (at) => at + (lengthMs === 0 ? fallbackMs : lengthMs);
  }

  #durationOf(line: ContentLine, kind: Kind): { days: number; timeMs: number } {
    const parts = /^\+?P(?:(\d{1,5})W|(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?)$/i.exec(
      line.value,
    );
    const [weeks, days, hours, minutes, seconds] = (parts ?? []).slice(1).map((part) => Number(part ?? 0));
    const length = {
      days: (weeks ?? 0) * 7 + (days ?? 0),
      timeMs: (hours ?? 0) * hourMs + (minutes ?? 0) * minuteMs + (seconds ?? 0) * secondMs,
    };
    if (parts === null || /[PT]$/i.test(line.value) || (kind === "day" && length.timeMs > 0)) {
      throw this.#problem(
        line.line,
        `${inQuotes(line.value)} is not the duration of an event`,
        kind === "day" ? "Write days or weeks, like P1D." : "Write it like P1D or PT1H30M.",
      );
    }
    return length;
  }

  *#recurring(event: IcalendarEvent, start: Moment): Generator<Instant> {
    const rules = [...event.lines("RRULE"), ...event.lines("EXRULE")];
    const [first] = rules;
    if (first === undefined) return;
    this.#rules += rules.length;
    if (this.#rules > maxRules) {
      throw this.#problem(first.line, `the file holds more than ${maxRules} rules`, "Write some of them as dates.");
    }
    const isShort = ({ value }: ContentLine) =>
      /\bFREQ=(HOURLY|MINUTELY|SECONDLY)\b|\bBY(HOUR|MINUTE|SECOND)=/i.test(value);
    const short = start.kind === "day" ? rules.find(isShort) : undefined;
    if (short !== undefined) {
      throw this.#problem(
        short.line,
        `${titleOf(event)} takes whole days, which do not recur within a day`,
        "Give DTSTART a time, or a rule of days.",
      );
    }
    const text = rules.map(({ name, value }) => `${name}:${untilInUtc(value, start)}`).join("\n");
    const wall = start.kind === "zoned" ? start.zone.wallAt(start.at) : start.at;
    const startAt = new Date(wall).toISOString().slice(0, 23);
    try {
      const trigger = compileSchedule(
        { rrule: text, start_at: startAt, timezone: start.zone.name },
        { name: "", anchorAt: 0 },
      );
      for (
        let next = nextFireTime(trigger, firstInstant - 1);
        next !== null && next < endInstant;
        next = nextFireTime(trigger, next)
      )
        yield next;
    } catch (error) {
      if (!(error instanceof BeatError)) throw error;
      throw this.#problem(first.line, error.message, error.remedy);
    }
  }

  /** The moments of a list that must be of the same kind as the event's start. */
  #alike(line: ContentLine, start: Moment): Instant[] {
    if (line.parameter("VALUE")?.toUpperCase() === "PERIOD")
      throw this.#problem(line.line, `${line.name} with periods is not understood`, "Write dates or date-times.");
    return line.value.split(",").map((text) => {
      const moment = this.#moment(line, text, start);
      if (moment.kind !== start.kind) throw this.#unlike(line);
      return moment.at;
    });
  }

  #singleInstance(line: ContentLine, start: Moment): Instant {
    if (line.parameter("RANGE") !== undefined)
      throw this.#problem(line.line, "RANGE is not understood", "Write the later events as a series of their own.");
    return this.#alike(line, start)[0]!;
  }

  /** `beside`: the start of the event, whose zone a time without one is in. */
  #moment(line: ContentLine, text: string, beside?: Moment): Moment {
    const written =
      /^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(Z?))?$/i.exec(text.trim()) ?? this.#notATime(line, text);
    const [, year, month, day, hour, minute, second, utc] = written;
    const date = `${year}-${month}-${day}`;
    const isDay = hour === undefined;
    const zone = utc || isDay ? zoneOf("UTC") : this.#zoneOf(line, beside);
    const isZoned = !isDay && (Boolean(utc) || line.parameter("TZID") !== undefined || beside?.kind === "zoned");
    try {
      const time = parseDateTime(isDay ? date : `${date}T${hour}:${minute}:${second}`, line.name);
      return { kind: isDay ? "day" : isZoned ? "zoned" : "floating", at: startOf(time, zone), zone };
    } catch (error) {
      if (!(error instanceof DefinitionError)) throw error;
      throw this.#problem(line.line, `${line.name}: ${error.message}`, error.remedy);
    }
  }

  #notATime(line: ContentLine, text: string): never {
    throw this.#problem(
      line.line,
      `${line.name}: ${inQuotes(text)} is not a date or a date-time`,
      "Write it like 20261225, or like 20261224T120000Z.",
    );
  }

  #zoneOf(line: ContentLine, beside: Moment | undefined): Zone {
    const name = line.parameter("TZID");
    if (name === undefined) return beside?.zone ?? zoneOf("UTC");
    try {
      return zoneOf(name);
    } catch (error) {
      if (!(error instanceof BeatError)) throw error;
      throw this.#problem(line.line, `${line.name}: ${error.message}`, error.remedy);
    }
  }

  #only(event: IcalendarEvent, name: string): ContentLine | undefined {
    const [line, second] = event.lines(name);
    if (second === undefined) return line;
    throw this.#problem(second.line, `${titleOf(event)} has a second ${name}`, "Keep one of them.");
  }

  #unlike(line: ContentLine): DefinitionError {
    return this.#problem(
      line.line,
      `${line.name} is not written like the DTSTART of its event`,
      "Write both as dates, both in local time, or both with a zone.",
    );
  }

  #problem(line: number, message: string, remedy: string | undefined): DefinitionError {
    const place: Place = { file: this.#file, line };
    return new DefinitionError(message, { ...(remedy !== undefined && { remedy }), place });
  }
}

/** Days of a zone's calendar, by its clock. */
function laterBy({ kind, zone }: Moment, at: Instant, days: number): Instant {
  if (kind !== "zoned" || days === 0) return at + days * dayMs;
  return zone.reach(zone.wallAt(at) + days * dayMs);
}

/** A rule's end is in UTC where its start has a zone; else it is written like the start, which is read as UTC here. A date alone ends with that day. */
function untilInUtc(rule: string, { kind }: Moment): string {
  const whole = rule.replace(/\b(UNTIL=\d{8})(?=;|$)/i, "$1T235959Z");
  return kind === "zoned" ? whole : whole.replace(/\b(UNTIL=\d{8}T\d{6})(?=;|$)/i, "$1Z");
}

function titleOf(event: IcalendarEvent): string {
  const summary = event.value("SUMMARY");
  const text = summary?.replace(/\\([\\;,nN])/g, (_, each: string) => (/n/i.test(each) ? " " : each));
  return text ? `the event ${inQuotes(text)}` : "an event without a SUMMARY";
}
