// Schedule files that exist only as texts, for tests of what is made of them.

import { type LoadedFiles, parseScheduleFile } from "../../src/definitions/parse.ts";

/** Texts by path. `unreadFolders`: as if they could not be read. */
export function filesOf(texts: Readonly<Record<string, string>>, unreadFolders: readonly string[] = []): LoadedFiles {
  const files = Object.entries(texts).map(([file, text]) => ({
    ...parseScheduleFile(text, file),
    origin: `file:${file}` as const,
  }));
  return {
    root: "/schedules",
    files,
    problems: files.flatMap(({ problems }) => problems),
    unreadFolders,
    calendarFiles: [],
    brokers: new Map(),
  };
}

/** The text of a file: an entry a line. */
export function schedules(entries: Readonly<Record<string, string>>): string {
  const lines = Object.entries(entries).map(([name, entry]) => `  ${JSON.stringify(name)}: {${entry}}\n`);
  return lines.length === 0 ? "schedules: {}\n" : `schedules:\n${lines.join("")}`;
}
