import {
  type Command,
  flags,
  type JsonFlag,
  jsonFlag,
  type StoreFlags,
  storeFlag,
  timeFor,
  withScheduler,
} from "../command.ts";
import { localTime, occurrenceJson, print, printJson, utc, zoneOf } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name: string;
  readonly time?: string;
}

export const why: Command<Flags> = {
  command: "why <name> [time]",
  describe: "Why an entry ran or did not: at a time (2027-01-31T09:00), else at its last fire time",
  builder: flags({ ...storeFlag, ...jsonFlag }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const { name, time } = options;
      const entry = await scheduler.get(name);
      const found = await scheduler.why(name, {
        ...(time !== undefined && { at: timeFor(entry, time, "time") }),
        show: (instant) => localTime(instant, zoneOf(entry)),
      });
      if (options.json) {
        const { occurrence, at: asked, ...rest } = found;
        printJson({ entry: name, at: utc(asked), ...rest, occurrence: occurrence && occurrenceJson(occurrence) });
      } else for (const sentence of found.sentences) print(sentence);
      return 0;
    }),
};
