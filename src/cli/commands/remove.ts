import { type Command, flags, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { print } from "../output.ts";

interface Flags extends StoreFlags {
  readonly name: string;
}

export const remove: Command<Flags> = {
  command: "remove <name>",
  describe: "Remove an entry; its ledger rows stay",
  builder: flags(storeFlag),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      await scheduler.remove(options.name);
      print(`Removed ${options.name}.`);
      return 0;
    }),
};
