// Notices that schedule files, or the calendars that they name, were changed, added or removed. What counts is a look at the
// files every two seconds: their times, sizes and inodes, so that editors that write a new file and rename it, mounted folders
// and network drives are all seen. The system's notifications only make it look sooner; where there are none, nothing is lost.
//
// A change is told when the files have kept still for a moment, and for longer when something vanished: tools that replace a
// folder take it away first, and an entry that is removed loses its progress.

import { type BigIntStats, type FSWatcher, readdirSync, statSync, watch } from "node:fs";
import path from "node:path";
import { reasonOf } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { isFileName } from "./parse.ts";

const pollMs = 2_000;
const hintMs = 50;
const stillMs = 200;
const stillWhenVanishedMs = 2_000;

/**
 * Calls `onChange` after each change, one call at a time, until closed. The files are first looked at before this returns:
 * what is read after that is either what was seen or told as a change. Where `onChange` rejects it is called again.
 * `calendarFiles`: further files, as far as they are known; a new one among them counts as a change, since it was read before
 * it was first looked at.
 */
export function watchScheduleFiles(
  paths: readonly string[],
  options: { readonly clock: Clock; readonly log: Log; readonly calendarFiles?: () => readonly string[] },
  onChange: () => Promise<void>,
): { close(): Promise<void> } {
  const { clock, log, calendarFiles = () => [] } = options;
  const watcher = new Watcher(paths, calendarFiles, clock, log, onChange);
  return { close: () => watcher.close() };
}

/** Of each file that is there, by path: what changes when it does. */
type Look = ReadonlyMap<string, string>;

class Watcher {
  readonly #paths: readonly string[];
  readonly #calendarFiles: () => readonly string[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onChange: () => Promise<void>;
  /** What was told of last. */
  #told: Look;
  /** What was seen last, and since when. */
  #seen: Look;
  #seenAtMs: number;
  #watchers: FSWatcher[] = [];
  #cancel = (): void => {};
  #nextLookMs = 0;
  #telling: Promise<void> | undefined;
  #troubled = false;
  #closed = false;

  constructor(
    paths: readonly string[],
    calendarFiles: () => readonly string[],
    clock: Clock,
    log: Log,
    onChange: () => Promise<void>,
  ) {
    this.#paths = paths;
    this.#calendarFiles = calendarFiles;
    this.#clock = clock;
    this.#log = log;
    this.#onChange = onChange;
    this.#told = this.#seen = lookAt(paths, calendarFiles());
    this.#seenAtMs = clock.monotonic();
    this.#listen();
    this.#lookIn(pollMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    await this.#telling;
  }

  #lookIn(delayMs: number): void {
    this.#cancel();
    if (this.#closed) return;
    this.#nextLookMs = this.#clock.monotonic() + delayMs;
    this.#cancel = this.#clock.setTimer(delayMs, () => this.#look());
  }

  #look(): void {
    const look = lookAt(this.#paths, this.#calendarFiles());
    const nowMs = this.#clock.monotonic();
    if (!isSame(look, this.#seen)) {
      this.#seen = look;
      this.#seenAtMs = nowMs;
    }
    const vanished = [...this.#told.keys()].some((file) => !look.has(file));
    const waitMs = this.#seenAtMs + (vanished ? stillWhenVanishedMs : stillMs) - nowMs;
    if (isSame(look, this.#told) && !this.#troubled) this.#lookIn(pollMs);
    else if (waitMs > 0) this.#lookIn(waitMs);
    else {
      this.#telling = this.#tell(look).finally(() => {
        this.#telling = undefined;
        this.#lookIn(pollMs);
      });
    }
  }

  async #tell(look: Look): Promise<void> {
    this.#listen();
    try {
      await this.#onChange();
      this.#told = look;
      this.#troubled = false;
    } catch (error) {
      if (!this.#troubled)
        this.#log.error(`Changed schedule files could not be applied; trying again: ${reasonOf(error)}`);
      this.#troubled = true;
    }
  }

  /** Anew after each change: a folder that was replaced is another one. */
  #listen(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    const folders = new Set([
      ...this.#paths.map((each) => path.resolve(isFileName(each) ? path.dirname(each) : each)),
      ...this.#calendarFiles().map((each) => path.dirname(each)),
    ]);
    for (const folder of folders) {
      try {
        const watcher = watch(folder, { persistent: false }, (_event, file) => this.#hint(file));
        watcher.on("error", () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // No notifications here (no such folder, too many watchers): the regular look does without.
      }
    }
  }

  /** Never puts a look off: events may come without end. */
  #hint(file: string | null): void {
    if (this.#telling !== undefined || (file !== null && !isFileName(file) && !/\.ics$/i.test(file))) return;
    if (this.#nextLookMs - this.#clock.monotonic() > hintMs) this.#lookIn(hintMs);
  }
}

/** Synchronous and small: so that a look is of one moment, and cannot run beside another. */
function lookAt(paths: readonly string[], calendarFiles: readonly string[]): Look {
  const look = new Map<string, string>();
  const add = (file: string) => {
    const stats = statsOf(file);
    if (stats === undefined) return;
    const { mtimeNs, ctimeNs, size, ino, dev } = stats;
    look.set(file, stats.isDirectory() ? "folder" : [mtimeNs, ctimeNs, size, ino, dev].join(" "));
  };
  for (const each of paths) {
    add(each);
    if (isFileName(each)) continue;
    for (const name of namesIn(each)) if (isFileName(name)) add(path.join(each, name));
  }
  for (const each of calendarFiles) add(each);
  return look;
}

function statsOf(file: string): BigIntStats | undefined {
  try {
    return statSync(file, { bigint: true });
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isSame(one: Look, other: Look): boolean {
  return one.size === other.size && [...one].every(([file, state]) => other.get(file) === state);
}
