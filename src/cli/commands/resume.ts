import { type Command, flags, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { entriesTable, print } from "../output.ts";

interface Flags extends StoreFlags {
  readonly name: string;
}

export const resume: Command<Flags> = {
  command: "resume <name>",
  describe: "Let a paused or quarantined entry go on from now",
  builder: flags(storeFlag),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      print(entriesTable([await scheduler.resume(options.name)], scheduler.now()));
      return 0;
    }),
};
