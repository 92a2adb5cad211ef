import { type Command, flags, type JsonFlag, jsonFlag, type StoreFlags, storeFlag, withScheduler } from "../command.ts";
import { print, printJson } from "../output.ts";

export const migrate: Command<StoreFlags & JsonFlag> = {
  command: "migrate",
  describe: "Make the schedule database, or bring it up to date; beat start does so by itself",
  builder: flags({ ...storeFlag, ...jsonFlag }),
  run: (options) =>
    withScheduler(
      options,
      async (scheduler) => {
        const { store } = await scheduler.status();
        if (options.json) printJson({ database: store });
        else print(`${store} is up to date.`);
        return 0;
      },
      { create: true },
    ),
};
