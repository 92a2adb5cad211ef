import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { print, printJson } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name: string;
}

export const remove: Command<Flags> = {
  command: "remove <name>",
  describe: "Remove an entry; its ledger rows stay",
  builder: flags({ ...storeFlag, ...jsonFlag }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      await scheduler.remove(options.name);
      if (options.json) printJson({ removed: options.name });
      else print(`Removed ${options.name}.`);
      return 0;
    }),
};
