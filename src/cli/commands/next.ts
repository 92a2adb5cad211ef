import { policyOf } from "../../core/definition.ts";
import { describe } from "../../core/describe.ts";
import { type Entry, statusOf, triggerOf } from "../../core/entry.ts";
import { BeatError, UsageError } from "../../core/errors.ts";
import { compileChecked, fireTimesAfter } from "../../core/fire-times.ts";
import type { Instant } from "../../core/time.ts";
import { endOf, parseDateTime, startOf } from "../../core/triggers/date-time.ts";
import type { Schedule } from "../../core/triggers/schedule.ts";
import { fireTimesBetween, type Trigger } from "../../core/triggers/trigger.ts";
import { type Zone, zoneOf } from "../../core/zone.ts";
import { systemClock } from "../../system-clock.ts";
import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { type FireTimeReport, fireTimesCalendar, fireTimesJson, fireTimesTable } from "../fire-time-report.ts";
import { print, printJson } from "../output.ts";
import { scheduleOfFlags, triggerFlags } from "../trigger-flags.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name?: string;
  readonly timezone?: string;
  readonly count?: number;
  readonly from?: string;
  readonly to?: string;
  readonly ics: boolean;
}

const defaultCount = 5;
const maxCount = 100_000;
/** With --to and no --count. */
const spanCount = 1_000;

export const next: Command<Flags> = {
  command: "next [name]",
  describe: "The next fire times of an entry, or of a schedule given here",
  builder: flags({
    ...storeFlag,
    ...triggerFlags,
    from: { type: "string", describe: "Fire times from this date or time", defaultDescription: "now" },
    to: { type: "string", describe: "Fire times to this date or time; a date alone includes that day" },
    count: { type: "number", alias: "n", describe: "How many at most", defaultDescription: "5; with --to 1000" },
    ...jsonFlag,
    ics: { type: "boolean", default: false, describe: "Print an iCalendar file with an event for each" },
  }),
  async run(options) {
    const schedule = scheduleOfFlags(options);
    const isOnLine = Object.keys(schedule).some((key) => key !== "timezone");
    if (isOnLine === (options.name !== undefined)) {
      throw new UsageError("give either the name of an entry or a trigger", {
        remedy: 'For example: beat next --cron "0 9 * * 1-5" --timezone Europe/Berlin',
      });
    }
    if (options.json && options.ics) throw new UsageError("give either --json or --ics", { remedy: "Leave one out." });
    checkCount(options.count);
    if (isOnLine) {
      show(ofSchedule(schedule, options), options);
    } else {
      await withScheduler(options, async (scheduler) => {
        const entry = await scheduler.get(options.name!);
        show(ofEntry(entry, options, scheduler.now()), options, entry);
      });
    }
    return 0;
  },
};

interface Found {
  readonly report: FireTimeReport;
  /** There are more. */
  readonly isCut: boolean;
}

function ofSchedule(given: Record<string, unknown>, options: Flags): Found {
  const now = systemClock.now();
  const schedule = given as Schedule;
  const zone = shownZone(options.timezone ?? "UTC");
  const { from, to } = spanOf(options, zone);
  // What has no beginning of its own begins at the instant asked about.
  const trigger = compileChecked(schedule, from ?? now);
  const fireTimes = fireTimesAfter(trigger, from === undefined ? now : from - 1, schedule.max_runs);
  return found({ name: undefined, when: describe(schedule), trigger, zone: zone.name, now }, fireTimes, to, options);
}

function ofEntry(entry: Entry, options: Flags, now: Instant): Found {
  const { name, definition } = entry;
  const zone = shownZone(options.timezone ?? definition.timezone ?? "UTC");
  const { from, to } = spanOf(options, zone);
  const trigger = triggerOf(entry);
  const report = { name, when: describe(definition, { name }), trigger, zone: zone.name, now };
  return found(report, entryFireTimes(entry, trigger, from), to, options);
}

