// What the schedule files ask of the store, as a plan. Pure. The rules:
//
// - A file owns what came from it and nothing else. A name that the command line, a program or the API owns is left alone.
// - A file that has a problem keeps its last good version in force, whole: nothing of it is added, changed or removed.
//   So does a folder that can't be read.
// - An entry that moved to another file keeps its progress; so does one whose schedule is unchanged. A pause stays.

import path from "node:path";
import { type Entry, firesAtStart, type Origin } from "../core/entry.ts";
import { DefinitionError } from "../core/errors.ts";
import type { EntryChange } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import type { LoadedFile, LoadedFiles, ParsedDefinition } from "./parse.ts";
import { changeOfDefinition, freshProgress, removal } from "./progress.ts";

export interface PlannedChange {
  readonly verb: "added" | "changed" | "removed";
  readonly name: string;
  readonly change: EntryChange;
}

export interface FilesPlan {
  readonly changes: readonly PlannedChange[];
  /** How many entries of files stay as they are. */
  readonly kept: number;
  /** Names that belong to somebody else. */
  readonly problems: readonly DefinitionError[];
  /** Added or changed entries that will never fire. */
  readonly neverFiring: readonly string[];
}

/** `entries`: every entry that came from a file or has a name that the files use. */
export function planReconcile(loaded: LoadedFiles, entries: Iterable<Entry>, now: Instant): FilesPlan {
  const byName = new Map([...entries].map((entry) => [entry.name, entry]));
  const isKnown = knownOrigins(loaded);
  const changes: PlannedChange[] = [];
  const problems: DefinitionError[] = [];
  const mentioned = new Set<string>();
  for (const file of loaded.files) {
    for (const parsed of file.definitions) {
      mentioned.add(parsed.name);
      if (file.problems.length > 0) continue;
      const entry = byName.get(parsed.name);
      const conflict = entry && conflictWith(entry, file, parsed, isKnown);
      const change = entry === undefined ? insertion(file, parsed, now) : update(entry, file, parsed, now);
      if (conflict !== undefined) problems.push(conflict);
      else if (change !== undefined)
        changes.push({ verb: entry === undefined ? "added" : "changed", name: parsed.name, change });
    }
  }
  const removals: PlannedChange[] = [];
  let owned = 0;
  for (const entry of byName.values()) {
    const { name, origin } = entry;
    if (!origin.startsWith("file:")) continue;
    owned++;
    if (mentioned.has(name) || !isKnown(origin)) continue;
    const change = removal(entry, now, `it was removed from ${fileOf(origin)}`);
    removals.push({ verb: "removed", name, change });
  }
  const kept = owned - removals.length - changes.filter(({ verb }) => verb === "changed").length;
  return {
    changes: [...removals, ...changes],
    kept,
    problems,
    neverFiring: changes.filter(neverFires).map(({ name }) => name),
  };
}

/** The path of the file that an entry came from; undefined: it came from elsewhere. */
export function fileOf(origin: Origin): string | undefined {
  return origin.startsWith("file:") ? origin.slice("file:".length) : undefined;
}

/**
 * Whether what was read is the whole truth about the entries of an origin. A file that is not there any more says that
 * there are none, unless its folder could not be read.
 */
function knownOrigins({ files, unreadFolders }: LoadedFiles): (origin: Origin) => boolean {
  const good = new Map(files.map(({ origin, problems }) => [origin, problems.length === 0]));
  const unread = new Set(unreadFolders);
  return (origin) => good.get(origin) ?? !unread.has(path.posix.dirname(fileOf(origin) ?? ""));
}

function insertion({ origin }: LoadedFile, { name, definition }: ParsedDefinition, now: Instant): EntryChange {
  return {
    change: "insert",
    name,
    origin,
    definition,
    createdAt: now,
    ...freshProgress(name, definition, now),
    quarantine: null,
  };
}

function update(
  entry: Entry,
  { origin }: LoadedFile,
  { definition }: ParsedDefinition,
  now: Instant,
): EntryChange | undefined {
  const effect = changeOfDefinition(entry, definition, now);
  if (effect === undefined && entry.origin === origin) return undefined;
  const fields = { ...effect?.fields, ...(entry.origin !== origin && { origin }) };
  return { change: "update", id: entry.id, expectedRevision: entry.revision, at: now, ...effect, fields };
}

const owners: Readonly<Record<string, string>> = { cli: "the command line", code: "a program", api: "the API" };

function conflictWith(
  entry: Entry,
  file: LoadedFile,
  { name, place }: ParsedDefinition,
  isKnown: (origin: Origin) => boolean,
): DefinitionError | undefined {
  const { origin } = entry;
  if (origin === file.origin) return undefined;
  const refuse = (message: string, remedy: string) =>
    new DefinitionError(message, { remedy, place: { ...place, entry: name } });
  const other = fileOf(origin);
  if (other === undefined) {
    return refuse(
      `the name is taken: an entry "${name}" belongs to ${owners[origin]}`,
      "Rename this one, or remove the other.",
    );
  }
  if (isKnown(origin)) return undefined;
  return refuse(
    `the name is taken: the entry came from ${other}, which can't be used as it is`,
    `Mend ${other} first.`,
  );
}

function neverFires({ change }: PlannedChange): boolean {
  if (change.change === "remove") return false;
  const { definition, nextFireAt } = change.change === "insert" ? change : change.fields;
  return nextFireAt === null && !(definition && firesAtStart(definition));
}
