// A schedule file's text becomes definitions, or problems with the exact place of each: `file:line:column`. A problem in
// one entry hides no other.

import { isUtf8 } from "node:buffer";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { type TaskDefaults, withTaskDefaults } from "../celery/task-defaults.ts";
import { type Definition, nameProblem } from "../core/definition.ts";
import type { Origin } from "../core/entry.ts";
import { BeatError, DefinitionError, nearest, type Place } from "../core/errors.ts";
import { isMap, sizeOf } from "../core/json-value.ts";
import { targetKeys } from "../core/target.ts";
import { triggerKeys } from "../core/triggers/schedule.ts";
import { zoneOf } from "../core/zone.ts";
import { type Brokers, joinBrokers, parseBrokers } from "./brokers.ts";
import {
  type Calendars,
  calendarPath,
  calendarReader,
  parseCalendars,
  type ReadCalendar,
  withDates,
} from "./calendars.ts";
import { checkedDefinition } from "./checked.ts";
import { systemReason } from "./system-reason.ts";
import { parseTaskDefaults } from "./task-defaults.ts";
import { YamlFile, type YamlMember } from "./yaml-file.ts";

/** A file is not larger than this, nor is what it means once its aliases are written out ten times as large. */
export const maxFileBytes = 10_485_760;

const maxProblems = 1_000;

const nothing = { calendarFiles: [], brokers: new Map() } as const;

/** The keys under which names stand: of what, and how it is written. */
const maps: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
  schedules: ["names and entries", "{} stands for none."],
  calendars: ["names and dates", "Write it like {holidays: [2026-12-25]}."],
  brokers: ["names and URLs", "Write it like {mail: redis://cache/0}."],
};

const topKeys = ["timezone", "defaults", "calendars", "brokers", "schedules"];

export interface ParsedDefinition {
  readonly name: string;
  readonly definition: Definition;
  /** Of the entry's name in the file. */
  readonly place: Place;
}

export interface ParsedFile {
  /** As it is shown to people. */
  readonly file: string;
  /** Those without problems. */
  readonly definitions: readonly ParsedDefinition[];
  readonly problems: readonly DefinitionError[];
  /** The .ics files that its calendars name, as it names them. */
  readonly calendarFiles: readonly string[];
  readonly brokers: Brokers;
}

/**
 * Reads the text of a schedule file. `folder`: the file's folder as seen from the jobs folder, with slashes; `job: ./x.ts`
 * is relative to the file, and becomes relative to the jobs folder. `readCalendar` gives the .ics files that it names, by
 * default those on disk.
 */
export function parseScheduleFile(
  text: string,
  file: string,
  folder = ".",
  readCalendar: ReadCalendar = calendarReader(file),
): ParsedFile {
  const yaml = new YamlFile(text, file);
  if (yaml.value === undefined) return { file, definitions: [], problems: yaml.problems, ...nothing };
  const problems = [...topProblems(yaml, file)];
  const timezone = fileZone(yaml, problems);
  const defaults = parseTaskDefaults(yaml, problems);
  const calendars = parseCalendars(yaml, readCalendar, problems);
  const brokers = parseBrokers(yaml, problems);
  const definitions: ParsedDefinition[] = [];
  const entries = yaml.members("schedules");
  const inEntries = new Set(entries.flatMap((entry) => entry.problems));
  problems.push(...yaml.problems.filter((problem) => !inEntries.has(problem)));
  let size = 0;
  for (const entry of entries) {
    if (problems.length >= maxProblems) {
      problems.push(
        new DefinitionError("what follows is not checked: there are many problems already", { place: entry.place }),
      );
      break;
    }
    size += sizeOf(entry.value) ?? 0;
    if (size > 10 * maxFileBytes) {
      problems.push(
        new DefinitionError("its aliases make more than 100 MiB of it", { remedy: "Repeat less.", place: { file } }),
      );
      break;
    }
    try {
      if (entry.problems.length > 0) throw new DefinitionError("", { problems: entry.problems });
      const definition = withDates(entryDefinition(entry, { timezone, defaults, folder, calendars }), calendars);
      if (definition !== undefined) definitions.push({ name: entry.key, definition, place: entry.place });
    } catch (error) {
      if (!(error instanceof DefinitionError)) throw error;
      for (const problem of error.problems) problems.push(placed(problem, yaml, entry));
    }
  }
  return { file, definitions, problems: problems.toSorted(byPlace), calendarFiles: calendars.files, brokers };
}

function byPlace({ place: a }: BeatError, { place: b }: BeatError): number {
  return (a?.line ?? 0) - (b?.line ?? 0) || (a?.column ?? 0) - (b?.column ?? 0);
}

/** What a file says of all its entries. */
interface FileContext {
  readonly timezone: string;
  readonly defaults: TaskDefaults;
  readonly folder: string;
  readonly calendars: Calendars;
}

