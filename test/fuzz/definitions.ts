// Whole schedules and definitions, as values, as YAML and as flags of the command line.

import { stringify } from "yaml";
import type { Random } from "./random.ts";
import * as texts from "./texts.ts";

type Written = Record<string, unknown>;

const event =
  "dawn_astronomical dawn_nautical dawn_civil sunrise solar_noon sunset dusk_civil dusk_nautical dusk_astronomical";

/** The value of each trigger key. `depth`: how far triggers may nest within it. */
export const triggerValues: Readonly<Record<string, (random: Random, depth: number) => unknown>> = {
  every: (random) =>
    random.any<unknown>(
      () => texts.duration(random),
      () => random.int(1, 100_000) / 8,
      () =>
        Object.fromEntries(
          ["weeks", "days", "hours", "minutes", "seconds"]
            .filter(() => random.chance(0.4))
            .map((unit) => [unit, random.int(0, 90)]),
        ),
    ),
  crontab: (random) => (random.chance(0.5) ? texts.crontab(random) : texts.crontabMap(random)),
  cron: (random) => texts.cron(random),
  apscheduler: (random) => texts.apscheduler(random),
  at: (random) => (random.chance(0.5) ? texts.dateOrTime(random) : random.times(1, 5, () => texts.dateOrTime(random))),
  calendar: (random) => ({
    [random.pick(["years", "months", "weeks", "days"])]: random.int(1, random.pick([3, 40, 10_000])),
    ...(random.chance(0.3) && { days: random.int(0, 40) }),
    ...(random.chance(0.6) && { at: random.pick(["09:00", "02:30", "00:00", "23:59:59", "2:30"]) }),
    ...(random.chance(0.3) && { clamp: random.chance(0.7) }),
  }),
  solar: (random) => ({
    event: random.pick(event.split(" ")),
    latitude: random.pick([0, 52.5, -33.9, 69.6, 90, -90, 66.6, random.int(-90, 90)]),
    longitude: random.int(-180, 180),
  }),
  rrule: (random) => texts.rrule(random),
  any: (random, depth) => random.times(1, 3, () => schedule(random, depth - 1)),
  all: (random, depth) => random.times(1, 3, () => schedule(random, depth - 1)),
};

const leaves = Object.keys(triggerValues).filter((key) => key !== "any" && key !== "all");

/** A trigger, and what stands beside it now and then. */
export function schedule(
  random: Random,
  depth = 2,
  key = random.pick(depth > 0 ? Object.keys(triggerValues) : leaves),
): Written {
  return { [key]: triggerValues[key]!(random, depth), ...beside(random, depth) };
}

export const exception = (random: Random, depth: number): unknown =>
  random.any<unknown>(
    () => texts.dateOrTime(random),
    () => texts.dateRange(random),
    () => random.pick(["holidays", "works"]),
    () => ({ from: texts.date(random), to: texts.date(random) }),
    () => schedule(random, depth - 1),
  );

function beside(random: Random, depth: number): Written {
  return {
    ...(random.chance(0.4) && { timezone: texts.zone(random) }),
    ...(random.chance(0.15) && { start_at: texts.dateOrTime(random) }),
    ...(random.chance(0.1) && { end_at: texts.dateOrTime(random) }),
    ...(random.chance(0.1) && {
      dst: { gap: random.pick(["next", "skip"]), overlap: random.pick(["first", "both"]) },
    }),
    ...(depth > 0 && random.chance(0.1) && { except: random.times(1, 3, () => exception(random, depth)) }),
  };
}

export function definition(random: Random): Written {
  const target = random.any<Written>(
    () => ({
      task: "reports.send",
      args: [1, "two", { three: null }],
      kwargs: { deep: { list: [true] } },
      options: {
        queue: "mail",
        priority: random.int(0, 255),
        expires: random.pick(["next", "10m", 60]),
        headers: { a: 1 },
      },
    }),
    () => ({ run: random.pick<unknown>(["echo hello", ["ls", "-l"]]), timeout: texts.duration(random) }),
    () => ({ job: "./jobs/tidy.ts#default", overlap: random.pick(["skip", "allow"]) }),
  );
  const policy: Written = {
    enabled: random.chance(0.5),
    jitter: texts.duration(random),
    misfire_grace_time: texts.duration(random),
    coalesce: random.pick(["latest", "earliest", "all"]),
    catch_up_limit: random.int(1, 10_000),
    max_runs: random.int(1, 1_000),
    description: "what it is for",
    tags: ["a", "b"],
  };
  const kept = Object.entries(policy).filter(() => random.chance(0.2));
  return { ...schedule(random, 1), ...target, ...Object.fromEntries(kept) };
}

/** A schedule file, its calendars and entries as YAML in one of its styles; aliases among them. */
export function scheduleFile(random: Random): string {
  const common = { queue: "mail" };
  const entries = random.times(
    1,
    3,
    () => [random.pick(["report", "a.b", "ü", "x y"]) + random.int(1, 9), definition(random)] as const,
  );
  const file = {
    ...(random.chance(0.5) && { timezone: texts.zone(random) }),
    calendars: {
      holidays: random.times(1, 4, () => (random.chance(0.7) ? texts.date(random) : texts.dateRange(random))),
      works: random.chance(0.5) ? "works.ics" : [{ from: "2026-12-24", to: "2027-01-01" }],
    },
    schedules: {
      ...Object.fromEntries(entries),
      one: { every: "1h", task: "a", options: common },
      two: { every: "2h", task: "b", options: common, except: "holidays" },
    },
  };
  return random.chance(0.2)
    ? JSON.stringify(file, null, random.pick([0, 2]))
    : stringify(file, { lineWidth: random.pick([0, 40, 120]), collectionStyle: random.pick(["any", "block", "flow"]) });
}

/** As yargs hands flags over. */
export function flags(random: Random): Written {
  const camelCase = (key: string): string => key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  const given = (value: unknown): unknown => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const entries = Object.entries(schedule(random)).map(([key, value]) => {
    const isList = Array.isArray(value) && (key === "at" || key === "except");
    return [camelCase(key), isList ? value.map(given) : given(value)];
  });
  return Object.fromEntries(entries);
}
