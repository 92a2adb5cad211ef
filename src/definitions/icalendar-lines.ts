// The lines of an .ics file (RFC 5545, section 3.1), unfolded, and the events that they make.

import { DefinitionError } from "../core/errors.ts";
import { inQuotes } from "../core/triggers/date-time.ts";

export interface ContentLine {
  /** In capitals. */
  readonly name: string;
  readonly value: string;
  /** 1-based: where it begins. */
  readonly line: number;
  /** `name` in capitals; without its quotes. */
  parameter(name: string): string | undefined;
}

export interface IcalendarEvent {
  /** Of its BEGIN. */
  readonly line: number;
  lines(name: string): readonly ContentLine[];
  values(name: string): readonly string[];
  /** The first one. */
  value(name: string): string | undefined;
}

const maxDepth = 10;
const parameters = /;([A-Z0-9-]+)=((?:"[^"]*"|[^";:])*)/gi;
const contentLine = /^([A-Z0-9-]+)((?:;[A-Z0-9-]+=(?:"[^"]*"|[^";:])*)*):(.*)$/is;

/** The events of a calendar, cancelled ones included. What can't be read is in `problems`, at most `maxProblems`. */
export function eventsOf(
  text: string,
  file: string,
  maxProblems: number,
): { readonly events: IcalendarEvent[]; readonly problems: DefinitionError[] } {
  const events: IcalendarEvent[] = [];
  const problems: DefinitionError[] = [];
  const refuse = (line: number, message: string, remedy: string) =>
    problems.push(new DefinitionError(message, { remedy, place: { file, line } }));
  const open: { readonly component: string; readonly line: number; readonly content: ContentLine[] }[] = [];
  let lastLine = 1;
  for (const { text: written, line } of unfolded(text)) {
    if (problems.length >= maxProblems) return { events, problems };
    lastLine = line;
    const content = contentLineOf(written, line);
    if (content === undefined) {
      refuse(line, `${inQuotes(written)} is not a line of a calendar`, "Lines are like NAME:value.");
      continue;
    }
    const component = content.value.trim().toUpperCase();
    if (content.name === "BEGIN") {
      if (open.length === 0 && component !== "VCALENDAR") return { events, problems: [notACalendar(file, line)] };
      if (open.length === maxDepth) {
        refuse(line, "it nests too deep to be read", `Nest at most ${maxDepth} levels.`);
        return { events, problems };
      }
      open.push({ component, line, content: [] });
    } else if (open.length === 0) return { events, problems: [notACalendar(file, line)] };
    else if (content.name === "END") {
      const ended = open.pop()!;
      if (ended.component !== component) {
        refuse(
          line,
          `END:${component} ends what BEGIN:${ended.component} in line ${ended.line} began`,
          `Write END:${ended.component}.`,
        );
        return { events, problems };
      }
      if (component === "VEVENT") events.push(eventOf(ended.line, ended.content));
    } else open.at(-1)!.content.push(content);
  }
  const unended = open.at(-1);
  if (unended !== undefined)
    refuse(unended.line, `BEGIN:${unended.component} is not ended`, `END:${unended.component} is missing.`);
  else if (lastLine === 1 && events.length === 0 && text.trim() === "") problems.push(notACalendar(file, 1));
  return { events, problems };
}

const notACalendar = (file: string, line: number): DefinitionError =>
  new DefinitionError("this is not a calendar", {
    remedy: "An .ics file begins with BEGIN:VCALENDAR.",
    place: { file, line },
  });

/** A line that begins with a space or a tab goes on with the one before. */
function* unfolded(text: string): Generator<{ readonly text: string; readonly line: number }> {
  let parts: string[] = [];
  let first = 1;
  let line = 0;
  for (const each of text.split(/\r?\n/)) {
    line++;
    if (/^[ \t]/.test(each) && parts.length > 0) {
      parts.push(each.slice(1));
      continue;
    }
    const whole = parts.join("");
    if (whole.trim() !== "") yield { text: whole, line: first };
    parts = [each];
    first = line;
  }
  const whole = parts.join("");
  if (whole.trim() !== "") yield { text: whole, line: first };
}

function contentLineOf(text: string, line: number): ContentLine | undefined {
  const match = contentLine.exec(text);
  if (match === null) return undefined;
  const [, name = "", after = "", value = ""] = match;
  return {
    name: name.toUpperCase(),
    value,
    line,
    parameter(wanted) {
      for (const [, found = "", content = ""] of after.matchAll(parameters))
        if (found.toUpperCase() === wanted) return content.replaceAll('"', "");
      return undefined;
    },
  };
}

function eventOf(line: number, content: readonly ContentLine[]): IcalendarEvent {
  const lines = (name: string) => content.filter((each) => each.name === name);
  return {
    line,
    lines,
    values: (name) => lines(name).map(({ value }) => value),
    value: (name) => lines(name)[0]?.value,
  };
}