/** The stored next fire time is the truth; what follows it comes from the trigger. Times from before it are the trigger's as well. */
function* entryFireTimes(entry: Entry, trigger: Trigger, from: Instant | undefined): Generator<Instant> {
  const { nextFireAt, definition, runCount } = entry;
  if (from !== undefined && (nextFireAt === null || from < nextFireAt)) {
    for (const at of fireTimesAfter(trigger, from - 1)) {
      if (nextFireAt !== null && at >= nextFireAt) break;
      if (nextFireAt === null && entry.lastFireAt !== null && at > entry.lastFireAt) return;
      yield at;
    }
  }
  if (nextFireAt === null) return;
  const { maxRuns } = policyOf(definition);
  const start = Math.max(nextFireAt, from ?? nextFireAt);
  let left = maxRuns === null ? Infinity : maxRuns - runCount;
  if (maxRuns !== null && start > nextFireAt) left -= fireTimesBetween(trigger, nextFireAt, start - 1).count;
  if (start === nextFireAt && left-- > 0) yield nextFireAt;
  for (const at of fireTimesAfter(trigger, start === nextFireAt ? start : start - 1)) {
    if (left-- <= 0) return;
    yield at;
  }
}

function found(
  report: Omit<FireTimeReport, "times">,
  fireTimes: Iterable<Instant>,
  to: Instant,
  options: Flags,
): Found {
  const limit = options.count ?? (options.to === undefined ? defaultCount : spanCount);
  const times: Instant[] = [];
  for (const at of fireTimes) {
    if (at > to) break;
    if (times.length === limit) return { report: { ...report, times }, isCut: true };
    times.push(at);
  }
  return { report: { ...report, times }, isCut: false };
}

/** Whose clock the times of the line, and those shown, belong to. */
function shownZone(timezone: string): Zone {
  try {
    return zoneOf(timezone);
  } catch (error) {
    if (!(error instanceof BeatError)) throw error;
    throw new UsageError(`--timezone: ${error.message}`, {
      ...(error.remedy && { remedy: error.remedy }),
      cause: error,
    });
  }
}

function spanOf({ from, to }: Flags, zone: Zone): { readonly from: Instant | undefined; readonly to: Instant } {
  const span = {
    from: from === undefined ? undefined : startOf(parseDateTime(from, "--from"), zone),
    to: to === undefined ? Infinity : endOf(parseDateTime(to, "--to"), zone),
  };
  if (span.from === undefined || span.from <= span.to) return span;
  throw new UsageError(`--to ${to} is before --from ${from}`, { remedy: "Give the earlier one as --from." });
}

function checkCount(count: number | undefined): void {
  if (count === undefined || (Number.isInteger(count) && count >= 1 && count <= maxCount)) return;
  throw new UsageError(`--count ${count} is not a number of fire times`, {
    remedy: "Give a whole number from 1 to 100000.",
  });
}

function show({ report, isCut }: Found, options: Flags, entry?: Entry): void {
  if (options.json) printJson(fireTimesJson(report));
  else if (options.ics) process.stdout.write(fireTimesCalendar(report));
  else showTable({ report, isCut }, options, entry);
}

function showTable({ report, isCut }: Found, options: Flags, entry: Entry | undefined): void {
  print(report.times.length === 0 ? nothing(report, options) : fireTimesTable(report));
  if (isCut && options.to !== undefined) print("… more with --count");
  const status = entry === undefined ? "active" : statusOf(entry);
  if (status === "paused") print(`It is paused: none of these run until beat resume ${report.name}`);
  if (status === "disabled") print("It is disabled: none of these run until its definition says enabled: true");
  if (status === "quarantined") print(`It is set aside, so none of these run: ${entry!.quarantine}`);
}

function nothing({ when }: FireTimeReport, { from, to }: Flags): string {
  return `${when}\n\n${from === undefined && to === undefined ? "It does not fire any more." : "It does not fire in that time."}`;
}
