import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { entriesTable, entryJson, print, printJson } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name: string;
  readonly from: "now" | "missed";
}

export const resume: Command<Flags> = {
  command: "resume <name>",
  describe: "Let a paused entry go on",
  builder: flags({
    ...storeFlag,
    ...jsonFlag,
    from: {
      choices: ["now", "missed"] as const,
      default: "now",
      describe: "missed: what fell due in the pause is caught up with, as after a stop",
    },
  }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const entry = await scheduler.resume(options.name, options);
      if (options.json) printJson(entryJson(entry));
      else print(entriesTable([entry], scheduler.now()));
      return 0;
    }),
};
