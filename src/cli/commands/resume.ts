import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { entriesTable, entryJson, print, printJson } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name: string;
}

export const resume: Command<Flags> = {
  command: "resume <name>",
  describe: "Let a paused or quarantined entry go on from now",
  builder: flags({ ...storeFlag, ...jsonFlag }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const entry = await scheduler.resume(options.name);
      if (options.json) printJson(entryJson(entry));
      else print(entriesTable([entry], scheduler.now()));
      return 0;
    }),
};
