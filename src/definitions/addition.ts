// What it means to add an entry whose name is free or taken, whoever adds it and however many at once. Pure.

import type { Definition } from "../core/definition.ts";
import { type Entry, firesAtStart, type Origin } from "../core/entry.ts";
import { DefinitionError } from "../core/errors.ts";
import type { EntryChange } from "../core/ports.ts";
import type { Instant } from "../core/time.ts";
import { inQuotes } from "../core/triggers/date-time.ts";
import { changeOfDefinition, everyDate, freshProgress } from "./progress.ts";
import { fileOf } from "./reconcile.ts";

/** Who writes, when it is not a file. */
export type Writer = Exclude<Origin, `file:${string}`>;

const conflicts = ["replace", "keep", "throw"] as const;

/** What becomes of an entry that has the name already: it is changed, it stays as it is, or that is an error. */
export type Conflict = (typeof conflicts)[number];

export interface Wanted {
  readonly name: string;
  readonly definition: Definition;
}

export interface Addition {
  readonly did: "added" | "changed";
  readonly change: EntryChange;
}

/**
 * Undefined where the entry that is there stays as it is. Throws DefinitionError for a name that is taken, and, from the
 * command line and the API, for an entry that would never fire: a program names its dates again whenever it starts.
 */
export function planAddition(
  existing: Entry | undefined,
  { name, definition }: Wanted,
  { origin, conflict }: { readonly origin: Writer; readonly conflict: Conflict },
  now: Instant,
): Addition | undefined {
  const place = { entry: name };
  if (!conflicts.includes(conflict))
    throw new DefinitionError(`conflict: ${inQuotes(conflict)} is none of ${conflicts.join(", ")}`, { place });
  if (existing === undefined) {
    const progress = freshProgress(name, definition, now, origin === "code" ? everyDate : now);
    if (progress.nextFireAt === null && origin !== "code" && !firesAtStart(definition))
      throw new DefinitionError("it would never fire: every date lies in the past", {
        remedy: "Give a date to come.",
        place,
      });
    const change = {
      change: "insert",
      name,
      origin,
      definition,
      createdAt: now,
      ...progress,
      quarantine: null,
    } as const;
    return { did: "added", change };
  }
  if (conflict === "keep") return undefined;
  refuseForeign(existing, origin);
  if (conflict === "throw")
    throw new DefinitionError("there is an entry of that name already", {
      remedy: 'Choose another name, or replace it (--replace; in programs conflict: "replace").',
      place,
    });
  // Of dates, the entry goes on after the last that it has decided.
  const decided = existing.definition.at === undefined ? null : existing.lastFireAt;
  const effect = changeOfDefinition(existing, definition, now, decided ?? everyDate);
  if (effect === undefined) return undefined;
  const { id, revision: expectedRevision } = existing;
  return { did: "changed", change: { change: "update", id, expectedRevision, at: now, ...effect } };
}

/** Files own theirs alone; a program owns what it defines and takes nothing from the command line or the API. */
function refuseForeign({ name, origin: owner }: Entry, writer: Writer): void {
  const file = fileOf(owner);
  const place = { entry: name };
  if (file !== undefined) {
    throw new DefinitionError(`it belongs to the schedule file ${file}`, {
      remedy: "Change it there, or choose another name.",
      place,
    });
  }
  if (writer !== "code" || owner === "code") return;
  const whom = owner === "cli" ? "from the command line" : "through the API";
  throw new DefinitionError(`an entry of that name was added ${whom}`, {
    remedy: "Choose another name, or remove that one.",
    place,
  });
}
