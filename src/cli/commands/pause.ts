import { type Command, flags, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { print } from "../output.ts";

interface Flags extends StoreFlags {
  readonly name: string;
  readonly note?: string;
}

export const pause: Command<Flags> = {
  command: "pause <name>",
  describe: "Let an entry rest until it is resumed; schedule files can't undo it",
  builder: flags({ ...storeFlag, note: { type: "string", describe: "Why, for others to read" } }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      await scheduler.pause(options.name, options.note);
      print(`Paused ${options.name}. It goes on after: beat resume ${options.name}`);
      return 0;
    }),
};