function entryDefinition(
  { key: name, value, place }: YamlMember,
  { timezone, defaults, folder, calendars: { dates } }: FileContext,
): Definition {
  const wrong = nameProblem(name);
  if (wrong !== undefined) throw new DefinitionError(wrong, { place });
  const written = isMap(value) ? withTaskDefaults({ timezone, ...value }, defaults) : value;
  const definition = checkedDefinition(written, { file: place.file!, entry: name }, dates);
  const { job } = definition;
  return job === undefined || !/^\.{1,2}\//.test(job) ? definition : { ...definition, job: jobFrom(folder, job, name) };
}

function jobFrom(folder: string, job: string, entry: string): string {
  const [file = "", ...exported] = job.split("#");
  const moved = path.posix.join(folder, file);
  if (moved === ".." || moved.startsWith("../")) {
    throw new DefinitionError(`${file} leads out of the jobs folder`, {
      remedy: "Keep job files in that folder, or name another one at start.",
      place: { entry, field: "job" },
    });
  }
  return [`./${moved}`, ...exported].join("#");
}

/** The problem with its place in the file, and the entry's name unless that name is the problem. */
function placed(problem: BeatError, yaml: YamlFile, member: YamlMember): DefinitionError {
  const { key: entry, place } = member;
  const field = problem.place?.field;
  const { message, remedy } = problem;
  const found = problem.place?.line === undefined ? undefined : problem.place;
  const where = found ?? (field === undefined ? place : yaml.locate(member, field));
  return new DefinitionError(message, {
    ...(remedy && { remedy }),
    place: { ...where, ...(nameProblem(entry) === undefined && { entry }), ...(field && { field }) },
    cause: problem,
  });
}

function* topProblems(yaml: YamlFile, file: string): Generator<DefinitionError> {
  const problem = (message: string, remedy?: string, place: Place = { file }) =>
    new DefinitionError(message, { ...(remedy && { remedy }), place });
  const remedy = "Write entries under the key schedules; {} stands for none.";
  if (yaml.value === null) yield problem("the file is empty", remedy);
  else if (typeof yaml.value !== "object" || Array.isArray(yaml.value))
    yield problem("a schedule file is a map", remedy);
  else {
    const members = yaml.members();
    const guesses = new Set<string>();
    for (const { key, place, value } of members) {
      if (topKeys.includes(key)) continue;
      const guess = nearest(key, topKeys);
      if (guess !== undefined) guesses.add(guess);
      const hint =
        guess !== undefined
          ? `Did you mean "${guess}"?`
          : looksLikeEntry(value)
            ? "Entries stand under the key schedules."
            : `Known keys: ${topKeys.join(", ")}.`;
      yield problem(`unknown key "${key}"`, hint, place);
    }
    if (
      !members.some(({ key }) => key === "schedules") &&
      !guesses.has("schedules") &&
      !members.some(({ value }) => looksLikeEntry(value))
    )
      yield problem('the file has no key "schedules"', remedy);
    for (const { key, value, place } of members) {
      const [what, remedy] = maps[key] ?? [];
      if (what !== undefined && !isMap(value)) yield problem(`${key} must be a map of ${what}`, remedy, place);
    }
  }
}

function looksLikeEntry(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    [...triggerKeys, ...targetKeys].some((key) => Object.hasOwn(value, key))
  );
}

/** The file's time zone; UTC where it says nothing, or nothing valid. */
function fileZone(yaml: YamlFile, problems: DefinitionError[]): string {
  const member = yaml.members().find(({ key }) => key === "timezone");
  if (member === undefined) return "UTC";
  try {
    if (typeof member.value !== "string")
      throw new BeatError("must be a text", { remedy: 'Write a name like "Europe/Berlin".' });
    zoneOf(member.value);
    return member.value;
  } catch (error) {
    if (!(error instanceof BeatError)) throw error;
    const { message, remedy } = error;
    problems.push(
      new DefinitionError(message, {
        ...(remedy && { remedy }),
        place: { ...member.place, field: "timezone" },
        cause: error,
      }),
    );
    return "UTC";
  }
}

// --------------------------------------------------------------------------------------------------- files and folders

export interface LoadedFile extends ParsedFile {
  readonly origin: Origin;
}

export interface LoadedFiles {
  /** The folder that origins are relative to: the first path, or the folder of the first file. Absolute. */
  readonly root: string;
  /** In order: paths as given, the files of a folder by name. */
  readonly files: readonly LoadedFile[];
  /** All of them: the files', and what is wrong with the paths. */
  readonly problems: readonly DefinitionError[];
  /** Folders, relative to the root, that could not be read or held no schedule file: of their entries nothing is known. */
  readonly unreadFolders: readonly string[];
  /** The .ics files that the files name, there or not; absolute. */
  readonly calendarFiles: readonly string[];
  /** Of all files. */
  readonly brokers: Brokers;
}

