// What happens, as programs hear of it. The types here are the contract: a name or a field that is here stays.
//
// Of one run, events come in this order, and nothing comes after the last:
//
//   run:due ─> run:started ─> run:succeeded | run:failed | run:timed-out | run:cancelled | run:abandoned
//      │            ▲ │
//      │            │ └─> run:retried ─┐
//      │            └──────────────────┘
//      └─────────────────────────────────> run:skipped | run:missed | run:cancelled
//
// A run that another process had begun is told of from `run:due` on again by the one that takes it over, under the same id.
// Runs are what is carried out here, jobs and commands; a Celery task is sent, and what becomes of it is not known here.

import type { Entry } from "./entry.ts";
import type { OccurrenceState } from "./occurrence.ts";
import type { Instant } from "./time.ts";

interface Happening<Type extends string> {
  readonly type: Type;
  /** When, by the wall clock: epoch ms. */
  readonly at: Instant;
}

interface OfEntry<Type extends string> extends Happening<Type> {
  /** As it is after what happened. */
  readonly entry: Entry;
}

interface OfRun<Type extends string> extends OfEntry<Type> {
  /** The same over all tries, and after a crash. */
  readonly runId: string;
  /** Nominal. */
  readonly fireTime: Date;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Somebody asked for this run; the schedule did not. */
  readonly manual: boolean;
}

interface Failure {
  /** What was thrown, as it was thrown; a JobError where the run was ended from outside. */
  readonly error: unknown;
  /** Its text, as the ledger has it. */
  readonly reason: string;
}

/** Fire times that share a fate: one of them, or `count` from `fireTime` to `untilFireTime`. */
interface OfFireTimes<Type extends string> extends OfEntry<Type> {
  /** Null for fire times that never became a run. */
  readonly runId: string | null;
  readonly fireTime: Date;
  readonly untilFireTime: Date;
  readonly count: number;
  readonly reason: string;
}

export type RunEvent =
  | OfRun<"run:due">
  /** `lateMs`: after the due time, which is the fire time and jitter. */
  | (OfRun<"run:started"> & { readonly lateMs: number })
  /** `result`: what the job returned, as it is. */
  | (OfRun<"run:succeeded"> & { readonly result: unknown; readonly tookMs: number })
  | (OfRun<"run:failed"> & Failure)
  | (OfRun<"run:timed-out"> & Failure)
  /** This try failed; the next one begins in `delayMs`. */
  | (OfRun<"run:retried"> & Failure & { readonly delayMs: number })
  /** It was ended while it ran, or withdrawn before it began: paused, removed, changed, or replaced (`overlap: cancel`). */
  | (OfRun<"run:cancelled"> & { readonly reason: string })
  /** Its process ended while it ran. `again`: it is run once more. */
  | (OfRun<"run:abandoned"> & { readonly reason: string; readonly again: boolean })
  /** `skipped`: runs of the entry were going on. `coalesced`: another fire time stands for these. */
  | (OfFireTimes<"run:skipped"> & { readonly state: OccurrenceState & ("skipped" | "coalesced") })
  /** Later than `misfire_grace_time`. */
  | OfFireTimes<"run:missed">;

/**
 * Changes that this scheduler makes, by its methods or its schedule files; other processes' changes are told by them. What
 * becomes of entries by themselves (finished, parked) is told by the scheduler that leads.
 */
export type EntryEvent =
  | OfEntry<"entry:added">
  | OfEntry<"entry:changed">
  /** As it was. */
  | OfEntry<"entry:removed">
  /** `entry.pauseNote` says why. */
  | OfEntry<"entry:paused">
  /** `from`: what it goes on from; `parked`: what it needed is there again. */
  | (OfEntry<"entry:resumed"> & { readonly from: "now" | "missed" | "parked" })
  /** Its last fire time was claimed; the run of it is still to come. */
  | OfEntry<"entry:finished">
  /** It can't run: its job is not registered here, or its definition can't be scheduled. It goes on when that is mended. */
  | (OfEntry<"entry:parked"> & { readonly reason: string });

export type SchedulerEvent =
  /** This one decides and runs. */
  | Happening<"scheduler:leading">
  /** Another one does. */
  | Happening<"scheduler:standing-by">
  /** `start()` is done: it leads or stands by. */
  | Happening<"scheduler:started">
  | Happening<"scheduler:stopping">
  | (Happening<"scheduler:stopped"> & { readonly finished: number; readonly aborted: number });

/** Something needs an operator, or is over. */
export interface AlertEvent extends Happening<"alert"> {
  /** Which one; documented under Operating. */
  readonly alert: string;
  readonly state: "raised" | "lasting" | "resolved";
  readonly message: string;
  readonly since: Instant;
}

export type BeatEvent = RunEvent | EntryEvent | SchedulerEvent | AlertEvent;

export type EventName = BeatEvent["type"];

/** `run:failed`, `run:*`, or `*` for all of them. */
export type EventPattern = EventName | "run:*" | "entry:*" | "scheduler:*" | "*";

/** The events that a pattern stands for. */
export type EventOf<Pattern extends EventPattern> = Pattern extends "*"
  ? BeatEvent
  : Pattern extends `${infer Kind}:*`
    ? Extract<BeatEvent, { type: `${Kind}:${string}` }>
    : Extract<BeatEvent, { type: Pattern }>;

/** Every event's name. */
export const eventNames = [
  "scheduler:leading",
  "scheduler:standing-by",
  "scheduler:started",
  "scheduler:stopping",
  "scheduler:stopped",
  "entry:added",
  "entry:changed",
  "entry:removed",
  "entry:paused",
  "entry:resumed",
  "entry:finished",
  "entry:parked",
  "run:due",
  "run:started",
  "run:retried",
  "run:succeeded",
  "run:failed",
  "run:timed-out",
  "run:cancelled",
  "run:abandoned",
  "run:skipped",
  "run:missed",
  "alert",
] as const satisfies readonly EventName[];
