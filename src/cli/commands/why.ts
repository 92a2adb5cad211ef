import { parseDateTime, startOf } from "../../core/triggers/date-time.ts";
import { zoneOf } from "../../core/zone.ts";
import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { localTime, occurrenceJson, print, printJson, utc } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name: string;
  readonly time?: string;
}

export const why: Command<Flags> = {
  command: "why <name> [time]",
  describe: "Why an entry ran or did not: at a time, else at its last fire time",
  builder: flags({ ...storeFlag, ...jsonFlag }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const { name, time } = options;
      const zone = (await scheduler.get(name)).definition.timezone ?? "UTC";
      const at = time === undefined ? undefined : startOf(parseDateTime(time, "time"), zoneOf(zone));
      const found = await scheduler.why(name, {
        ...(at !== undefined && { at }),
        show: (instant) => localTime(instant, zone),
      });
      if (options.json) {
        const { occurrence, at: asked, ...rest } = found;
        printJson({ entry: name, at: utc(asked), ...rest, occurrence: occurrence && occurrenceJson(occurrence) });
      } else for (const sentence of found.sentences) print(sentence);
      return 0;
    }),
};