/** The folder that origins, and by default jobs, are relative to. It follows from the paths alone, whether or not they exist. */
export function schedulesRoot(paths: readonly string[]): string {
  const first = paths[0] ?? ".";
  return path.resolve(isFileName(first) ? path.dirname(first) : first);
}

/**
 * Reads schedule files: each path is a `*.yaml` or `*.yml` file, or a folder of them (its subfolders are not read, nor are
 * hidden files). Never rejects: what can't be read is a problem. `jobsDir`: default the root.
 */
export async function loadScheduleFiles(
  paths: readonly string[],
  { jobsDir }: { readonly jobsDir?: string } = {},
): Promise<LoadedFiles> {
  const root = schedulesRoot(paths);
  const jobsFolder = path.resolve(jobsDir ?? root);
  const files = new Map<string, LoadedFile>();
  const problems: DefinitionError[] = [];
  const unreadFolders: string[] = [];
  for (const given of paths) {
    const names = await fileNames(given);
    if (names instanceof DefinitionError) {
      problems.push(names);
      unreadFolders.push(slashes(path.relative(root, given)) || ".");
      continue;
    }
    for (const file of names) {
      const absolute = path.resolve(file);
      if (files.has(absolute)) continue;
      const folder = slashes(path.relative(jobsFolder, path.dirname(absolute))) || ".";
      files.set(absolute, {
        ...(await readScheduleFile(file, folder)),
        origin: `file:${slashes(path.relative(root, absolute))}`,
      });
    }
  }
  const unique = withoutDuplicates([...files.values()]);
  const { brokers, problems: brokerProblems } = joinBrokers(unique.map((file) => file.brokers));
  return {
    root,
    files: unique,
    problems: [...problems, ...unique.flatMap((file) => file.problems), ...brokerProblems],
    brokers,
    unreadFolders,
    calendarFiles: [
      ...new Set(
        unique.flatMap(({ file, calendarFiles }) => calendarFiles.flatMap((each) => calendarPath(file, each) ?? [])),
      ),
    ],
  };
}

async function fileNames(given: string): Promise<string[] | DefinitionError> {
  if (isFileName(given)) return [given];
  const place = { file: given };
  try {
    if (!(await stat(given)).isDirectory()) {
      return new DefinitionError("a schedule file ends in .yaml or .yml", { remedy: "Rename it.", place });
    }
    const names = (await readdir(given)).filter((name) => isFileName(name) && !name.startsWith("."));
    if (names.length > 0) return names.toSorted().map((name) => path.join(given, name));
    return new DefinitionError("the folder holds no schedule file (*.yaml, *.yml)", { place });
  } catch (error) {
    return new DefinitionError(`the folder can't be read: ${systemReason(error)}`, { place, cause: error });
  }
}

async function readScheduleFile(file: string, folder: string): Promise<ParsedFile> {
  const text = await readText(file);
  return text instanceof DefinitionError
    ? { file, definitions: [], problems: [text], ...nothing }
    : parseScheduleFile(text, file, folder);
}

async function readText(file: string): Promise<string | DefinitionError> {
  const place = { file };
  let bytes: Buffer;
  try {
    const found = await stat(file);
    if (!found.isFile()) return new DefinitionError("this is not a file", { place });
    if (found.size > maxFileBytes)
      return new DefinitionError(`the file has ${found.size} bytes, more than 10 MiB`, { remedy: "Divide it.", place });
    bytes = await readFile(file);
  } catch (error) {
    return new DefinitionError(`the file can't be read: ${systemReason(error)}`, { place, cause: error });
  }
  if (!isUtf8(bytes)) return new DefinitionError("the file is not text in UTF-8", { place });
  return new TextDecoder().decode(bytes);
}

/** A name belongs to the first file that has it; the others have a problem. */
function withoutDuplicates(files: readonly LoadedFile[]): LoadedFile[] {
  const first = new Map<string, Place>();
  return files.map((file) => {
    const problems = [...file.problems];
    const definitions = file.definitions.filter(({ name, place }) => {
      const other = first.get(name);
      if (other === undefined) return first.set(name, place);
      const message = `the name is taken: ${other.file}:${other.line}:${other.column} has an entry "${name}" already`;
      problems.push(
        new DefinitionError(message, { remedy: "Rename or remove one of them.", place: { ...place, entry: name } }),
      );
      return false;
    });
    return { ...file, definitions, problems };
  });
}

/** Whether a path names a schedule file; else it is a folder of them. */
export function isFileName(name: string): boolean {
  return /\.ya?ml$/i.test(name);
}

function slashes(relative: string): string {
  return relative.split(path.sep).join("/");
}
