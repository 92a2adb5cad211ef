import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { print, printJson } from "../output.ts";

interface Flags extends StoreFlags, JsonFlag {
  readonly name: string;
}

export const trigger: Command<Flags> = {
  command: "trigger <name>",
  describe: "Run an entry now, paused or not, beside its schedule; the running scheduler carries it out",
  builder: flags({ ...storeFlag, ...jsonFlag }),
  run: (options) =>
    withScheduler(options, async (scheduler) => {
      const { id } = await scheduler.trigger(options.name);
      const { leader } = await scheduler.status();
      if (options.json) printJson({ entry: options.name, id, running: leader !== undefined });
      else
        print(
          `${options.name} runs now, as ${id}.${leader ? "" : " No scheduler is running on this database: it runs as soon as one is."}`,
        );
      return 0;
    }),
};
