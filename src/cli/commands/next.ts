import type { Options } from "yargs";
import { parseDefinition } from "../../core/definition.ts";
import { triggerOf } from "../../core/entry.ts";
import { UsageError } from "../../core/errors.ts";
import type { Instant } from "../../core/time.ts";
import { nextFireTime, type Trigger } from "../../core/triggers/trigger.ts";
import { systemClock } from "../../system-clock.ts";
import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { localTime, print, printJson, relative, table, utc } from "../output.ts";

export interface TriggerFlags {
  readonly every?: string;
  readonly cron?: string;
  readonly crontab?: string;
  readonly at?: string[];
  readonly timezone?: string;
}

interface Flags extends StoreFlags, JsonFlag, TriggerFlags {
  readonly name?: string;
  readonly count: number;
}

/** A trigger on the command line, for `next` and `add`. */
export const triggerFlags: Record<string, Options> = {
  every: { type: "string", describe: "An interval: 30s, 1h30m" },
  cron: { type: "string", describe: "Unix cron: five fields" },
  crontab: { type: "string", describe: "Celery's crontab: five fields" },
  at: { type: "string", array: true, describe: "Dates: 2027-01-01T09:00" },
  timezone: { type: "string", alias: "z", describe: "The zone of the schedule", defaultDescription: "UTC" },
};

/** The keys of a schedule that were given as flags. */
export function triggerOfFlags({ every, cron, crontab, at, timezone }: TriggerFlags): Record<string, unknown> {
  const given = { every, cron, crontab, at, timezone };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

export const next: Command<Flags> = {
  command: "next [name]",
  describe: "The next fire times of an entry, or of a trigger given here",
  builder: flags({
    ...storeFlag,
    ...jsonFlag,
    ...triggerFlags,
    count: { type: "number", alias: "n", default: 5, describe: "How many" },
  }),
  async run(options) {
    const schedule = triggerOfFlags(options);
    const onLine = Object.keys(schedule).some((key) => key !== "timezone");
    if (onLine === (options.name !== undefined)) {
      throw new UsageError("give either the name of an entry or a trigger", {
        remedy: 'For example: beat next --cron "0 9 * * 1-5" --timezone Europe/Berlin',
      });
    }
    if (!onLine) {
      return withScheduler(options, async (scheduler) => {
        const entry = await scheduler.get(options.name!);
        // The stored next fire time is the truth; what follows it comes from the trigger.
        const after = entry.nextFireAt === null ? null : entry.nextFireAt - 1;
        report(
          after === null
            ? []
            : [entry.nextFireAt!, ...fireTimes(triggerOf(entry), entry.nextFireAt!, options.count - 1)],
          entry.definition.timezone ?? "UTC",
          options,
          scheduler.now(),
        );
        return 0;
      });
    }
    const definition = parseDefinition({ ...schedule, run: ["true"] });
    const now = systemClock.now();
    const trigger = triggerOf({ definition, name: "", anchorAt: now, lastFireAt: null });
    report(fireTimes(trigger, now, options.count), definition.timezone ?? "UTC", options, now);
    return 0;
  },
};

function fireTimes(trigger: Trigger, after: Instant, count: number): Instant[] {
  const times: Instant[] = [];
  for (let at = nextFireTime(trigger, after); at !== null && times.length < count; at = nextFireTime(trigger, at))
    times.push(at);
  return times;
}

function report(times: readonly Instant[], zone: string, { json }: JsonFlag, now: Instant): void {
  if (json) printJson(times.map((at) => ({ local: localTime(at, zone), utc: new Date(at).toISOString() })));
  else if (times.length === 0) print("It does not fire any more.");
  else
    print(
      table(
        [`LOCAL (${zone})`, "UTC", ""],
        times.map((at) => [localTime(at, zone), utc(at), relative(at, now)]),
      ),
    );
}
