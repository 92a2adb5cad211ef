import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { entryJson, print, printJson } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name: string;
  readonly note?: string;
}

export const pause: Command<Flags> = {
  command: "pause <name>",
  describe: "Let an entry rest until it is resumed; schedule files can't undo it",
  builder: flags({ ...storeFlag, ...jsonFlag, note: { type: "string", describe: "Why, for others to read" } }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const entry = await scheduler.pause(options.name, options.note);
      if (options.json) printJson(entryJson(entry));
      else print(`Paused ${options.name}. It goes on after: beat resume ${options.name}`);
      return 0;
    }),
};
