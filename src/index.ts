// The package's public names.

import "./node-version.ts";

export type { Definition } from "./core/definition.ts";
export { describe } from "./core/describe.ts";
export type { Entry, EntryStatus, Origin } from "./core/entry.ts";
export { statusOf } from "./core/entry.ts";
export {
  BeatError,
  BrokerError,
  ConflictError,
  DefinitionError,
  EntryNotFoundError,
  JobError,
  LeaseLostError,
  type Place,
  StoreError,
  StoreUnavailableError,
  UsageError,
} from "./core/errors.ts";
export type { BeatEvent, EventName, EventOf, EventPattern } from "./core/events.ts";
export { type FireTimesOptions, nextFireTimes, previousFireTimes } from "./core/fire-times.ts";
export type { Occurrence, OccurrenceState } from "./core/occurrence.ts";
export type { Clock, Log } from "./core/ports.ts";
export type { Schedule } from "./core/triggers/schedule.ts";
export { EntryHandle } from "./embedding/entry-handle.ts";
export type { EventStream, Listener } from "./embedding/events.ts";
export {
  defineJob,
  Job,
  type JobDefinition,
  type JobEntry,
  type JobOptions,
  type JobWork,
  type Jsonable,
} from "./embedding/job.ts";
export { Run } from "./embedding/run.ts";
export { createLog, type LogOptions, silentLog } from "./log.ts";
export type { JobContext, JobFunction } from "./runner/job.ts";
export {
  type Alert,
  type Health,
  type ListedEntry,
  Scheduler,
  type SchedulerStatus,
  type Stopped,
} from "./scheduler.ts";
export {
  type EntryOptions,
  memory,
  type SchedulerOptions,
  type StoreOpener,
  sqlite,
  type Triggers,
  type Work,
} from "./scheduler-options.ts";
