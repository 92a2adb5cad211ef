// Why an entry ran, or did not, at a time: the ledger's answer and, where it has none, what the entry itself says. Pure.

import { compileEntry, type Entry, statusOf } from "./entry.ts";
import { reasonOf } from "./errors.ts";
import type { Occurrence } from "./occurrence.ts";
import { formatDuration, type Instant } from "./time.ts";
import { withoutExcept } from "./triggers/left-out.ts";
import { nextFireTime, previousFireTime, type Trigger } from "./triggers/trigger.ts";

export interface Question {
  readonly entry: Entry;
  /** The time asked about. */
  readonly at: Instant;
  readonly now: Instant;
  /** The entry's ledger rows of that time and before it, newest first. */
  readonly rows: readonly Occurrence[];
  /** Whether a scheduler runs on the store. */
  readonly running: boolean;
  /** Why the entry waits for its job; null: it does not. */
  readonly parked?: string | null;
  /** A time as people read it. */
  readonly show: (at: Instant) => string;
}

/** `sent` and `ran`: it happened. `waits`: it will. `did-not-run`: why, is said. `no-fire-time`: there was nothing to run. `unknown`: nobody wrote it down. */
export interface Answer {
  readonly verdict: "sent" | "ran" | "waits" | "did-not-run" | "no-fire-time" | "unknown";
  /** Whole sentences, the most important one first. */
  readonly sentences: readonly string[];
  /** The ledger row that says so. */
  readonly occurrence: Occurrence | null;
}

export function explain(question: Question): Answer {
  const { entry, at, rows, show } = question;
  const exact = rows.find(({ fireAt, count }) => fireAt === at && count === 1);
  if (exact !== undefined) return answerOf(exact, question);
  const trigger = triggerOrReason(entry);
  if (typeof trigger === "string") return without("did-not-run", `${entry.name} is set aside: ${trigger}`);
  const isFireTime = firesAt(trigger, at);
  const range = rows.find(({ count, fireAt, untilFireAt }) => count > 1 && fireAt <= at && at <= untilFireAt);
  if (range !== undefined && (isFireTime || range.fireAt === at)) return answerOf(range, question);
  if (isFireTime) return unwritten(question);
  const whole = withoutExcept(trigger);
  if (whole !== undefined && firesAt(whole, at))
    return without("did-not-run", `${show(at)} is left out by the \`except\` of ${entry.name}.`);
  return noFireTime(question, trigger);
}

const firesAt = (trigger: Trigger, at: Instant): boolean => nextFireTime(trigger, at - 1) === at;

function triggerOrReason(entry: Entry): Trigger | string {
  if (entry.quarantine !== null) return entry.quarantine;
  try {
    return compileEntry(entry).trigger;
  } catch (error) {
    return reasonOf(error);
  }
}

function without(verdict: Answer["verdict"], ...sentences: string[]): Answer {
  return { verdict, sentences, occurrence: null };
}

function answerOf(occurrence: Occurrence, { entry, show, running }: Question): Answer {
  const { state, reason, fireAt, untilFireAt, count, dueAt, startedAt, settledAt, id, attempts, manual } = occurrence;
  const what = `The ${manual ? "manual run" : "run"} of ${entry.name} for ${show(fireAt)}`;
  const which =
    count > 1 ? `${count} fire times of ${entry.name}, from ${show(fireAt)} to ${show(untilFireAt)},` : what;
  const because = reason === null ? "." : `: ${reason}.`;
  const late = (doneAt: Instant | null) => formatDuration(Math.max(0, (doneAt ?? dueAt) - dueAt));
  const tell = (verdict: Answer["verdict"], ...sentences: string[]): Answer => ({ verdict, sentences, occurrence });
  switch (state) {
    case "published":
      return tell(
        "sent",
        `${what} was sent: the broker confirmed it ${late(settledAt)} after it was due.`,
        `Its task id is ${id}.`,
      );
    case "ran":
      return tell("ran", `${what} ran, ${late(startedAt)} after it was due.`);
    case "running":
      return tell("ran", `${what} began ${late(startedAt)} after it was due, and goes on.`);
    case "claimed": {
      const why = running ? "`beat status` says how the broker is." : "No scheduler runs on this database now.";
      return tell("waits", `${what} waits in the outbox${because}`, why);
    }
    case "failed": {
      const tries = attempts > 1 ? ` after ${attempts} tries` : "";
      return tell("did-not-run", `${what} failed${tries}${because}`, `\`beat retry ${entry.name}\` sends it again.`);
    }
    case "abandoned":
      return tell(
        "did-not-run",
        `${what} began, and did not end${because}`,
        `\`beat retry ${entry.name}\` sends it again.`,
      );
    case "cancelled":
      if (startedAt !== null) return tell("did-not-run", `${what} was ended while it ran${because}`);
      return tell("did-not-run", `${what} was withdrawn from the outbox${because}`);
    case "skipped":
      return tell("did-not-run", `${what} was skipped${because}`);
    case "coalesced":
    case "missed":
    case "paused":
    case "excluded":
      return tell("did-not-run", `${which} did not run (${state})${because}`);
  }
}

/** A fire time of which the ledger has no row. */
function unwritten({ entry, at, now, running, show, parked = null }: Question): Answer {
  const { name, pausedAt, pauseNote, createdAt, nextFireAt, definition } = entry;
  const said = `${show(at)} is a fire time of ${name}`;
  const status = statusOf(entry);
  if (at < createdAt) return without("did-not-run", `${said}, but the entry was added later, at ${show(createdAt)}.`);
  if (status === "disabled") return without("did-not-run", `${said}, but the entry is disabled (\`enabled: false\`).`);
  if (pausedAt !== null && nextFireAt !== null && at >= nextFireAt) {
    const note = pauseNote === null ? "" : `: ${pauseNote}`;
    return without(
      "did-not-run",
      `${said}, but the entry is paused since ${show(pausedAt)}${note}.`,
      `\`beat resume ${name}\` lets it go on.`,
    );
  }
  if (status === "finished") {
    const limit = definition.max_runs === undefined ? "" : ` It was to run ${definition.max_runs} times, and did.`;
    return without("did-not-run", `${said}, but the entry has ended.${limit}`);
  }
  if (at > now) return without("waits", `${said}, still to come.`);
  if (nextFireAt !== null && at >= nextFireAt) {
    if (parked !== null)
      return without(
        "waits",
        `${said}, and ${name} is parked until its job is there: ${parked}`,
        "It goes on as after a stop.",
      );
    const why = running
      ? "The scheduler is about to decide on it."
      : "No scheduler runs on this database: it is decided on when one starts.";
    return without("waits", `${said}, and not decided yet.`, why);
  }
  return without(
    "unknown",
    `${said} today, but the ledger has no row of it.`,
    "Either its schedule was another one then, or the row is older than the ledger is kept (`beat start --retention`).",
  );
}

function noFireTime({ entry, at, show }: Question, trigger: Trigger): Answer {
  const [before, after] = [previousFireTime(trigger, at), nextFireTime(trigger, at)];
  const near = [
    before === null ? undefined : `the one before it is ${show(before)}`,
    after === null ? "there is none after it" : `the next one is ${show(after)}`,
  ].filter((part) => part !== undefined);
  const text = near.join(", ");
  return without(
    "no-fire-time",
    `${show(at)} is no fire time of ${entry.name}.`,
    `${text[0]!.toUpperCase()}${text.slice(1)}.`,
  );
}
